"""Compiled kernels of local ordinary kriging: choose neighbors, solve once per pattern of neighbors, apply.

An offset table lists all places around a pixel by distance. Its entries come in mirror groups (up to four offsets
that differ only in sign), which are taken or left as a whole, so that a mirrored image has mirrored neighbors.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from afmend.compiled import njit
from afmend.scan.arrays import Mask

Ints: TypeAlias = NDArray[np.int32]
Longs: TypeAlias = NDArray[np.intp]
Floats: TypeAlias = NDArray[np.float64]


@njit(cache=True)
def neighbors(y: int, x: int, known: Mask, table: Ints, distance: Floats, quota: int, out: Longs) -> int:
    """Choose the nearest known pixels in four sectors (up, down, left, right); return their number.

    ``table``: (n, 4) dy, dx, sector, first of its mirror group. ``out`` receives indices into the table.
    """
    rows, cols = known.shape
    count = np.zeros(4, np.int64)
    open_ = np.ones(4, np.bool_)
    n = 0
    first = -1.0
    for t in range(table.shape[0]):
        if table[t, 3]:
            for s in range(4):
                open_[s] = count[s] < quota
            if not (open_[0] or open_[1] or open_[2] or open_[3]):
                break
            # Sectors that are still not full lie beyond the image edge or behind a wide hole.
            if first >= 0 and n >= quota and distance[t] > 2.5 * first + 6.0:
                break
        s = table[t, 2]
        if not open_[s]:
            continue
        yy = y + table[t, 0]
        xx = x + table[t, 1]
        if yy < 0 or xx < 0 or yy >= rows or xx >= cols or not known[yy, xx]:
            continue
        if first < 0:
            first = distance[t]
        count[s] += 1
        out[n] = t
        n += 1
    return n


@njit(cache=True)
def patterns(ys: Longs, xs: Longs, known: Mask, table: Ints, distance: Floats, quota: int) -> NDArray[np.uint64]:
    """Hash the chosen neighbors of each pixel: equal hashes have equal weights."""
    hashes = np.empty(ys.size, np.uint64)
    out = np.empty(8 * quota + 32, np.int64)
    for i in range(ys.size):
        n = neighbors(ys[i], xs[i], known, table, distance, quota, out)
        h = np.uint64(14695981039346656037)
        for k in range(n):
            h = (h ^ np.uint64(out[k] + 1)) * np.uint64(1099511628211)
            h ^= h >> np.uint64(29)
        hashes[i] = h
    return hashes


@njit(cache=True)
def cholesky(a: Floats, n: int) -> bool:
    """Factor the upper triangle in place (a = u^T u); False if a pivot is not positive."""
    for k in range(n):
        pivot = a[k, k]
        if not pivot > 0.0:
            return False
        pivot = 1.0 / np.sqrt(pivot)
        for j in range(k, n):
            a[k, j] *= pivot
        for i in range(k + 1, n):
            f = a[k, i]
            for j in range(i, n):
                a[i, j] -= f * a[k, j]
    return True


@njit(cache=True)
def back_solve(u: Floats, n: int, b: Floats) -> None:
    """Solve u^T u x = b in place."""
    for k in range(n):
        b[k] /= u[k, k]
        f = b[k]
        for j in range(k + 1, n):
            b[j] -= f * u[k, j]
    for k in range(n - 1, -1, -1):
        total = b[k]
        for j in range(k + 1, n):
            total -= u[k, j] * b[j]
        b[k] = total / u[k, k]


@njit(cache=True)
def weights(
    chosen: Longs, n: int, table: Ints, rise: Floats, nugget: float, u: Floats, w: Floats, one: Floats
) -> float:
    """Ordinary kriging weights of n neighbors to ``w``; return the variance of the noise-free surface.

    ``rise[|dy|, |dx|]`` is the variogram without nugget, relative to its slope; so is ``nugget``.
    Ordinary kriging does not change when a constant is added to the covariance: a sill above the largest variogram
    value makes it positive definite.
    """
    sill = 0.0
    for i in range(n):
        t = chosen[i]
        sill = max(sill, rise[abs(table[t, 0]), abs(table[t, 1])])
    sill = 4.0 * sill + nugget
    for _ in range(6):
        for i in range(n):
            yi, xi = table[chosen[i], 0], table[chosen[i], 1]
            u[i, i] = sill + nugget + sill * 1e-13
            for j in range(i + 1, n):
                u[i, j] = sill - rise[abs(table[chosen[j], 0] - yi), abs(table[chosen[j], 1] - xi)]
            w[i] = sill - rise[abs(yi), abs(xi)]
            one[i] = 1.0
        if cholesky(u, n):
            break
        sill *= 4.0
    else:
        for i in range(n):
            w[i] = 1.0 / n
        return sill
    back_solve(u, n, w)
    back_solve(u, n, one)
    total_w = 0.0
    total_one = 0.0
    for i in range(n):
        total_w += w[i]
        total_one += one[i]
    mu = (1.0 - total_w) / total_one
    variance = mu
    for i in range(n):
        w[i] += mu * one[i]
        variance += w[i] * rise[abs(table[chosen[i], 0]), abs(table[chosen[i], 1])]
    return variance


@njit(cache=True)
def krige(
    ys: Longs,
    xs: Longs,
    order: Longs,
    starts: Longs,
    z: Floats,
    known: Mask,
    table: Ints,
    distance: Floats,
    rise: Floats,
    nugget: float,
    quota: int,
) -> tuple[Floats, Floats]:
    """Means (about ``z``'s zero), relative variances and patterns' sizes for pixels sorted into patterns."""
    size = 8 * quota + 32
    mean = np.empty(ys.size)
    variance = np.empty(ys.size)
    chosen = np.empty(size, np.int64)
    u = np.empty((size, size))
    w = np.empty(size)
    one = np.empty(size)
    for g in range(starts.size - 1):
        head = order[starts[g]]
        n = neighbors(ys[head], xs[head], known, table, distance, quota, chosen)
        if n == 0:
            for s in range(starts[g], starts[g + 1]):
                mean[order[s]] = np.nan
                variance[order[s]] = np.nan
            continue
        v = weights(chosen, n, table, rise, nugget, u, w, one)
        for s in range(starts[g], starts[g + 1]):
            i = order[s]
            total = 0.0
            for k in range(n):
                total += w[k] * z[ys[i] + table[chosen[k], 0], xs[i] + table[chosen[k], 1]]
            mean[i] = total
            variance[i] = v
    return mean, variance
