"""How noisy the pixels are: what is left of the heights after differences that no smooth surface survives."""

from __future__ import annotations

from math import comb

import numpy as np

from afmend.scan.arrays import Heights, Mask

_ORDER = 3
_GAIN = sum(comb(_ORDER, k) ** 2 for k in range(_ORDER + 1)) ** 2
"""Variance of the differences of white noise of variance 1."""
_FEWEST = 100
_SIGMA_OF_MEDIAN = 1.4826


def noise_variance(heights: Heights, known: Mask) -> float | None:
    """Variance of white noise, from third differences along both axes; None if too few good pixels lie together.

    Whatever is smooth along either axis drops out: slopes, edges along the lines or across them, offsets of lines.
    Oblique edges are left to the median. It is an upper bound: a surface as rough as noise counts as noise.
    """
    rest, good = heights, known
    for axis in (0, 1):
        for _ in range(_ORDER):
            near, far = (np.s_[:-1], np.s_[1:]) if axis == 0 else (np.s_[:, :-1], np.s_[:, 1:])
            rest, good = rest[far] - rest[near], good[far] & good[near]
    size = np.abs(rest[good])
    if size.size < _FEWEST:
        return None
    middle = float(np.partition(size, size.size // 2)[size.size // 2])
    square = float(np.mean(size**2)) / _GAIN
    return min(square, (_SIGMA_OF_MEDIAN * middle) ** 2 / _GAIN) if middle > 0 else square
