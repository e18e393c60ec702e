"""How much each pixel looks like part of a scar: smoothing along lines, line offsets, band scores, local noise.

Arrays are float32, in units of the overall noise, and made in blocks of lines that fit the processor's cache.
"""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from afmend.scan.arrays import Mask

F = TypeVar("F", np.float32, np.float64)
Map = NDArray[np.float32]
BLOCK = 96
"""Lines worked on at a time."""
FAR = np.float32(-1e30)
"""Stands for "no line there" beyond the first and the last line."""
# Compare-exchange pairs that put the median of nine values in place 4.
_MEDIAN_9 = (
    (0, 1), (3, 4), (6, 7), (1, 2), (4, 5), (7, 8), (0, 1), (3, 4), (6, 7), (0, 3), (5, 8), (4, 7),
    (3, 6), (1, 4), (2, 5), (4, 7), (4, 2), (6, 4), (4, 2),
)  # fmt: skip


def filled_from_lines(heights: NDArray[F], excluded: Mask) -> NDArray[F]:
    """Replace excluded pixels by the nearest usable pixel of their column (equally near: the one above).

    Columns without any usable pixel keep their values.
    """
    rows = np.arange(heights.shape[0])[:, None]
    above = np.maximum.accumulate(np.where(excluded, -1, rows), axis=0)
    below = np.minimum.accumulate(np.where(excluded, 2 * rows.size, rows)[::-1], axis=0)[::-1]
    up = np.where(above < 0, 4 * rows.size, rows - above)
    down = np.where(below >= rows.size, 4 * rows.size, below - rows)
    source = np.where(down < up, below, above)
    source = np.where((above < 0) & (below >= rows.size), rows, source)
    return np.take_along_axis(heights, source, axis=0)


def smooth_along_lines(heights: Map) -> Map:
    """Take the running median of nine pixels along each line: quiet, and with edges kept sharp."""
    out = np.empty_like(heights)
    cols = heights.shape[1]
    for first in range(0, heights.shape[0], BLOCK):
        block = np.pad(heights[first : first + BLOCK], ((0, 0), (4, 4)), mode="symmetric" if cols > 4 else "edge")
        taken = [block[:, k : k + cols] for k in range(9)]
        for i, j in _MEDIAN_9:
            taken[i], taken[j] = np.minimum(taken[i], taken[j]), np.maximum(taken[i], taken[j])
        out[first : first + BLOCK] = taken[4]
    return out


class _Groups(NamedTuple):
    """The differences between neighboring lines, in two groups each; offsets are counted from the usual step."""

    middle: NDArray[np.float64]
    below: NDArray[np.float64]
    above: NDArray[np.float64]
    share: NDArray[np.float64]  # of the lower group
    pieces: NDArray[np.float64]  # pieces of a line the lower group is in, less those of the upper: -1, 0 or 1
    split: NDArray[np.bool_]  # whether there really are two groups


