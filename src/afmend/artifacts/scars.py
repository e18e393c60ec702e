"""Scars: short wrong stretches along the fast axis, one to a few lines wide."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from afmend.artifacts.runs import Runs, bridge, find_runs, paint_runs, run_pixels, run_sums
from afmend.artifacts.scar_score import (
    Map,
    band_scores,
    filled_from_lines,
    line_steps,
    local_noise,
    regular,
    smooth_along_lines,
)
from afmend.pipeline import Field, Found, Knob, Params, step
from afmend.scan.arrays import Mask


LONGEST_FIBER = 64
"""A fiber stays within one line for a shorter way than this; longer runs are not taken for fibers."""


class Scars(Params):
    """Mark scars: stretches along the fast axis that stand out from the lines above and below."""

    polarity: Literal["both", "positive", "negative"] = Knob(
        "both", "Scars above the surface (positive), below it (negative), or both."
    )
    hard: float = Knob(
        5.0, "Height over the local noise at which a pixel starts a scar; larger marks less.",
        unit="sigma", gt=0, le=100, step=0.1, recommended=(4, 8),
    )  # fmt: skip
    soft: float = Knob(
        2.2, "Height over the local noise at which a pixel may continue a scar.",
        unit="sigma", ge=0, le=100, step=0.1, recommended=(1.5, 4),
    )  # fmt: skip
    min_length: int = Knob(
        10, "Shorter stretches are dropped; below 9 small particles are taken for scars.",
        unit="px", ge=1, le=100_000, recommended=(10, 32),
    )  # fmt: skip
    max_width: int = Knob(4, "Widest scar in lines.", ge=1, le=16, recommended=(2, 6))
    sharpness: float = Knob(
        0.5, "Share of a scar's height that must be gained within one line; larger spares more features.",
        ge=0, le=1, step=0.05, recommended=(0.3, 0.7), advanced=True,
    )  # fmt: skip


class _Scored:
    """One polarity: heights without line offsets, and how much each pixel looks like a scar above the surface."""

    def __init__(self, ground: Map, noise: Map, width: int, sign: int) -> None:
        self.ground = ground
        self.sign = sign
        self.noise = noise
        self.width = width
        self.scores = band_scores(ground, width, sign)

    def at(self, row: NDArray[np.intp], col: NDArray[np.intp]) -> NDArray[np.float32]:
        """Heights at some pixels, positive away from the surface; the nearest pixel outside the image."""
        rows, cols = self.ground.shape
        return self.sign * self.ground[row.clip(0, rows - 1), col.clip(0, cols - 1)]


@step("mark.scars", Scars, version="1")
def scars(field: Field, params: Scars) -> Found:
    """Mark scars of one to ``max_width`` lines, of both polarities.

    Lines are quietened by a running median of nine pixels along the fast axis, freed of their offsets, and every
    band of 1 to ``max_width`` lines is compared with the lines above and below it, in units of the local noise.
    Runs grow from ``hard`` to ``soft``; what is gained over several lines (bumps), continues one line
    further (fibers, steps), or repeats regularly (gratings) is left alone.

    Not for scans with features thinner than ``max_width`` lines that lie exactly along the fast axis: turn the
    scan by some degrees, or draw them as an exclusion.
    """
    rows, cols = field.shape
    usable = field.usable
    quiet = _normalized(field) if rows >= 3 and cols >= params.min_length and usable.any() else None
    if quiet is None:
        return Found(np.zeros(field.shape, dtype=np.bool_), "scar", facts={"scars": 0})
    width = min(params.max_width, rows - 2)
    smooth = smooth_along_lines(quiet)
    offsets = np.concatenate(([0.0], np.cumsum(line_steps(smooth, width))))
    ground = smooth - offsets[:, None].astype(np.float32)
    noise = local_noise(ground)
    first, energy = _both_polarities(ground, noise, usable, params, width)
    shadowed = first & (energy < 0.8 * _around(energy, width + 4))
    if shadowed.any():
        # What stands beside a stronger scar may be its echo: look again with the stronger ones mended.
        certain = first & ~shadowed
        second, _ = _both_polarities(filled_from_lines(ground, certain), noise, usable, params, width)
        first = certain | second
    return Found(first, "scar", facts={"scars": _count(first)})


def _both_polarities(ground: Map, noise: Map, usable: Mask, params: Scars, width: int) -> tuple[Mask, Map]:
    """Mark scars; also tell the evidence (mean score times root of the length) of the run of each marked pixel."""
    mask = np.zeros(ground.shape, dtype=np.bool_)
    energy = np.zeros(ground.shape, dtype=np.float32)
    for sign in {"both": (1, -1), "positive": (1,), "negative": (-1,)}[params.polarity]:
        scored = _Scored(ground, noise, width, sign)
        found = _one_polarity(scored, usable, params)
        runs = find_runs(found)
        energy[found] = np.repeat(run_sums(scored.scores, runs) / np.sqrt(np.maximum(runs.length, 1)), runs.length)
        mask |= found
    return mask, energy


def _around(energy: Map, reach: int) -> Map:
    """Largest value within ``reach`` lines above and below, pixel by pixel."""
    import cv2

    return np.asarray(cv2.dilate(energy, np.ones((2 * reach + 1, 1), dtype=np.uint8)), dtype=np.float32)


def _normalized(field: Field) -> Map | None:
    """Heights around 0 in units of their typical step between lines, as float32; None for a constant image."""
    heights = field.heights
    low, high = float(heights.min()), float(heights.max())
    if high == low:
        return None
    sample = heights[:: max(1, heights.shape[0] // 128), :: max(1, heights.shape[1] // 128)]
    center = float(np.median(sample))
    spread = float(np.median(np.abs(sample - center))) or (high - low)
    scaled = ((heights - center) * (1.0 / spread)).astype(np.float32)
    return filled_from_lines(scaled, field.excluded) if field.excluded.any() else scaled


def _one_polarity(scored: _Scored, usable: Mask, params: Scars) -> Mask:
    scores, noise = scored.scores, scored.noise
    strong = (scores > params.hard * noise) & (scores > 1e-5)
    runs = find_runs((scores > params.soft * noise) & (scores > 1e-5) & usable)
    mean = run_sums(scores, runs) / np.maximum(run_sums(noise, runs), 1e-9)
    long = (mean > 0.6 * params.hard) & (mean * np.sqrt(runs.length / 9) > 1.6 * params.hard)
    runs = _trimmed(runs.keep((run_sums(strong, runs) > 0) | long), scores)
    runs = bridge(runs, 3)
    runs = runs.keep(runs.length >= params.min_length)
    runs = runs.keep(_sharp(runs, scored, params.sharpness))
    mask = paint_runs(runs, scores.shape)
    mask &= ~_continuing(mask, find_runs(mask), scored)
    mask &= ~_repeating(find_runs(mask), mask)
    if mask.any():
        runs = find_runs(mask)
        mask = paint_runs(runs.keep(run_sums(_crowded(mask), runs) == 0), mask.shape)
    return mask & usable


def _trimmed(runs: Runs, scores: Map) -> Runs:
    """Cut the ends of runs (and split them) where the score is below a third of the run's mean."""
    mean = run_sums(scores, runs) / np.maximum(runs.length, 1)
    whole = paint_runs(runs, scores.shape)
    limit = np.zeros(scores.shape, dtype=np.float32)
    limit[whole] = np.repeat(0.35 * mean, runs.length)
    return find_runs(whole & (scores >= limit))


