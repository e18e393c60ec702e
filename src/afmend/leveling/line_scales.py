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
    some = from_both_ends(cols, cols // 128 if cols >= 256 else 1)
    middle, scale, core = by_halves(
        lambda first, stop: _spreads(r, skip, lines[first:stop], lines[first + 1 : stop + 1], some), pairs
    )
    return middle, scale, typical(core[from_both_ends(pairs, max(1, pairs // 128))])


def pair_scales(r: Heights, skip: Mask, lines: NDArray[np.int64]) -> tuple[Vector, Vector, Vector]:
    """Return median, robust scale and scale of the densest quarter of the differences of each pair of lines.

    The robust scale is 1.4826 MAD, but where more than half of the differences are equal (quantized heights) it is
    taken from the third quartile. The densest quarter is 0.637 wide for a unit Gaussian; 0 if it is one pixel.
    """
    return _spreads(r, skip, lines[:-1], lines[1:], from_both_ends(r.shape[1], 1))


def _spreads(
    r: Heights, skip: Mask, below: NDArray[np.int64], above: NDArray[np.int64], cols: NDArray[np.int64]
) -> tuple[Vector, Vector, Vector]:
    """`pair_scales` of pairs of lines, looking at some columns."""
    from afmend.leveling import spread_kernels as kernels

    ordered, count = kernels.differences(r, skip, below, above, cols)
    ordered.sort(axis=1)
    middle, scale, core = kernels.spreads(ordered, count)
    return middle, scale, core


def sorted_differences(
    r: Heights, skip: Mask, below: NDArray[np.int64], above: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Sort the differences of each pair of lines; return also the number of usable ones, which come first."""
    from afmend.leveling import spread_kernels as kernels

    ordered, count = kernels.differences(r, skip, below, above, from_both_ends(r.shape[1], 1))
    ordered.sort(axis=1)
    return ordered, count


def typical(values: Vector) -> float:
    """Median of the positive values, 0 if there is none."""
    positive = values[values > 0]
    return median(positive) if positive.size else 0.0
