"""The value of one rank without sorting all, for compiled loops. Imported only when they run."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from afmend.compiled import njit


@njit(cache=True, nogil=True)
def selected(values: NDArray[np.float64], rank: int) -> float:
    """Return the value of this rank, counted from 0, reordering so that no smaller one stands behind it.

    Source: Hoare, Algorithm 65: Find (1961), doi:10.1145/366622.366647.
    """
    low = 0
    high = values.size - 1
    while low < high:
        pivot = values[(low + high) // 2]
        i = low
        j = high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while values[j] > pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if rank <= j:
            high = j
        elif rank >= i:
            low = i
        else:
            break
    return float(values[rank])


@njit(cache=True, nogil=True)
def median_of(values: NDArray[np.float64]) -> float:
    """Return the median of one or more values, which are reordered."""
    half = values.size // 2
    upper = selected(values, half)
    if values.size % 2:
        return upper
    return float(0.5 * (upper + np.max(values[:half])))
