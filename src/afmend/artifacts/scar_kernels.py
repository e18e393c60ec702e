"""Compiled loops of the scar detectors. Import this module inside functions only: loading numba takes a while."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from afmend.artifacts.run_kernels import join_runs
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
def turned(heights: Map, offsets: Map, rows: tuple[int, int], cols: tuple[int, int]) -> Map:
    """Return some rows and columns (from, to) of heights without the offsets of the lines, turned by a quarter."""
    out = np.empty((cols[1] - cols[0], rows[1] - rows[0]), dtype=np.float32)
    for block in range(cols[0], cols[1], 16):  # a cache line
        for i in range(rows[0], rows[1]):
            for j in range(block, min(block + 16, cols[1])):
                out[j - cols[0], i - rows[0]] = heights[i, j] - offsets[i, 0]
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
def take_strongest(
    runs: Indices, evidence: Map, reach: int, room: Map, taken: Mask, found: Mask, proof: Map, allowed: Mask
) -> int:
    """Move the pixels of runs that have the best evidence within ``reach`` lines into ``found`` and ``proof``.

    Of what lies above each other, that with 97 % of the best evidence is taken: marked in ``taken`` and no longer
    ``allowed``. ``room`` is a map of zeros, and is so again. Returns how many pixels are left.
    """
    share, left = np.float32(0.97), 0
    for n in range(runs.shape[1]):
        for j in range(runs[1, n], runs[2, n]):
            room[runs[0, n], j] = evidence[n]
    for n in range(runs.shape[1]):
        i = runs[0, n]
        for j in range(runs[1, n], runs[2, n]):
            best = np.float32(0.0)
            for line in range(max(i - reach, 0), min(i + reach + 1, room.shape[0])):
                best = max(room[line, j], best)
            if room[i, j] >= share * best:
                taken[i, j] = found[i, j] = True
                allowed[i, j] = False
                proof[i, j] = room[i, j]
            else:
                left += 1
    for n in range(runs.shape[1]):
        for j in range(runs[1, n], runs[2, n]):
            room[runs[0, n], j] = np.float32(0.0)
    return left


@njit(cache=True, nogil=True)
def changed_boxes(runs: Indices, taken: Mask, width: int) -> Indices:
    """Boxes of pixels that score anew once the taken pixels of runs have other heights: (boxes, 4).

    Top, bottom, left and right of each; all of the image if they are larger together.
    """
    rows, cols = taken.shape
    label = join_runs(runs[0], runs[1], runs[2], 0)
    boxes = np.empty((runs.shape[1] + 1, 4), np.int64)
    boxes[:, 0], boxes[:, 1], boxes[:, 2], boxes[:, 3] = rows, 0, cols, 0
    for n in range(runs.shape[1]):
        box = boxes[label[n]]
        for j in range(runs[1, n], runs[2, n]):
            if taken[runs[0, n], j]:
                box[0], box[1] = min(box[0], runs[0, n] - width - 3), max(box[1], runs[0, n] + width + 4)
                box[2], box[3] = min(box[2], j), max(box[3], j + 1)
    count = area = 0
    for box in boxes:
        if box[2] < box[3]:
            area += (box[1] - box[0]) * (box[3] - box[2])
            boxes[count] = box
            count += 1
    if area > taken.size:
        boxes[0, 0], boxes[0, 1], boxes[0, 2], boxes[0, 3] = 0, rows, 0, cols
        count = 1
    return boxes[:count].copy()


@njit(cache=True, nogil=True)
def fill_taken(heights: Map, runs: Indices, taken: Mask) -> None:  # noqa: C901 (compiled)
    """Do as `fill_columns`, in place, for the pixels of runs that are taken; afterwards none is."""
    rows = heights.shape[0]
    for n in range(runs.shape[1]):
        i = runs[0, n]
        for j in range(runs[1, n], runs[2, n]):
            if not taken[i, j]:
                continue
            up = down = i
            while up >= 0 and taken[up, j]:
                up -= 1
            while down < rows and taken[down, j]:
                down += 1
            if up >= 0 and down < rows:
                share = np.float32(i - up) / np.float32(down - up)
                heights[i, j] = heights[up, j] + share * (heights[down, j] - heights[up, j])
            elif up >= 0:
                heights[i, j] = heights[up, j]
            elif down < rows:
                heights[i, j] = heights[down, j]
    for n in range(runs.shape[1]):
        for j in range(runs[1, n], runs[2, n]):
            taken[runs[0, n], j] = False


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