def _sharp(runs: Runs, scored: _Scored, sharpness: float) -> NDArray[np.bool_]:
    """Whether at least half of a run gains enough of its height over the wider surroundings within one line."""
    rows, cols = scored.ground.shape
    pixel_row, pixel_col = np.divmod(run_pixels(runs, cols), cols)
    first = np.cumsum(runs.length) - runs.length
    floors = []
    for side in (-1, 1):
        near, far = pixel_row + side * (scored.width + 1), pixel_row + side * (scored.width + 2)
        inside = (far >= 0) & (far < rows)
        level = 0.5 * (scored.at(near, pixel_col) + scored.at(far, pixel_col))
        floors.append(np.where(inside, level, -np.inf))
    floor = np.maximum(*floors)
    rise = np.where(np.isfinite(floor), scored.at(pixel_row, pixel_col) - floor, 0.0)
    if runs.row.size == 0:
        return np.zeros(0, dtype=np.bool_)
    sharp = scored.scores[pixel_row, pixel_col] >= sharpness * rise
    share: NDArray[np.bool_] = np.add.reduceat(sharp, first, dtype=np.intp) >= 0.5 * runs.length
    return share


def _continuing(mask: Mask, runs: Runs, scored: _Scored) -> Mask:
    """Find runs that are part of something longer: fibers, slanted edges and lines of a grating."""
    import cv2

    if runs.row.size == 0:
        return mask
    mean = run_sums(scored.scores, runs) / runs.length
    places = [runs.start + (runs.length * share).astype(np.intp) for share in (0.1, 0.3, 0.5, 0.7, 0.9)]
    own = np.mean([_ridge(scored, runs.row, place, 0) for place in places], axis=0)
    ends = []
    for at, way in ((runs.stop - 1, 1), (runs.start, -1)):
        ends.append(_beyond(mask, runs.row, at, way, _Run(mean, own), scored))
    right, left = ends
    fiber = right.ridge & left.ridge & ~(right.outside & left.outside) & (runs.length < LONGEST_FIBER)
    goes_on = right.stepped | left.stepped | fiber
    if not goes_on.any():
        return np.zeros_like(mask)
    # Whatever hangs together with such a run and is not longer shares its fate.
    _, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8, ltype=cv2.CV_32S)
    label = labels[runs.row, runs.start]
    longest = np.zeros(int(label.max()) + 1, dtype=np.intp)
    np.maximum.at(longest, label[goes_on], runs.length[goes_on])
    return paint_runs(runs.keep(runs.length <= 1.5 * longest[label]), mask.shape)


