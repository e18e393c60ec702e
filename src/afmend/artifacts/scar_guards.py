"""What spares features: scars that repeat, or that both scan directions show, are structure of the sample.

So are those that go on, hang together or crowd: see `afmend.artifacts.guard_kernels`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from afmend.artifacts.components import find_components
from afmend.artifacts.runs import Runs
from afmend.artifacts.scar_score import FEWEST_PLACES, Map, filled_from_lines, regular
from afmend.scan.arrays import Mask

SAME_HEIGHT = 0.5
"""Share of its height with which a mark must stand in the other direction to be surface."""
SHIFTS = (-8, -4, -2, 0, 2, 4, 8)
"""Hysteresis: columns by which trace and retrace may be displaced."""


def repeating(runs: Runs, mask: Mask) -> list[tuple[slice, slice]]:
    """Find areas in which runs with the same ends come back at equal distances: lines of a grating."""
    if runs.row.size < FEWEST_PLACES:
        return []
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
    near = np.flatnonzero(np.convolve(mask.any(axis=1), np.ones(5))[2:-2] > 0)
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
