"""The compiled loop of dilation: imported only when it runs, because numba takes its time to load.

Tile by tile, so that the heights a tile needs stay in the cache; bands of lines go to as many threads as there are
cores. In each tile only those elements of the tip are used that can win there: an element lower than the apex by more
than the tile's own range of heights cannot. Adding and comparing round monotonically, so that leaving those out changes
no bit of the result, and neither does the number of threads.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from afmend.compiled import njit

Band: TypeAlias = Callable[[int, int], None]

TILE = (32, 512)
"""Rows and columns of the output that are finished before the next ones begin."""
WORTH_A_THREAD = 4_000_000
"""Pixels times elements of the tip below which starting threads costs more than it saves."""
MOST_THREADS = 8


def dilation(surface: NDArray[np.float64], tip: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return max over u of surface[x + u] + tip[u], u measured from tip[n // 2, m // 2]; max(tip) must be 0."""
    above, left = tip.shape[0] // 2, tip.shape[1] // 2
    below, right = tip.shape[0] - above - 1, tip.shape[1] - left - 1
    padded = np.pad(surface, ((above, below), (left, right)), mode="edge")
    out = np.empty(surface.shape)
    tip = np.ascontiguousarray(tip)
    in_bands(lambda first, last: _dilate(padded, tip, TILE, first, last, out), surface.shape[0], out.size * tip.size)
    return out


def in_bands(work: Band, rows: int, operations: int) -> None:
    """Call ``work(first, last)`` for bands of lines, in threads if there is enough to do."""
    threads = min(_cores(), MOST_THREADS, rows // TILE[0])
    if threads < 2 or operations < WORTH_A_THREAD:
        work(0, rows)
        return
    step = max(TILE[0], -(-rows // (4 * threads * TILE[0])) * TILE[0])
    with ThreadPoolExecutor(threads) as pool:
        for job in [pool.submit(work, first, min(first + step, rows)) for first in range(0, rows, step)]:
            job.result()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@njit(cache=True, nogil=True)
def _dilate(
    padded: NDArray[np.float64],
    tip: NDArray[np.float64],
    tile: tuple[int, int],
    first: int,
    last: int,
    out: NDArray[np.float64],
) -> None:
    (_, cols), (n, m) = out.shape, tip.shape
    u, v, drop = np.empty(tip.size + 7, np.int64), np.empty(tip.size + 7, np.int64), np.empty(tip.size + 7)
    for top in range(first, last, tile[0]):
        bottom = min(top + tile[0], last)
        for left in range(0, cols, tile[1]):
            right = min(left + tile[1], cols)
            used = _elements_in_reach(padded[top : bottom + n - 1, left : right + m - 1], tip, u, v, drop)
            for row in range(top, bottom):
                target = out[row, left:right]
                target[:] = -np.inf
                for e in range(0, used, 8):
                    _raise_line(
                        target,
                        padded[row + u[e], left + v[e] :],
                        padded[row + u[e + 1], left + v[e + 1] :],
                        padded[row + u[e + 2], left + v[e + 2] :],
                        padded[row + u[e + 3], left + v[e + 3] :],
                        padded[row + u[e + 4], left + v[e + 4] :],
                        padded[row + u[e + 5], left + v[e + 5] :],
                        padded[row + u[e + 6], left + v[e + 6] :],
                        padded[row + u[e + 7], left + v[e + 7] :],
                        drop[e : e + 8],
                    )


@njit(cache=True, nogil=True)
def _elements_in_reach(
    window: NDArray[np.float64],
    tip: NDArray[np.float64],
    u: NDArray[np.int64],
    v: NDArray[np.int64],
    drop: NDArray[np.float64],
) -> int:
    """List the elements that can win in this window, in whole groups of eight (the last one repeated)."""
    low, high = window.min(), window.max()
    used = 0
    for i in range(tip.shape[0]):
        for j in range(tip.shape[1]):
            if tip[i, j] == 0.0 or high + tip[i, j] > low:
                u[used], v[used], drop[used] = i, j, tip[i, j]
                used += 1
    while used % 8:
        u[used], v[used], drop[used] = u[used - 1], v[used - 1], drop[used - 1]
        used += 1
    return used


@njit(cache=True, nogil=True, fastmath={"nnan", "nsz"}, forceinline=True)
def _raise_line(
    target: NDArray[np.float64],
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    c: NDArray[np.float64],
    d: NDArray[np.float64],
    e: NDArray[np.float64],
    f: NDArray[np.float64],
    g: NDArray[np.float64],
    h: NDArray[np.float64],
    drop: NDArray[np.float64],
) -> None:
    """Raise one line of the output to eight elements of the tip: no branch inside, so that it becomes vector code."""
    s, t, u, v, w, x, y, z = drop[0], drop[1], drop[2], drop[3], drop[4], drop[5], drop[6], drop[7]
    for k in range(target.size):
        one, two = max(a[k] + s, b[k] + t), max(c[k] + u, d[k] + v)
        three, four = max(e[k] + w, f[k] + x), max(g[k] + y, h[k] + z)
        target[k] = max(target[k], max(max(one, two), max(three, four)))  # noqa: PLW3301 (pairs become vector code)
