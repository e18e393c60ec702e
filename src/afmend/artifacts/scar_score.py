"""How much each pixel looks like part of a scar: smoothing along lines, line offsets, band scores, local noise.

Arrays are float32, in units of the overall spread of the heights.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from afmend.leveling.features import median
from afmend.scan.arrays import Mask

Map = NDArray[np.float32]
F = TypeVar("F", bound=np.floating[Any])


def filled_from_lines(heights: NDArray[F], excluded: Mask) -> NDArray[F]:
    """Replace excluded pixels by the straight line between the usable pixels above and below in their column.

    Beyond the last usable pixel its height is kept; columns without any usable pixel keep their values.
    """
    from afmend.artifacts.scar_kernels import fill_columns

    return cast("NDArray[F]", fill_columns(heights, excluded))


def smooth_along_lines(heights: Map) -> Map:
    """Take the running median of nine pixels along each line: quiet, and with edges kept sharp."""
    from afmend.artifacts.scar_kernels import median_of_nine
    from afmend.compiled import side_by_side

    out = np.empty_like(heights)

    def half(part: int, parts: int) -> None:
        rows = slice(len(heights) * part // parts, len(heights) * (part + 1) // parts)
        median_of_nine(heights[rows], out[rows])

    side_by_side(half)
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
    groups, usual, noise = _two_groups(smooth)
    scatter = max(1.4826 * median(np.abs(groups.middle)), noise, 1e-12)
    if scatter < 3 * noise:  # no line offsets: nothing to remove, and no scar is taken for one
        return np.full(groups.middle.size, usual)
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
    from afmend.artifacts.noise_kernels import line_differences, split_lines

    steps = line_differences(smooth, max(1, smooth.shape[1] // 256))
    count = steps.shape[1]
    ends = steps[:, [0, -1]]
    steps.sort(axis=1)
    middle, quartiles, below, above, lower, low_ends = split_lines(steps, ends)
    usual = median(middle)
    spread = 0.7413 * median(quartiles)
    pieces = low_ends - 1.0  # both ends of the line in the lower group: one piece more than the upper
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
        for i in np.flatnonzero(same).tolist():
            j = i + k
            if not (free[i] and free[j]):
                continue
            free[i : j + 1] = False
            apart = groups.below[i] ** 2 + groups.above[j] ** 2 - groups.above[i] ** 2 - groups.below[j] ** 2
            odds[i] = form[i] - apart / (2 * scatter**2)
            odds[j] = -odds[i]


def _without_whole_lines(away: NDArray[np.float64], scatter: float, width: int) -> NDArray[np.float64]:
    bands: list[tuple[int, int]] = []
    for first in np.flatnonzero(np.abs(away) > 5 * scatter).tolist():
        if bands and first <= bands[-1][1]:
            continue
        total = np.cumsum(away[first : first + width + 1])
        back = np.flatnonzero(np.abs(total[1:]) < np.maximum(3 * scatter, 0.2 * abs(away[first])))
        if back.size:
            bands.append((first, first + 1 + int(back[0])))
    if regular([first for first, _ in bands]):
        return away
    out = away.copy()
    for first, last in bands:
        out[first : last + 1] = 0.0
    return out


FEWEST_PLACES = 5
"""Fewer places in a row are no grating."""


def regular(places: list[int], *, least: int = FEWEST_PLACES) -> bool:
    """Whether at least ``least`` places follow each other at almost equal distances, as lines of a grating do."""
    if len(places) < least:
        return False
    gaps = np.diff(np.sort(places))
    middle = float(np.median(gaps))
    return bool(np.mean(np.abs(gaps - middle) <= np.maximum(1.0, 0.15 * middle)) > 0.7)


def local_noise(ground: Map, usable: Mask, *, tile: int = 32) -> Map:
    """Estimate the noise around each pixel: the scaled median absolute bend between lines, by tiles, interpolated.

    The bend of three lines is blind to slopes, so that flanks of tall features do not count as noise.

    Never less than half of the median over all tiles, so that flat patches do not turn oversensitive.
    """
    import cv2

    from afmend.artifacts.noise_kernels import tile_noise
    from afmend.compiled import side_by_side

    every = max(1, min(4, ground.shape[1] // 64))
    tall, wide = (max(1, round(n / tile)) for n in ground.shape)
    lines, columns = max(ground.shape[0] - 2, 0), -(-ground.shape[1] // every)
    row_edges = np.rint(np.arange(tall + 1) * (lines / tall)).astype(np.int64)
    col_edges = np.rint(np.arange(wide + 1) * (columns / wide)).astype(np.int64)
    # Below the median: up to 60 % may be rims of features.
    tiles: Map = np.full((tall, wide), np.nan, dtype=np.float32)
    side_by_side(
        lambda part, parts: tile_noise(ground, usable, every, row_edges, col_edges, tiles, tall * part // parts,
                                       tall * (part + 1) // parts)
    )  # fmt: skip
    tiles = (1.799 * tiles.astype(np.float64)).astype(np.float32)
    for i, j in np.argwhere(tiles == 0).tolist():
        part = np.s_[row_edges[i] : row_edges[i + 1] + 2, col_edges[j] * every : col_edges[j + 1] * every : every]
        tiles[i, j] = _mean_bend(ground[part], usable[part])
    known_tiles = tiles[~np.isnan(tiles)]
    typical = float(np.float32(median(known_tiles.astype(np.float64)))) if known_tiles.size else 0.0
    tiles = np.maximum(np.where(np.isnan(tiles), np.float32(typical), tiles), np.float32(0.5 * typical))
    calm = cv2.medianBlur(tiles, 3) if min(tall, wide) > 2 else tiles
    size = (ground.shape[1], ground.shape[0])
    return np.asarray(cv2.resize(calm, size, interpolation=cv2.INTER_LINEAR), dtype=np.float32)


def _mean_bend(ground: Map, usable: Mask) -> float:
    """`local_noise` of a tile of quantized heights, in which more than a third of all bends are exactly 0."""
    bends = np.abs(ground[1:-1] - np.float32(0.5) * (ground[:-2] + ground[2:]))
    known = bends[usable[1:-1] & usable[:-2] & usable[2:]]
    return 1.023 * float(np.mean(np.minimum(known, np.quantile(known, 0.9))))
