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
def tallest(heights: Heights, known: Mask) -> float:
    """Return the largest size of the known heights; column by column, so that several are looked at at a time."""
    most = np.zeros(heights.shape[1])
    for y in range(heights.shape[0]):
        for x in range(heights.shape[1]):
            size = abs(heights[y, x]) if known[y, x] else 0.0
            most[x] = max(most[x], size)
    return float(most.max())


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


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"}, forceinline=True)
def _square_sum(values: Vector) -> float:
    total = 0.0
    for i in range(values.size):
        total += values[i] * values[i]
    return total


@njit(cache=True, nogil=True)
def third_differences(heights: Heights, known: Mask) -> tuple[Vector, float]:
    """Sizes of the third differences along axis 0 of those along axis 1, where all sixteen pixels are known.

    Also returns the sum of their squares.
    """
    rows, cols = heights.shape
    wide = max(cols - 3, 0)
    out = np.empty(max(rows - 3, 0) * wide)
    count = 0
    squares = 0.0
    down, good = np.empty(cols), np.empty(cols, np.bool_)
    size, whole = np.empty(wide), np.empty(wide, np.bool_)
    for y in range(rows - 3):
        for x in range(cols):
            a = heights[y + 1, x] - heights[y, x]
            b = heights[y + 2, x] - heights[y + 1, x]
            c = heights[y + 3, x] - heights[y + 2, x]
            down[x] = (c - b) - (b - a)
            good[x] = known[y, x] & known[y + 1, x] & known[y + 2, x] & known[y + 3, x]
        for x in range(wide):
            a, b, c = down[x + 1] - down[x], down[x + 2] - down[x + 1], down[x + 3] - down[x + 2]
            size[x] = abs((c - b) - (b - a))
            whole[x] = good[x] & good[x + 1] & good[x + 2] & good[x + 3]
        start = count
        for x in range(wide):
            if whole[x]:
                out[count] = size[x]
                count += 1
        squares += _square_sum(out[start:count])
    return out[:count], squares


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"}, error_model="numpy", forceinline=True)
def _add_lag(heights: Vector, known: Vector, lag: int, shift: float, out: Vector) -> None:
    """Add number, sum, and sum of squares, of the differences, less ``shift``, of known pixels ``lag`` apart."""
    n = s = ss = 0.0
    low, high, one, other = heights[: heights.size - lag], heights[lag:], known[: known.size - lag], known[lag:]
    for x in range(high.size):
        both = one[x] * other[x]
        d = (high[x] - low[x] - shift) * both
        n += both
        s += d
        ss += d * d
    out[0] += n
    out[1] += s
    out[2] += ss


@njit(cache=True, nogil=True)
def lag_sums(heights: Heights, known: Mask, lags: Places, tilt: float) -> Vector:
    """Count, sum, and sum squares of, the differences of known pixels of a line, less ``tilt`` times their distance.

    Parameters
    ----------
    lags : (n,)
        Distances, less than the length of a line.

    Returns
    -------
    (n, 3)
    """
    out = np.zeros((lags.size, 3))
    line, one = np.empty(heights.shape[1]), np.empty(heights.shape[1])
    for y in range(heights.shape[0]):
        for x in range(line.size):
            one[x] = 1.0 if known[y, x] else 0.0
            line[x] = heights[y, x] if known[y, x] else 0.0
        for k in range(lags.size):
            _add_lag(line, one, lags[k], tilt * lags[k], out[k])
    return out


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
