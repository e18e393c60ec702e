"""Compiled sums over the background: tiles, ground, slopes, blocks. Imported only when they run.

As in `line_kernels`, every loop adds up in an order that is fixed when it is compiled, and skips excluded pixels
before it looks at their value.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from afmend.compiled import njit

F = NDArray[np.float64]
I = NDArray[np.int64]  # noqa: E741 (integer arrays, beside F)
B = NDArray[np.bool_]

_ROUNDS = 4


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"}, error_model="numpy", forceinline=True)
def _piece(r: F, skip: B, x: F, weights: F, heights: F) -> float:
    """Sum x**k (k to 6), x**k r (k to 3) and, as what is returned, r**2 over a piece of a line."""
    w0 = w1 = w2 = w3 = w4 = w5 = w6 = h0 = h1 = h2 = h3 = s = 0.0
    for j in range(x.size):
        value = 0.0 if skip[j] else r[j]
        one = 0.0 if skip[j] else 1.0
        x1 = x[j]
        x2 = x1 * x1
        x3 = x2 * x1
        w0 += one
        w1 += one * x1
        w2 += one * x2
        w3 += one * x3
        w4 += one * (x2 * x2)
        w5 += one * (x2 * x3)
        w6 += one * (x3 * x3)
        h0 += value
        h1 += x1 * value
        h2 += x2 * value
        h3 += x3 * value
        s += value * value
    weights[0], weights[1], weights[2], weights[3] = w0, w1, w2, w3
    weights[4], weights[5], weights[6] = w4, w5, w6
    heights[0], heights[1], heights[2], heights[3] = h0, h1, h2, h3
    return s


@njit(cache=True, nogil=True)
def tile_moments(r: F, skip: B, x: F, y: F, edges: I, tile: I, tiles: int) -> tuple[F, F, F]:
    """Sum x**a y**b (to 6 each), x**a y**b r (to 3 each) and r**2 over tiles.

    Parameters
    ----------
    r, skip : (rows, cols)
    x, y : (cols,), (rows,)
    edges : (pieces + 1,)
        Columns that bound the tiles.
    tile : (rows,)
        Number, below ``tiles``, of the tile along the slow axis that each line belongs to.

    Returns
    -------
    weights, heights, squares : (tiles, pieces, 7, 7), (tiles, pieces, 4, 4), (tiles, pieces)
    """
    pieces = edges.size - 1
    weights, heights = np.zeros((tiles, pieces, 7, 7)), np.zeros((tiles, pieces, 4, 4))
    squares = np.zeros((tiles, pieces))
    w, h = np.empty(7), np.empty(4)
    for i in range(r.shape[0]):
        for p in range(pieces):
            j, k = edges[p], edges[p + 1]
            squares[tile[i], p] += _piece(r[i, j:k], skip[i, j:k], x[j:k], w, h)
            power = 1.0
            for b in range(7):
                for a in range(7):
                    weights[tile[i], p, a, b] += w[a] * power
                for a in range(4 if b < 4 else 0):
                    heights[tile[i], p, a, b] += h[a] * power
                power *= y[i]
    return weights, heights, squares


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"}, error_model="numpy", forceinline=True)
def ground_moments(r: F, skip: B, x: F, y: F, level: float, reach: float) -> tuple[F, F]:
    """Sum x**a y**b (to 4 each) and x**a y**b (r - level) (to 2 each) over the pixels within ``reach`` of ``level``."""
    weights = np.zeros((5, 5))
    heights = np.zeros((3, 3))
    for i in range(r.shape[0]):
        w0 = w1 = w2 = w3 = w4 = h0 = h1 = h2 = 0.0
        for j in range(r.shape[1]):
            x1 = x[j]
            x2 = x1 * x1
            value = np.nan if skip[i, j] else r[i, j] - level
            one = 1.0 if abs(value) <= reach else 0.0
            value = value if abs(value) <= reach else 0.0
            w0 += one
            w1 += one * x1
            w2 += one * x2
            w3 += one * (x2 * x1)
            w4 += one * (x2 * x2)
            h0 += value
            h1 += x1 * value
            h2 += x2 * value
        power = 1.0
        for b in range(5):
            weights[0, b] += w0 * power
            weights[1, b] += w1 * power
            weights[2, b] += w2 * power
            weights[3, b] += w3 * power
            weights[4, b] += w4 * power
            if b < 3:
                heights[0, b] += h0 * power
                heights[1, b] += h1 * power
                heights[2, b] += h2 * power
            power *= y[i]
    return weights, heights


@njit(cache=True, nogil=True)
def nearest(ordered: F, center: float, count: int) -> float:
    """Return the distance from ``center`` of the ``count``-th nearest of ordered numbers."""
    low = 0
    high = ordered.size - count
    while low < high:
        middle = (low + high) // 2
        if center - ordered[middle] > ordered[middle + count] - center:
            low = middle + 1
        else:
            high = middle
    return float(max(abs(center - ordered[low]), abs(ordered[low + count - 1] - center)))


@njit(cache=True, nogil=True)
def median_and_mad(ordered: F) -> tuple[float, float]:
    """Return the median of ordered numbers and the median of their distances from it, in few steps."""
    n = ordered.size
    level = ordered[n // 2] if n % 2 else 0.5 * (ordered[n // 2 - 1] + ordered[n // 2])
    away = nearest(ordered, level, n // 2 + 1)
    if n % 2 == 0:
        away = 0.5 * (away + nearest(ordered, level, n // 2))
    return level, away


@njit(cache=True, nogil=True)
def _spread_of(ordered: F) -> tuple[float, float]:
    """Return median and 1.4826 MAD of ordered numbers; where that is rounding, the mean deviation takes its place."""
    level, away = median_and_mad(ordered)
    sigma = 1.4826 * away
    if sigma <= 1e-12 * max(level - ordered[0], ordered[-1] - level):
        sigma = 1.2533 * float(np.mean(np.abs(ordered - level)))
    return level, sigma


@njit(cache=True, nogil=True)
def _place(ordered: F, limit: float, beyond: bool) -> int:
    """Count the ordered numbers below a limit, ``beyond``: those that equal it as well."""
    low, high = 0, ordered.size
    while low < high:
        middle = (low + high) // 2
        if ordered[middle] < limit or (beyond and ordered[middle] == limit):
            low = middle + 1
        else:
            high = middle
    return low


@njit(cache=True, nogil=True)
def ground_of_ordered(ordered: F, sigmas: float) -> tuple[float, float]:
    """Return median and robust standard deviation of what lies within ``sigmas`` of the ground, in turns."""
    level, sigma = _spread_of(ordered)
    for _ in range(_ROUNDS):
        reach = sigmas * sigma
        first, stop = _place(ordered, level - reach, False), _place(ordered, level + reach, True)
        if first >= stop:  # nothing but rounding is left
            break
        before, wide = level, sigma
        level, sigma = _spread_of(ordered[first:stop])
        if level == before and sigma == wide:
            break
    return level, sigma


@njit(cache=True, nogil=True)
def _over_line(line: F, coefs: F, x: F, out: F) -> None:
    """Write a line minus its polynomial, of degree 3 at most."""
    c = np.zeros(4)
    c[: coefs.size] = coefs
    c0, c1, c2, c3 = c
    for j in range(line.size):
        out[j] = line[j] - (((c3 * x[j] + c2) * x[j] + c1) * x[j] + c0)


@njit(cache=True, nogil=True)
def near_ground(z: F, skip: B, coefs: F, x: F, reach: float) -> B:
    """Tell which usable pixels are within ``reach`` of 0 when a polynomial is subtracted from each line."""
    ground = np.empty(z.shape, np.bool_)
    left = np.empty(z.shape[1])
    for i in range(z.shape[0]):
        _over_line(z[i], coefs[i], x, left)
        for j in range(z.shape[1]):
            ground[i, j] = (not skip[i, j]) & (abs(left[j]) <= reach)
    return ground


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"}, error_model="numpy", forceinline=True)
def _mean_and_sums(line: F, inside: B, tests: F, sums: F) -> tuple[float, int]:
    """Mean of some pixels of a line, their number, and their sums about it, over it, modulated by test functions."""
    total = count = 0.0
    for j in range(line.size):
        total += line[j] if inside[j] else 0.0
        count += 1.0 if inside[j] else 0.0
    if count == 0.0:
        return 0.0, 0
    mean = total / count
    for j in range(line.size):
        line[j] = (line[j] - mean) / count if inside[j] else 0.0
    for m in range(tests.shape[0]):
        total = 0.0
        for j in range(line.size):
            total += line[j] * tests[m, j]
        sums[m] = total
    return mean, int(count)


@njit(cache=True, nogil=True)
def ground_means(z: F, skip: B, coefs: F, x: F, reach: float, tests: F, ground: B, mean: F, sums: F, count: I) -> None:
    """Find the ground as `near_ground` does, and the mean of each of its lines above its polynomial.

    Writes to ``ground``, ``mean`` (rows,), ``sums`` (rows, tests): of the same pixels about the mean, over their
    number, modulated by the test functions; and ``count`` (rows,), their number.
    """
    left = np.empty(z.shape[1])
    sums[:] = 0.0
    for i in range(z.shape[0]):
        _over_line(z[i], coefs[i], x, left)
        for j in range(z.shape[1]):
            ground[i, j] = (not skip[i, j]) & (abs(left[j]) <= reach)
        mean[i], count[i] = _mean_and_sums(left, ground[i], tests, sums[i])


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"}, error_model="numpy", forceinline=True)
def _powers(skip: B, x: F, out: F) -> None:
    """Sum 1, x, x**2, x**3 over the usable pixels of a piece of a line."""
    w0 = w1 = w2 = w3 = 0.0
    for j in range(x.size):
        one = 0.0 if skip[j] else 1.0
        x1 = one * x[j]
        x2 = x1 * x[j]
        w0 += one
        w1 += x1
        w2 += x2
        w3 += x2 * x[j]
    out[0], out[1], out[2], out[3] = w0, w1, w2, w3


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"}, error_model="numpy", forceinline=True)
def _sum(line: F, skip: B) -> tuple[float, bool]:
    """Sum the usable heights of a piece of a line; tell whether all are usable."""
    total, gone = 0.0, False
    for j in range(line.size):
        gone |= skip[j]
    for j in range(line.size):
        total += 0.0 if skip[j] else line[j]
    return total, not gone


@njit(cache=True, nogil=True)
def block_sums(z: F, skip: B, x: F, edges: I) -> F:
    """Sum 1, x, x**2, x**3 and the heights over the usable pixels of each piece of each line: (rows, pieces, 5)."""
    pieces = edges.size - 1
    out, whole = np.zeros((z.shape[0], pieces, 5)), np.empty((pieces, 4))
    none = np.zeros(x.size, np.bool_)
    for p in range(pieces):
        i = slice(edges[p], edges[p + 1])
        _powers(none[i], x[i], whole[p])
    for r in range(z.shape[0]):
        for p in range(pieces):
            i = slice(edges[p], edges[p + 1])
            out[r, p, 4], complete = _sum(z[r, i], skip[r, i])
            if complete:
                out[r, p, :4] = whole[p]
            else:
                _powers(skip[r, i], x[i], out[r, p])
    return out


@njit(cache=True, nogil=True)
def block_sums_across(z: F, skip: B, y: F, edges: I) -> F:
    """`block_sums` of the transposed image: (cols, pieces, 5)."""
    cols = z.shape[1]
    out = np.zeros((cols, edges.size - 1, 5))
    w0, w1, w2, w3, h = np.empty(cols), np.empty(cols), np.empty(cols), np.empty(cols), np.empty(cols)
    for p in range(edges.size - 1):
        for part in (w0, w1, w2, w3, h):
            part[:] = 0.0
        for i in range(edges[p], edges[p + 1]):
            y1 = y[i]
            y2 = y1 * y1
            y3 = y2 * y1
            for j in range(cols):
                one = 0.0 if skip[i, j] else 1.0
                w0[j] += one
                w1[j] += one * y1
                w2[j] += one * y2
                w3[j] += one * y3
                h[j] += 0.0 if skip[i, j] else z[i, j]
        for j in range(cols):
            out[j, p] = (w0[j], w1[j], w2[j], w3[j], h[j])
    return out


@njit(cache=True, nogil=True)
def block_parts(sums: F, edges: I) -> tuple[F, F, B]:
    """Turn `block_sums` into means of the heights and of 1, x, x**2, x**3, 0 where a block is mostly masked.

    Also tells which blocks are known in a line and in the next.
    """
    lines, blocks = sums.shape[:2]
    mean, powers = np.zeros((lines, blocks)), np.zeros((lines, blocks, 4))
    both = np.empty((max(lines - 1, 0), blocks), np.bool_)
    for b in range(blocks):
        least = max(0.5 * (edges[b + 1] - edges[b]), 1.0)
        before = False
        for i in range(lines):
            known = sums[i, b, 0] >= least
            if known:
                mean[i, b] = sums[i, b, 4] / sums[i, b, 0]
                for k in range(4):
                    powers[i, b, k] = sums[i, b, k] / sums[i, b, 0]
            if i > 0:
                both[i - 1, b] = known & before
            before = known
    return mean, powers, both


@njit(cache=True, nogil=True)
def block_steps(mean: F, powers: F, both: B, coefs: F) -> F:
    """Return the steps of means above a polynomial of each line, from line to line; 0 where not known in both."""
    out = np.zeros(both.shape)
    for b in range(mean.shape[1]):
        before = 0.0
        for i in range(mean.shape[0]):
            left = mean[i, b]
            for k in range(coefs.shape[1]):
                left -= powers[i, b, k] * coefs[i, k]
            if i > 0 and both[i - 1, b]:
                out[i - 1, b] = left - before
            before = left
    return out


@njit(cache=True, nogil=True)
def thin(r: F, skip: B, rows: I, cols: I) -> tuple[F, B]:
    """Take some rows and columns."""
    few, gone = np.empty((rows.size, cols.size)), np.empty((rows.size, cols.size), np.bool_)
    for i in range(rows.size):
        for j in range(cols.size):
            few[i, j] = r[rows[i], cols[j]]
            gone[i, j] = skip[rows[i], cols[j]]
    return few, gone


@njit(cache=True, nogil=True)
def line_counts(skip: B) -> tuple[I, I]:
    """Count the usable pixels of each line, and the columns that are usable in a line and the next."""
    rows = skip.shape[0]
    own, shared = np.zeros(rows, np.int64), np.zeros(max(rows - 1, 0), np.int64)
    for i in range(rows):
        count = 0
        for j in range(skip.shape[1]):
            count += not skip[i, j]
        own[i] = count
    for i in range(rows - 1):
        count = 0
        for j in range(skip.shape[1]):
            count += not (skip[i, j] | skip[i + 1, j])
        shared[i] = count
    return own, shared
