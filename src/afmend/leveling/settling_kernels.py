"""Compiled turns of fitting a polynomial to the ground of a thinned image. Imported only when they run.

The polynomial has degree 2: its six coefficients belong to ``background.monomials(2)``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from afmend.compiled import njit
from afmend.leveling.ground_kernels import ground_moments, ground_of_ordered
from afmend.leveling.solve_kernels import solve_one

F = NDArray[np.float64]
B = NDArray[np.bool_]


@njit(cache=True, nogil=True)
def polynomial(heights: F, skip: B, x: F, y: F, level: float, reach: float) -> F:
    """Least-squares polynomial of heights over ``level``, those within ``reach`` of it."""
    weights, sums = ground_moments(heights, skip, x, y, level, reach)
    a, b = (0, 1, 0, 2, 1, 0), (0, 0, 1, 0, 1, 2)
    normal, right = np.empty((6, 6)), np.empty(6)
    for i in range(6):
        right[i] = sums[a[i], b[i]]
        for j in range(6):
            normal[i, j] = weights[a[i] + a[j], b[i] + b[j]]
    out = np.empty(6)
    solve_one(normal, right, np.empty((6, 6)), np.empty((6, 6)), out)
    return out


@njit(cache=True, nogil=True)
def per_line(found: F, y: F) -> F:
    """Return the polynomial as coefficients over x for each line: (rows, 3)."""
    out = np.empty((y.size, 3))
    for i in range(y.size):
        out[i, 0] = found[0] + found[2] * y[i] + found[5] * (y[i] * y[i])
        out[i, 1] = found[1] + found[4] * y[i]
        out[i, 2] = found[3]
    return out


@njit(cache=True, nogil=True)
def above(start: F, skip: B, x: F, y: F, found: F, rest: F, values: F) -> None:
    """Write heights over a polynomial to ``rest``, and those of the usable pixels to ``values``."""
    coefs = per_line(found, y)
    count = 0
    for i in range(start.shape[0]):
        c0, c1, c2 = coefs[i]
        for j in range(start.shape[1]):
            rest[i, j] = start[i, j] - ((c2 * x[j] + c1) * x[j] + c0)
        for j in range(start.shape[1]):
            if not skip[i, j]:
                values[count] = rest[i, j]
                count += 1


@njit(cache=True, nogil=True)
def turn(start: F, skip: B, x: F, y: F, found: F, rest: F, values: F, sigmas: float, still: float) -> bool:
    """Leave out the features, fit the polynomial again, in place; True if it moved by less than ``still`` sigmas.

    Parameters
    ----------
    start : (rows, cols)
        Heights.
    found : (6,)
        The polynomial so far.
    rest, values
        As `above` left them, but ``values`` in order; both are written anew, ``values`` out of order.
    """
    level, sigma = ground_of_ordered(values, sigmas)
    move = polynomial(rest, skip, x, y, level, sigmas * sigma)
    move[0] += level
    found += move
    above(start, skip, x, y, found, rest, values)
    return bool(np.max(np.abs(move)) <= still * sigma)
