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


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"}, error_model="numpy")
def tile_moments(r: F, skip: B, x: F, edges: I) -> tuple[F, F, F]:
    """Sum x**k (k to 6), x**k r (k to 3) and r**2 over each piece of each line; ``edges`` bound the pieces."""
    rows = r.shape[0]
    pieces = edges.size - 1
    weights = np.zeros((rows, pieces, 7))
    heights = np.zeros((rows, pieces, 4))
    squares = np.zeros((rows, pieces))
    for i in range(rows):
        for p in range(pieces):
            w0 = w1 = w2 = w3 = w4 = w5 = w6 = h0 = h1 = h2 = h3 = s = 0.0
            for j in range(edges[p], edges[p + 1]):
                value = 0.0 if skip[i, j] else r[i, j]
                one = 0.0 if skip[i, j] else 1.0
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
            weights[i, p] = (w0, w1, w2, w3, w4, w5, w6)
            heights[i, p] = (h0, h1, h2, h3)
            squares[i, p] = s
    return weights, heights, squares


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"}, error_model="numpy")
def ground_moments(z: F, skip: B, coefs: F, x: F, level: float, reach: float) -> tuple[F, F]:
    """Sum x**k (k to 4) and x**k r (k to 2) over each line.

    r is what is left of the heights above a parabola per line and ``level``; pixels farther than ``reach`` from it
    do not count.
    """
    rows, cols = z.shape
    weights = np.zeros((rows, 1, 5))
    heights = np.zeros((rows, 1, 3))
    for i in range(rows):
        c0, c1, c2 = coefs[i]
        w0 = w1 = w2 = w3 = w4 = h0 = h1 = h2 = 0.0
        for j in range(cols):
            x1 = x[j]
            x2 = x1 * x1
            value = np.inf if skip[i, j] else z[i, j] - (c0 + c1 * x1 + c2 * x2) - level
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
        weights[i, 0] = (w0, w1, w2, w3, w4)
        heights[i, 0] = (h0, h1, h2)
    return weights, heights


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"}, error_model="numpy")
def slope_sums(slopes: F, design: F, fit: F, kappa: float, redescend: bool) -> tuple[F, F]:
    """Sum up weighted normal equations: Geman-McClure, or absolute deviations softened at ``kappa``."""
    count, k = design.shape
    columns = design.T.copy()
    normal = np.zeros((k, k))
    right = np.zeros(k)
    rest, weight, weighted = slopes.copy(), np.empty(count), np.empty(count)
    for a in range(k):
        for p in range(count):
            rest[p] -= columns[a, p] * fit[a]
    for p in range(count):
        t2 = 1.0 + (rest[p] / kappa) ** 2
        weight[p] = (1.0 / (t2 * t2) if redescend else 1.0 / np.sqrt(t2)) / (kappa * kappa)
    for a in range(k):
        total = 0.0
        for p in range(count):
            weighted[p] = weight[p] * columns[a, p]
            total += weighted[p] * rest[p]
        right[a] = total
        for b in range(a, k):
            total = 0.0
            for p in range(count):
                total += weighted[p] * columns[b, p]
            normal[a, b] = normal[b, a] = total
    return normal, right


@njit(cache=True, nogil=True)
def far_from(r: F, skip: B, level: float, reach: float) -> B:
    """Mark the pixels, not skipped, that are farther than ``reach`` from ``level``."""
    out = np.zeros(r.shape, np.bool_)
    for i in range(r.shape[0]):
        for j in range(r.shape[1]):
            out[i, j] = not skip[i, j] and abs(r[i, j] - level) > reach
    return out


@njit(cache=True, nogil=True)
def block_means(r: F, skip: B, row_edges: I, col_edges: I) -> tuple[F, F]:
    """Average the usable heights of each block; return their number as well."""
    mean = np.zeros((row_edges.size - 1, col_edges.size - 1))
    count = np.zeros(mean.shape)
    for a in range(row_edges.size - 1):
        for i in range(row_edges[a], row_edges[a + 1]):
            for b in range(col_edges.size - 1):
                for j in range(col_edges[b], col_edges[b + 1]):
                    if not skip[i, j]:
                        mean[a, b] += r[i, j]
                        count[a, b] += 1.0
    for a in range(mean.shape[0]):
        for b in range(mean.shape[1]):
            if count[a, b] > 0:
                mean[a, b] /= count[a, b]
    return mean, count
