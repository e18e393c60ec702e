"""One map from many frames of the same place: movies, repeated scans, and scans at 0 and 90 degrees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afmend import __version__
from afmend.errors import BadScanError, StepError
from afmend.fusion.agreement import level_alike
from afmend.fusion.medians import line_medians
from afmend.fusion.motion import Motion, register_frame, warped
from afmend.scan import Channel, ChannelKey, Masks, Record, Scan
from afmend.scan.arrays import Heights, Mask

STEP = "fuse.frames"
VERSION = "3"
ROUNDS = 2
AVERAGINGS = 5
LEAST = 2
FEWEST_ALIKE = 4
MOST_HOLES = 0.95
LEAST_ALIKE = 0.7
"""A frame whose correlation with the average is below this share of the usual one shows something else."""
AGREE = 4.0
"""A frame supports the average where it lies within so many sigmas of its noise."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """Which frames count, the correlation of each with the average when it was met, and the least allowed then."""

    used: list[bool]
    alike: list[float | None]
    least: list[float]


@dataclass(frozen=True, slots=True, eq=False)
class FusedFrames:
    """Several frames in one, at the places of the reference.

    Attributes
    ----------
    heights : (rows, cols) float64
    sigma : (rows, cols) float64
        1-sigma noise of the mean; infinite where no frame holds a measurement.
    unknown : (rows, cols) bool
    disputed : (rows, cols) bool
        Where not more than half of the frames support the average: it changed there, or the tip did. The value is the
        reference's, if it holds one.
    covered : (rows, cols) int
        How many frames hold a measurement.
    motions : tuple of Motion
    reference : int
        Which frame gives the places.
    left_out : tuple of int
        Frames that show something else, counted from 0.
    alike : tuple of (float or None)
        Correlation of each frame with the average when it was met; None for the reference.
    least : tuple of float
        The least correlation that each needed to count.
    noise_before, noise_after : float
        Rms noise of a single frame (from the differences of consecutive frames) and of the result (from the difference
        of the averages of even and odd frames; with fewer than four frames the former over the root of their number).
    measured : bool
        Whether ``noise_after`` comes from differences.
    """

    heights: Heights
    sigma: Heights
    unknown: Mask
    disputed: Mask
    covered: NDArray[np.intp]
    motions: tuple[Motion, ...]
    reference: int
    left_out: tuple[int, ...]
    alike: tuple[float | None, ...]
    least: tuple[float, ...]
    noise_before: float
    noise_after: float
    measured: bool

    @property
    def facts(self) -> dict[str, Any]:
        """What is worth telling, as JSON values."""
        moves = [[round(float(m.slow[0]), 3), round(float(m.fast[0]), 3)] for m in self.motions]
        return {
            "frames": len(self.motions), "reference": self.reference, "left_out": list(self.left_out),
            "correlations": [None if c is None else round(c, 3) for c in self.alike],
            "least_correlations": [round(c, 3) for c in self.least],
            "shifts_px": moves,
            "noise_before": self.noise_before, "noise_after": self.noise_after, "noise_after_measured": self.measured,
            "unknown_share": float(np.mean(self.unknown)), "disputed_share": float(np.mean(self.disputed)),
            "fewer_frames_share": float(np.mean(self.covered < len(self.motions) - len(self.left_out))),
            "one_frame_share": float(np.mean(self.covered == 1)),
        }  # fmt: skip


def average_frames(
    frames: Sequence[Heights], excluded: Sequence[Mask], *, reference: int | None = None, orthogonal: bool = False
) -> FusedFrames:
    """Register frames and average them, in turn.

    Each frame is leveled (plane and line medians), registered to the average of the others so far with a shift and a
    drift that is quadratic in time, and its lines are moved to the average; pixels that disagree count less. For two
    scans with crossed fast axes (``orthogonal``) the offsets of lines of each scan come from the lines of the other:
    nothing but a plane is lost.

    Parameters
    ----------
    frames : sequence of (rows, cols) float64
        At least 2 of one shape; for ``orthogonal`` the second is already turned to lie over the first.
    excluded : sequence of (rows, cols) bool
        True = no measurement.
    reference : int, optional
        Which frame gives the places; the middle one by default, the first if ``orthogonal``.
    orthogonal : bool
        Two scans, lines along the rows of the first and along the columns of the second.

    Returns
    -------
    FusedFrames

    Raises
    ------
    BadScanError
        If there are fewer than 2 frames, or shapes differ.
    StepError
        If a frame has nothing in common with the others.

    Notes
    -----
    Idea for crossed scans: C. Ophus, J. Ciston and C. T. Nelson, Ultramicroscopy 162, 1 (2016),
    doi:10.1016/j.ultramic.2015.12.002.

    When not to use it: the sample changes between frames, or the tip does: the average is then of different things.
    """
    shapes = {frame.shape for frame in frames}
    if len(frames) < LEAST or len(shapes) != 1 or (orthogonal and len(frames) != LEAST):
        raise BadScanError(
            f"{len(frames)} frames of shapes {sorted(shapes)}",
            now="Give at least two frames of the same size; exactly two scans with crossed fast axes.",
        )
    at = reference if reference is not None else (0 if orthogonal else len(frames) // 2)
    level = None if orthogonal else 0
    for n, mask in enumerate(excluded):
        if mask.mean() > MOST_HOLES:
            raise StepError(f"frame {n} has nothing in common with the others: it is empty", now="Leave it out.")
    leveled = [level_alike(f, ~e, 1, level) for f, e in zip(frames, excluded, strict=True)]
    motions = [Motion.none(both_axes=orthogonal)] * len(frames)
    mean, spread = leveled[at], np.where(excluded[at], np.inf, 1.0)
    stack = np.stack(leveled)
    kept: _Kept | None = None
    if orthogonal:
        leveled = list(_crossed(np.stack(leveled), np.stack(list(excluded))))
        mean = leveled[at]
    for _ in range(ROUNDS):
        stack, lost, motions, kept = _moved(leveled, excluded, motions, (mean, ~np.isinf(spread)), at, kept)
        stack = _crossed(stack, lost) if orthogonal else _lines_moved(stack, lost, mean, ~np.isinf(spread))
        mean, spread, noise = _averaged(stack, lost)
    assert kept is not None  # noqa: S101  # ROUNDS > 0
    used = np.array(kept.used)
    before, after = _noise(stack[used], lost[used])
    unknown = np.isinf(spread)
    disputed, doubt = _disputed(stack - mean, lost, noise)
    mean = np.where(disputed & ~lost[at], stack[at], mean)
    left_out = tuple(int(n) for n in np.flatnonzero(~used))
    return FusedFrames(
        np.where(unknown, 0.0, mean), np.where(disputed, np.hypot(spread, doubt), spread), unknown, disputed,
        (~lost).sum(axis=0), tuple(motions), at, left_out, tuple(kept.alike), tuple(kept.least), before, after,
        int(used.sum()) >= 2 * LEAST,
    )  # fmt: skip


def _moved(
    frames: Sequence[Heights],
    excluded: Sequence[Mask],
    motions: Sequence[Motion],
    mean: tuple[Heights, Mask],
    at: int,
    kept: _Kept | None,
) -> tuple[Heights, NDArray[np.bool_], list[Motion], _Kept]:
    """Register every frame from the reference outwards; at first, each from where its neighbor lies.

    At first (``kept`` is None) what was registered so far is the reference for the next, and a frame that has much less
    in common with it than the frames before is left out.
    """
    found, search = list(motions), kept is None
    if kept is None:
        kept = _Kept([True] * len(frames), [None] * len(frames), [0.0] * len(frames))
    shape = (len(frames), *frames[0].shape)
    stack, lost = np.zeros(shape), np.ones(shape, dtype=np.bool_)
    done: list[int] = []
    alike: list[float] = []
    for n in sorted(range(len(frames)), key=lambda k: (abs(k - at), k)):
        if not kept.used[n]:
            continue
        if n != at:
            start = found[n + (1 if n < at else -1)] if search else found[n]
            found[n] = register_frame(mean[0], frames[n], (mean[1], ~excluded[n]), start, search=search)
        stack[n], lost[n] = warped(frames[n], excluded[n], found[n])
        both = mean[1] & ~lost[n]
        if search and n != at:
            common = _alike(mean[0], stack[n], both)
            least = LEAST_ALIKE * float(np.median(alike)) if len(alike) >= FEWEST_ALIKE else 0.0
            kept.alike[n], kept.least[n] = common, least
            if common <= 0 or common < least:
                kept.used[n], found[n], lost[n] = False, start, True
                continue
            alike.append(common)
        done.append(n)
        if search and len(frames) > LEAST:
            known = (~lost[done]).sum(axis=0)
            sums = np.where(lost[done], 0.0, _lines_moved(stack[done], lost[done], *mean)).sum(axis=0)
            mean = (np.divide(sums, known, out=mean[0].copy(), where=known > 0), mean[1])
    if len(done) < LEAST:
        raise StepError("the frames have nothing in common", now="Fuse frames of the same place.")
    return stack, lost, found, kept


def _alike(mean: Heights, frame: Heights, both: Mask) -> float:
    """Correlation of two lightly smoothed maps where both are known; 0 where one is flat."""
    from scipy.ndimage import gaussian_filter

    if not both.any():
        return 0.0
    one, two = (gaussian_filter(values, 1.5)[both] for values in (mean, frame))
    one, two = one - one.mean(), two - two.mean()
    size = float(np.sqrt(np.dot(one, one) * np.dot(two, two)))
    return float(np.dot(one, two)) / size if size > 0 else 0.0


def _lines_moved(stack: Heights, lost: NDArray[np.bool_], mean: Heights, known: Mask) -> Heights:
    """Move each line of each frame to the average by the median of the differences."""
    out = stack.copy()
    for n in range(len(stack)):
        out[n] -= line_medians(stack[n] - mean, known & ~lost[n])[:, None]
    return out


def _crossed(stack: Heights, lost: NDArray[np.bool_]) -> Heights:
    """Take from each of two crossed scans its line offsets: median polish of the difference."""
    away, known = stack[0] - stack[1], ~(lost[0] | lost[1])
    rows, cols = np.zeros(away.shape[0]), np.zeros(away.shape[1])
    for _ in range(10):
        rows += line_medians(away - rows[:, None] - cols, known)
        cols += line_medians((away - rows[:, None] - cols).T, known.T)
    return np.stack([stack[0] - _without_slope(rows)[:, None], stack[1] + _without_slope(cols)])


def _without_slope(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Subtract the straight line: the two scans cannot tell whose tilt it is."""
    places = np.arange(values.size)
    rest: NDArray[np.float64] = values - np.polyval(np.polyfit(places, values, 1), places)
    return rest


