"""Compiled loops of `moments`: imported only when a fit runs, because numba takes its time to load."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, fastmath={"reassoc", "contract", "nsz"})
def line_moments(
    heights: NDArray[np.float64], weights: NDArray[Any], along: NDArray[np.float64], wanted: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Per line: sum of weight * height * along[k] for k < wanted, and sum of weight * along[k] for all k."""
    rows, cols = heights.shape
    count = along.shape[0]
    data = np.zeros((rows, wanted))
    mass = np.zeros((rows, count))
    whole = np.zeros(count)
    for k in range(count):
        for c in range(cols):
            whole[k] += along[k, c]
    used = np.empty(cols)
    weight = np.empty(cols)
    for r in range(rows):
        every = True
        for c in range(cols):
            w = np.float64(weights[r, c])
            weight[c] = w
            used[c] = w * heights[r, c]
            every &= w == 1.0
        for k in range(wanted):
            total = 0.0
            for c in range(cols):
                total += used[c] * along[k, c]
            data[r, k] = total
        for k in range(count):
            if every:
                mass[r, k] = whole[k]
            else:
                total = 0.0
                for c in range(cols):
                    total += weight[c] * along[k, c]
                mass[r, k] = total
    return data, mass


@njit(cache=True)
def line_curves(coefficients: NDArray[np.float64], along: NDArray[np.float64]) -> NDArray[np.float64]:
    """Per line: sum over k of coefficients[r, k] * along[k]."""
    rows, count = coefficients.shape
    cols = along.shape[1]
    out = np.zeros((rows, cols))
    for r in range(rows):
        for k in range(count):
            c = coefficients[r, k]
            for x in range(cols):
                out[r, x] += c * along[k, x]
    return out
