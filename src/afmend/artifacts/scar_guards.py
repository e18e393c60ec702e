"""What spares features: scars that go on, hang together, repeat or crowd are structure of the sample."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from afmend.artifacts.components import components_of, find_components
from afmend.artifacts.runs import Indices, Runs, find_runs, paint_runs, run_sums
from afmend.artifacts.scar_score import Map, band_scores, filled_from_lines, regular
from afmend.scan.arrays import Mask

SAME_HEIGHT = 0.5
"""Share of its height with which a mark must stand in the other direction to be surface."""
SHIFTS = (-8, -4, -2, 0, 2, 4, 8)
"""Hysteresis: columns by which trace and retrace may be displaced."""
LONGEST_FIBER = 64
"""A fiber stays within one line for a shorter way than this; longer runs are not taken for fibers."""


class Scored:
    """One polarity: heights without line offsets, and how much each pixel looks like a scar above the surface."""

    def __init__(self, ground: Map, noise: Map, width: int, sign: int) -> None:
        self.ground = ground
        self.sign = sign
        self.noise = noise
        self.width = width
        self.scores = band_scores(ground, width, sign)

    def at(self, row: Indices, col: Indices) -> Map:
        """Heights at some pixels, positive away from the surface; the nearest pixel outside the image."""
        rows, cols = self.ground.shape
        heights: Map = self.sign * self.ground[row.clip(0, rows - 1), col.clip(0, cols - 1)]
        return heights


def continuing(mask: Mask, runs: Runs, scored: Scored) -> Mask:
    """Find runs that are part of something longer: fibers, slanted edges and lines of a grating."""
    if runs.row.size == 0:
        return mask
    mean = run_sums(scored.scores, runs) / runs.length
    places = [runs.start + np.asarray(runs.length * share, dtype=np.intp) for share in (0.1, 0.3, 0.5, 0.7, 0.9)]
    own = np.mean([_ridge(scored, runs.row, place, 0) for place in places], axis=0)
    right = _beyond(mask, runs.row, _End(runs.stop - 1, 1), _Run(mean, own), scored)
    left = _beyond(mask, runs.row, _End(runs.start, -1), _Run(mean, own), scored)
    fiber = right.ridge & left.ridge & ~(right.outside & left.outside) & (runs.length < LONGEST_FIBER)
    slanted = (right.stepped & (left.stepped | left.outside)) | (left.stepped & right.outside)
    slanted |= (right.stepped | left.stepped) & (runs.length < LONGEST_FIBER)
    goes_on = slanted | fiber
    if not goes_on.any():
        return np.zeros_like(mask)
    # Whatever hangs together with such a run and is not longer shares its fate.
    label = components_of(runs)
    longest = np.zeros(int(label.max()) + 1, dtype=np.intp)
    np.maximum.at(longest, label[goes_on], runs.length[goes_on])
    return paint_runs(runs.keep(runs.length <= 1.5 * longest[label]), mask.shape)


class _End(NamedTuple):
    """Columns of one end of each run, and the way out: 1 = to the right, -1 = to the left."""

    at: Indices
    way: int


class _Run(NamedTuple):
    """Mean score of each run, and its mean height over the wider surroundings."""

    score: NDArray[np.float64]
    height: NDArray[np.float64]


class _Beyond(NamedTuple):
    """What is seen beyond one end of each run."""

    stepped: NDArray[np.bool_]  # another scar one line higher or lower
    ridge: NDArray[np.bool_]  # something narrow of the run's height within two lines, or the edge of the image
    outside: NDArray[np.bool_]  # the edge of the image


def _beyond(mask: Mask, row: Indices, end: _End, run: _Run, scored: Scored) -> _Beyond:
    rows, cols = mask.shape
    ahead = [end.at + end.way * k for k in (2, 4, 6)]
    inside = [(col >= 0) & (col < cols) for col in ahead]
    seen = np.maximum(np.sum(inside, axis=0), 1)
    stepped = np.zeros(row.size, dtype=np.bool_)
    for side in (-1, 1):
        near = (row + side).clip(0, rows - 1)
        free = np.asarray(near == row + side, dtype=np.bool_)
        for back in (0, 2, 4):
            free &= ~mask[near, (end.at - end.way * back).clip(0, cols - 1)]
        scores = [scored.scores[near, col.clip(0, cols - 1)] * known for col, known in zip(ahead, inside, strict=True)]
        stepped |= free & (np.sum(scores, axis=0) / seen > 0.5 * run.score)
    heights = [_ridge(scored, row, col, 2) * known for col, known in zip(ahead, inside, strict=True)]
    height = np.sum(heights, axis=0) / seen
    outside = ~inside[0]
    alike = np.abs(height - run.height) < 0.35 * run.height
    return _Beyond(stepped, outside | alike, outside)


def _ridge(scored: Scored, row: Indices, col: Indices, reach: int) -> NDArray[np.float64]:
    """Height of the highest line within ``reach`` lines over the higher of the grounds beyond a scar's width."""
    far = scored.width + 2
    top = np.max([scored.at(row + d, col) for d in range(-reach, reach + 1)], axis=0)
    return np.asarray(top - np.maximum(scored.at(row - far, col), scored.at(row + far, col)), dtype=np.float64)


def staircases(mask: Mask, width: int) -> Mask:
    """Find marks that hang together over more lines than a scar is wide: fibers. Long runs stay."""
    parts = find_components(mask)
    runs = find_runs(mask)
    label = parts.labels[runs.row, runs.start]
    tall = parts.height[label] > width + 1
    short = runs.length < np.minimum(0.6 * parts.width[label], LONGEST_FIBER)
    return paint_runs(runs.keep(tall & short), mask.shape)


def crowded(mask: Mask, runs: Runs) -> NDArray[np.bool_]:
    """Find runs with a pixel where a third of all pixels within 20 lines would be scars: that is texture."""
    from afmend.artifacts.run_kernels import box_shares

    tall, wide = 2 * (min(mask.shape[0], 41) // 2) + 1, 2 * (min(mask.shape[1], 17) // 2) + 1
    return np.asarray(box_shares(mask, *runs, tall, wide, 0.33), dtype=np.bool_)


def repeating(runs: Runs, mask: Mask) -> Mask:
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


def seen_both_ways(mask: Mask, heights: Map, opposite: Map) -> Mask:
    """Find the marks that the other scan direction shows with at least half of their height: they are surface.

    The height of a mark is its mean over the straight line between the lines above and below it.
    """
    parts = find_components(mask)
    count = np.maximum(parts.area, 1)
    own = np.bincount(parts.labels.ravel(), (heights - filled_from_lines(heights, mask)).ravel(), count.size) / count
    also = np.zeros(count.size, dtype=np.bool_)
    for shift in SHIFTS:
        moved = np.roll(parts.labels, shift, axis=1)
        over = opposite - filled_from_lines(opposite, moved > 0)
        other = np.bincount(moved.ravel(), over.ravel(), count.size) / count
        also |= other * np.sign(own) >= SAME_HEIGHT * np.abs(own)
    return parts.paint(also)
