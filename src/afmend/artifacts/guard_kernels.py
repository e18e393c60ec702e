"""Compiled loops of what spares features. Import this module inside functions only: loading numba takes a while.

Heights are float32, and so is what is computed from them, in the order that is written here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from afmend.artifacts.run_kernels import box_shares, join_runs
from afmend.compiled import njit
from afmend.scan.arrays import Mask

Map = NDArray[np.float32]
Indices = NDArray[np.int64]
LONGEST_FIBER = 64
"""A fiber stays within one line for a shorter way than this; longer runs are not taken for fibers."""


@njit(cache=True, nogil=True)
def of_side(candidates: Indices, side: int) -> Indices:
    """Return row, start and stop of the runs of one side, (3, runs), from those of `band_kernels.candidates`."""
    count = np.count_nonzero(candidates[:, 0] == side)
    runs = np.empty((3, count), np.int64)
    n = 0
    for k in range(candidates.shape[0]):
        if candidates[k, 0] == side:
            runs[0, n], runs[1, n], runs[2, n] = candidates[k, 1], candidates[k, 2], candidates[k, 3]
            n += 1
    return runs


@njit(cache=True, nogil=True)
def not_connected(runs: Indices, mask: Mask, ground: Map, scores: Map, sign: np.float32, width: int) -> Indices:
    """Return the runs without those that belong to something longer or taller; ``mask`` is room, empty again after.

    See `continuing` and `staircases`. ``sign`` -1 turns the heights over, and ``scores`` are those of that side.
    """
    mark(mask, runs, True)
    alone = runs[:, ~continuing(runs, mask, ground, scores, sign, width)]
    mark(mask, runs, False)
    return alone[:, ~staircases(alone, width)]


@njit(cache=True, nogil=True)
def mark(mask: Mask, runs: Indices, value: bool) -> None:
    """Give the pixels of runs a value."""
    for n in range(runs.shape[1]):
        for j in range(runs[1, n], runs[2, n]):
            mask[runs[0, n], j] = value


@njit(cache=True, nogil=True)
def continuing(runs: Indices, mask: Mask, ground: Map, scores: Map, sign: np.float32, width: int) -> Mask:
    """Find the runs (of a mask) that are part of something longer: fibers, slanted edges and lines of a grating.

    Whatever hangs together with such a run and is not longer shares its fate.
    """
    label = join_runs(runs[0], runs[1], runs[2], 1)
    longest = np.zeros(runs.shape[1] + 1, np.int64)
    for n in range(runs.shape[1]):
        if _goes_on(runs[0, n], runs[1, n], runs[2, n], mask, ground, scores, sign, width):
            longest[label[n]] = max(longest[label[n]], runs[2, n] - runs[1, n])
    out = np.empty(runs.shape[1], np.bool_)
    for n in range(runs.shape[1]):
        out[n] = runs[2, n] - runs[1, n] <= 1.5 * longest[label[n]]
    return out


@njit(cache=True, nogil=True)
def _goes_on(
    row: int, start: int, stop: int, mask: Mask, ground: Map, scores: Map, sign: np.float32, width: int
) -> bool:
    """Tell whether a run is part of a fiber (something narrow at both ends) or of something slanted."""
    length, far = stop - start, width + 2
    score = height = 0.0
    for j in range(start, stop):
        score += np.float64(scores[row, j])
    for share in (0.1, 0.3, 0.5, 0.7, 0.9):
        height += np.float64(_ridge(ground, sign, row, start + int(length * share), 0, far))
    score, height = score / length, height / 5
    right = _is_stepped(mask, scores, row, stop - 1, 1, score)
    left = _is_stepped(mask, scores, row, start, -1, score)
    right_out, left_out = stop + 1 >= mask.shape[1], start < 2
    if (right and (left or left_out)) or (left and right_out):
        return True
    if length >= LONGEST_FIBER:
        return False
    if right or left:
        return True
    return (
        not (right_out and left_out)
        and (right_out or _is_ridge(ground, sign, row, stop - 1, 1, height, far))
        and (left_out or _is_ridge(ground, sign, row, start, -1, height, far))
    )


@njit(cache=True, nogil=True)
def _is_stepped(mask: Mask, scores: Map, row: int, end: int, way: int, score: float) -> bool:
    """Tell whether another scar goes on one line higher or lower beyond an end (``way`` leads out, 1 = right)."""
    rows, cols = mask.shape
    seen = 0
    for k in (2, 4, 6):
        seen += 0 <= end + way * k < cols
    for near in (row - 1, row + 1):
        free = 0 <= near < rows
        for back in (0, 2, 4):
            free = free and not mask[near, min(max(end - way * back, 0), cols - 1)]
        if not free:
            continue
        total = np.float32(0.0)
        for k in (2, 4, 6):
            if 0 <= end + way * k < cols:
                total += scores[near, end + way * k]
        if np.float64(total) / max(seen, 1) > 0.5 * score:
            return True
    return False


@njit(cache=True, nogil=True)
def _is_ridge(ground: Map, sign: np.float32, row: int, end: int, way: int, height: float, far: int) -> bool:
    """Tell whether something narrow of a run's height lies within two lines beyond one of its ends."""
    top, seen = 0.0, 0
    for k in (2, 4, 6):
        if 0 <= end + way * k < ground.shape[1]:
            top += np.float64(_ridge(ground, sign, row, end + way * k, 2, far))
            seen += 1
    return abs(top / max(seen, 1) - height) < 0.35 * height


