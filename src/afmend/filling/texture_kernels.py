"""Compiled kernels of kriging in tiles: choose neighbors of a tile, factor once per pattern, apply to all its tiles."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from afmend.compiled import njit
from afmend.scan.arrays import Heights, Mask

Longs: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]

_FAR = 1e-9
NO_SAY = -1e6


@njit(cache=True, nogil=True)
def hash_tiles(starts: Longs, rows: Longs, cols: Longs, boxes: Longs, known: Mask) -> NDArray[np.uint64]:
    """Hash what lies in the window of each tile: equal hashes have equal neighbors and targets.

    ``boxes``: (tiles, 4) top, left, bottom, right of the windows, which may reach beyond the image.
    """
    height, width = known.shape
    out = np.empty(starts.size - 1, np.uint64)
    for t in range(starts.size - 1):
        top, left, bottom, right = boxes[t]
        h = np.uint64(14695981039346656037)
        h = (h ^ np.uint64(bottom - top)) * np.uint64(1099511628211)
        h = (h ^ np.uint64(right - left)) * np.uint64(1099511628211)
        bits = np.uint64(0)
        count = 0
        for y in range(top, bottom):
            for x in range(left, right):
                inside = 0 <= y < height and 0 <= x < width and known[y, x]
                bits = (bits << np.uint64(1)) | np.uint64(1 if inside else 0)
                count += 1
                if count == 32:
                    h = (h ^ bits) * np.uint64(1099511628211)
                    h ^= h >> np.uint64(29)
                    bits = np.uint64(0)
                    count = 0
        h = (h ^ bits) * np.uint64(1099511628211)
        for i in range(starts[t], starts[t + 1]):
            h = (h ^ np.uint64((rows[i] - top) * 65536 + (cols[i] - left))) * np.uint64(1099511628211)
            h ^= h >> np.uint64(29)
        out[t] = h
    return out


@njit(cache=True, nogil=True)
def choose(  # noqa: C901 (compiled)
    ys: Longs, xs: Longs, box: Longs, known: Mask, slow: float, quota: int
) -> tuple[Longs, Longs]:
    """Known pixels nearest to any target, in four sectors around the tile's middle; ties are taken together."""
    height, width = known.shape
    top, left = max(box[0], 0), max(box[1], 0)
    bottom, right = min(box[2], height), min(box[3], width)
    room = max(0, bottom - top) * max(0, right - left)
    score = np.empty(room)
    sector = np.empty(room, np.int64)
    py, px = np.empty(room, np.int64), np.empty(room, np.int64)
    cy, cx = 0.5 * (ys.min() + ys.max()), 0.5 * (xs.min() + xs.max())
    nearest = min(1.0, slow * slow)
    n = 0
    for y in range(top, bottom):
        for x in range(left, right):
            if not known[y, x]:
                continue
            best = np.inf
            for i in range(ys.size):
                dy, dx = (y - ys[i]) * slow, float(x - xs[i])
                d = dy * dy + dx * dx
                if d < best:
                    best = d
                    if best <= nearest:
                        break
            score[n] = best
            vy, vx = (y - cy) * slow, x - cx
            # The very middle belongs to no sector, and is taken always.
            side = (vy > 0) - (vy < 0) if abs(vy) >= abs(vx) else 3 * ((vx > 0) - (vx < 0))
            sector[n] = side + 3
            py[n] = y
            px[n] = x
            n += 1
    limit = np.full(7, np.inf)
    for s in (0, 2, 4, 6):
        own = np.sort(score[:n][sector[:n] == s])
        if own.size > quota:
            limit[s] = own[quota - 1] * (1 + _FAR)
    kept = 0
    for i in range(n):
        if score[i] <= limit[sector[i]]:
            py[kept] = py[i]
            px[kept] = px[i]
            kept += 1
    return py[:kept].copy(), px[:kept].copy()


@njit(cache=True, nogil=True, fastmath={"contract"})
def factor(u: Floats, b: Floats) -> bool:  # noqa: C901 (compiled)
    """Factor the upper triangle of ``u`` in place (u^T u) and divide it off ``b``; False if a pivot is not positive.

    Four pivots at a time: the trailing rows are then read and written once instead of four times.
    """
    n, m = u.shape[0], b.shape[1]
    for start in range(0, n, 4):
        stop = min(start + 4, n)
        for k in range(start, stop):
            pivot = u[k, k]
            if not pivot > 0.0:
                return False
            pivot = 1.0 / np.sqrt(pivot)
            for j in range(k, n):
                u[k, j] *= pivot
            for j in range(m):
                b[k, j] *= pivot
            for i in range(k + 1, stop):
                f = u[k, i]
                for j in range(i, n):
                    u[i, j] -= f * u[k, j]
                for j in range(m):
                    b[i, j] -= f * b[k, j]
        if stop - start < 4:
            break
        u0, u1, u2, u3 = u[start], u[start + 1], u[start + 2], u[start + 3]
        b0, b1, b2, b3 = b[start], b[start + 1], b[start + 2], b[start + 3]
        for i in range(stop, n):
            f0, f1, f2, f3 = u0[i], u1[i], u2[i], u3[i]
            row = u[i]
            for j in range(i, n):
                row[j] -= f0 * u0[j] + f1 * u1[j] + f2 * u2[j] + f3 * u3[j]
            right = b[i]
            for j in range(m):
                right[j] -= f0 * b0[j] + f1 * b1[j] + f2 * b2[j] + f3 * b3[j]
    return True


