"""Compiled check of single pixels. Imported only when it runs."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from afmend.scan.arrays import Heights, Mask

REACH = 3
"""The check looks this far: windows of 7 x 7 pixels."""


@njit(cache=True)
def stands_alone(
    heights: Heights,
    excluded: Mask,
    row: NDArray[np.intp],
    col: NDArray[np.intp],
    median: NDArray[np.float64],
    sigma: float,
    lam: float,
    max_px: int,
) -> Mask:
    """Say which pixels belong to a patch of at most ``max_px`` pixels that juts out of calm surroundings.

    The patch is what hangs together around the pixel at more than half of its distance from ``median``; its
    surroundings are the rest of the window. They are calm if the distance exceeds ``lam`` times their robust spread.
    """
    rows, cols = heights.shape
    side = 2 * REACH + 1
    alone = np.zeros(row.size, np.bool_)
    inside = np.zeros((side, side), np.bool_)
    patch = np.zeros((side * side, 2), np.intp)
    ring = np.empty(side * side)
    for n in range(row.size):
        distance = heights[row[n], col[n]] - median[n]
        inside[:] = False
        inside[REACH, REACH] = True
        patch[0] = REACH, REACH
        size, done, spills = 1, 0, False
        while done < size and size <= max_px and not spills:
            a, b = patch[done]
            done += 1
            for da in range(-1, 2):
                for db in range(-1, 2):
                    i, j = row[n] + a + da - REACH, col[n] + b + db - REACH
                    if i < 0 or j < 0 or i >= rows or j >= cols or inside[a + da, b + db] or excluded[i, j]:
                        continue
                    beyond = (heights[i, j] - median[n]) / distance
                    if beyond > 0.5:
                        inside[a + da, b + db] = True
                        patch[size] = a + da, b + db
                        size += 1
                        spills = spills or min(a + da, b + db) == 0 or max(a + da, b + db) == side - 1
        if size > max_px or spills:
            continue
        count = 0
        for a in range(side):
            for b in range(side):
                i, j = row[n] + a - REACH, col[n] + b - REACH
                if 0 <= i < rows and 0 <= j < cols and not inside[a, b] and not excluded[i, j]:
                    ring[count] = heights[i, j]
                    count += 1
        if count < side:
            continue
        middle = np.median(ring[:count])
        spread = 1.4826 * np.median(np.abs(ring[:count] - middle))
        away = abs(heights[row[n], col[n]] - middle)
        highest, lowest = np.max(ring[:count]), np.min(ring[:count])
        beyond_all = heights[row[n], col[n]] > highest or heights[row[n], col[n]] < lowest
        alone[n] = beyond_all and away > lam * max(sigma, spread)
    return alone
