"""How wide the differences of adjacent scan lines are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from afmend.leveling.features import from_both_ends, median
from afmend.scan.arrays import Heights, Mask

Vector = NDArray[np.float64]
Scales = tuple[Vector, Vector, float]
"""See `scales_of`."""


def scales_of(r: Heights, skip: Mask, lines: NDArray[np.int64]) -> Scales:
    """Median and robust scale of each pair's differences, and the scale of the densest quarter in typical pairs.

    Of long lines some hundred pixels are looked at, of many lines some hundred pairs.
    """
    from afmend.compiled import by_halves

    cols, pairs = r.shape[1], lines.size - 1
    if cols >= 256:
        some = from_both_ends(cols, cols // 128)
        r, skip = np.ascontiguousarray(r[:, some]), np.ascontiguousarray(skip[:, some])
    middle, scale, core = by_halves(lambda first, stop: pair_scales(r, skip, lines[first : stop + 1]), pairs)
    return middle, scale, typical(core[from_both_ends(pairs, max(1, pairs // 128))])


def pair_scales(r: Heights, skip: Mask, lines: NDArray[np.int64]) -> tuple[Vector, Vector, Vector]:
    """Return median, robust scale and scale of the densest quarter of the differences of each pair of lines.

    The robust scale is 1.4826 MAD, but where more than half of the differences are equal (quantized heights) it is
    taken from the third quartile. The densest quarter is 0.637 wide for a unit Gaussian; 0 if it is one pixel.
    """
    from afmend.leveling import line_kernels as kernels

    ordered, count = sorted_differences(r, skip, lines[:-1], lines[1:])
    pair, top = np.arange(count.size), np.maximum(count - 1, 0)
    middle = np.where(count > 0, _medians(ordered, count), 0.0)
    away = np.abs(ordered - middle[:, None])
    away.sort(axis=1)
    scale = np.maximum(1.4826 * _medians(away, count), 0.4 * away[pair, np.minimum(3 * count // 4, top)])
    return middle, np.where(count > 0, scale, 0.0), kernels.densest_quarter(ordered, count) / 0.637


def sorted_differences(
    r: Heights, skip: Mask, below: NDArray[np.int64], above: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Sort the differences of each pair of lines; return also the number of usable ones, which come first."""
    unknown = skip[above] | skip[below]
    ordered = np.where(unknown, np.inf, r[above] - r[below])
    ordered.sort(axis=1)
    return ordered, r.shape[1] - np.count_nonzero(unknown, axis=1)


def _medians(ordered: NDArray[np.float64], count: NDArray[np.int64]) -> Vector:
    """Medians of the first ``count`` numbers of sorted lines."""
    pair, upper = np.arange(count.size), np.minimum(count // 2, ordered.shape[1] - 1)
    lower = np.where(count % 2, upper, np.maximum(upper - 1, 0))
    return np.asarray(0.5 * (ordered[pair, lower] + ordered[pair, upper]))


def typical(values: Vector) -> float:
    """Median of the positive values, 0 if there is none."""
    positive = values[values > 0]
    return median(positive) if positive.size else 0.0
