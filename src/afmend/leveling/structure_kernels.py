"""Compiled loop of the search for structure at an angle to the lines. Imported only when it runs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from afmend.compiled import njit

Table = NDArray[np.float64]


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})
def power_when_turned(real: Table, imaginary: Table, weight: Table, cosines: Table, sines: Table) -> Table:
    """Weighted power of the mean over blocks, after each block was turned by an angle, to one side and to the other.

    Parameters
    ----------
    real, imaginary : (tables, frequencies, blocks)
    weight : (frequencies,)
    cosines, sines : (angles, frequencies, blocks)

    Returns
    -------
    (tables, 2 angles)
        Of the angles to one side, then of those to the other.
    """
    tables, frequencies, blocks = real.shape
    angles = cosines.shape[0]
    out = np.zeros((tables, 2 * angles))
    for s in range(angles):
        for t in range(tables):
            one = other = 0.0
            for q in range(frequencies):
                cr = ci = sr = si = 0.0
                for k in range(blocks):
                    cr += cosines[s, q, k] * real[t, q, k]
                    ci += cosines[s, q, k] * imaginary[t, q, k]
                    sr += sines[s, q, k] * real[t, q, k]
                    si += sines[s, q, k] * imaginary[t, q, k]
                one += weight[q] * ((cr - si) ** 2 + (ci + sr) ** 2)
                other += weight[q] * ((cr + si) ** 2 + (ci - sr) ** 2)
            out[t, s] = one
            out[t, angles + s] = other
    return out