def _averaged(stack: Heights, lost: NDArray[np.bool_]) -> tuple[Heights, Heights, Heights]:
    """Weighted mean over frames, with redescending weights, its standard deviation, and the noise of each frame."""
    count = (~lost).sum(axis=0)
    weights = (~lost).astype(np.float64)
    mean = np.zeros(stack.shape[1:])
    noise = np.ones(len(stack))
    for _ in range(AVERAGINGS):
        total = weights.sum(axis=0)
        mean = np.divide((weights * stack).sum(axis=0), total, out=np.zeros_like(mean), where=total > 0)
        rest = stack - mean
        # A frame is part of the mean it is compared with.
        shrink = np.sqrt(1 + 1 / max(int(np.count_nonzero(~lost.all(axis=(1, 2)))) - 1, 1))
        noise = np.array([
            1.4826 * shrink * float(np.median(np.abs(r[~gone]))) if not gone.all() else np.inf
            for r, gone in zip(rest, lost, strict=True)
        ])  # fmt: skip
        noise = np.maximum(noise, 1e-9 * float(np.max(np.abs(stack))) + 1e-300)[:, None, None]
        weights = ~lost / np.square(1 + np.square(rest / (4 * noise))) / np.square(noise)
    total = weights.sum(axis=0)
    power = np.square(weights * np.where(np.isinf(noise), 0.0, noise)).sum(axis=0)
    sigma = np.divide(np.sqrt(power), total, out=np.full(mean.shape, np.inf), where=(count > 0) & (total > 0))
    return mean, sigma, noise


