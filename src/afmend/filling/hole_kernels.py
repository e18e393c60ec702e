"""Compiled loops over the holes of an image. Import inside functions only: loading numba takes a while."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from afmend.compiled import njit
from afmend.scan.arrays import Heights, Mask

Places = NDArray[np.int64]
Numbers = NDArray[np.int32]
Vector = NDArray[np.float64]


@njit(cache=True, nogil=True)
def column_gaps(known: Mask) -> Numbers:
    """Lines to the nearest known pixel of the same column; rows + cols if there is none."""
    rows, cols = known.shape
    none = rows + cols
    gap = np.empty((rows, cols), np.int32)
    for x in range(cols):
        gap[0, x] = 0 if known[0, x] else none
    for y in range(1, rows):
        for x in range(cols):
            gap[y, x] = 0 if known[y, x] else min(gap[y - 1, x] + 1, none)
    for y in range(rows - 2, -1, -1):
        for x in range(cols):
            gap[y, x] = min(gap[y, x], gap[y + 1, x] + 1)
    return gap


@njit(cache=True, nogil=True, fastmath={"reassoc", "nsz", "nnan"})
def tallest(heights: Heights, known: Mask) -> float:
    """Return the largest size of the known heights."""
    out = 0.0
    for y in range(heights.shape[0]):
        for x in range(heights.shape[1]):
            out = max(out, abs(heights[y, x]) if known[y, x] else 0.0)
    return float(out)


@njit(cache=True, nogil=True)
def nearest(gap: Numbers, rows: Places, cols: Places) -> NDArray[np.float32]:
    """Euclidean distance from each place to the nearest known pixel, given the gaps along the columns."""
    out = np.empty(rows.size, np.float32)
    width = gap.shape[1]
    for n in range(rows.size):
        y, x = rows[n], cols[n]
        best = np.int64(gap[y, x]) ** 2
        step = np.int64(1)
        while step * step < best and (x - step >= 0 or x + step < width):
            if x - step >= 0:
                best = min(best, np.int64(gap[y, x - step]) ** 2 + step * step)
            if x + step < width:
                best = min(best, np.int64(gap[y, x + step]) ** 2 + step * step)
            step += 1
        out[n] = np.sqrt(np.float32(best))
    return out


@njit(cache=True, nogil=True)
def between(heights: Heights, known: Mask, rows: Places, cols: Places) -> Vector:
    """Linear interpolation across the lines at some pixels; of one neighbor only, its height; of none, NaN."""
    out = np.full(rows.size, np.nan)
    for i in range(rows.size):
        x, up, down = cols[i], rows[i], rows[i]
        while up >= 0 and not known[up, x]:
            up -= 1
        while down < known.shape[0] and not known[down, x]:
            down += 1
        if up >= 0 and down < known.shape[0]:
            share = (rows[i] - up) / (down - up)
            out[i] = heights[up, x] + share * (heights[down, x] - heights[up, x])
        elif up >= 0:
            out[i] = heights[up, x]
        elif down < known.shape[0]:
            out[i] = heights[down, x]
    return out


@njit(cache=True, nogil=True)
def third_differences(heights: Heights, known: Mask) -> Vector:
    """Sizes of the third differences along axis 0 of those along axis 1, where all sixteen pixels are known."""
    rows, cols = heights.shape
    out = np.empty(max(rows - 3, 0) * max(cols - 3, 0))
    count = 0
    down, good = np.empty(cols), np.empty(cols, np.bool_)
    for y in range(rows - 3):
        for x in range(cols):
            a = heights[y + 1, x] - heights[y, x]
            b = heights[y + 2, x] - heights[y + 1, x]
            c = heights[y + 3, x] - heights[y + 2, x]
            down[x] = (c - b) - (b - a)
            good[x] = known[y, x] and known[y + 1, x] and known[y + 2, x] and known[y + 3, x]
        for x in range(cols - 3):
            if good[x] and good[x + 1] and good[x + 2] and good[x + 3]:
                a, b, c = down[x + 1] - down[x], down[x + 2] - down[x + 1], down[x + 3] - down[x + 2]
                out[count] = abs((c - b) - (b - a))
                count += 1
    return out[:count]


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"}, error_model="numpy")
def lag_sums(heights: Heights, known: Mask, lag: int, shift: float) -> tuple[int, float, float]:
    """Count, sum, and sum squares of, the differences of known pixels ``lag`` apart on a line, less ``shift``."""
    count = 0.0
    total = 0.0
    squares = 0.0
    for y in range(heights.shape[0]):
        n = 0.0
        s = 0.0
        ss = 0.0
        for x in range(heights.shape[1] - lag):
            both = known[y, x] & known[y, x + lag]
            d = heights[y, x + lag] - heights[y, x] - shift if both else 0.0
            n += 1.0 if both else 0.0
            s += d
            ss += d * d
        count += n
        total += s
        squares += ss
    return int(count), total, squares


@njit(cache=True, nogil=True)
def plate_system(  # noqa: C901, PLR0912 (compiled)
    heights: Heights, inside: Mask, wanted: Mask, places: Places, points: Places, sizes: Places, weights: Vector
) -> tuple[Numbers, Numbers, Vector, Vector]:
    """Make normal equations of energy terms (sum of weight * height)^2: columns of a sparse matrix, right side.

    Parameters
    ----------
    heights : (rows, cols)
    inside, wanted : (rows, cols) bool
        Pixels that belong to the image, and those to solve for.
    places : (n, 2) int
        The wanted pixels, in reading order.
    points : (terms, 4, 2) int
        Offsets of the points of each term, of which ``sizes`` tells the number; they span 3 pixels at most.
    weights : (terms, 4)
    """
    rows, cols = wanted.shape
    n = places.shape[0]
    number = np.full((rows, cols), -1, np.int32)
    for u in range(n):
        number[places[u, 0], places[u, 1]] = u
    right = np.zeros(n)
    window = np.zeros((n, 25))
    own = np.empty(4, np.int32)
    for u in range(n):
        for term in range(sizes.size):
            size = sizes[term]
            for a in range(size):
                y, x = places[u, 0] - points[term, a, 0], places[u, 1] - points[term, a, 1]
                fixed = 0.0
                counts = True
                for b in range(size):
                    yy, xx = y + points[term, b, 0], x + points[term, b, 1]
                    # Each term counts once: with the first of its wanted pixels.
                    if yy < 0 or xx < 0 or yy >= rows or xx >= cols or not inside[yy, xx]:
                        counts = False
                        break
                    own[b] = number[yy, xx]
                    if b < a and own[b] >= 0:
                        counts = False
                        break
                    if own[b] < 0:
                        fixed += heights[yy, xx] * weights[term, b]
                if not counts:
                    continue
                for b in range(a, size):
                    if own[b] < 0:
                        continue
                    right[own[b]] -= weights[term, b] * fixed
                    for c in range(a, size):
                        if own[c] >= 0:
                            down = points[term, c, 0] - points[term, b, 0] + 2
                            along = points[term, c, 1] - points[term, b, 1] + 2
                            window[own[b], 5 * down + along] += weights[term, b] * weights[term, c]
    starts = np.zeros(n + 1, np.int32)
    index = np.empty(13 * n, np.int32)
    value = np.empty(13 * n)
    filled = 0
    for u in range(n):
        for k in range(25):
            if window[u, k] != 0.0:
                index[filled] = number[places[u, 0] + k // 5 - 2, places[u, 1] + k % 5 - 2]
                value[filled] = window[u, k]
                filled += 1
        starts[u + 1] = filled
    return starts, index[:filled], value[:filled], right
