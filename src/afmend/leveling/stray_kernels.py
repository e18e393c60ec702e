"""Compiled comparison of a line with the nearest usable pixels beyond it. Imported only when it runs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from afmend.compiled import njit
from afmend.leveling.selection_kernels import median_of

F = NDArray[np.float64]
I = NDArray[np.int64]  # noqa: E741 (integer arrays, beside F)
B = NDArray[np.bool_]


@njit(cache=True, nogil=True)
def nearest_beyond(skip: B, chain: B, row: int, cols: I) -> tuple[I, I]:
    """Return how many rows before and after ``row`` a ``chain`` line has its nearest usable pixel; 0: none has one."""
    before, after = np.zeros(cols.size, np.int64), np.zeros(cols.size, np.int64)
    for k in range(cols.size):
        for i in range(row - 1, -1, -1):
            if chain[i] and not skip[i, cols[k]]:
                before[k] = row - i
                break
        for i in range(row + 1, skip.shape[0]):
            if chain[i] and not skip[i, cols[k]]:
                after[k] = i - row
                break
    return before, after


@njit(cache=True, nogil=True)
def rests(r: F, row: int, cols: I, before: I, after: I) -> F:
    """Heights of a row above what lies between the pixels that are so many rows before and after it."""
    out = np.empty(cols.size)
    for k in range(cols.size):
        j, gap = cols[k], before[k] + after[k]
        low, high = r[row - before[k], j], r[row + after[k], j]
        if before[k] == 0:
            low = high
        elif after[k] == 0:
            high = low
        out[k] = r[row, j] - (low * after[k] + high * before[k]) / gap
    return out


@njit(cache=True, nogil=True)
def trials(r: F, skip: B, chain: B, rows: I, cols: I, before: I, after: I) -> F:
    """Place other lines by the same columns, as far from the same pixels: medians of their `rests`.

    Those are left out of which fewer than half of the columns can be compared.
    """
    out, found = np.empty(rows.size), 0
    rest = np.empty(cols.size)
    for row in rows:
        n = 0
        for k in range(cols.size):
            j, low, high = cols[k], row - before[k], row + after[k]
            if low < 0 or high >= skip.shape[0] or skip[row, j] or not chain[low] or not chain[high]:
                continue
            if skip[low, j] or skip[high, j]:
                continue
            below = r[low, j] if before[k] > 0 else r[high, j]
            above = r[high, j] if after[k] > 0 else r[low, j]
            rest[n] = r[row, j] - (below * after[k] + above * before[k]) / (before[k] + after[k])
            n += 1
        if n > 0 and 2 * n >= cols.size:
            out[found] = median_of(rest[:n])
            found += 1
    return out[:found]