def _disputed(rest: Heights, lost: NDArray[np.bool_], noise: Heights) -> tuple[Mask, Heights]:
    """Where not more than half of the frames lie near the average, and how far they scatter about it.

    There redescending weights choose one of several opinions, at each pixel another one.
    """
    count = (~lost).sum(axis=0)
    near = (~lost & (np.abs(rest) < AGREE * noise)).sum(axis=0)
    power = np.where(lost, 0.0, np.square(rest)).sum(axis=0)
    return (count >= LEAST) & (2 * near <= count), np.sqrt(power / np.maximum(count, 1))


def _noise(stack: Heights, lost: NDArray[np.bool_]) -> tuple[float, float]:
    """Noise of a single frame and of the average, from differences."""
    singles = []
    for n in range(len(stack) - 1):
        both = ~(lost[n] | lost[n + 1])
        if both.any():
            singles.append(_robust(stack[n + 1] - stack[n], both) / np.sqrt(2))
    before = float(np.sqrt(np.mean(np.square(singles)))) if singles else np.nan
    if len(stack) < 2 * LEAST:
        return before, before / float(np.sqrt(len(stack)))
    halves = [np.ma.masked_array(stack[k::2], lost[k::2]).mean(axis=0) for k in (0, 1)]
    both = ~(np.ma.getmaskarray(halves[0]) | np.ma.getmaskarray(halves[1]))
    return before, _robust(np.asarray(halves[1].filled(0) - halves[0].filled(0)), both) / 2


