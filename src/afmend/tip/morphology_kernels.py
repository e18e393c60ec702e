"""The compiled loop of dilation: imported only when it runs, because numba takes its time to load.

Tile by tile, so that the heights a tile needs stay in the cache. In each tile only those elements of the tip are used
that can win there: an element lower than the apex by more than the tile's own range of heights cannot. Adding and
comparing round monotonically, so that leaving those out changes no bit of the result.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from afmend.compiled import njit

TILE = (32, 256)
"""Rows and columns of the output that are finished before the next ones begin."""


def dilation(surface: NDArray[np.float64], tip: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return max over u of surface[x + u] + tip[u], u measured from tip[n // 2, m // 2]; max(tip) must be 0."""
    above, left = tip.shape[0] // 2, tip.shape[1] // 2
    below, right = tip.shape[0] - above - 1, tip.shape[1] - left - 1
    padded = np.pad(surface, ((above, below), (left, right)), mode="edge")
    out = np.empty(surface.shape)
    _dilate(padded, np.ascontiguousarray(tip), TILE, out)
    return out


@njit(cache=True)
def _dilate(
    padded: NDArray[np.float64], tip: NDArray[np.float64], tile: tuple[int, int], out: NDArray[np.float64]
) -> None:
    (rows, cols), (n, m) = out.shape, tip.shape
    u, v, drop = np.empty(tip.size + 3, np.int64), np.empty(tip.size + 3, np.int64), np.empty(tip.size + 3)
    for top in range(0, rows, tile[0]):
        bottom = min(top + tile[0], rows)
        for left in range(0, cols, tile[1]):
            right = min(left + tile[1], cols)
            used = _elements_in_reach(padded[top : bottom + n - 1, left : right + m - 1], tip, u, v, drop)
            for row in range(top, bottom):
                target = out[row, left:right]
                target[:] = -np.inf
                for e in range(0, used, 4):
                    _raise_line(
                        target,
                        padded[row + u[e], left + v[e] :],
                        padded[row + u[e + 1], left + v[e + 1] :],
                        padded[row + u[e + 2], left + v[e + 2] :],
                        padded[row + u[e + 3], left + v[e + 3] :],
                        drop[e : e + 4],
                    )


@njit(cache=True)
def _elements_in_reach(
    window: NDArray[np.float64],
    tip: NDArray[np.float64],
    u: NDArray[np.int64],
    v: NDArray[np.int64],
    drop: NDArray[np.float64],
) -> int:
    """List the elements that can win in this window, in whole groups of four (the last one repeated)."""
    low, high = window.min(), window.max()
    used = 0
    for i in range(tip.shape[0]):
        for j in range(tip.shape[1]):
            if tip[i, j] == 0.0 or high + tip[i, j] > low:
                u[used], v[used], drop[used] = i, j, tip[i, j]
                used += 1
    while used % 4:
        u[used], v[used], drop[used] = u[used - 1], v[used - 1], drop[used - 1]
        used += 1
    return used


@njit(cache=True)
def _raise_line(
    target: NDArray[np.float64],
    p: NDArray[np.float64],
    q: NDArray[np.float64],
    r: NDArray[np.float64],
    s: NDArray[np.float64],
    drop: NDArray[np.float64],
) -> None:
    """Raise one line of the output to four elements of the tip: no branch inside, so that it becomes vector code."""
    a, b, c, d = drop[0], drop[1], drop[2], drop[3]
    for x in range(target.size):
        first, second = p[x] + a, q[x] + b
        third, fourth = r[x] + c, s[x] + d
        first = max(second, first)
        third = max(fourth, third)
        first = max(third, first)
        target[x] = max(target[x], first)
