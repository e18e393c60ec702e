"""Double tips: every feature appears twice, at the same offset and lower by the same height.

With apices an offset apart and one deeper than the other, the image is the higher of the image by the first and of the
same image, shifted and lowered. So nothing at the offset is lower than the shifted image, and where the ghost wins
both are equal: differences of heights pile up at minus the depth. A surface that repeats itself (a lattice, a grating)
has a pile-up at depth zero; pairs of real particles have none, unless all pairs are alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afmend.errors import BadParameterError
from afmend.scan.arrays import Heights, Mask
from afmend.tip.features import noise_nm
from afmend.tip.morphology import checked, checked_tip

THRESHOLD = 0.12
"""Score from which on a double tip is reported; the false alarms are in docs/how-to/tip.md."""
CLOSEST_PX, FARTHEST_PX = 3, 64
MOST_PEAKS, CANDIDATES = 500, 40
ENOUGH_FEATURES = 6
"""With fewer separate features that have a ghost the score sinks."""
SIGMAS, LEVEL = 4.0, 0.012
"""Equal means: within so many sigmas of the noise, or this share of the height range."""
SLOPE_PX = 0.7
"""An offset is known to so much; on slopes heights may differ accordingly."""
GENTLE = 0.15
"""Where slopes allow more than this share of the height range, equal means nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class Ghost:
    """The most likely second apex.

    Attributes
    ----------
    found : bool
        Whether ``score`` reaches `THRESHOLD`.
    score : float
        0 to 1: share of what should have a ghost that has one, times what speaks against chance.
    offset_px : (slow, fast) int
        Where ghosts appear, seen from their features.
    offset_nm : (slow, fast) float
    depth_nm : float
        How much lower ghosts are.
    features : int
        Separate features with a ghost.
    """

    found: bool
    score: float
    offset_px: tuple[int, int]
    offset_nm: tuple[float, float]
    depth_nm: float
    features: int

    @property
    def facts(self) -> dict[str, Any]:
        """What is worth telling, as JSON values."""
        return {
            "double_tip": self.found, "score": round(self.score, 4), "offset_nm": list(self.offset_nm),
            "depth_nm": self.depth_nm, "features": self.features,
        }  # fmt: skip


NONE = Ghost(found=False, score=0.0, offset_px=(0, 0), offset_nm=(0.0, 0.0), depth_nm=0.0, features=0)


def find_ghost(image: Heights, pixel_nm: tuple[float, float], usable: Mask | None = None) -> Ghost:
    """Look for the ghosts of a second apex.

    Parameters
    ----------
    image : (rows, cols) float, nm
        A leveled height map.
    pixel_nm : (slow, fast)
    usable : (rows, cols) bool, optional
        False = artifact or missing: not compared.

    Returns
    -------
    Ghost

    Notes
    -----
    It cannot see apices of the same height on surfaces that repeat, a second apex nearer than 3 or farther than 64
    pixels, nor one so deep that it touches only a few features. Currents (STM) add up instead: see `deblur`.
    """
    image = checked(image, "image")
    good = np.ones(image.shape, dtype=np.bool_) if usable is None else usable
    low, high = np.quantile(image[good], (0.001, 0.999)) if good.any() else (0.0, 0.0)
    if not high > low or min(image.shape) < 16:
        return NONE
    view = _View(image, good, float(np.quantile(image[good], 0.5)), float(high - low), noise_nm(image, usable),
                 _steepness(image))  # fmt: skip
    best = NONE
    for offset, depth in _candidates(view):
        ghost = _checked_candidate(view, offset, depth, pixel_nm)
        if ghost.score > best.score:
            best = ghost
    return best


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    image: Heights
    good: Mask
    ground: float
    range_nm: float
    noise: float
    steepness: Heights

    @property
    def tolerance(self) -> float:
        return max(SIGMAS * self.noise, LEVEL * self.range_nm)


def _steepness(image: Heights) -> Heights:
    """Return the largest difference between neighbors near each pixel."""
    from scipy.ndimage import maximum_filter, minimum_filter

    return np.asarray(maximum_filter(image, 3) - minimum_filter(image, 3)) / 2


