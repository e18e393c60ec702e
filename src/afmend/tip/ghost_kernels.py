"""Compiled loops of the search for ghosts: imported only when they run."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from afmend.compiled import njit

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Places = NDArray[np.int64]


@njit(cache=True, nogil=True)
def vote(
    image: Floats, telling: Flags, good: Flags, allowed: Floats, places: Places, move: Places,
    settings: Floats, scores: Floats,
) -> float:  # fmt: skip
    """Return the depth on which most pixels agree at one offset, in steps; its score goes to ``scores[0]``.

    Every place votes for the depths between drop - allowed and drop + allowed. Taken off are the votes of three times
    that width that lie beside it, and places that would be lower than their ghost: they forbid the depth. Only depths
    count at which the ghost would stand above ground. ``settings``: step, steps, ground, vague, weight of no evidence,
    and how many pixels a place stands for, if it is telling and if not.
    """
    (rows, cols), step, steps = image.shape, settings[0], int(settings[1])
    near, far, lower = np.zeros(steps + 1), np.zeros(steps + 1), np.zeros(steps + 1)
    for k in range(places.shape[0]):
        i, j = places[k, 0], places[k, 1]
        y, x = i + move[0], j + move[1]
        if y < 0 or x < 0 or y >= rows or x >= cols or not good[y, x]:
            continue
        width = min(allowed[i, j], allowed[y, x])
        drop, cap = (image[i, j] - image[y, x]) / step, min(int((image[i, j] - settings[2] - width) / step), steps)
        width /= step
        if drop + width < 0 or cap <= 0:
            continue
        first, last = min(max(int(drop - width), 0), cap), min(int(drop + width) + 1, cap)
        weight = settings[5] if telling[i, j] else settings[6]
        lower[0] += weight
        lower[first] -= weight
        if telling[i, j] and telling[y, x] and width * step < settings[3]:
            near[first] += weight
            near[last] -= weight
            far[min(max(int(drop - 3 * width), 0), cap)] += weight
            far[min(int(drop + 3 * width) + 1, cap)] -= weight
    return _best_depth(near, far, lower, settings[4], scores)


@njit(cache=True, nogil=True)
def _best_depth(near: Floats, far: Floats, lower: Floats, nothing: float, scores: Floats) -> float:
    """Return where the score rises highest above its lowest value at smaller depths: a pile-up at 0 is no ghost."""
    n, f, forbidden, least, best, at = 0.0, 0.0, 0.0, np.inf, 0.0, 0
    for depth in range(near.size - 1):
        n, f, forbidden = n + near[depth], f + far[depth], forbidden + lower[depth]
        beside = (f - n) / 2
        score = max(0.0, n - beside) / (n + beside + forbidden + nothing)
        least = min(least, score)
        if score - least > best:
            best, at = score - least, depth
    scores[0] = best
    return float(at)


@njit(cache=True, nogil=True)
def relax(heights: Floats, covered: Flags, cap: Floats, sweeps: int, tolerance: float) -> None:
    """Draw a membrane over what is covered, nowhere above ``cap``, in place (projected over-relaxation)."""
    rows, cols = heights.shape
    for _ in range(sweeps):
        largest = 0.0
        for i in range(rows):
            for j in range(cols):
                if not covered[i, j]:
                    continue
                total, count = 0.0, 0
                for y, x in ((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)):
                    if 0 <= y < rows and 0 <= x < cols:
                        total += heights[y, x]
                        count += 1
                moved = min(heights[i, j] + 1.7 * (total / count - heights[i, j]), cap[i, j])
                largest = max(largest, abs(moved - heights[i, j]))
                heights[i, j] = moved
        if largest < tolerance:
            return
