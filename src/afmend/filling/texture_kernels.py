"""Compiled kernels of kriging in tiles: choose neighbors of a tile, factor once per pattern, apply to all its tiles."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from afmend.compiled import njit
from afmend.filling.factor_kernels import ROW, factor
from afmend.leveling.selection_kernels import selected
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
def beside_targets(ys: Longs, xs: Longs, left: int, right: int) -> tuple[Longs, Floats]:
    """Lines that hold targets (sorted by lines), and how far the columns of a window are from the targets in each."""
    lines = np.empty(ys.size, np.int64)
    away = np.empty((ys.size, right - left))
    count = first = 0
    while first < ys.size:
        last = first
        while last + 1 < ys.size and ys[last + 1] == ys[first]:
            last += 1
        k = first
        for x in range(left, right):
            while k < last and abs(x - xs[k + 1]) <= abs(x - xs[k]):
                k += 1
            away[count, x - left] = abs(x - xs[k])
        lines[count] = ys[first]
        count += 1
        first = last + 1
    return lines[:count], away[:count]


@njit(cache=True, nogil=True)
def choose(ys: Longs, xs: Longs, box: Longs, known: Mask, slow: float, quota: int) -> tuple[Longs, Longs]:
    """Known pixels nearest to any target, in four sectors around the tile's middle; ties are taken together."""
    height, width = known.shape
    top, left = max(box[0], 0), max(box[1], 0)
    bottom, right = min(box[2], height), min(box[3], width)
    room = max(0, bottom - top) * max(0, right - left)
    score = np.empty(room)
    sector = np.empty(room, np.int64)
    py, px = np.empty(room, np.int64), np.empty(room, np.int64)
    cy, cx = 0.5 * (ys.min() + ys.max()), 0.5 * (xs.min() + xs.max())
    lines, away = beside_targets(ys, xs, left, max(left, right))
    best = np.empty(max(0, right - left))
    own, count = np.empty((7, room)), np.zeros(7, np.int64)
    n = 0
    for y in range(top, bottom):
        best[:] = np.inf
        for k in range(lines.size):
            dy = (y - lines[k]) * slow
            for x in range(best.size):
                d = dy * dy + away[k, x] * away[k, x]
                best[x] = min(best[x], d)
        vy = (y - cy) * slow
        for x in range(left, right):
            if not known[y, x]:
                continue
            score[n] = best[x - left]
            vx = x - cx
            # The very middle belongs to no sector, and is taken always.
            s = 3 + ((vy > 0) - (vy < 0) if abs(vy) >= abs(vx) else 3 * ((vx > 0) - (vx < 0)))
            sector[n] = s
            own[s, count[s]] = score[n]
            count[s] += 1
            py[n] = y
            px[n] = x
            n += 1
    limit = np.full(7, np.inf)
    for s in (0, 2, 4, 6):
        if count[s] > quota:
            limit[s] = selected(own[s, : count[s]], quota - 1) * (1 + _FAR)
    kept = 0
    for i in range(n):
        if score[i] <= limit[sector[i]]:
            py[kept] = py[i]
            px[kept] = px[i]
            kept += 1
    return py[:kept].copy(), px[:kept].copy()


@njit(cache=True, nogil=True)
def dealt_to(group: int, part: int, parts: int) -> bool:
    """Tell whether a part solves a group: as the busiest come first, they are dealt out to and fro."""
    lap, place = group // parts, group % parts
    return bool(part == (place if lap % 2 == 0 else parts - 1 - place))


@njit(cache=True, nogil=True)
def solve(
    part: int,
    parts: int,
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
    out: Floats,
    fit: Floats,
) -> None:
    """Ordinary kriging of tiles in groups of one pattern, by several covariances.

    Parameters
    ----------
    part, parts
        Which groups are solved: see `dealt_to`.
    order, groups
        Tiles sorted into groups (neighbors of one covariance side by side), and where each group starts.
    which : (covariances, tiles) int
        Numbers of tables.
    base : float
        A height of the image: a common shift keeps rounding small.
    tables : (n, 2 R + 1, 2 R + 1)
        Covariances without nugget by (dy + R, dx + R).
    out : (2, covariances, pixels)
        Receives mean and variance of the noise-free surface.
    fit : (2, covariances, tiles)
        Receives the log likelihood per neighbor, and the neighbors' mean square in units of what the covariance
        expects.
    """
    work = np.empty(0)
    for g in range(groups.size - 1):
        if not dealt_to(g, part, parts):
            continue
        head = order[groups[g]]
        ys, xs = rows[starts[head] : starts[head + 1]], cols[starts[head] : starts[head + 1]]
        py, px = choose(ys, xs, boxes[head], known, slow, quotas[head])
        most = ROW - ys.size - 2
        py, px = py[:most], px[:most]
        if work.size < py.size * ROW:
            work = np.empty(py.size * ROW)
        for c in range(which.shape[0]):
            begin = groups[g]
            while begin < groups[g + 1]:
                end = begin
                while (
                    end < groups[g + 1]
                    and which[c, order[end]] == which[c, order[begin]]
                    and end - begin <= most - py.size
                ):
                    end += 1
                tiles = order[begin:end]
                table = tables[which[c, tiles[0]]]
                fill_system(work, py, px, ys, xs, tiles, starts, rows, cols, heights, base, table, nugget)
                width = py.size + ys.size + 1 + tiles.size
                if py.size > 0 and factor(work, py.size, width):
                    read_system(work, py.size, ys.size, tiles, starts, table, out[:, c], fit[:, c])
                else:
                    average(py, px, ys, xs, tiles, starts, rows, cols, heights, base, table, out[:, c], fit[:, c])
                begin = end


