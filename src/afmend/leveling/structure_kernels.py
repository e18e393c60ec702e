"""Compiled loop of the search for structure at an angle to the lines. Imported only when it runs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from afmend.compiled import njit

F = NDArray[np.float64]
Table = NDArray[np.float64]


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"}, forceinline=True)
def _turned_power(
    real: Table, imaginary: Table, weight: F, cosines: Table, sines: Table, space: Table
) -> tuple[float, float]:
    """Power of the mean over blocks when each was turned by its angle, and by the opposite one."""
    cr, ci, sr, si = space[0], space[1], space[2], space[3]
    for q in range(weight.size):
        cr[q] = ci[q] = sr[q] = si[q] = 0.0
    for k in range(real.shape[0]):
        for q in range(weight.size):
            cr[q] += cosines[k, q] * real[k, q]
            ci[q] += cosines[k, q] * imaginary[k, q]
            sr[q] += sines[k, q] * real[k, q]
            si[q] += sines[k, q] * imaginary[k, q]
    one = other = 0.0
    for q in range(weight.size):
        one += weight[q] * ((cr[q] - si[q]) ** 2 + (ci[q] + sr[q]) ** 2)
        other += weight[q] * ((cr[q] + si[q]) ** 2 + (ci[q] - sr[q]) ** 2)
    return one, other


@njit(cache=True, nogil=True)
def power_when_turned(real: Table, imaginary: Table, weight: F, cosines: Table, sines: Table) -> Table:
    """Weighted power of the mean over blocks, after each block was turned by an angle, to one side and to the other.

    Parameters
    ----------
    real, imaginary : (tables, blocks, frequencies)
    weight : (frequencies,)
    cosines, sines : (angles, blocks, frequencies)

    Returns
    -------
    (tables, 2 angles)
        Of the angles to one side, then of those to the other.
    """
    tables, angles = real.shape[0], cosines.shape[0]
    out, space = np.empty((tables, 2 * angles)), np.empty((4, weight.size))
    for s in range(angles):
        for t in range(tables):
            one, other = _turned_power(real[t], imaginary[t], weight, cosines[s], sines[s], space)
            out[t, s] = one
            out[t, angles + s] = other
    return out


@njit(cache=True, nogil=True)
def without_largest(steps: F, lag: int) -> float:
    """Correlation of steps with those ``lag`` later, without the two largest products."""
    count = steps.size - lag
    largest = second = -1
    for i in range(count):
        size = abs(steps[i] * steps[i + lag])
        if largest < 0 or size >= abs(steps[largest] * steps[largest + lag]):
            largest, second = i, largest
        elif second < 0 or size >= abs(steps[second] * steps[second + lag]):
            second = i
    product = energy = whole = 0.0
    for i in range(steps.size):
        whole += steps[i] * steps[i]
    for i in range(count):
        if i not in (largest, second):
            product += steps[i] * steps[i + lag]
            energy += 0.5 * (steps[i] * steps[i] + steps[i + lag] * steps[i + lag])
    # Where a period leaves out the strongest steps, what is left must not count for all.
    energy = max(energy, 0.25 * whole * count / steps.size)
    return product / energy if energy > 0.0 else 0.0