@njit(cache=True, nogil=True)
def solve(  # noqa: C901, PLR0912, PLR0915 (compiled)
    order: Longs,
    groups: Longs,
    which: Longs,
    starts: Longs,
    rows: Longs,
    cols: Longs,
    boxes: Longs,
    heights: Heights,
    base: float,
    known: Mask,
    tables: Floats,
    nugget: float,
    slow: float,
    quotas: Longs,
) -> tuple[Floats, Floats, Floats]:
    """Ordinary kriging of tiles in groups of one pattern and one covariance.

    Parameters
    ----------
    order, groups
        Tiles sorted into groups, and where each group starts.
    which : (tiles,) int
        The covariance of each tile: number of a table.
    base : float
        A height of the image: a common shift keeps rounding small.
    tables : (n, 2 R + 1, 2 R + 1)
        Covariances without nugget by (dy + R, dx + R).

    Returns
    -------
    mean, variance : (pixels,)
        Of the noise-free surface.
    fit : (tiles, 2)
        Log likelihood per neighbor, and the neighbors' mean square in units of what the covariance expects.
    """
    mean, variance = np.empty(rows.size), np.empty(rows.size)
    fit = np.empty((starts.size - 1, 2))
    reach = (tables.shape[1] - 1) // 2
    for g in range(groups.size - 1):
        head = order[groups[g]]
        first, last = starts[head], starts[head + 1]
        ys, xs = rows[first:last], cols[first:last]
        m, tiles = ys.size, groups[g + 1] - groups[g]
        py, px = choose(ys, xs, boxes[head], known, slow, quotas[head])
        n = py.size
        table = tables[which[head]]
        sill = table[reach, reach]
        u = np.empty((n, n))
        b = np.empty((n, m + 1 + tiles))
        for i in range(n):
            for j in range(i, n):
                u[i, j] = table[py[j] - py[i] + reach, px[j] - px[i] + reach]
            u[i, i] += nugget
            for k in range(m):
                b[i, k] = table[ys[k] - py[i] + reach, xs[k] - px[i] + reach]
            b[i, m] = 1.0
            for t in range(tiles):
                tile = order[groups[g] + t]
                dy, dx = rows[starts[tile]] - ys[0], cols[starts[tile]] - xs[0]
                b[i, m + 1 + t] = heights[py[i] + dy, px[i] + dx] - base
        if n == 0 or not factor(u, b):
            # No neighbors, or rounding has made the system singular: their mean, with no say beside others.
            for t in range(tiles):
                tile = order[groups[g] + t]
                dy, dx = rows[starts[tile]] - ys[0], cols[starts[tile]] - xs[0]
                level = 0.0
                for i in range(n):
                    level += (heights[py[i] + dy, px[i] + dx] - base) / n
                fit[tile, 0] = NO_SAY
                fit[tile, 1] = 1.0
                for k in range(m):
                    mean[starts[tile] + k] = level
                    variance[starts[tile] + k] = 2 * abs(sill)
            continue
        logs = 0.0
        for k in range(n):
            logs += 2 * np.log(u[k, k])
        ones = 0.0
        own, reached = np.zeros(m), np.zeros(m)
        for i in range(n):
            one = b[i, m]
            ones += one * one
            for k in range(m):
                own[k] += b[i, k] * b[i, k]
                reached[k] += b[i, k] * one
        along = np.zeros((tiles, m))
        total, square = np.zeros(tiles), np.zeros(tiles)
        for i in range(n):
            for t in range(tiles):
                height = b[i, m + 1 + t]
                total[t] += b[i, m] * height
                square[t] += height * height
                for k in range(m):
                    along[t, k] += b[i, k] * height
        for t in range(tiles):
            tile = order[groups[g] + t]
            level = total[t] / ones
            rest = square[t] - total[t] * level
            fit[tile, 0] = -0.5 * (logs + np.log(ones) + rest) / n
            fit[tile, 1] = rest / max(n - 1, 1)
            for k in range(m):
                mean[starts[tile] + k] = along[t, k] + (1 - reached[k]) * level
                variance[starts[tile] + k] = sill - own[k] + (1 - reached[k]) ** 2 / ones
    return mean, variance, fit


@njit(cache=True, nogil=True)
def directions(boxes: Longs, z: Heights, known: Mask, slow: float) -> Floats:
    """Structure tensor of the known pixels in each window: sums of gx gx, gy gy, gx gy (tiles, 3)."""
    height, width = known.shape
    out = np.zeros((boxes.shape[0], 3))
    for t in range(boxes.shape[0]):
        for y in range(max(boxes[t, 0], 0), min(boxes[t, 2], height) - 1):
            for x in range(max(boxes[t, 1], 0), min(boxes[t, 3], width) - 1):
                if known[y, x] and known[y, x + 1] and known[y + 1, x] and known[y + 1, x + 1]:
                    near, far = z[y + 1, x + 1] - z[y, x], z[y, x + 1] - z[y + 1, x]
                    gx, gy = near + far, (near - far) / slow
                    out[t, 0] += gx * gx
                    out[t, 1] += gy * gy
                    out[t, 2] += gx * gy
    return out
