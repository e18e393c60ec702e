"""Compiled loop of Gwyddion's scar rule. Imported only when it runs."""

from __future__ import annotations

import numpy as np

from afmend.compiled import njit
from afmend.scan.arrays import Heights, Mask


@njit(cache=True)
def gwyddion_strength(heights: Heights, soft: float, rms: float, width: int, sign: float) -> Heights:
    """Height over the border, in rms, of every pixel that stands in a scar of the thinnest width that fits."""
    rows, cols = heights.shape
    limit = soft * rms
    strength = np.zeros((rows, cols))
    for start in range(rows - (width + 1)):
        for j in range(cols):
            above = sign * heights[start, j]
            low = sign * heights[start + 1, j]
            for k in range(1, width + 1):
                low = min(low, sign * heights[start + k, j])
                if low - above < limit:
                    break  # a wider scar is no higher: no width fits any more
                border = max(above, sign * heights[start + k + 1, j])
                if low - border >= limit:
                    for line in range(start + 1, start + k + 1):
                        strength[line, j] = max(strength[line, j], (sign * heights[line, j] - border) / rms)
                    break
    return strength


@njit(cache=True)
def rms_between_lines(heights: Heights) -> float:
    """Root of the summed squared differences between neighboring lines over the number of all pixels."""
    rows, cols = heights.shape
    total = 0.0
    for i in range(rows - 1):
        line = 0.0
        for j in range(cols):
            step = heights[i + 1, j] - heights[i, j]
            line += step * step
        total += line
    return float(np.sqrt(total / (rows * cols)))


@njit(cache=True)
def long_strong_runs(strength: Heights, hard: float, soft: float, min_length: int) -> Mask:
    """Paint the runs of ``strength >= soft`` along rows that reach ``hard`` somewhere and are long enough."""
    rows, cols = strength.shape
    mask = np.zeros((rows, cols), np.bool_)
    for i in range(rows):
        start, strong = -1, False
        for j in range(cols + 1):
            here = strength[i, j] if j < cols else -1.0
            if here >= min(soft, hard) and j < cols:
                if start < 0:
                    start, strong = j, False
                strong = strong or here >= hard
            elif start >= 0:
                if strong and j - start >= min_length:
                    mask[i, start:j] = True
                start = -1
    return mask