@njit(cache=True, nogil=True)
def fill_system(
    a: Floats,
    py: Longs,
    px: Longs,
    ys: Longs,
    xs: Longs,
    tiles: Longs,
    starts: Longs,
    rows: Longs,
    cols: Longs,
    heights: Heights,
    base: float,
    table: Floats,
    nugget: float,
) -> None:
    """Write the covariances among neighbors, with the targets, ones, and the neighbors' heights of each tile."""
    n, m = py.size, ys.size
    reach = (table.shape[0] - 1) // 2
    for i in range(n):
        row = a[i * ROW : (i + 1) * ROW]
        for j in range(i, n):
            row[j] = table[py[j] - py[i] + reach, px[j] - px[i] + reach]
        row[i] += nugget
        for k in range(m):
            row[n + k] = table[ys[k] - py[i] + reach, xs[k] - px[i] + reach]
        row[n + m] = 1.0
    for t in range(tiles.size):
        dy, dx = rows[starts[tiles[t]]] - ys[0], cols[starts[tiles[t]]] - xs[0]
        for i in range(n):
            a[i * ROW + n + m + 1 + t] = heights[py[i] + dy, px[i] + dx] - base


@njit(cache=True, nogil=True)
def read_system(
    a: Floats, n: int, m: int, tiles: Longs, starts: Longs, table: Floats, out: Floats, fit: Floats
) -> None:
    """Read means, variances and fits off a factored system."""
    reach = (table.shape[0] - 1) // 2
    logs = ones = 0.0
    own, reached = np.zeros(m), np.zeros(m)
    along = np.zeros((tiles.size, m))
    total, square = np.zeros(tiles.size), np.zeros(tiles.size)
    for i in range(n):
        logs += 2 * np.log(a[i * ROW + i])
        right = a[i * ROW + n : (i + 1) * ROW]
        one = right[m]
        ones += one * one
        for k in range(m):
            own[k] += right[k] * right[k]
            reached[k] += right[k] * one
        for t in range(tiles.size):
            height = right[m + 1 + t]
            total[t] += one * height
            square[t] += height * height
            for k in range(m):
                along[t, k] += right[k] * height
    for t in range(tiles.size):
        first = starts[tiles[t]]
        level = total[t] / ones
        rest = square[t] - total[t] * level
        fit[0, tiles[t]] = -0.5 * (logs + np.log(ones) + rest) / n
        fit[1, tiles[t]] = rest / max(n - 1, 1)
        for k in range(m):
            out[0, first + k] = along[t, k] + (1 - reached[k]) * level
            out[1, first + k] = table[reach, reach] - own[k] + (1 - reached[k]) ** 2 / ones


@njit(cache=True, nogil=True)
def average(
    py: Longs,
    px: Longs,
    ys: Longs,
    xs: Longs,
    tiles: Longs,
    starts: Longs,
    rows: Longs,
    cols: Longs,
    heights: Heights,
    base: float,
    table: Floats,
    out: Floats,
    fit: Floats,
) -> None:
    """Take the mean of the neighbors, with no say beside others: there are none, or rounding made them singular."""
    reach = (table.shape[0] - 1) // 2
    for tile in tiles:
        dy, dx = rows[starts[tile]] - ys[0], cols[starts[tile]] - xs[0]
        level = 0.0
        for i in range(py.size):
            level += (heights[py[i] + dy, px[i] + dx] - base) / py.size
        fit[0, tile] = NO_SAY
        fit[1, tile] = 1.0
        for k in range(starts[tile], starts[tile + 1]):
            out[0, k] = level
            out[1, k] = 2 * abs(table[reach, reach])


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
