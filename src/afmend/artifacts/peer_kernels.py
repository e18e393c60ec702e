"""Compiled loop of Gwyddion's scar rule. Imported only when it runs."""

from __future__ import annotations

import numpy as np
from numba import njit

from afmend.scan.arrays import Heights


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
