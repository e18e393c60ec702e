"""Scars: short wrong stretches along the fast axis, one to a few lines wide."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from afmend.artifacts.runs import Runs, bridge, find_runs, grow_along_rows, paint_runs, run_sums
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

    def __init__(self, ground: Map, noise: Map, width: int) -> None:
        self.ground = ground
        self.noise = noise
        self.width = width
        self.scores = band_scores(ground, width)


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
        scored = _Scored(ground if sign > 0 else -ground, noise, width)
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
    heights = filled_from_lines(field.heights, field.excluded) if field.excluded.any() else field.heights
    low, high = float(heights.min()), float(heights.max())
    if high == low:
        return None
    sample = heights[:: max(1, heights.shape[0] // 128), :: max(1, heights.shape[1] // 128)]
    center = float(np.median(sample))
    spread = float(np.median(np.abs(sample - center))) or (high - low)
    return ((heights - center) * (1.0 / spread)).astype(np.float32)


def _one_polarity(scored: _Scored, usable: Mask, params: Scars) -> Mask:
    scores, noise = scored.scores, scored.noise
    strong = (scores > params.hard * noise) & (scores > 1e-5)
    if not strong.any():
        return np.zeros(scores.shape, dtype=np.bool_)
    strong &= usable
    runs = grow_along_rows(strong, (scores > params.soft * noise) & (scores > 1e-5) & usable)
    runs = _trimmed(runs, scores)
    runs = bridge(runs, 3)
    runs = runs.keep(runs.length >= params.min_length)
    runs = runs.keep(_sharp(runs, scored, params.sharpness))
    runs = runs.keep(~_at_border_and_weak(runs, scored, params))
    mask = paint_runs(runs, scores.shape)
    mask &= ~_continuing(mask, find_runs(mask), scores)
    return mask & ~_repeating(find_runs(mask), mask) & usable


def _trimmed(runs: Runs, scores: Map) -> Runs:
    """Cut the ends of runs (and split them) where the score is below a third of the run's mean."""
    mean = run_sums(scores, runs) / np.maximum(runs.length, 1)
    whole = paint_runs(runs, scores.shape)
    limit = np.zeros(scores.shape, dtype=np.float32)
    limit[whole] = np.repeat(0.35 * mean, runs.length)
    return find_runs(whole & (scores >= limit))


def _sharp(runs: Runs, scored: _Scored, sharpness: float) -> NDArray[np.bool_]:
    """Whether at least half of a run gains enough of its height over the wider surroundings within one line."""
    ground = scored.ground
    rows = ground.shape[0]
    pixel_row = np.repeat(runs.row, runs.length)
    first = np.cumsum(runs.length) - runs.length
    pixel_col = np.arange(pixel_row.size) - np.repeat(first - runs.start, runs.length)
    floors = []
    for side in (-1, 1):
        near, far = pixel_row + side * (scored.width + 1), pixel_row + side * (scored.width + 2)
        inside = (far >= 0) & (far < rows)
        level = 0.5 * (ground[near.clip(0, rows - 1), pixel_col] + ground[far.clip(0, rows - 1), pixel_col])
        floors.append(np.where(inside, level, -np.inf))
    floor = np.maximum(*floors)
    rise = np.where(np.isfinite(floor), ground[pixel_row, pixel_col] - floor, 0.0)
    if runs.row.size == 0:
        return np.zeros(0, dtype=np.bool_)
    sharp = scored.scores[pixel_row, pixel_col] >= sharpness * rise
    share: NDArray[np.bool_] = np.add.reduceat(sharp, first, dtype=np.intp) >= 0.5 * runs.length
    return share


def _at_border_and_weak(runs: Runs, scored: _Scored, params: Scars) -> NDArray[np.bool_]:
    """Runs in the first or last line have one neighbor only: they need more height and length."""
    rows = scored.ground.shape[0]
    border = (runs.row == 0) | (runs.row == rows - 1)
    mean = run_sums(scored.scores, runs) / np.maximum(runs.length, 1)
    noise = run_sums(scored.noise, runs) / np.maximum(runs.length, 1)
    weak: NDArray[np.bool_] = border & ((mean < 1.5 * params.hard * noise) | (runs.length < 1.5 * params.min_length))
    return weak


def _continuing(mask: Mask, runs: Runs, scores: Map) -> Mask:
    """Find marked objects that go on beyond an end of a run, a line or two higher or lower: fibers, slanted edges."""
    import cv2

    rows, cols = mask.shape
    if runs.row.size == 0:
        return mask
    mean = run_sums(scores, runs) / runs.length
    goes_on = np.zeros(runs.row.size, dtype=np.bool_)
    for at, outward in ((runs.stop - 1, 1), (runs.start, -1)):
        for side in (-1, 1):
            next_row = runs.row + side
            inside = (next_row >= 0) & (next_row < rows)
            row = next_row.clip(0, rows - 1)
            free = np.ones(runs.row.size, dtype=np.bool_)
            for back in (0, 2, 4):
                free &= ~mask[row, (at - outward * back).clip(0, cols - 1)]
            beyond = np.zeros(runs.row.size)
            for ahead in (2, 4, 6):
                col = at + outward * ahead
                value = scores[row, col.clip(0, cols - 1)]
                beyond += np.where((col >= 0) & (col < cols), value, 0.0) / 3
            goes_on |= inside & free & (beyond > 0.5 * mean)
    if not goes_on.any():
        return np.zeros_like(mask)
    _, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8, ltype=cv2.CV_32S)
    bad = np.unique(labels[runs.row[goes_on], runs.start[goes_on]])
    return np.asarray(np.isin(labels, bad) & mask, dtype=np.bool_)


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
