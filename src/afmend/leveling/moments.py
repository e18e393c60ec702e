"""Least squares with Legendre polynomials from one pass over the heights.

The product of two Legendre polynomials is a short sum of Legendre polynomials, so the normal matrix of any set of
usable pixels follows from their moments up to twice the degree: no design matrix is ever made.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray

from afmend.errors import StepError
from afmend.scan.arrays import Heights, Mask

WORST_CONDITION = 1e12
"""Beyond this condition number of the normal matrix the usable pixels do not determine the polynomial."""
SOFT_CONDITION = 1e4
"""Beyond this one the fit is refined once from its own residual."""
PROBES = 9
"""Places along a line where the standard error of its fit is looked at."""


def positions(count: int) -> NDArray[np.float64]:
    """Return ``count`` positions from -1 to 1, exactly symmetric (0 for a single one)."""
    if count == 1:
        return np.zeros(1)
    places: NDArray[np.float64] = (2.0 * np.arange(count, dtype=np.float64) - (count - 1)) / (count - 1)
    return places


@cache
def basis(count: int, degree: int) -> NDArray[np.float64]:
    """Legendre polynomials 0 to ``degree`` at the positions of ``count`` pixels, shape (degree + 1, count)."""
    made = np.ascontiguousarray(legendre.legvander(positions(count), degree).T, dtype=np.float64)
    made.flags.writeable = False
    return made


@cache
def products(degree: int) -> NDArray[np.float64]:
    """Coefficients c of P_i P_j = sum over k of c[i, j, k] P_k, shape (degree + 1, degree + 1, 2 degree + 1)."""
    made = np.zeros((degree + 1, degree + 1, 2 * degree + 1))
    unit = np.eye(degree + 1)
    for i in range(degree + 1):
        for j in range(degree + 1):
            series = legendre.legmul(unit[i, : i + 1], unit[j, : j + 1])
            made[i, j, : series.size] = series
    made.flags.writeable = False
    return made


def line_moments(
    heights: Heights, weights: Mask | Heights, degree: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum weights times Legendre polynomials along each line.

    Returns
    -------
    data : (rows, degree + 1)
        Sum over a line of weight * height * P_k.
    mass : (rows, 2 degree + 1)
        Sum over a line of weight * P_k.
    """
    from afmend.leveling import moment_kernels

    return moment_kernels.line_moments(
        np.ascontiguousarray(heights), np.ascontiguousarray(weights), basis(heights.shape[1], 2 * degree), degree + 1
    )


def surface_coefficients(heights: Heights, weights: Mask | Heights, terms: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Weighted least-squares coefficients of P_j(row) P_i(column).

    Parameters
    ----------
    heights : (rows, cols)
    weights : (rows, cols) bool or float
        0 = not used.
    terms : (n, m) bool
        ``terms[j, i]`` says whether the term of degree j along the slow and i along the fast axis takes part.

    Returns
    -------
    (n, m)
        0 for terms that take no part.

    Raises
    ------
    StepError
        If the usable pixels do not determine the terms.
    """
    slow, fast = terms.shape[0] - 1, terms.shape[1] - 1
    rows = heights.shape[0]
    data, mass = line_moments(heights, weights, fast)
    across = basis(rows, 2 * slow)
    moment = np.einsum("tr,rk->tk", across, mass)
    normal = np.einsum("jmt,iqk,tk->jimq", products(slow), products(fast), moment, optimize=True)
    matrix = normal[terms][:, terms] / max(moment[0, 0], 1e-300)
    condition = _condition(matrix, float(moment[0, 0]))
    found = _solve(matrix, _right(across, data, terms, float(moment[0, 0])), terms)
    if condition > SOFT_CONDITION:
        rest = without_surface(heights, found)
        again, _ = line_moments(rest, weights, fast)
        found = found + _solve(matrix, _right(across, again, terms, float(moment[0, 0])), terms)
    return found


def _right(
    across: NDArray[np.float64], data: NDArray[np.float64], terms: NDArray[np.bool_], total: float
) -> NDArray[np.float64]:
    both = np.einsum("jr,ri->ji", across[: terms.shape[0]], data)
    picked: NDArray[np.float64] = both[terms] / total
    return picked


def _solve(matrix: NDArray[np.float64], right: NDArray[np.float64], terms: NDArray[np.bool_]) -> NDArray[np.float64]:
    found = np.zeros(terms.shape)
    found[terms] = np.linalg.solve(matrix, right)
    return found


def _condition(matrix: NDArray[np.float64], total: float) -> float:
    values = np.linalg.eigvalsh(matrix)
    if total <= 0 or not values[0] > values[-1] / WORST_CONDITION:
        raise StepError(
            f"the usable pixels do not determine a background of {matrix.shape[0]} terms",
            now="Lower the degree, or shrink the masks.",
        )
    return float(values[-1] / values[0])


def without_surface(heights: Heights, coefficients: NDArray[np.float64]) -> Heights:
    """Return the heights minus the surface that `surface_coefficients` describes."""
    across = basis(heights.shape[0], coefficients.shape[0] - 1)
    return without_curves(heights, np.einsum("ji,jr->ri", coefficients, across))


def without_curves(heights: Heights, coefficients: NDArray[np.float64]) -> Heights:
    """Return each line minus its polynomial, given by Legendre coefficients of shape (rows, degree + 1)."""
    from afmend.leveling import moment_kernels

    along = basis(heights.shape[1], coefficients.shape[1] - 1)
    return moment_kernels.without_curves(np.ascontiguousarray(heights), np.ascontiguousarray(coefficients), along)


def line_fits(
    heights: Heights, usable: Mask, degree: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Fit a polynomial to the usable pixels of each line.

    Returns
    -------
    coefficients : (rows, degree + 1)
        Zeros where the usable pixels do not determine them.
    leverage : (rows,)
        Largest variance of the fit along the line in units of one pixel's variance; infinite where undetermined.
    data, mass
        As from `line_moments`.
    """
    from afmend.leveling import moment_kernels

    data, mass = line_moments(heights, usable, degree)
    cols = heights.shape[1]
    places = np.linspace(0, cols - 1, PROBES).round().astype(np.int64)
    probes = np.ascontiguousarray(basis(cols, degree)[:, places].T)
    found, leverage = moment_kernels.solve_lines(data, mass, products(degree), probes)
    return found, leverage, data, mass
