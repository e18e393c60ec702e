"""Compiled loops of `moments`: imported only when a fit runs, because numba takes its time to load."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from afmend.compiled import njit


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
def _cholesky(mass: NDArray[np.float64], product: NDArray[np.float64], low: NDArray[np.float64]) -> bool:
    """Factor the normal matrix of one line; False if its pixels do not determine the coefficients."""
    count = low.shape[0]
    if mass[0] < count:
        return False
    for i in range(count):
        for j in range(i + 1):
            total = 0.0
            for k in range(i - j, i + j + 1):
                total += product[i, j, k] * mass[k]
            for k in range(j):
                total -= low[i, k] * low[j, k]
            if i > j:
                low[i, j] = total / low[j, j]
            elif total > 1e-12 * mass[0]:
                low[i, i] = np.sqrt(total)
            else:
                return False
    return True


@njit(cache=True)
def _forward(
    low: NDArray[np.float64], inverse: NDArray[np.float64], right: NDArray[np.float64], part: NDArray[np.float64]
) -> float:
    """Solve low @ part = right, ``inverse`` being 1 over the diagonal; return the squared length of part."""
    size = 0.0
    for i in range(low.shape[0]):
        total = right[i]
        for k in range(i):
            total -= low[i, k] * part[k]
        part[i] = total * inverse[i]
        size += part[i] * part[i]
    return size


@njit(cache=True)
def solve_lines(
    data: NDArray[np.float64], mass: NDArray[np.float64], product: NDArray[np.float64], probes: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Per line: coefficients from its normal equations, and the largest leverage at the probes (one per row).

    A line whose pixels do not determine the coefficients gets zeros and infinite leverage.
    """
    rows, count = data.shape
    found = np.zeros((rows, count))
    leverage = np.full(rows, np.inf)
    low = np.zeros((count, count))
    part = np.empty(count)
    inverse = np.empty(count)
    for r in range(rows):
        if not _cholesky(mass[r], product, low):
            continue
        for i in range(count):
            inverse[i] = 1.0 / low[i, i]
        _forward(low, inverse, data[r], part)
        for i in range(count - 1, -1, -1):
            total = part[i]
            for k in range(i + 1, count):
                total -= low[k, i] * found[r, k]
            found[r, i] = total * inverse[i]
        leverage[r] = 0.0
        for p in range(probes.shape[0]):
            leverage[r] = max(leverage[r], _forward(low, inverse, probes[p], part))
    return found, leverage


@njit(cache=True)
def without_curves(
    heights: NDArray[np.float64], coefficients: NDArray[np.float64], along: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Per line: heights minus the sum over k of coefficients[r, k] * along[k]."""
    rows, cols = heights.shape
    out = np.empty((rows, cols))
    if along.shape[0] == 3:  # the usual case in one pass
        for r in range(rows):
            c0, c1, c2 = coefficients[r]
            for x in range(cols):
                out[r, x] = heights[r, x] - c0 * along[0, x] - c1 * along[1, x] - c2 * along[2, x]
        return out
    for r in range(rows):
        for x in range(cols):
            out[r, x] = heights[r, x]
        for k in range(along.shape[0]):
            c = coefficients[r, k]
            for x in range(cols):
                out[r, x] -= c * along[k, x]
    return out