def _robust(values: Heights, good: Mask) -> float:
    away = values[good]
    return 1.4826 * float(np.median(np.abs(away - np.median(away))))


def fuse_scans(scans: Sequence[Scan], channel: str | ChannelKey | None = None) -> Scan:
    """Fuse repeated scans of the same place, or two with crossed fast axes, into one scan.

    Parameters
    ----------
    scans : sequence of Scan
        Same shape and pixel size. Two scans whose ``grid.angle_deg`` differ by 90 degrees (the second may be square
        only, or have its axes swapped) are treated as a crossed pair; all others as frames.
    channel : str, ChannelKey or None

    Returns
    -------
    Scan
        One channel at the places of the reference; uncovered pixels are missing, and those at which not more than half
        of the frames support the average are marked as "disputed": they hold the reference's value. The history is that
        of the reference and one record more, whose facts tell the noise; ``noise_before`` is that of one of the scans
        as given.

    Raises
    ------
    MissingChannelError, BadScanError, StepError
    """
    if not scans:
        raise BadScanError("no frames", now="Give at least two.")
    key = scans[0].find(channel)
    channels = [
        scan.channels[scan.find(key if channel is None and key in scan.channels else channel)] for scan in scans
    ]
    turns = _quarter_turns(scans) if len(scans) == LEAST else 0
    frames = [np.asarray(one.values, dtype=np.float64) for one in channels]
    holes = [one.holes for one in channels]
    if turns:
        frames[1] = np.array(np.rot90(frames[1], turns))
        holes[1] = np.array(np.rot90(holes[1], turns))
    pixels = {tuple(round(p, 9) for p in (s.grid.pixel_nm[::-1] if turns and n else s.grid.pixel_nm))
              for n, s in enumerate(scans)}  # fmt: skip
    if len(pixels) != 1:
        raise BadScanError(f"pixel sizes differ: {sorted(pixels)}", now="Fuse scans of the same size.")
    fused = average_frames(frames, holes, orthogonal=bool(turns))
    home = scans[fused.reference]
    source = channels[fused.reference]
    masks = Masks(missing=fused.unknown, artifact={"disputed": fused.disputed})
    made = Channel(source.kind, source.direction, fused.heights, source.unit, source.name, source.calibrated, masks)
    files = [f"{scan.source.file}#{scan.source.index}" for scan in scans]
    record = Record(STEP, VERSION, {"files": files}, made.key, "", made.digest(), __version__,
                    {**fused.facts, "crossed": bool(turns)})  # fmt: skip
    return replace(home, channels={made.key: made}, history=(*home.history, record))


def _quarter_turns(scans: Sequence[Scan]) -> int:
    """Quarter turns (counterclockwise) that bring the second scan over the first; 0 for parallel fast axes."""
    away = (scans[1].grid.angle_deg - scans[0].grid.angle_deg) % 360
    return {90: 1, 270: 3}.get(round(away), 0) if abs(away - round(away)) < 1 else 0
