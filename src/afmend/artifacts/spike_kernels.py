"""Compiled check of single pixels. Imported only when it runs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from afmend.compiled import njit
from afmend.scan.arrays import Heights, Mask

REACH = 3
SIDE = 2 * REACH + 1
"""The check looks at windows of SIDE x SIDE pixels."""
KIND = 0.2
"""Candidates so far from their window's median, compared with a spike, count as its like."""


@njit(cache=True, nogil=True, fastmath={"nnan", "nsz"})
def centered(heights: Heights, middle: float, out: NDArray[np.float32]) -> float:
    """Write heights from ``middle`` in single precision; return the largest size of any height."""
    rows, cols = heights.shape
    tallest = np.zeros(cols)
    for i in range(rows):
        for j in range(cols):
            out[i, j] = heights[i, j] - middle
        for j in range(cols):
            tallest[j] = max(tallest[j], abs(heights[i, j]))
    return float(np.max(tallest))


@njit(cache=True, nogil=True)
def beyond(away: NDArray[np.float32], low: np.float32, high: np.float32) -> NDArray[np.int64]:
    """Return row and column of the numbers below ``low`` or above ``high``, in reading order: (2, count)."""
    rows, cols = away.shape
    marks = np.zeros(cols + -cols % 8, np.bool_)
    words = marks.view(np.uint64)
    found, count = np.empty((2, cols), np.int64), 0
    for i in range(rows):
        for j in range(cols):
            marks[j] = (away[i, j] < low) | (away[i, j] > high)
        for word in range(words.size):
            if words[word] == 0:
                continue
            for j in range(8 * word, 8 * word + 8):
                if marks[j]:
                    if count == found.shape[1]:
                        found = np.concatenate((found, np.empty_like(found)), axis=1)
                    found[0, count], found[1, count] = i, j
                    count += 1
    return found[:, :count].copy()


@njit(cache=True)
def stands_alone(
    heights: Heights, row: NDArray[np.intp], col: NDArray[np.intp], excluded: Mask, rule: tuple[float, float, int]
) -> Mask:
    """Say which pixels belong to a small patch that juts out of calm surroundings.

    The patch is what hangs together around the pixel at more than half of its distance from the window's median; its
    surroundings are the rest of the window. They are calm if the pixel is beyond all of them, by more than ``lam``
    times their robust spread.

    Parameters
    ----------
    heights : (rows, cols)
    row, col : (count,)
        Pixels to check.
    excluded : (rows, cols) bool
    rule : (sigma, lam, max_px)
        Least spread, factor, and largest number of pixels of a patch.
    """
    sigma, lam, max_px = rule
    alone = np.zeros(row.size, np.bool_)
    window = np.empty((SIDE, SIDE))
    inside = np.zeros((SIDE, SIDE), np.bool_)
    for n in range(row.size):
        _cut(heights, excluded, row[n], col[n], window)
        if not _grow(window, inside, max_px):
            continue
        flat = window.ravel()
        ring = flat[~(inside.ravel() | np.isnan(flat))]
        if ring.size < SIDE:
            continue
        own = window[REACH, REACH]
        middle = np.median(ring)
        spread = 1.4826 * np.median(np.abs(ring - middle))
        beyond = own > np.max(ring) or own < np.min(ring)
        alone[n] = beyond and abs(own - middle) > lam * max(sigma, spread)
    return alone


@njit(cache=True)
def _cut(heights: Heights, excluded: Mask, row: int, col: int, window: Heights) -> None:
    """Fill ``window`` with the heights around a pixel, NaN where there are none."""
    for a in range(SIDE):
        for b in range(SIDE):
            i, j = row + a - REACH, col + b - REACH
            usable = 0 <= i < heights.shape[0] and 0 <= j < heights.shape[1] and not excluded[i, j]
            window[a, b] = heights[i, j] if usable else np.nan


@njit(cache=True)
def _grow(window: Heights, inside: Mask, max_px: int) -> bool:
    """Mark the patch around the center in ``inside``; False if it is too large or reaches the window's rim."""
    middle = np.nanmedian(window)
    distance = window[REACH, REACH] - middle
    if distance == 0.0:
        return False
    inside[:] = False
    inside[REACH, REACH] = True
    size, grew = 1, True
    while grew:
        grew = False
        for a in range(SIDE):
            for b in range(SIDE):
                if inside[a, b] or not (window[a, b] - middle) / distance > 0.5:
                    continue
                if inside[max(a - 1, 0) : a + 2, max(b - 1, 0) : b + 2].any():
                    inside[a, b] = True
                    grew = True
                    size += 1
                    if size > max_px or min(a, b) == 0 or max(a, b) == SIDE - 1:
                        return False
    return True


@njit(cache=True)
def lonely(row: NDArray[np.intp], col: NDArray[np.intp], away: NDArray[np.float32], max_px: int) -> Mask:
    """Tell which candidates have so few of their kind around them, in 5 x 5 pixels, that they may be a spike.

    Of its kind are candidates at least a fifth as far ``away`` (rows, cols) as it is: beside a spike the texture of a
    rough surface does not count.
    """
    rows, cols = away.shape
    found = np.zeros((rows + 4, cols + 4), np.float32)
    for n in range(row.size):
        found[row[n] + 2, col[n] + 2] = abs(away[row[n], col[n]])
    few = np.empty(row.size, np.bool_)
    for n in range(row.size):
        least = np.float32(KIND) * found[row[n] + 2, col[n] + 2]
        count = 0
        for a in range(5):
            for b in range(5):
                count += found[row[n] + a, col[n] + b] >= least
        few[n] = count <= max_px
    return few


@njit(cache=True)
def window_medians(
    heights: Heights, excluded: Mask, row: NDArray[np.intp], col: NDArray[np.intp], win: int
) -> NDArray[np.float64]:
    """Median of the usable pixels in the window around some pixels; itself where less than half are usable.

    The image is continued by its edge pixels.
    """
    rows, cols = heights.shape
    half = win // 2
    values = np.empty(win * win)
    medians = np.empty(row.size)
    for n in range(row.size):
        count = 0
        for a in range(win):
            i = min(max(row[n] + a - half, 0), rows - 1)
            for b in range(win):
                j = min(max(col[n] + b - half, 0), cols - 1)
                values[count] = heights[i, j]
                count += not excluded[i, j]
        medians[n] = np.median(values[:count]) if count > win * win // 2 else heights[row[n], col[n]]
    return medians
