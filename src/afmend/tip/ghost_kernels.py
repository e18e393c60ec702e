"""Compiled loops of the search for ghosts: imported only when they run."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from afmend.compiled import njit

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Places = NDArray[np.int64]


@njit(cache=True, nogil=True)
def votes(
    seen: Floats, places: Places, moves: Places, first: int, last: int, settings: Floats, scores: Floats, depths: Floats
) -> None:
    """Write, for some of the offsets, the depth in steps on which most pixels agree there, and how clear that is.

    Every place votes for the depths between drop - allowed and drop + allowed. Taken off are the votes of three times
    that width that lie beside it, and places that would be lower than their ghost: they forbid the depth. Only depths
    count at which the ghost would stand above ground. ``seen``, (rows, cols, 4): heights, what is allowed, and 0 or 1:
    good, telling; side by side, as they are needed. ``settings``: step, steps, ground, vague, weight of no evidence,
    and how many pixels a place stands for, if it is telling and if not.
    """
    rows, cols, step, steps = seen.shape[0], seen.shape[1], settings[0], int(settings[1])
    near, far, lower = np.empty(steps + 1), np.empty(steps + 1), np.empty(steps + 1)
    own = np.empty((places.shape[0], 3))
    for k in range(places.shape[0]):
        i, j = places[k, 0], places[k, 1]
        own[k, 0], own[k, 1], own[k, 2] = seen[i, j, 0], seen[i, j, 1], seen[i, j, 3]
    for m in range(first, last):
        near[:], far[:], lower[:] = 0.0, 0.0, 0.0
        for k in range(places.shape[0]):
            y, x = places[k, 0] + moves[m, 0], places[k, 1] + moves[m, 1]
            if y < 0 or x < 0 or y >= rows or x >= cols or seen[y, x, 2] == 0.0:
                continue
            z, telling, width = own[k, 0], own[k, 2] != 0.0, min(own[k, 1], seen[y, x, 1])
            drop, cap = (z - seen[y, x, 0]) / step, min(int((z - settings[2] - width) / step), steps)
            width /= step
            if drop + width < 0 or cap <= 0:
                continue
            start, end = min(max(int(drop - width), 0), cap), min(int(drop + width) + 1, cap)
            weight = settings[5] if telling else settings[6]
            lower[0] += weight
            lower[start] -= weight
            if telling and seen[y, x, 3] != 0.0 and width * step < settings[3]:
                near[start] += weight
                near[end] -= weight
                far[min(max(int(drop - 3 * width), 0), cap)] += weight
                far[min(int(drop + 3 * width) + 1, cap)] -= weight
        depths[m] = step * _best_depth(near, far, lower, settings[4], scores[m : m + 1])


@njit(cache=True, nogil=True)
def _best_depth(near: Floats, far: Floats, lower: Floats, nothing: float, scores: Floats) -> float:
    """Return where the score rises highest above its lowest value at smaller depths: a pile-up at 0 is no ghost."""
    n, f, forbidden, least, best, at = 0.0, 0.0, 0.0, np.inf, 0.0, 0
    for depth in range(near.size - 1):
        n, f, forbidden = n + near[depth], f + far[depth], forbidden + lower[depth]
        beside = (f - n) / 2
        score = max(0.0, n - beside) / (n + beside + forbidden + nothing)
        least = min(least, score)
        if score - least > best:
            best, at = score - least, depth
    scores[0] = best
    return float(at)


@njit(cache=True, nogil=True)
def vote_by_texture(
    image: Floats, texture: Floats, good: Flags, allowed: Floats, places: Places, move: Places, settings: Floats,
    scores: Floats,
) -> float:  # fmt: skip
    """Return the depth at which most windows at one offset look alike; its score goes to ``scores[0]``.

    A window votes if no more than a share of the texture is left of its difference from the window it may be a ghost
    of, but for a plane. Taken off are the votes of three times the width that lie beside. ``settings``: side of a
    window, share of the texture, noise, least depth, votes to be asked for at least.
    """
    (rows, cols), window, noise = image.shape, int(settings[0]), settings[2] ** 2
    half, asked, count = window // 2, 0, 0
    depths, widths = np.empty(places.shape[0]), np.empty(places.shape[0])
    for k in range(places.shape[0]):
        y, x = places[k, 0], places[k, 1]
        i, j = y - move[0], x - move[1]
        if min(i, j, rows - 1 - i, cols - 1 - j) < half or not good[i, j]:
            continue
        asked += 1
        there, here = texture[i, j], texture[y, x]
        if image[i, j] - image[y, x] < settings[3] or there < 4 * noise or max(here, there) > 2 * min(here, there):
            continue
        left, depth = _left_of(image, y, x, i, j, half)
        if left < settings[1] * there + 1.6 * noise:
            depths[count], widths[count] = depth, allowed[i, j]
            count += 1
    scores[0], depth = _densest(depths[:count], widths[:count])
    scores[0] /= max(asked, settings[4])
    return depth


@njit(cache=True, nogil=True)
def _left_of(image: Floats, y: int, x: int, i: int, j: int, half: int) -> tuple[float, float]:
    """Return the mean square of the difference of two windows, but for a plane; and the mean of the second's over."""
    total, square, down, right, spread, count = 0.0, 0.0, 0.0, 0.0, 0.0, float((2 * half + 1) ** 2)
    for a in range(-half, half + 1):
        spread += a * a / (2 * half + 1)
        for b in range(-half, half + 1):
            d = image[i + a, j + b] - image[y + a, x + b]
            total += d
            square += d * d
            down += a * d
            right += b * d
    mean = total / count
    return square / count - mean**2 - ((down / count) ** 2 + (right / count) ** 2) / spread, mean


