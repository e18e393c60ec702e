"""Compiled kriging in tiles for the mean alone: one covariance, no variances, hence half the arithmetic.

The systems are those of `texture_kernels`; instead of dividing the factor off a column for each target, the weights of
the heights are solved for, and the covariances with the targets summed up with them.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from afmend.compiled import njit
from afmend.filling.factor_kernels import ROW, factor
from afmend.filling.texture_kernels import choose, dealt_to
from afmend.scan.arrays import Heights, Mask

Longs: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]
Steps: TypeAlias = NDArray[np.uint64]


@njit(cache=True, nogil=True)
def solve_means(  # noqa: C901 (compiled)
    part: int,
    parts: int,
    order: Longs,
    groups: Longs,
    starts: Longs,
    rows: Longs,
    cols: Longs,
    boxes: Longs,
    heights: Heights,
    base: float,
    known: Mask,
    table: Floats,
    nugget: float,
    slow: float,
    quotas: Longs,
    out: Floats,
) -> None:
    """Ordinary kriging of tiles in groups of one pattern; arguments as those of `texture_kernels.solve`.

    Parameters
    ----------
    table : (2 R + 1, 2 R + 1)
        The covariance without nugget by (dy + R, dx + R).
    out : (pixels,)
        Receives the mean of the noise-free surface above ``base``.
    """
    width = table.shape[1]
    flat = table.ravel()
    work = np.empty(0)
    for g in range(groups.size - 1):
        if not dealt_to(g, part, parts):
            continue
        head = order[groups[g]]
        first, m = starts[head], starts[head + 1] - starts[head]
        py, px = choose(rows[first : first + m], cols[first : first + m], boxes[head], known, slow, quotas[head])
        n = min(py.size, ROW - m - 2)
        # Of two pixels, the difference of these numbers is the place of their covariance.
        at = np.empty(n, np.uint64)
        for i in range(n):
            at[i] = py[i] * width + px[i]
        wanted = np.empty(m, np.uint64)
        for k in range(m):
            wanted[k] = rows[first + k] * width + cols[first + k]
        if work.size < n * ROW:
            work = np.empty(n * ROW)
        begin = groups[g]
        while begin < groups[g + 1]:
            tiles = order[begin : min(groups[g + 1], begin + ROW - m - n - 1)]
            begin += tiles.size
            _fill(work, at, flat, nugget)
            for t in range(tiles.size):
                dy, dx = rows[starts[tiles[t]]] - rows[first], cols[starts[tiles[t]]] - cols[first]
                for i in range(n):
                    work[i * ROW + n + 1 + t] = heights[py[i] + dy, px[i] + dx] - base
            if n > 0 and factor(work, n, n + 1 + tiles.size):
                _read(work, at, wanted, flat, tiles, starts, out)
                continue
            for t in range(tiles.size):  # no neighbors, or rounding made them singular
                dy, dx = rows[starts[tiles[t]]] - rows[first], cols[starts[tiles[t]]] - cols[first]
                level = 0.0
                for i in range(n):
                    level += (heights[py[i] + dy, px[i] + dx] - base) / n
                out[starts[tiles[t]] : starts[tiles[t]] + m] = level


@njit(cache=True, nogil=True)
def _fill(a: Floats, at: Steps, flat: Floats, nugget: float) -> None:
    """Write the covariances among neighbors, and ones beside them."""
    n = at.size
    middle = np.uint64(flat.size // 2)
    for i in range(n):
        row = a[i * ROW : i * ROW + n]
        shift = middle - at[i]
        for j in range(i, n):
            row[j] = flat[at[j] + shift]
        row[i] += nugget
        a[i * ROW + n] = 1.0


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"}, forceinline=True)
def _read(a: Floats, at: Steps, wanted: Steps, flat: Floats, tiles: Longs, starts: Longs, out: Floats) -> None:
    """Read means off a factored system: solve for the weights of the heights above their level, then sum up."""
    n, m = at.size, wanted.size
    level = np.zeros(tiles.size)
    ones = 0.0
    for i in range(n):
        right = a[i * ROW + n : i * ROW + n + 1 + tiles.size]
        ones += right[0] * right[0]
        for t in range(tiles.size):
            level[t] += right[0] * right[1 + t]
    weights = np.empty((tiles.size, n))
    for back in range(n):
        i = n - 1 - back
        row, right = a[i * ROW + i : i * ROW + n], a[i * ROW + n : i * ROW + n + 1 + tiles.size]
        inverse = 1.0 / row[0]
        for t in range(tiles.size):
            beyond, beside = 0.0, weights[t, i:]
            for j in range(1, row.size):
                beyond += row[j] * beside[j]
            beside[0] = (right[1 + t] - level[t] / ones * right[0] - beyond) * inverse
    column = np.empty(n)
    for k in range(m):
        shift = np.uint64(flat.size // 2) + wanted[k]
        for i in range(n):
            column[i] = flat[shift - at[i]]
        for t in range(tiles.size):
            mean, own = level[t] / ones, weights[t]
            for i in range(n):
                mean += own[i] * column[i]
            out[starts[tiles[t]] + k] = mean
