"""Compiled loops of what spares features. Import this module inside functions only: loading numba takes a while.

Heights are float32, and so is what is computed from them, in the order that is written here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from afmend.compiled import njit
from afmend.scan.arrays import Mask

Map = NDArray[np.float32]
Indices = NDArray[np.int64]
Numbers = NDArray[np.float64]


@njit(cache=True, nogil=True)
def _at(ground: Map, row: int, col: int) -> np.float32:
    """Height; that of the nearest pixel outside the image."""
    row, col = min(max(row, 0), ground.shape[0] - 1), min(max(col, 0), ground.shape[1] - 1)
    height: np.float32 = ground[row, col]
    return height


@njit(cache=True, nogil=True)
def _ridge(ground: Map, row: int, col: int, reach: int, far: int) -> np.float32:
    top = _at(ground, row - reach, col)
    for d in range(-reach + 1, reach + 1):
        top = max(top, _at(ground, row + d, col))
    return top - max(_at(ground, row - far, col), _at(ground, row + far, col))


@njit(cache=True, nogil=True)
def ridges(ground: Map, row: Indices, col: Indices, reach: int, far: int) -> Numbers:
    """Height of the highest line within ``reach`` lines over the higher of the grounds ``far`` lines away."""
    out = np.empty(row.size)
    for n in range(row.size):
        out[n] = _ridge(ground, row[n], col[n], reach, far)
    return out


@njit(cache=True, nogil=True)
def beyond(
    mask: Mask,
    ground: Map,
    scores: Map,
    row: Indices,
    end: Indices,
    way: int,
    score: Numbers,
    height: Numbers,
    far: int,
) -> Mask:
    """Tell for each run what lies beyond one end: (3, runs), see `afmend.artifacts.scar_guards`.

    ``end`` are columns, ``way`` leads out: 1 = to the right, -1 = to the left.
    """
    rows, cols = mask.shape
    out = np.zeros((3, row.size), np.bool_)
    for n in range(row.size):
        seen = 0
        for k in (2, 4, 6):
            seen += 0 <= end[n] + way * k < cols
        seen = max(seen, 1)
        for near in (row[n] - 1, row[n] + 1):
            free = 0 <= near < rows
            for back in (0, 2, 4):
                free = free and not mask[near, min(max(end[n] - way * back, 0), cols - 1)]
            total = np.float32(0.0)
            for k in (2, 4, 6):
                col = end[n] + way * k
                if free and 0 <= col < cols:
                    total += scores[near, col]
            out[0, n] |= free and np.float64(total) / seen > 0.5 * score[n]
        top = 0.0
        for k in (2, 4, 6):
            col = end[n] + way * k
            if 0 <= col < cols:
                top += np.float64(_ridge(ground, row[n], col, 2, far))
        out[2, n] = not 0 <= end[n] + 2 * way < cols
        out[1, n] = out[2, n] or abs(top / seen - height[n]) < 0.35 * height[n]
    return out


@njit(cache=True, nogil=True)
def sharp(
    ground: Map,
    scores: Map,
    row: Indices,
    start: Indices,
    stop: Indices,
    width: int,
    sharpness: float,
) -> Mask:
    """Tell whether at least half of a run gains enough of its height over the wider surroundings within one line."""
    out = np.zeros(row.size, np.bool_)
    half, share = np.float32(0.5), np.float32(sharpness)
    for n in range(row.size):
        i = row[n]
        above, below = i - width - 2 >= 0, i + width + 2 < ground.shape[0]
        count = 0
        for j in range(start[n], stop[n]):
            up = down = np.float32(-np.inf)
            if above:
                up = half * (ground[i - width - 1, j] + ground[i - width - 2, j])
            if below:
                down = half * (ground[i + width + 1, j] + ground[i + width + 2, j])
            rise = ground[i, j] - max(up, down) if above or below else np.float32(0.0)
            count += scores[i, j] >= share * rise
        out[n] = count >= 0.5 * (stop[n] - start[n])
    return out


@njit(cache=True, nogil=True)
def tile_noise(
    ground: Map, usable: Mask, every: int, row_edges: Indices, col_edges: Indices, out: Map, first: int, stop: int
) -> None:
    """Write the value of rank 35 % of the absolute bends between lines in each tile, unless most are unknown.

    Of every ``every``-th column; the edges count bends and such columns. Of the tiles from line ``first`` of ``out``.
    """
    wide = col_edges.size - 1
    half = np.float32(0.5)
    for a in range(first, stop):
        for b in range(wide):
            size = (row_edges[a + 1] - row_edges[a]) * (col_edges[b + 1] - col_edges[b])
            known = np.empty(size, np.float32)
            count = 0
            for i in range(row_edges[a], row_edges[a + 1]):
                for k in range(col_edges[b], col_edges[b + 1]):
                    j = k * every
                    if usable[i, j] and usable[i + 1, j] and usable[i + 2, j]:
                        known[count] = abs(ground[i + 1, j] - half * (ground[i, j] + ground[i + 2, j]))
                        count += 1
            if count >= max(1, size // 4):
                rank = (35 * (count - 1)) // 100
                out[a, b] = np.partition(known[:count], rank)[rank]
