"""Compiled passes over an image on its way to a periodogram. Imported only when they run."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from afmend.compiled import njit

Vector = NDArray[np.float64]
Complex = NDArray[np.complex128]


@njit(cache=True, nogil=True)
def tapered(heights: Vector, level: float, down: Vector, along: Vector, out: Vector) -> None:
    """Write heights over ``level``, times a window along each axis, into a corner of ``out``."""
    rows, cols = heights.shape
    for i in range(rows):
        for j in range(cols):
            out[i, j] = (heights[i, j] - level) * down[i] * along[j]


@njit(cache=True, nogil=True)
def power_above(transform: Complex, factor: float, noise: float) -> Vector:
    """Return ``factor`` times the squared size of complex numbers, less the noise, never negative."""
    rows, cols = transform.shape
    out = np.empty((rows, cols))
    for i in range(rows):
        for j in range(cols):
            real, imaginary = transform[i, j].real, transform[i, j].imag
            out[i, j] = max((real * real + imaginary * imaginary) * factor - noise, 0.0)
    return out