@njit(cache=True, nogil=True)
def _densest(depths: Floats, widths: Floats) -> tuple[float, float]:
    """Return how many more depths agree with one than lie beside it, at most; and their mean."""
    best, at = 0.0, 0.0
    for a in range(depths.size):
        near, far, total = 0, 0, 0.0
        for b in range(depths.size):
            off = abs(depths[b] - depths[a])
            if off <= widths[a]:
                near += 1
                total += depths[b]
            elif off <= 3 * widths[a]:
                far += 1
        if near - far / 2 > best:
            best, at = near - far / 2, total / near
    return best, at


@njit(cache=True, nogil=True)
def textures(padded: Floats, window: int, out: Floats) -> None:
    """Write the mean square of what a plane leaves unexplained in each window of a padded image to ``out``."""
    rows, cols, half = out.shape[0], out.shape[1], window // 2
    wide = cols + window - 1
    spread = 0.0
    for k in range(window):
        spread += (k - half) ** 2 / window
    total, square, tilt = np.empty(wide), np.empty(wide), np.empty(wide)
    count = float(window * window)
    for i in range(rows):
        total[:], square[:], tilt[:] = 0.0, 0.0, 0.0
        for k in range(window):
            for j in range(wide):
                z = padded[i + k, j]
                total[j] += z
                square[j] += z * z
                tilt[j] += (k - half) * z
        for j in range(cols):
            s, q, v, h = 0.0, 0.0, 0.0, 0.0
            for k in range(window):
                s += total[j + k]
                q += square[j + k]
                v += tilt[j + k]
                h += (k - half) * total[j + k]
            left = q / count - (s / count) ** 2 - ((v / count) ** 2 + (h / count) ** 2) / spread
            out[i, j] = max(left, 0.0)


@njit(cache=True, nogil=True)
def heights_at(
    knots: Floats, rows: Places, cols: Places, of_rows: Places, by_row: Floats, of_cols: Places, by_col: Floats,
    out: Floats,
) -> None:  # fmt: skip
    """Write the spline's heights at places minus an offset to ``out``; tables: four knots and weights a line."""
    for p in range(rows.size):
        r, c, z = rows[p], cols[p], 0.0
        for a in range(4):
            line, part = of_rows[r, a], 0.0
            for b in range(4):
                part += by_col[c, b] * knots[line, of_cols[c, b]]
            z += by_row[r, a] * part
        out[p] = z


@njit(cache=True, nogil=True)
def slopes_at(
    down: Floats, right: Floats, rows: Places, cols: Places, near_rows: Floats, near_cols: Floats, dy: Floats,
    dx: Floats,
) -> None:  # fmt: skip
    """Write two maps at places minus an offset to ``dy`` and ``dx``, straight between pixels; tables: coordinates."""
    last_row, last_col = down.shape[0] - 1, down.shape[1] - 1
    for p in range(rows.size):
        y, x = near_rows[rows[p]], near_cols[cols[p]]
        i, j = min(int(y), max(last_row - 1, 0)), min(int(x), max(last_col - 1, 0))
        v, h, k, m = y - i, x - j, min(i + 1, last_row), min(j + 1, last_col)
        dy[p] = (1 - v) * ((1 - h) * down[i, j] + h * down[i, m]) + v * ((1 - h) * down[k, j] + h * down[k, m])
        dx[p] = (1 - v) * ((1 - h) * right[i, j] + h * right[i, m]) + v * ((1 - h) * right[k, j] + h * right[k, m])


