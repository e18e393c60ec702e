"""Compiled model of a loop that follows a surface there and back. Import this module inside functions only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from afmend.compiled import njit
from afmend.scan.arrays import Mask

Floats = NDArray[np.float64]


@njit(cache=True, nogil=True, error_model="numpy")
def surfaces(
    first: Floats, second: Floats, gone: tuple[Mask, Mask], offset: Floats, lag: float, inside: tuple[int, int]
) -> Floats:
    """Return the surface that explains both directions: the lower of the two, each freed of its lag.

    NaN where neither knows. Parameters as in `misfits`.
    """
    found = np.full(first.shape, np.nan)
    for i in range(first.shape[0]):
        for j in range(inside[0], inside[1]):
            if not gone[0][i, j]:
                found[i, j] = first[i, j] + lag * (first[i, j] - first[i, j - 1]) - offset[i]
            if not gone[1][i, j]:
                other = second[i, j] + lag * (second[i, j] - second[i, j + 1])
                if gone[0][i, j] or other < found[i, j]:
                    found[i, j] = other
    return found


@njit(cache=True, nogil=True, error_model="numpy")
def misfits(
    first: Floats,
    second: Floats,
    gone: tuple[Mask, Mask],
    offset: Floats,
    lag: float,
    falls: Floats,
    inside: tuple[int, int],
) -> tuple[Floats, float]:
    """Return the mean distance between both directions and what a loop makes of the surface they have in common.

    Where only one direction holds a measurement, it is the surface, and explains itself: the loop follows it, yet
    nothing is compared.

    Parameters
    ----------
    first, second : (rows, cols)
        Registered: same column = same place. Time runs to the right in the first, to the left in the second.
    gone : pair of (rows, cols) bool
        Where each of them, or its neighbor, holds no measurement.
    offset : (rows,)
        First minus second on the surface.
    lag : float
        Pixels by which the loop is late: each pixel it makes good the share 1 / (1 + lag) of its error.
    falls : (n,)
        Fastest falls per pixel to try.
    inside : (first, last)
        Columns that count: at least 1, at most cols - 1.

    Returns
    -------
    distances : (n,) float64
        0 if nothing can be compared.
    share : float
        Share of the pixels inside that both directions know.
    """
    surface = surfaces(first, second, gone, offset, lag, inside)
    rows, (begin, end), share = first.shape[0], inside, 1 / (1 + lag)
    found = np.zeros(falls.size)
    both = ~(gone[0] | gone[1])
    count = int(np.count_nonzero(both[:, begin:end]))
    for n in range(falls.size):
        total = 0.0
        for i in range(rows):
            tip = first[i, begin - 1] - offset[i]
            for j in range(begin, end):
                if not np.isnan(surface[i, j]):
                    tip += max(share * (surface[i, j] - tip), -falls[n])
                if both[i, j]:
                    total += abs(first[i, j] - offset[i] - tip)
            tip = second[i, end]
            for j in range(end - 1, begin - 1, -1):
                if not np.isnan(surface[i, j]):
                    tip += max(share * (surface[i, j] - tip), -falls[n])
                if both[i, j]:
                    total += abs(second[i, j] - tip)
        found[n] = total / max(2 * count, 1)
    return found, count / (rows * (end - begin))