def line_steps(smooth: Map, width: int) -> NDArray[np.float64]:
    """Estimate the offset step from each line to the next, blind to scars of any length.

    Where the differences between two lines fall into two groups, the ground is the one that is likelier by its size
    and by its distance from the usual step: a scar of 80 % of a line is a scar where line offsets are small. The
    steps into and out of a scar are decided together. Steps far outside the scatter of all steps that are
    taken back within ``width`` lines belong to a scar of a whole line and are not an offset.
    """
    groups, usual, noise = _two_groups(smooth[:, :: max(1, smooth.shape[1] // 256)])
    scatter = max(1.4826 * float(np.median(np.abs(groups.middle))), noise, 1e-12)
    odds = _by_form(groups) - (groups.below**2 - groups.above**2) / (2 * scatter**2)
    rare = np.minimum(groups.share, 1 - groups.share) < 1 / 16
    odds[rare] = groups.share[rare] - 0.5
    _decide_together(groups, odds, scatter, width)
    steps = np.where(groups.split, np.where(odds > 0, groups.below, groups.above), groups.middle)
    return usual + _without_whole_lines(steps, scatter, width)


def _by_form(groups: _Groups) -> NDArray[np.float64]:
    """Log odds that the lower group is the ground: it is the larger one, and a scar is one piece, not two."""
    odds: NDArray[np.float64] = np.log(groups.share / (1 - groups.share)) + 3 * groups.pieces
    return odds


def _two_groups(smooth: Map) -> tuple[_Groups, float, float]:
    """Split the differences between neighboring lines at the middle of their range; usual step, standard error."""
    unsorted = np.diff(smooth, axis=0)
    steps = np.sort(unsorted, axis=1).astype(np.float64)
    count = steps.shape[1]
    middle = 0.5 * (steps[:, (count - 1) // 2] + steps[:, count // 2])
    usual = float(np.median(middle))
    spread = 0.7413 * float(np.median(steps[:, count - 1 - count // 4] - steps[:, count // 4]))
    edge = count // 32
    cut = 0.5 * (steps[:, edge] + steps[:, count - 1 - edge])
    lower = np.sum(steps < cut[:, None], axis=1)
    low_ends = unsorted[:, [0, -1]] < cut[:, None]
    pieces = np.sum(low_ends, axis=1) - 1.0  # both ends of the line in the lower group: one piece more than the upper
    index = np.arange(steps.shape[0])
    below = steps[index, np.maximum(lower - 1, 0) // 2]
    above = steps[index, np.minimum((lower + count) // 2, count - 1)]
    split = (above - below > 4 * spread) & (lower > 0) & (lower < count)
    share = np.clip(lower / count, 1e-3, 1 - 1e-3)
    # Neighbors along a line share the running median: about a sixth of them are independent.
    noise = 1.25 * spread / float(np.sqrt(max(1.0, count / 6)))
    return _Groups(middle - usual, below - usual, above - usual, share, pieces, split), usual, noise


def _decide_together(groups: _Groups, odds: NDArray[np.float64], scatter: float, width: int) -> None:
    """Find steps into a scar and out of it (same share, same height) and give both the same ``odds``, in place."""
    free = groups.split.copy()
    form = _by_form(groups)
    height = groups.above - groups.below
    for k in range(1, width + 1):
        into, out = slice(None, -k), slice(k, None)
        same = free[into] & free[out] & (np.abs(groups.share[into] + groups.share[out] - 1) < 0.06)
        same &= np.abs(height[into] - height[out]) < 0.35 * height[into]
        for i in np.flatnonzero(same):
            j = i + k
            if not (free[i] and free[j]):
                continue
            free[i : j + 1] = False
            apart = groups.below[i] ** 2 + groups.above[j] ** 2 - groups.above[i] ** 2 - groups.below[j] ** 2
            odds[i] = form[i] - apart / (2 * scatter**2)
            odds[j] = -odds[i]


def _without_whole_lines(away: NDArray[np.float64], scatter: float, width: int) -> NDArray[np.float64]:
    bands: list[tuple[int, int]] = []
    for first in np.flatnonzero(np.abs(away) > 5 * scatter):
        if bands and first <= bands[-1][1]:
            continue
        total = np.cumsum(away[first : first + width + 1])
        back = np.flatnonzero(np.abs(total[1:]) < np.maximum(3 * scatter, 0.2 * abs(away[first])))
        if back.size:
            bands.append((int(first), int(first + 1 + back[0])))
    if regular([first for first, _ in bands]):
        return away
    out = away.copy()
    for first, last in bands:
        out[first : last + 1] = 0.0
    return out


def regular(places: list[int], *, least: int = 5) -> bool:
    """Whether at least ``least`` places follow each other at almost equal distances, as lines of a grating do."""
    if len(places) < least:
        return False
    gaps = np.diff(np.sort(places))
    middle = float(np.median(gaps))
    return bool(np.mean(np.abs(gaps - middle) <= np.maximum(1.0, 0.15 * middle)) > 0.7)


def band_scores(ground: Map, width: int) -> Map:
    """Score every pixel: how far the best band of 1 to ``width`` lines through it stands above its surroundings.

    The first line of a band is compared with the line above it, continued along the slope of the three lines
    before; the last line with the line below it in the same way; lines between with the chord. The lowest of
    these counts. A slope lowers the bar on one side only as far as the other side confirms it. So neither slopes,
    nor rounded tops, nor hollows score, only what rises within one line on both sides.
    At the first and last line of the image, where one side is missing, only bands of one line count.
    """
    rows, cols = ground.shape
    halo = width + 5
    padded = np.full((rows + 2 * halo, cols), FAR, dtype=np.float32)
    padded[halo : halo + rows] = ground
    scores = np.zeros((rows, cols), dtype=np.float32)
    for first in range(0, rows, BLOCK):
        last = min(first + BLOCK, rows)
        found = _block_scores(padded[first : last + 2 * halo], width)
        scores[first:last] = found[halo : halo + last - first]
    return scores


def _block_scores(block: Map, width: int) -> Map:
    """Scores of a padded block; the first and last ``width + 5`` lines of the result mean nothing."""
    lines = block.shape[0]
    slope = (block[3:] - block[:-3]) * np.float32(1 / 3)  # at q: mean slope from line q to line q + 3
    slope[np.abs(slope) > 1e20] = 0
    best = np.zeros_like(block)
    real = block[:, 0] > FAR / 2
    for k in range(1, width + 1):
        n = lines - k - 7  # bands start at lines 4 .. 3 + n
        over, under = slope[:n], slope[4 + k : 4 + k + n]
        common = np.maximum(np.minimum(over, under), 0) + np.minimum(np.maximum(over, under), 0)
        above, below = block[3 : 3 + n], block[4 + k : 4 + k + n]
        score = block[4 : 4 + n] - (above + np.maximum(common, over))
        np.minimum(score, block[3 + k : 3 + k + n] - (below - np.minimum(common, under)), out=score)
        for line in range(1, k - 1):
            share = np.float32((line + 1) / (k + 1))
            np.minimum(score, block[4 + line : 4 + line + n] - (above + share * (below - above)), out=score)
        if k > 1:
            score[~(real[3 : 3 + n] & real[4 + k : 4 + k + n])] = 0
        for line in range(k):
            part = best[4 + line : 4 + line + n]
            np.maximum(part, score, out=part)
    return best


def local_noise(ground: Map, *, tile: int = 32) -> Map:
    """Estimate the noise around each pixel: the scaled median absolute bend between lines, by tiles, interpolated.

    The bend of three lines is blind to slopes, so that flanks of tall features do not count as noise.

    Never less than half of the median over all tiles, so that flat patches do not turn oversensitive.
    """
    import cv2

    thin = ground[:, :: max(1, min(4, ground.shape[1] // 64))]
    steps = np.abs(thin[1:-1] - np.float32(0.5) * (thin[:-2] + thin[2:]))
    tall, wide = (max(1, round(n / tile)) for n in ground.shape)
    row_edges = np.linspace(0, steps.shape[0], tall + 1).round().astype(int)
    col_edges = np.linspace(0, steps.shape[1], wide + 1).round().astype(int)
    tiles = np.empty((tall, wide), dtype=np.float32)
    for i in range(tall):
        strip = steps[row_edges[i] : row_edges[i + 1]]
        for j in range(wide):
            tiles[i, j] = _typical(strip[:, col_edges[j] : col_edges[j + 1]])
    tiles = np.maximum(tiles, 0.5 * np.median(tiles))
    tiles = cv2.medianBlur(np.pad(tiles, 1, mode="edge"), 3)[1:-1, 1:-1] if min(tall, wide) > 2 else tiles
    size = (ground.shape[1], ground.shape[0])
    return np.asarray(cv2.resize(tiles, size, interpolation=cv2.INTER_LINEAR), dtype=np.float32)


def _typical(steps: Map) -> float:
    """Standard deviation of one line from the absolute bends; quantized data have median 0."""
    if steps.size == 0:
        return 0.0
    middle = float(np.median(steps))
    return 1.2105 * middle if middle > 0 else 1.023 * float(np.mean(np.minimum(steps, np.quantile(steps, 0.9))))