def _peaks(view: _View) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    from scipy.ndimage import maximum_filter, minimum_filter

    z = view.image
    top = (z == maximum_filter(z, 5)) & view.good
    top &= z - minimum_filter(z, 9) > max(8 * view.noise, 0.04 * view.range_nm)
    rows, cols = np.nonzero(top)
    order = np.argsort(-z[rows, cols], kind="stable")[:MOST_PEAKS]
    return rows[order], cols[order]


def _candidates(view: _View) -> list[tuple[tuple[int, int], float]]:
    """Let pairs of peaks vote for an offset; of the best offsets, return the depth on which most pairs agree."""
    rows, cols = _peaks(view)
    if rows.size < 2:
        return []
    far = min(FARTHEST_PX, min(view.image.shape) // 3)
    dy, dx = rows[None, :] - rows[:, None], cols[None, :] - cols[:, None]
    drop = view.image[rows, cols][:, None] - view.image[rows, cols][None, :]
    near = (np.abs(dy) <= far) & (np.abs(dx) <= far) & (np.hypot(dy, dx) >= CLOSEST_PX) & (drop > 0)
    dy, dx, drop = dy[near], dx[near], drop[near]
    if drop.size == 0:
        return []
    step = 2 * view.tolerance
    bins = np.floor(drop / step).astype(np.int64)
    side, deep = 2 * far + 3, int(bins.max()) + 2
    votes = np.zeros((side, side, deep + 1))
    np.add.at(votes, (dy + far + 1, dx + far + 1, bins), 1.0)
    pooled = _pooled(votes)
    found = []
    for flat in np.argsort(-pooled, axis=None, kind="stable")[:CANDIDATES]:
        a, b, c = np.unravel_index(int(flat), pooled.shape)
        if pooled[a, b, c] < 2:
            break
        found.append(((int(a) - far - 1, int(b) - far - 1), (float(c) + 1.0) * step))
    return found


def _pooled(votes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum votes over 3 x 3 offsets and two neighboring depths; the middle counts a little more, to break ties."""
    out = 0.01 * votes.copy()
    for i in (-1, 0, 1):
        for j in (-1, 0, 1):
            moved = np.roll(votes, (i, j), axis=(0, 1))
            out += moved + np.roll(moved, -1, axis=2)
    return out


def _overlap(shape: tuple[int, ...], offset: tuple[int, int]) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return where features are and where their ghosts are, so that both lie in the image."""
    here, there = [], []
    for size, move in zip(shape, offset, strict=True):
        here.append(slice(max(0, -move), size - max(0, move)))
        there.append(slice(max(0, move), size - max(0, -move)))
    return (here[0], here[1]), (there[0], there[1])


def _checked_candidate(view: _View, offset: tuple[int, int], depth: float, pixel_nm: tuple[float, float]) -> Ghost:
    """Compare all pixels at an offset: who should have a ghost, who has one, who forbids it."""
    here, there = _overlap(view.image.shape, offset)
    drop, both = view.image[here] - view.image[there], view.good[here] & view.good[there]
    asked = both & (view.image[here] - depth > view.ground + 2 * view.tolerance)
    depth = _refined(drop, asked, depth, view.tolerance)
    if depth < 2 * view.tolerance:
        return NONE
    found = _agreement(view, offset, depth)
    back = _agreement(view, (-offset[0], -offset[1]), depth)  # a lattice looks the same both ways
    one_sided = max(0.0, found.tops - back.tops) * math.sqrt(max(0.0, found.pixels - back.pixels))
    score = found.allowing**2 * one_sided * min(1.0, found.features / ENOUGH_FEATURES)
    step = (offset[0] * pixel_nm[0], offset[1] * pixel_nm[1])
    return Ghost(bool(score >= THRESHOLD), float(score), offset, step, float(depth), found.features)


@dataclass(frozen=True, slots=True)
class _Agreement:
    """Shares of pixels that have a ghost and that allow one; of tops in sight that have one; how many features."""

    pixels: float
    allowing: float
    tops: float
    features: int


def _agreement(view: _View, offset: tuple[int, int], depth: float) -> _Agreement:
    from scipy.ndimage import label

    here, there = _overlap(view.image.shape, offset)
    source, target = view.image[here], view.image[there]
    allowed = view.tolerance + SLOPE_PX * view.steepness[there]
    asked = view.good[here] & view.good[there]
    asked &= source - depth > view.ground + max(3 * view.tolerance, 0.05 * view.range_nm)
    count = int(np.count_nonzero(asked))
    if count == 0:
        return _Agreement(0.0, 0.0, 0.0, 0)
    excess = target - (source - depth)
    gentle, equal = asked & (allowed <= GENTLE * view.range_nm), asked & (np.abs(excess) <= allowed)
    tops = _tops(source, asked)
    forbidden = asked & (excess < -allowed)
    with_ghost, without = int(np.count_nonzero(tops & equal)), int(np.count_nonzero(tops & forbidden))
    return _Agreement(
        int(np.count_nonzero(equal & gentle)) / max(1, int(np.count_nonzero(gentle))),
        1 - int(np.count_nonzero(forbidden)) / count,
        with_ghost / max(1, with_ghost + without), int(label(equal & gentle & tops)[1]),
    )  # fmt: skip


def _tops(source: Heights, asked: Mask) -> Mask:
    """Mark the highest pixel of each neighborhood: a feature has its ghost only if its top has."""
    from scipy.ndimage import maximum_filter

    out: Mask = asked & (maximum_filter(source, 5) - source <= 0)
    return out


def _refined(drop: Heights, asked: Mask, depth: float, tolerance: float) -> float:
    """Return the median of the drops near the depth voted for."""
    near = drop[asked & (np.abs(drop - depth) <= 2.5 * tolerance)]
    return float(np.median(near)) if near.size else depth


def double_tip(tip: Heights, ghost: Ghost) -> Heights:
    """Add a second apex to a tip: the same shape, moved against the ghost and lowered.

    Returns
    -------
    (n, m) float64
        As `dilate` takes it; the first apex is in the middle.

    Raises
    ------
    BadParameterError
        If the ghost has no offset.
    """
    tip = checked_tip(tip)
    if ghost.offset_px == (0, 0):
        raise BadParameterError("there is no second apex", where="double tip", now="Look for a ghost first.")
    dy, dx = (-move for move in ghost.offset_px)
    n, m = tip.shape[0] // 2 + abs(dy), tip.shape[1] // 2 + abs(dx)
    out = np.full((2 * n + 1, 2 * m + 1), -np.inf)
    for (y, x), drop in (((0, 0), 0.0), ((dy, dx), ghost.depth_nm)):
        top, left = n + y - tip.shape[0] // 2, m + x - tip.shape[1] // 2
        part = out[top : top + tip.shape[0], left : left + tip.shape[1]]
        np.maximum(part, tip - drop, out=part)
    return out


def deblur(current: Heights, offset_px: tuple[int, int], share: float) -> Heights:
    """Undo a second apex that *adds* its current, as in STM: a separate model from contact topography.

    The map is the true one plus ``share`` times itself, shifted: a convolution with two points, undone exactly by its
    alternating series. Noise grows by at most 1 / (1 - share).

    Parameters
    ----------
    current : (rows, cols) float
        A current, or another map that both apices add up to. Not a topography: that takes `double_tip` and `correct`.
    offset_px : (slow, fast)
    share : float
        Part of the first apex's current that flows through the second one, 0 to below 1.

    Raises
    ------
    BadParameterError
        If the share is not within [0, 0.95].
    """
    if not 0 <= share <= 0.95:
        raise BadParameterError(f"a share of {share}", where="deblur", now="Give a share from 0 to 0.95.")
    z = checked(current, "current")
    out, moved = z.copy(), z
    here, there = _overlap(z.shape, offset_px)
    terms = math.ceil(math.log(1e-6) / math.log(share)) if share > 0 else 0
    for _ in range(terms):
        shifted = np.full(z.shape, float(np.mean(z)) / (1 + share))
        shifted[there] = moved[here]
        moved = -share * shifted
        out = out + moved
    return out