class _Run(NamedTuple):
    """Mean score of each run, and its mean height over the wider surroundings."""

    score: NDArray[np.float64]
    height: NDArray[np.float64]


class _Beyond(NamedTuple):
    """What is seen beyond one end of each run."""

    stepped: NDArray[np.bool_]  # another scar one line higher or lower
    ridge: NDArray[np.bool_]  # something narrow of the run's height within two lines, or the edge of the image
    outside: NDArray[np.bool_]  # the edge of the image


def _beyond(mask: Mask, row: NDArray[np.intp], at: NDArray[np.intp], way: int, run: _Run, scored: _Scored) -> _Beyond:
    rows, cols = mask.shape
    ahead = [at + way * k for k in (2, 4, 6)]
    inside = [(c >= 0) & (c < cols) for c in ahead]
    seen = np.maximum(np.sum(inside, axis=0), 1)
    stepped = np.zeros(row.size, dtype=np.bool_)
    for side in (-1, 1):
        near = (row + side).clip(0, rows - 1)
        free = near == row + side
        for back in (0, 2, 4):
            free &= ~mask[near, (at - way * back).clip(0, cols - 1)]
        scores = [
            np.where(i, scored.scores[near, c.clip(0, cols - 1)], 0.0) for c, i in zip(ahead, inside, strict=True)
        ]
        stepped |= free & (np.sum(scores, axis=0) / seen > 0.5 * run.score)
    heights = [np.where(i, _ridge(scored, row, c, 2), 0.0) for c, i in zip(ahead, inside, strict=True)]
    height = np.sum(heights, axis=0) / seen
    outside = ~inside[0]
    alike = np.abs(height - run.height) < 0.35 * run.height
    return _Beyond(stepped, outside | alike, outside)


def _ridge(scored: _Scored, row: NDArray[np.intp], col: NDArray[np.intp], reach: int) -> NDArray[np.float64]:
    """Height of the highest line within ``reach`` lines over the higher of the grounds beyond a scar's width."""
    far = scored.width + 2
    top = np.max([scored.at(row + d, col) for d in range(-reach, reach + 1)], axis=0)
    return np.asarray(top - np.maximum(scored.at(row - far, col), scored.at(row + far, col)), dtype=np.float64)


def _crowded(mask: Mask) -> Mask:
    """Find places where a third of all lines within 64 lines would be scars: that is texture."""
    import cv2

    reach = (2 * (min(mask.shape[1], 33) // 2) + 1, 2 * (min(mask.shape[0], 65) // 2) + 1)
    share = cv2.blur(mask.astype(np.float32), reach, borderType=cv2.BORDER_REFLECT)
    return np.asarray(share > 0.33, dtype=np.bool_)


def _repeating(runs: Runs, mask: Mask) -> Mask:
    """Find runs with the same ends that come back at equal distances: lines of a grating."""
    out = np.zeros_like(mask)
    top = np.ones(runs.row.size, dtype=np.bool_)
    inner = runs.row > 0
    centers = (runs.start + runs.stop) // 2
    top[inner] = ~mask[runs.row[inner] - 1, centers[inner]]
    ends: dict[tuple[int, int], list[int]] = {}
    for index in np.flatnonzero(top):
        key = (round(runs.start[index] / 6), round(runs.stop[index] / 6))
        ends.setdefault(key, []).append(int(index))
    for members in ends.values():
        if regular([int(runs.row[m]) for m in members]):
            first, last = runs.start[members].min(), runs.stop[members].max()
            out[runs.row[members].min() : runs.row[members].max() + 17, first:last] = True
    return out


def _count(mask: Mask) -> int:
    import cv2

    if not mask.any():
        return 0
    return int(cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)[0]) - 1
