"""Compiled loops of the median filter: imported only when it runs, because numba takes its time to load."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from afmend.compiled import njit
from afmend.leveling.selection_kernels import selected

LARGEST_NETWORK = 9
"""Windows up to this size are sorted by a network, a whole line at once; larger ones one by one."""


@cache
def network(count: int) -> NDArray[np.int64]:
    """Exchanges (low, high) that bring the element count // 2 of the sorted values to its place.

    Batcher's merge-exchange sort (Knuth, The Art of Computer Programming 3, 5.2.2 M), without the exchanges that
    cannot reach that place.
    """
    exchanges = []
    top = 1 << (count - 1).bit_length() - 1
    p = top
    while p:
        q, r, d = top, 0, p
        while d:
            exchanges += [(i, i + d) for i in range(count - d) if i & p == r]
            d, q, r = q - p, q >> 1, p
        p >>= 1
    needed, kept = {count // 2}, []
    for low, high in reversed(exchanges):
        if low in needed or high in needed:
            needed |= {low, high}
            kept.append((low, high))
    return np.array(kept[::-1])


def median(heights: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Median filter with a square window of odd ``size``, clipped at the edges; element n // 2."""
    rows, cols = heights.shape
    if size == 1:
        return heights.copy()
    if size <= min(rows, cols, LARGEST_NETWORK):
        out = _inner(heights, size, network(size * size))
        _frame(heights, size // 2, out)
        return out
    out = np.empty_like(heights)
    _windows(heights, size // 2, (0, rows), (0, cols), out)
    return out


def _frame(heights: NDArray[np.float64], reach: int, out: NDArray[np.float64]) -> None:
    rows, cols = heights.shape
    _windows(heights, reach, (0, reach), (0, cols), out)
    _windows(heights, reach, (rows - reach, rows), (0, cols), out)
    _windows(heights, reach, (reach, rows - reach), (0, reach), out)
    _windows(heights, reach, (reach, rows - reach), (cols - reach, cols), out)


@njit(cache=True)
def _copy(source: NDArray[np.float64], target: NDArray[np.float64]) -> None:
    for c in range(target.size):
        target[c] = source[c]


@njit(cache=True)
def _exchange(low: NDArray[np.float64], high: NDArray[np.float64]) -> None:
    for c in range(low.size):
        a, b = low[c], high[c]
        low[c] = min(a, b)
        high[c] = max(a, b)


@njit(cache=True)
def _inner(heights: NDArray[np.float64], size: int, exchanges: NDArray[np.int64]) -> NDArray[np.float64]:
    """Pixels whose window is whole; a line goes through each exchange at once."""
    rows, cols = heights.shape
    reach = size // 2
    out = np.empty((rows, cols))
    lanes = np.empty((size * size, cols - 2 * reach))
    for r in range(reach, rows - reach):
        for k in range(size * size):
            _copy(heights[r + k // size - reach, k % size :], lanes[k])
        for e in range(exchanges.shape[0]):
            _exchange(lanes[exchanges[e, 0]], lanes[exchanges[e, 1]])
        _copy(lanes[size * size // 2], out[r, reach : cols - reach])
    return out


@njit(cache=True)
def _windows(
    heights: NDArray[np.float64], reach: int, lines: tuple[int, int], span: tuple[int, int], out: NDArray[np.float64]
) -> None:
    """Medians of clipped windows, one by one, by quickselect."""
    rows, cols = heights.shape
    top, bottom = lines
    left, right = span
    values = np.empty((2 * reach + 1) ** 2)
    for r in range(top, bottom):
        for c in range(left, right):
            n = 0
            for i in range(max(r - reach, 0), min(r + reach + 1, rows)):
                for j in range(max(c - reach, 0), min(c + reach + 1, cols)):
                    values[n] = heights[i, j]
                    n += 1
            out[r, c] = selected(values[:n], n // 2)
