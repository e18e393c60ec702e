"""What spares features: scars that go on, hang together, repeat or crowd are structure of the sample."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from afmend.artifacts.components import components_of, find_components
from afmend.artifacts.runs import Indices, Runs, run_sums
from afmend.artifacts.scar_score import FEWEST_PLACES, Map, band_scores, filled_from_lines, regular
from afmend.scan.arrays import Mask

SAME_HEIGHT = 0.5
"""Share of its height with which a mark must stand in the other direction to be surface."""
SHIFTS = (-8, -4, -2, 0, 2, 4, 8)
"""Hysteresis: columns by which trace and retrace may be displaced."""
LONGEST_FIBER = 64
"""A fiber stays within one line for a shorter way than this; longer runs are not taken for fibers."""


class Scored:
    """One polarity: heights without line offsets, and how much each pixel looks like a scar above the surface.

    ``sign`` -1 turns the heights over, so that scars below the surface stand above it.
    """

    def __init__(self, ground: Map, noise: Map, width: int, sign: int) -> None:
        self.ground = ground if sign > 0 else -ground
        self.noise = noise
        self.width = width
        self.scores = band_scores(self.ground, width)


def continuing(mask: Mask, runs: Runs, scored: Scored) -> NDArray[np.bool_]:
    """Find the runs (of a mask) that are part of something longer: fibers, slanted edges and lines of a grating."""
    from afmend.artifacts.guard_kernels import ridges

    if runs.row.size == 0:
        return np.zeros(0, dtype=np.bool_)
    mean = run_sums(scored.scores, runs) / runs.length
    places = [runs.start + np.asarray(runs.length * share, dtype=np.intp) for share in (0.1, 0.3, 0.5, 0.7, 0.9)]
    far = scored.width + 2
    own = np.mean([ridges(scored.ground, runs.row, place, 0, far) for place in places], axis=0)
    right = _beyond(mask, runs.row, _End(runs.stop - 1, 1), _Run(mean, own), scored)
    left = _beyond(mask, runs.row, _End(runs.start, -1), _Run(mean, own), scored)
    fiber = right.ridge & left.ridge & ~(right.outside & left.outside) & (runs.length < LONGEST_FIBER)
    slanted = (right.stepped & (left.stepped | left.outside)) | (left.stepped & right.outside)
    slanted |= (right.stepped | left.stepped) & (runs.length < LONGEST_FIBER)
    goes_on = slanted | fiber
    # Whatever hangs together with such a run and is not longer shares its fate.
    label = components_of(runs)
    longest = np.zeros(int(label.max()) + 1, dtype=np.intp)
    np.maximum.at(longest, label[goes_on], runs.length[goes_on])
    return np.asarray(runs.length <= 1.5 * longest[label], dtype=np.bool_)


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
    from afmend.artifacts.guard_kernels import beyond

    far = scored.width + 2
    return _Beyond(*beyond(mask, scored.ground, scored.scores, row, end.at, end.way, *run, far))


def staircases(runs: Runs, width: int) -> NDArray[np.bool_]:
    """Find the runs that hang together over more lines than a scar is wide: fibers. Long runs stay."""
    label = components_of(runs)
    lowest, highest = np.full(runs.row.size + 1, np.iinfo(np.intp).max), np.zeros(runs.row.size + 1, dtype=np.intp)
    np.minimum.at(lowest, label, runs.row)
    np.maximum.at(highest, label, runs.row)
    tall = highest[label] - lowest[label] >= width + 1
    return np.asarray(tall & (runs.length < LONGEST_FIBER), dtype=np.bool_)


def crowded(mask: Mask, runs: Runs) -> NDArray[np.bool_]:
    """Find runs with a pixel where a third of all pixels within 20 lines would be scars: that is texture."""
    from afmend.artifacts.run_kernels import box_shares

    tall, wide = 2 * (min(mask.shape[0], 41) // 2) + 1, 2 * (min(mask.shape[1], 17) // 2) + 1
    return np.asarray(box_shares(mask, *runs, tall, wide, 0.33), dtype=np.bool_)


def repeating(runs: Runs, mask: Mask) -> list[tuple[slice, slice]]:
    """Find areas in which runs with the same ends come back at equal distances: lines of a grating."""
    top = np.ones(runs.row.size, dtype=np.bool_)
    inner = runs.row > 0
    centers = (runs.start + runs.stop) // 2
    top[inner] = ~mask[runs.row[inner] - 1, centers[inner]]
    row, start, stop = (part[top] for part in runs)
    ends = np.rint(start / 6) * (mask.shape[1] + 1) + np.rint(stop / 6)
    _, group, counts = np.unique(ends, return_inverse=True, return_counts=True)
    areas: list[tuple[slice, slice]] = []
    for number in np.flatnonzero(counts >= FEWEST_PLACES):
        own = group == number
        if regular(row[own].tolist()):
            lines, columns = row[own], (int(start[own].min()), int(stop[own].max()))
            areas.append((slice(int(lines.min()), int(lines.max()) + 17), slice(*columns)))
    return areas


def seen_both_ways(mask: Mask, heights: Map, opposite: Map, unknown: Mask) -> Mask:
    """Find the marks that the other scan direction shows with at least half of their height: they are surface.

    The height of a mark is its mean over the straight line between the lines above and below it; ``unknown`` pixels
    of the other direction show nothing.
    """
    parts = find_components(mask)
    count = np.maximum(parts.area, 1)
    # Only marked lines and their neighbors matter.
    near = np.flatnonzero(np.convolve(mask.any(axis=1), np.ones(5), mode="same") > 0)
    labels, heights, opposite, unknown = parts.labels[near], heights[near], opposite[near], unknown[near]
    own = _mean_heights(labels, heights, count)
    also = np.zeros(count.size, dtype=np.bool_)
    for shift in SHIFTS:
        other = _mean_heights(np.roll(labels, shift, axis=1), opposite, count, unknown)
        also |= other * np.sign(own) >= SAME_HEIGHT * np.abs(own)
    return parts.paint(also)


def _mean_heights(
    labels: NDArray[np.int32], heights: Map, count: NDArray[np.int32], unknown: Mask | None = None
) -> NDArray[np.float64]:
    """Mean height of each component over the straight line between the lines above and below it."""
    marked = labels > 0
    over = (heights - filled_from_lines(heights, marked))[marked]
    if unknown is not None:
        over[unknown[marked]] = 0.0
    return np.asarray(np.bincount(labels[marked], over, count.size) / count)
