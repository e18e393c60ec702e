"""The compiled loop of the opening residual and its subgradient: imported only when it runs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from afmend.compiled import njit

Floats = NDArray[np.float64]


@njit(cache=True, nogil=True)
def residual(image: Floats, tip: Floats) -> tuple[float, Floats]:
    """Return the mean square of image minus opening, and its subgradient with respect to the tip.

    Outside the image nothing bounds and nothing touches.
    """
    (rows, cols), (n, m) = image.shape, tip.shape
    above, left = n // 2, m // 2
    eroded, by = _eroded(image, tip)
    gradient, total = np.zeros(tip.shape), 0.0
    for i in range(rows):
        for j in range(cols):
            best, up, down = -np.inf, 0, 0
            for y in range(max(0, above - i), min(n, rows - i + above)):
                for x in range(max(0, left - j), min(m, cols - j + left)):
                    height = eroded[i + y - above, j + x - left] + tip[y, x]
                    if height > best:
                        best, up, down = height, y * m + x, by[i + y - above, j + x - left]
            miss = best - image[i, j]
            total += miss * miss
            gradient[up // m, up % m] += 2 * miss / image.size
            gradient[down // m, down % m] -= 2 * miss / image.size
    return total / image.size, gradient


@njit(cache=True, nogil=True)
def _eroded(image: Floats, tip: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """Return the erosion, and which element of the tip made it."""
    (rows, cols), (n, m) = image.shape, tip.shape
    above, left = n // 2, m // 2
    eroded, by = np.full(image.shape, np.inf), np.zeros(image.shape, np.int64)
    for i in range(rows):
        for j in range(cols):
            for y in range(max(0, i + above - rows + 1), min(n, i + above + 1)):
                for x in range(max(0, j + left - cols + 1), min(m, j + left + 1)):
                    bound = image[i + above - y, j + left - x] - tip[y, x]
                    if bound < eroded[i, j]:
                        eroded[i, j], by[i, j] = bound, y * m + x
    return eroded, by
