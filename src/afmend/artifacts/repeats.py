"""How often neighbors are exactly equal: what tells a stuck line from quantized or synthetic data."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from afmend.scan.arrays import Heights, Mask

Shares = NDArray[np.float64]
FEW_PX = 8
"""With fewer pixels in common, equality of two lines proves nothing."""
USUAL = 0.5
"""Where one line in twenty has a larger share of equal neighbors than this, equality is nothing unusual."""

QUIET = 0.05
"""A line with less than this share of the usual noise was not measured like the others."""


class Repeats(NamedTuple):
    """Shares of exactly equal usable neighbors; NaN where too few pixels are usable to tell."""

    lines: Shares
    """(rows - 1,) from each line to the next: 1 = the same line twice."""
    along: Shares
    """(rows,) inside each line: 1 = a constant line."""


def repeats(heights: Heights, usable: Mask) -> Repeats:
    """Measure how often neighbors are equal, between lines and along them."""
    return Repeats(
        _shares(heights[1:] == heights[:-1], usable[1:] & usable[:-1]),
        _shares(heights[:, 1:] == heights[:, :-1], usable[:, 1:] & usable[:, :-1]),
    )


def _shares(same: Mask, both: Mask) -> Shares:
    count = np.count_nonzero(both, axis=1)
    equal = np.count_nonzero(same & both, axis=1)
    known = count >= FEW_PX - 1
    return np.where(known, equal / np.maximum(count, 1), np.nan)


def has_noise(heights: Heights, lines: NDArray[np.bool_]) -> bool:
    """Whether all of the given lines are about equally noisy, as measured lines are.

    In a synthetic image without noise the lines far from any feature are smooth to the last digit.
    """
    every = max(1, heights.shape[1] // 512)
    kept = (heights if lines.all() else heights[lines])[:, : heights.shape[1] // every]
    if kept.shape[0] < 2 or kept.shape[1] < 3:
        return False
    away = kept[:, 2:] - 2 * kept[:, 1:-1]
    away += kept[:, :-2]
    bends = np.mean(np.abs(away, out=away), axis=1)
    return bool(np.quantile(bends, 0.05) > QUIET * np.median(bends))


def equality_is_unusual(lines: Shares, along: Shares) -> bool:
    """Whether the given lines, which are not suspected themselves, hardly ever repeat a pixel.

    Not so in synthetic images with flat ground, in coarsely quantized ones, in gratings without noise.
    """
    lines, along = lines[np.isfinite(lines)], along[np.isfinite(along)]
    if lines.size < 2 or along.size < 2:
        return False
    return bool(np.quantile(lines, 0.95) < USUAL and np.quantile(along, 0.95) < USUAL)
