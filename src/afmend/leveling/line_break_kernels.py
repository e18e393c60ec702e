"""Compiled search for a jump within a line. Imported only when it runs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from afmend.compiled import njit
from afmend.leveling.selection_kernels import median_of

F = NDArray[np.float64]
I = NDArray[np.int64]  # noqa: E741 (integer arrays, beside F)
B = NDArray[np.bool_]

_ROUNDS = 6
_SHORTEST = 6
"""Least number of usable pixels of the shorter part."""


@njit(cache=True, nogil=True)
def _end(r: F, skip: B, low: int, row: int, high: int, start: int, step: int, out: F) -> bool:
    """Fill ``out`` with the first heights of a line above the mean of its neighbors, from one end."""
    n = 0
    j = start
    while 0 <= j < r.shape[1] and n < out.size:
        if not (skip[low, j] | skip[row, j] | skip[high, j]):
            out[n] = r[row, j] - 0.5 * (r[low, j] + r[high, j])
            n += 1
        j += step
    return n == out.size


@njit(cache=True, nogil=True)
def ends_differ(r: F, skip: B, lines: I, least: float) -> B:
    """Tell of each line between two others whether its two ends lie differently between those: (lines - 2,)."""
    out = np.zeros(max(lines.size - 2, 0), np.bool_)
    cols = r.shape[1]
    size = max(_SHORTEST, cols // 64)
    one, other = np.empty(size), np.empty(size)
    for k in range(out.size):
        low, row, high = lines[k], lines[k + 1], lines[k + 2]
        if _end(r, skip, low, row, high, 0, 1, one) and _end(r, skip, low, row, high, cols - 1, -1, other):
            out[k] = abs(median_of(one) - median_of(other)) > 0.75 * least
    return out


@njit(cache=True, nogil=True)
def _between(r: F, skip: B, low: int, row: int, high: int, at: I, own: F, apart: F) -> int:
    """Write where a line and two others are usable, its heights above their mean, and one minus the other; count."""
    n = 0
    for j in range(r.shape[1]):
        if not (skip[low, j] | skip[row, j] | skip[high, j]):
            at[n] = j
            own[n] = r[row, j] - 0.5 * (r[low, j] + r[high, j])
            apart[n] = r[high, j] - r[low, j]
            n += 1
    return n


@njit(cache=True, nogil=True)
def _loss(e: float) -> float:
    return e * e / (1.0 + e * e)


@njit(cache=True, nogil=True)
def _losses(values: F, level: float) -> float:
    total = 0.0
    for value in values:
        total += _loss(value - level)
    return total


@njit(cache=True, nogil=True)
def _parts(values: F, size: int) -> tuple[int, float, float, float]:
    """Cut a row of numbers where two levels, one before and one after, explain it best by a loss of 1 at most.

    Returns where, the two levels, and the loss; the search starts from the levels of the ``size`` numbers at both ends.
    """
    n = values.size
    left, right = median_of(values[:size].copy()), median_of(values[n - size :].copy())
    cut = 0
    least = 0.0
    for _ in range(_ROUNDS):
        least = total = _losses(values, right)
        here = 0
        for k in range(n):
            total += _loss(values[k] - left) - _loss(values[k] - right)
            if total < least:
                least, here = total, k + 1
        if here in (cut, 0, n):
            return here, left, right, least
        cut = here
        left, right = median_of(values[:cut].copy()), median_of(values[cut:].copy())
    return cut, left, right, least


@njit(cache=True, nogil=True)
def split(r: F, skip: B, low: int, row: int, high: int, narrow: float, least: float) -> tuple[int, int, float]:
    """Return the shorter part of a line that jumps, first and stop, and how much higher it lies; (0, 0, 0) if none.

    Parameters
    ----------
    r : (rows, cols)
    skip : (rows, cols) bool
    low, row, high : int
        The line, between its neighbors.
    narrow : float
        Scale of the differences of adjacent lines, positive.
    least : float
        Lowest jump, in ``narrow``.
    """
    cols = r.shape[1]
    at, own, apart = np.empty(cols, np.int64), np.empty(cols), np.empty(cols)
    n = _between(r, skip, low, row, high, at, own, apart)
    if n < 4 * _SHORTEST:
        return 0, 0, 0.0
    own, apart = own[:n] / narrow, apart[:n]
    cut, left, right, loss = _parts(own, max(_SHORTEST, n // 64))
    few, height = min(cut, n - cut), left - right
    if few < _SHORTEST or abs(height) < least or loss > 0.5 * n:
        return 0, 0, 0.0
    level = left if 2 * cut > n else right
    gain = _losses(own, level) - loss
    edge = abs(median_of(apart[:cut].copy()) - median_of(apart[cut:].copy())) / narrow
    if gain < 0.5 * few or edge > 0.5 * abs(height):
        return 0, 0, 0.0
    place = (at[cut - 1] + at[cut] + 1) // 2
    return (0, place, height * narrow) if 2 * cut <= n else (place, cols, -height * narrow)
