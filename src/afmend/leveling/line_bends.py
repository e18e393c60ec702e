"""Slopes and bends of single lines: noise slower than a line tilts and bends every line in its own way.

The differences of aligned lines, summed up with a Legendre polynomial as weight, estimate how much of it one line
has more than the one before. As for offsets, that path is compared with what higher polynomials show, in which there
is hardly more than topography (see `afmend.leveling.evidence`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from afmend.leveling import line_model
from afmend.leveling.evidence import judge
from afmend.leveling.line_model import Path
from afmend.scan.arrays import Heights, Mask

Vector = NDArray[np.float64]
_DEGREES = 3
_ROUNDS = 2


@dataclass(frozen=True, slots=True)
class Bends:
    """What is subtracted from each row besides its offset.

    Attributes
    ----------
    coefs : (rows, 4)
        Coefficients of powers of x in -1 .. 1.
    degree : int
        Highest degree of which some was found; 0 if none.
    """

    coefs: NDArray[np.float64]
    degree: int


def find_bends(
    left: Callable[[], Heights], skip: Mask, path: Path, x: Vector, tests: NDArray[np.float64], aspect: float
) -> Bends:
    """Find slopes and bends in aligned lines.

    Parameters
    ----------
    left : function that returns (rows, cols)
        Heights without line offsets and polynomial background, which are looked at if there are bends.
    skip : (rows, cols) bool
    path : Path
        By which they were aligned.
    x : (cols,)
    tests : (tests, cols)
    aspect : float
        Length of the slow axis over that of the fast axis.
    """
    from afmend.leveling import line_kernels as kernels

    rows, degrees = skip.shape[0], min(_DEGREES, tests.shape[0] - 3)
    coefs = np.zeros((rows, 4))
    inside = np.arange(path.lines[0], path.lines[-1] + 1)
    amounts = np.zeros((inside.size, max(degrees, 0)))
    for turn in range(_ROUNDS if degrees > 0 else 0):
        # The path knows what its lines hold of the test functions, but for polynomials over the image.
        seen_now = line_model.modulations(kernels.residuals(left(), coefs, x), skip, path, tests) if turn else path.leak
        leaks = line_model.integrate(seen_now)
        leaks = line_model.between(path.lines, leaks)
        for k in range(degrees):
            seen = amounts[:, k] + leaks[:, k]
            # A slope that changes evenly from line to line, and a bend that all lines share, are background.
            gauge = max(0, line_model.GAUGE_DEGREE - k - 1)
            verdict = judge(seen, leaks[:, k + 1 :], aspect=aspect, degree=gauge, shrink=True, order=k + 1)
            amounts[:, k] = verdict.correction
        if not amounts.any():
            break
        spread = np.column_stack([line_model.spread(inside, column, rows) for column in amounts.T])
        coefs = np.einsum("ik,kp->ip", spread, _powers(x, degrees))
    found = np.flatnonzero(amounts.any(axis=0))
    return Bends(coefs, int(found[-1]) + 1 if found.size else 0)


def _powers(x: Vector, degrees: int) -> NDArray[np.float64]:
    """Coefficients over powers of x of the test functions of degree 1 .. degrees: (degrees, 4)."""
    out = np.zeros((degrees, 4))
    for k in range(degrees):
        legendre = np.polynomial.legendre.Legendre.basis(k + 1)
        out[k, : k + 2] = legendre.convert(kind=np.polynomial.Polynomial).coef / np.sqrt(np.mean(legendre(x) ** 2))
    return out
