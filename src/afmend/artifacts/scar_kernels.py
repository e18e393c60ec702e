"""Compiled loops of the scar detectors. Import this module inside functions only: loading numba takes a while."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from afmend.compiled import njit

Map = NDArray[np.float32]
Mask = NDArray[np.bool_]
Indices = NDArray[np.int64]


@njit(cache=True, nogil=True)
def scaled(heights: NDArray[np.float64], center: float, factor: float) -> Map:
    """Return heights from ``center``, times ``factor``."""
    rows, cols = heights.shape
    out = np.empty((rows, cols), dtype=np.float32)
    for i in range(rows):
        for j in range(cols):
            out[i, j] = (heights[i, j] - center) * factor
    return out


@njit(cache=True, nogil=True)
def median_of_nine(heights: Map, out: Map) -> None:
    """Take the running median of nine pixels along lines, which go on beyond their ends in a mirror."""
    rows, cols = heights.shape
    line = np.empty(cols + 8, dtype=np.float32)
    for i in range(rows):
        line[4 : cols + 4] = heights[i]
        for beyond in range(4):
            inside = beyond if cols > 4 else 0
            line[3 - beyond] = heights[i, inside]
            line[cols + 4 + beyond] = heights[i, cols - 1 - inside]
        for j in range(cols):
            a, b, c = line[j], line[j + 1], line[j + 2]
            d, e, f = line[j + 3], line[j + 4], line[j + 5]
            g, h, k = line[j + 6], line[j + 7], line[j + 8]
            # Sort three triples, then: median of (largest low, median of middles, smallest high).
            a, b = (a, b) if a < b else (b, a)
            b, c = (b, c) if b < c else (c, b)
            a, b = (a, b) if a < b else (b, a)
            d, e = (d, e) if d < e else (e, d)
            e, f = (e, f) if e < f else (f, e)
            d, e = (d, e) if d < e else (e, d)
            g, h = (g, h) if g < h else (h, g)
            h, k = (h, k) if h < k else (k, h)
            g, h = (g, h) if g < h else (h, g)
            low = max(d, a)
            low = max(g, low)
            high = min(f, c)
            high = min(k, high)
            b, e = (b, e) if b < e else (e, b)
            middle = min(h, e)
            middle = max(b, middle)
            low, high = (low, high) if low < high else (high, low)
            middle = min(high, middle)
            out[i, j] = max(low, middle)


@njit(cache=True, nogil=True)
def band_scores(ground: Map, width: int) -> Map:  # noqa: C901 (compiled)
    """See `afmend.artifacts.scar_score.band_scores`.

    A pixel counts the best band through it: ``best[k - 1]`` holds the best band of at least ``k`` lines through the
    lines ``i`` to ``i + k - 1``, which is one that starts at ``i``, or one of more lines through these or the line
    before.
    """
    rows, cols = ground.shape
    third = np.float32(1.0 / 3.0)
    zero = np.float32(0.0)
    scores = np.zeros((rows, cols), dtype=np.float32)
    best = np.zeros((width, cols), dtype=np.float32)
    longer = np.empty(cols, dtype=np.float32)
    score = np.empty(cols, dtype=np.float32)
    over = np.empty(cols, dtype=np.float32)
    for i in range(1, rows - 1):
        # Slopes that would need lines beyond the image count as flat.
        before = max(i - 4, 0)
        weigh_over = third if i >= 4 else zero
        for j in range(cols):
            over[j] = (ground[i - 1, j] - ground[before, j]) * weigh_over
            longer[j] = zero
        for k in range(width, 0, -1):
            if i + k >= rows:
                for j in range(cols):
                    score[j] = zero
            else:
                after = min(i + k + 3, rows - 1)
                weigh_under = third if i + k + 3 < rows else zero
                for j in range(cols):
                    above, below = ground[i - 1, j], ground[i + k, j]
                    under = (ground[after, j] - below) * weigh_under
                    less, more = (over[j], under) if over[j] < under else (under, over[j])
                    common = (max(zero, less)) + (min(zero, more))
                    up = ground[i, j] - above - (max(common, over[j]))
                    down = ground[i + k - 1, j] - below + (min(common, under))
                    score[j] = min(down, up)
                for line in range(1, k - 1):
                    share = np.float32(line + 1) / np.float32(k + 1)
                    for j in range(cols):
                        above, below = ground[i - 1, j], ground[i + k, j]
                        high = ground[i + line, j] - above - share * (below - above)
                        score[j] = min(high, score[j])
            for j in range(cols):
                here = max(score[j], longer[j])
                longer[j] = max(here, best[k - 1, j])
                best[k - 1, j] = here
        for j in range(cols):
            scores[i, j] = best[0, j]
    return scores


@njit(cache=True, nogil=True)
def _score_at(ground: Map, width: int, sign: np.float32, row: int, col: int) -> np.float32:
    """`band_scores` of one pixel."""
    rows = ground.shape[0]
    third, zero = np.float32(1.0 / 3.0), np.float32(0.0)
    best = zero
    for k in range(1, width + 1):
        for i in range(max(row - k + 1, 1), row + 1):
            if i + k >= rows:
                break
            above, below = sign * ground[i - 1, col], sign * ground[i + k, col]
            over = (above - sign * ground[max(i - 4, 0), col]) * (third if i >= 4 else zero)
            under = (sign * ground[min(i + k + 3, rows - 1), col] - below) * (third if i + k + 3 < rows else zero)
            common = max(zero, min(over, under)) + min(zero, max(over, under))
            score = sign * ground[i, col] - above - max(common, over)
            score = min(score, sign * ground[i + k - 1, col] - below + min(common, under))
            for line in range(1, k - 1):
                share = np.float32(line + 1) / np.float32(k + 1)
                score = min(score, sign * ground[i + line, col] - above - share * (below - above))
            best = max(best, score)
    return best


@njit(cache=True, nogil=True)
def any_goes_on(
    ground: Map,
    noise: Map,
    allowed: Mask,
    width: int,
    row: Indices,
    start: Indices,
    stop: Indices,
    length: int,
    least: float,
) -> bool:
    """Whether ``length`` allowed pixels beyond an end of any run score ``least`` times the noise in the mean."""
    cols = ground.shape[1]
    for n in range(row.size):
        for way in (-1, 1):
            end = start[n] - 1 if way < 0 else stop[n]
            for sign in (np.float32(1.0), np.float32(-1.0)):
                total = 0.0
                for step in range(length):
                    col = end + way * step
                    if 0 <= col < cols and allowed[row[n], col]:
                        total += _score_at(ground, width, sign, row[n], col) / max(noise[row[n], col], np.float32(1e-9))
                if total >= least * length:
                    return True
    return False


@njit(cache=True, nogil=True)
def take_strongest(marks: Mask, evidence: Map, reach: int, found: Mask, proof: Map) -> int:
    """Move the marks that have the best evidence within ``reach`` lines into ``found`` and ``proof``.

    Of what lies above each other, that with 97 % of the best evidence is taken. Returns how many are left in
    ``marks``, which then holds what was taken.
    """
    rows, cols = marks.shape
    share = np.float32(0.97)
    pixels = marks.reshape(marks.size)
    left = 0
    for at in range(pixels.size):
        if not pixels[at]:
            continue
        i, j = at // cols, at % cols
        best = np.float32(0.0)
        for line in range(max(i - reach, 0), min(i + reach + 1, rows)):
            best = max(evidence[line, j], best)
        if evidence[i, j] >= share * best:
            found[i, j] = True
            proof[i, j] = evidence[i, j]
        else:
            marks[i, j] = False
            left += 1
    return left


@njit(cache=True, nogil=True)
def fill_columns(heights: Map, excluded: Mask) -> Map:
    """See `afmend.artifacts.scar_score.filled_from_lines`."""
    rows, cols = heights.shape
    out = heights.copy()
    above = np.full((rows, cols), -1, dtype=np.int32)
    last = np.full(cols, -1, dtype=np.int32)
    for i in range(rows):
        for j in range(cols):
            if excluded[i, j]:
                above[i, j] = last[j]
            else:
                last[j] = i
    last[:] = -1
    for i in range(rows - 1, -1, -1):
        for j in range(cols):
            if not excluded[i, j]:
                last[j] = i
                continue
            up, down = above[i, j], last[j]
            if up >= 0 and down >= 0:
                share = np.float32(i - up) / np.float32(down - up)
                out[i, j] = heights[up, j] + share * (heights[down, j] - heights[up, j])
            elif up >= 0:
                out[i, j] = heights[up, j]
            elif down >= 0:
                out[i, j] = heights[down, j]
    return out


@njit(cache=True, nogil=True)
def gwyddion_strength(heights: NDArray[np.float64], width: int, limit: float, rms: float) -> NDArray[np.float64]:
    """How far pixels of scars (by Gwyddion's rule) stand above the higher border of the scar, in rms; else 0."""
    rows, cols = heights.shape
    strength = np.zeros((rows, cols))
    for i in range(rows - width - 1):
        for j in range(cols):
            lowest = heights[i + 1, j]
            for k in range(1, width + 1):
                lowest = min(lowest, heights[i + k, j])
                border = max(heights[i, j], heights[i + k + 1, j])
                if lowest - border >= limit:
                    for line in range(i + 1, i + k + 1):
                        strength[line, j] = max(strength[line, j], (heights[line, j] - border) / rms)
                    break
    return strength
