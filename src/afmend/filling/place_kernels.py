"""Compiled loops over lists of hole pixels in reading order: most images have few, and need not be looked at whole.

Import inside functions only: loading numba takes a while.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from afmend.compiled import njit
from afmend.scan.arrays import Heights, Mask

Places: TypeAlias = NDArray[np.int64]
Bools: TypeAlias = NDArray[np.bool_]
Vector: TypeAlias = NDArray[np.float64]
Singles: TypeAlias = NDArray[np.float32]


@njit(cache=True, nogil=True)
def places(mask: Mask) -> tuple[Places, Places]:
    """Rows and columns of the True pixels in reading order: `numpy.nonzero`, eight pixels at a time.

    Pixels of masks that were made from bytes may hold another number than 1: nothing is counted by adding them up.
    """
    flat = np.ascontiguousarray(mask).ravel()
    whole = flat.size // 8
    words = flat[: 8 * whole].view(np.uint64)
    most = flat.size - 8 * whole
    for w in range(whole):
        most += 8 if words[w] != 0 else 0
    rows, cols = np.empty(most, np.int64), np.empty(most, np.int64)
    n = 0
    for w in range(whole + 1):
        if w < whole and words[w] == 0:
            continue
        for i in range(8 * w, min(8 * w + 8, flat.size)):
            if flat[i]:
                rows[n] = i // mask.shape[1]
                cols[n] = i - rows[n] * mask.shape[1]
                n += 1
    return rows[:n], cols[:n]


@njit(cache=True, nogil=True)
def ends(rows: Places, cols: Places, height: int, width: int) -> tuple[Places, Places]:
    """Nearest rows above and below each hole pixel that are no hole in its column: -1 and ``height`` if there are none.

    The lists hold all hole pixels in reading order.
    """
    above, below = np.empty(rows.size, np.int64), np.empty(rows.size, np.int64)
    last, end = np.full(width, -2), np.empty(width, np.int64)
    for n in range(rows.size):
        x = cols[n]
        if last[x] != rows[n] - 1:
            end[x] = rows[n] - 1
        above[n] = end[x]
        last[x] = rows[n]
    last[:] = height + 1
    for n in range(rows.size - 1, -1, -1):
        x = cols[n]
        if last[x] != rows[n] + 1:
            end[x] = rows[n] + 1
        below[n] = end[x]
        last[x] = rows[n]
    return above, below


@njit(cache=True, nogil=True)
def distances(rows: Places, cols: Places, chosen: Bools, height: int, width: int, most: int) -> tuple[bool, Singles]:
    """Distance from each chosen hole pixel to the nearest pixel that is no hole, 0 for the others.

    The lists hold all hole pixels in reading order. False if the gaps along the columns add up to more than ``most``:
    the search would take long, and nothing was found.
    """
    above, below = ends(rows, cols, height, width)
    gap = np.empty(rows.size, np.int64)
    work = 0
    for n in range(rows.size):
        up = rows[n] - above[n] if above[n] >= 0 else height + width
        down = below[n] - rows[n] if below[n] < height else height + width
        gap[n] = min(up, down)
        work += gap[n] if chosen[n] else 0
    out = np.zeros(rows.size, np.float32)
    if work > most:
        return False, out
    for n in range(rows.size):
        if not chosen[n]:
            continue
        best = gap[n] * gap[n]
        step = np.int64(1)
        # Hole pixels beside each other in the line are so in the list; beyond the first known one, none is nearer.
        while step * step < best and (cols[n] - step >= 0 or cols[n] + step < width):
            for way in (-step, step):
                if 0 <= cols[n] + way < width:
                    m = n + way
                    inside = 0 <= m < rows.size and rows[m] == rows[n] and cols[m] == cols[n] + way
                    best = min(best, step * step + (gap[m] * gap[m] if inside else 0))
            step += 1
        out[n] = np.sqrt(np.float32(best))
    return True, out


@njit(cache=True, nogil=True)
def _root(parent: Places, run: int) -> int:
    while parent[run] != run:
        parent[run] = parent[parent[run]]
        run = parent[run]
    return run


@njit(cache=True, nogil=True)
def widest(rows: Places, cols: Places, chosen: Bools, distance: Singles) -> Singles:  # noqa: C901 (compiled)
    """Largest distance within the connected hole (8 neighbors) of each chosen pixel, 0 for the others.

    Runs of pixels along the lines are joined with those of the line above that they touch.
    """
    run = np.full(rows.size, -1)
    count = 0
    for n in range(rows.size):
        if chosen[n]:
            beside = n > 0 and chosen[n - 1] and rows[n - 1] == rows[n] and cols[n - 1] == cols[n] - 1
            count += 0 if beside else 1
            run[n] = count - 1
    parent, row = np.arange(count), np.empty(count, np.int64)
    first, last = np.full(count, -1), np.empty(count, np.int64)
    for n in range(rows.size):
        if chosen[n]:
            r = run[n]
            row[r], last[r] = rows[n], cols[n]
            first[r] = cols[n] if first[r] < 0 else first[r]
    start = 0
    for r in range(count):
        while start < r and (row[start] < row[r] - 1 or (row[start] == row[r] - 1 and last[start] < first[r] - 1)):
            start += 1
        above = start
        while above < r and row[above] == row[r] - 1 and first[above] <= last[r] + 1:
            parent[_root(parent, above)] = _root(parent, r)
            above += 1
    most = np.zeros(count, np.float32)
    for n in range(rows.size):
        if chosen[n]:
            root = _root(parent, run[n])
            most[root] = max(most[root], distance[n])
    out = np.zeros(rows.size, np.float32)
    for n in range(rows.size):
        if chosen[n]:
            out[n] = most[_root(parent, run[n])]
    return out


@njit(cache=True, nogil=True)
def put(heights: Heights, rows: Places, cols: Places, value: float) -> Heights:
    """Return a copy of heights with one value at some places."""
    out = heights.copy()
    for n in range(rows.size):
        out[rows[n], cols[n]] = value
    return out