@njit(cache=True, nogil=True)
def _ridge(ground: Map, sign: np.float32, row: int, col: int, reach: int, far: int) -> np.float32:
    """Height of the highest line within ``reach`` lines over the higher of the grounds ``far`` lines away."""
    top = _at(ground, sign, row - reach, col)
    for d in range(-reach + 1, reach + 1):
        top = max(top, _at(ground, sign, row + d, col))
    return top - max(_at(ground, sign, row - far, col), _at(ground, sign, row + far, col))


@njit(cache=True, nogil=True)
def _at(ground: Map, sign: np.float32, row: int, col: int) -> np.float32:
    """Height; that of the nearest line outside the image."""
    height: np.float32 = sign * ground[min(max(row, 0), ground.shape[0] - 1), col]
    return height


@njit(cache=True, nogil=True)
def staircases(runs: Indices, width: int) -> Mask:
    """Find the runs that hang together over more lines than a scar is wide: fibers. Long runs stay."""
    count = runs.shape[1]
    label = join_runs(runs[0], runs[1], runs[2], 1)
    first, last = np.zeros(count + 1, np.int64), np.full(count + 1, -1)
    for n in range(count):  # in reading order
        if last[label[n]] < 0:
            first[label[n]] = runs[0, n]
        last[label[n]] = runs[0, n]
    out = np.empty(count, np.bool_)
    for n in range(count):
        tall = last[label[n]] - first[label[n]] >= width + 1
        out[n] = tall and runs[2, n] - runs[1, n] < LONGEST_FIBER
    return out


@njit(cache=True, nogil=True)
def _may_be_crowded(row: Indices, rows: int, reach: int, most: float) -> Mask:
    """Tell which runs (in reading order) have more than ``most`` others within ``reach`` lines, mirrored ones too."""
    out = np.empty(row.size, np.bool_)
    first = last = 0
    for n in range(row.size):
        while row[first] < row[n] - reach:
            first += 1
        while last < row.size and row[last] <= row[n] + reach:
            last += 1
        mirrored = row[n] < reach or row[n] + reach >= rows
        out[n] = (last - first) * (2 if mirrored else 1) > most
    return out


@njit(cache=True, nogil=True)
def not_crowded(runs: Indices, mask: Mask, allowed: Mask) -> Indices:
    """Return the allowed parts of the runs (of a mask), without those in a crowd.

    Runs with a pixel where a third of all pixels within 20 lines would be scars are texture.
    """
    tall, wide = 2 * (min(mask.shape[0], 41) // 2) + 1, 2 * (min(mask.shape[1], 17) // 2) + 1
    crowded = _may_be_crowded(runs[0], mask.shape[0], tall // 2, 0.33 * tall)
    if crowded.any():
        some = runs[:, crowded]
        crowded[crowded] = box_shares(mask, some[0], some[1], some[2], tall, wide, 0.33)
    runs = runs[:, ~crowded]
    pixels = 0
    for n in range(runs.shape[1]):
        pixels += runs[2, n] - runs[1, n]
    parts, count = np.empty((3, pixels), np.int64), 0
    for n in range(runs.shape[1]):
        row, inside = runs[0, n], False
        for j in range(runs[1, n], runs[2, n]):
            if allowed[row, j] and not inside:
                parts[0, count], parts[1, count] = row, j
            elif inside and not allowed[row, j]:
                parts[2, count] = j
                count += 1
            inside = allowed[row, j]
        if inside:
            parts[2, count] = runs[2, n]
            count += 1
    return parts[:, :count].copy()


@njit(cache=True, nogil=True)
def evidence(runs: Indices, scores: Map) -> Map:
    """Tell the evidence for each run: its mean score times the root of its length.

    The lines of a scar share the evidence of the best of them, or it would be mended line by line.
    """
    label = join_runs(runs[0], runs[1], runs[2], 0)
    own, best = np.empty(runs.shape[1]), np.zeros(runs.shape[1] + 1)
    for n in range(runs.shape[1]):
        total = 0.0
        for j in range(runs[1, n], runs[2, n]):
            total += np.float64(scores[runs[0, n], j])
        own[n] = total / np.sqrt(runs[2, n] - runs[1, n])
        best[label[n]] = max(best[label[n]], own[n])
    out = np.empty(runs.shape[1], np.float32)
    for n in range(runs.shape[1]):
        out[n] = best[label[n]] if own[n] > 0.6 * best[label[n]] else own[n]
    return out
