"""Compiled reading of cubic splines along the lines. Import this module inside functions only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from afmend.compiled import njit
from afmend.scan.arrays import Heights


@njit(cache=True, nogil=True, error_model="numpy")
def read_lines(coefficients: Heights, places: NDArray[np.float64]) -> Heights:
    """Evaluate the splines of all lines (mirrored at the ends) at the same places, (rows, places)."""
    rows, cols = coefficients.shape
    out = np.empty((rows, places.size))
    index = np.empty((places.size, 4), np.int64)
    share = np.empty((places.size, 4))
    for j in range(places.size):
        base = int(np.floor(places[j]))
        u = places[j] - base
        share[j, 0] = (1 - u) ** 3 / 6
        share[j, 1] = (4 - 6 * u**2 + 3 * u**3) / 6
        share[j, 2] = (1 + 3 * u + 3 * u**2 - 3 * u**3) / 6
        share[j, 3] = u**3 / 6
        for k in range(4):
            at = abs(base - 1 + k)
            index[j, k] = at if at < cols else 2 * cols - 2 - at
    for i in range(rows):
        for j in range(places.size):
            total = 0.0
            for k in range(4):
                total += share[j, k] * coefficients[i, index[j, k]]
            out[i, j] = total
    return out
