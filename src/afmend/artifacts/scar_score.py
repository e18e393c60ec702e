"""How much each pixel looks like part of a scar: smoothing along lines, line offsets, band scores, local noise.

Arrays are float32, in units of the overall noise, and made in blocks of lines that fit the processor's cache.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from afmend.scan.arrays import Heights, Mask

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


def filled_from_lines(heights: Heights, excluded: Mask) -> Heights:
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


def line_steps(smooth: Map, width: int) -> NDArray[np.float64]:
    """Estimate the offset step from each line to the next, blind to scars of any length.

    Where the differences between two lines fall into two groups, the group nearer to the usual step is the
    ground (so a scar of 80 % of a line is still a scar). Steps far outside the scatter of all steps that are
    taken back within ``width`` lines belong to a scar of a whole line and are not an offset.
    """
    cols = smooth.shape[1]
    thin = max(1, min(4, cols // 64))
    steps = np.sort(np.diff(smooth[:, ::thin], axis=0), axis=1).astype(np.float64)
    count = steps.shape[1]
    middle = 0.5 * (steps[:, (count - 1) // 2] + steps[:, count // 2])
    usual = float(np.median(middle))
    noise = 1.4826 * float(np.median(np.abs(steps - middle[:, None])))
    low, high = steps[:, count // 12], steps[:, count - 1 - count // 12]
    lower = np.sum(steps < (0.5 * (low + high))[:, None], axis=1)
    index = np.arange(steps.shape[0])
    below = steps[index, np.maximum(lower - 1, 0) // 2]
    above = steps[index, np.minimum((lower + count) // 2, count - 1)]
    split = above - below > 4 * noise
    split &= (lower > 0) & (lower < count)
    nearer = np.where(np.abs(below - usual) < np.abs(above - usual), below, above)
    ground = np.where(split, nearer, middle)
    return _without_whole_lines(ground, usual, noise / np.sqrt(count), width)


def _without_whole_lines(
    ground: NDArray[np.float64], usual: float, floor: float, width: int
) -> NDArray[np.float64]:
    away = ground - usual
    scatter = max(1.4826 * float(np.median(np.abs(away))), floor)
    wild = np.flatnonzero(np.abs(away) > 6 * scatter)
    bands: list[tuple[int, int]] = []
    for first in wild:
        if bands and first <= bands[-1][1]:
            continue
        total = np.cumsum(away[first : first + width + 1])
        back = np.flatnonzero(np.abs(total[1:]) < np.maximum(3 * scatter, 0.2 * abs(away[first])))
        if back.size:
            bands.append((int(first), int(first + 1 + back[0])))
    if regular([first for first, _ in bands]):
        return ground
    out = ground.copy()
    for first, last in bands:
        out[first : last + 1] = usual
    return out


def regular(places: list[int], *, least: int = 5) -> bool:
    """Whether at least ``least`` places follow each other at almost equal distances, as lines of a grating do."""
    if len(places) < least:
        return False
    gaps = np.diff(np.sort(places))
    middle = float(np.median(gaps))
    return bool(np.mean(np.abs(gaps - middle) <= np.maximum(1.0, 0.15 * middle)) > 0.7)


def band_scores(ground: Map, width: int) -> Map:
    """Score every pixel: how far the best band of 1 to ``width`` lines through it stands above both its neighbors.

    The lowest line of the band counts, and the higher of the two neighbors, along the local slope of the slow
    axis (the gentler of the slopes above and below the band; none if they disagree in sign).
    Beyond the first and last line there is nothing: a band there is compared with one neighbor only.
    """
    rows, cols = ground.shape
    halo = width + 5
    padded = np.full((rows + 2 * halo, cols), FAR, dtype=np.float32)
    padded[halo : halo + rows] = ground
    scores = np.zeros((rows, cols), dtype=np.float32)
    for first in range(0, rows, BLOCK):
        last = min(first + BLOCK, rows)
        block = padded[first : last + 2 * halo]
        found = _block_scores(block, width)
        scores[first:last] = found[halo : halo + last - first]
    return scores


def _block_scores(block: Map, width: int) -> Map:
    """Scores of a padded block; the first and last ``width + 4`` lines of the result mean nothing."""
    lines = block.shape[0]
    slope = np.zeros_like(block)  # at q: mean slope over the three lines above line q
    np.subtract(block[3:-1], block[:-4], out=slope[4:])
    slope *= np.float32(1 / 3)
    slope[np.abs(slope) > 1e20] = 0
    best = np.zeros_like(block)
    for k in range(1, width + 1):
        n = lines - k - 8  # start lines 4 .. 4 + n - 1
        over, under = slope[4 : 4 + n], slope[8 + k : 8 + k + n]
        tilt = np.maximum(np.minimum(over, under), 0) + np.minimum(np.maximum(over, under), 0)
        border = np.maximum(block[3 : 3 + n] + tilt, block[4 + k : 4 + k + n] - np.float32(k) * tilt)
        lowest = block[4 : 4 + n]
        for line in range(1, k):
            lowest = np.minimum(lowest, block[4 + line : 4 + line + n] - np.float32(line) * tilt)
        score = lowest - border
        for line in range(k):
            part = best[4 + line : 4 + line + n]
            np.maximum(part, score, out=part)
    return best


def local_noise(ground: Map, *, tile: int = 32) -> Map:
    """Estimate the noise around each pixel: the scaled median absolute step between lines, by tiles, interpolated.

    Never less than half of the median over all tiles, so that flat patches do not turn oversensitive.
    """
    import cv2

    steps = np.abs(np.diff(ground, axis=0))[:, :: max(1, min(4, ground.shape[1] // 64))]
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
    """Standard deviation of one line from the absolute steps between lines; quantized data have median 0."""
    if steps.size == 0:
        return 0.0
    middle = float(np.median(steps))
    return 1.0484 * middle if middle > 0 else 0.886 * float(np.mean(np.minimum(steps, np.quantile(steps, 0.9))))