@njit(cache=True, nogil=True)
def moved_image(knots: Floats, of_rows: Places, by_row: Floats, of_cols: Places, by_col: Floats, out: Floats) -> None:
    """Write the spline's heights at all pixels minus an offset to ``out``."""
    rows, cols = out.shape
    line = np.empty(cols)
    for i in range(rows):
        line[:] = 0.0
        for a in range(4):
            at, weight = of_rows[i, a], by_row[i, a]
            for j in range(cols):
                line[j] += weight * knots[at, j]
        for j in range(cols):
            z = 0.0
            for b in range(4):
                z += by_col[j, b] * line[of_cols[j, b]]
            out[i, j] = z


@njit(cache=True, nogil=True)
def agreement(
    miss: Floats, lowered: Floats, slope: Floats, known: Flags, inner: Flags, left: Floats, texture: Floats,
    from_rows: Places, from_cols: Places, settings: Floats, equal: Flags, low: Flags, counts: Places,
) -> None:  # fmt: skip
    """Count how an image agrees with itself, moved and lowered; which pixels do goes to ``equal``.

    ``settings``: scale of the noise, by how many pixels the offset may be wrong, ground, share of the texture that may
    be left. ``counts``: pixels that agree, of those ghosts of ghosts, beside, at other depths, forbidden.
    """
    rows, cols = miss.shape
    scale, wrong, ground, same = settings[0], settings[1], settings[2], settings[3]
    counts[:] = 0
    for i in range(rows):
        for j in range(cols):
            allowed, size = 2.5 * scale + wrong * slope[i, j], abs(miss[i, j])
            alike = inner[i, j] and texture[i, j] > (2 * scale) ** 2
            alike &= left[i, j] < same * texture[i, j] + 1.6 * scale**2
            low[i, j] = miss[i, j] <= allowed
            equal[i, j] = alike and size <= allowed
            counts[0] += equal[i, j]
            counts[2] += alike and allowed < size <= 3 * allowed
            counts[3] += alike and size > 3 * allowed
    for i in range(rows):
        for j in range(cols):
            allowed, y, x = 2.5 * scale + wrong * slope[i, j], from_rows[i], from_cols[j]
            counts[1] += equal[i, j] and equal[y, x]
            counts[4] += known[i, j] and lowered[i, j] > ground + allowed and miss[i, j] < -allowed and not low[y, x]


@njit(cache=True, nogil=True)
def roughly_equal(
    image: Floats, slope: Floats, good: Flags, places: Places, move: Places, settings: Floats, close: Flags
) -> None:
    """Write to ``close`` which places agree with those an offset back, lowered; ``settings``: noise allowed, depth."""
    rows, cols = image.shape
    for p in range(places.shape[0]):
        y, x = places[p, 0], places[p, 1]
        i, j = y - move[0], x - move[1]
        close[p] = False
        if i >= 0 and j >= 0 and i < rows and j < cols and good[i, j]:
            close[p] = abs(image[y, x] - image[i, j] + settings[1]) < settings[0] + 1.2 * slope[i, j]


@njit(cache=True, nogil=True)
def relax(heights: Floats, covered: Flags, cap: Floats, sweeps: int, tolerance: float) -> None:
    """Draw a membrane over what is covered, nowhere above ``cap``, in place (projected over-relaxation)."""
    rows, cols = heights.shape
    for _ in range(sweeps):
        largest = 0.0
        for i in range(rows):
            for j in range(cols):
                if not covered[i, j]:
                    continue
                total, count = 0.0, 0
                for y, x in ((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)):
                    if 0 <= y < rows and 0 <= x < cols:
                        total += heights[y, x]
                        count += 1
                moved = min(heights[i, j] + 1.7 * (total / count - heights[i, j]), cap[i, j])
                largest = max(largest, abs(moved - heights[i, j]))
                heights[i, j] = moved
        if largest < tolerance:
            return
