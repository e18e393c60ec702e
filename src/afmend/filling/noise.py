"""How noisy the pixels are: what is left of the heights after differences that no smooth surface survives."""

from __future__ import annotations

from math import comb

import numpy as np

from afmend.scan.arrays import Heights, Mask

_GAIN = sum(comb(3, k) ** 2 for k in range(4)) ** 2
"""Variance of the differences of white noise of variance 1."""
_FEWEST = 100
_ENOUGH = 1 << 17
"""Differences beyond which more of them say nothing new about their median."""
_SIGMA_OF_MEDIAN = 1.4826


def noise_variance(heights: Heights, known: Mask) -> float | None:
    """Variance of white noise, from third differences along both axes; None if too few good pixels lie together.

    Whatever is smooth along either axis drops out: slopes, edges along the lines or across them, offsets of lines.
    Oblique edges are left to the median. It is an upper bound: a surface as rough as noise counts as noise.
    """
    from afmend.filling.hole_kernels import third_differences

    size, squares = third_differences(heights, known)
    if size.size < _FEWEST:
        return None
    few = size[:: -(-size.size // _ENOUGH)]
    middle = float(np.partition(few, few.size // 2)[few.size // 2])
    square = squares / size.size / _GAIN
    return min(square, (_SIGMA_OF_MEDIAN * middle) ** 2 / _GAIN) if middle > 0 else square
