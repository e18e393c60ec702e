"""Compiled small least-squares problems: normal equations, by eigenvalues if need be; slopes fitted by reweighting.

Imported only when they run. Matrices of a few rows are solved faster here than a library is called.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from afmend.compiled import njit

F = NDArray[np.float64]

_TINY = 2.2250738585072014e-308
_KNOWN = 1e-10
"""Eigenvalues below this part of the largest one are directions that the data do not fix."""
_SWEEPS = 30
_BLOCK = 256
"""Slopes that are summed up at a time: more would not stay in the fastest cache."""
_WELL = 1e-3
"""Systems whose pivots, of columns of length 1, are all larger need no eigenvalues."""


@njit(cache=True, nogil=True)
def _eigen(matrix: F, vectors: F) -> None:  # noqa: C901 (compiled)
    """Turn a symmetric matrix into its eigenvalues (on the diagonal) by Jacobi rotations; ``vectors`` are columns."""
    n = matrix.shape[0]
    vectors[:] = 0.0
    for p in range(n):
        vectors[p, p] = 1.0
    for _ in range(_SWEEPS):
        off = 0.0
        whole = 0.0
        for p in range(n):
            whole += matrix[p, p] ** 2
            for q in range(p + 1, n):
                off += matrix[p, q] ** 2
        if off <= 1e-32 * whole:
            break
        for p in range(n):
            for q in range(p + 1, n):
                if matrix[p, q] == 0.0:
                    continue
                theta = (matrix[q, q] - matrix[p, p]) / (2.0 * matrix[p, q])
                t = (1.0 if theta >= 0.0 else -1.0) / (abs(theta) + np.sqrt(theta * theta + 1.0))
                c = 1.0 / np.sqrt(t * t + 1.0)
                s = t * c
                for k in range(n):
                    one, other = matrix[k, p], matrix[k, q]
                    matrix[k, p] = c * one - s * other
                    matrix[k, q] = s * one + c * other
                for k in range(n):
                    one, other = matrix[p, k], matrix[q, k]
                    matrix[p, k] = c * one - s * other
                    matrix[q, k] = s * one + c * other
                    one, other = vectors[k, p], vectors[k, q]
                    vectors[k, p] = c * one - s * other
                    vectors[k, q] = s * one + c * other


@njit(cache=True, nogil=True)
def _solve_well(matrix: F, right: F, root: F, out: F) -> bool:
    """Solve by the Cholesky root of a matrix with ones on its diagonal; False if it is not far from singular."""
    n = right.size
    for i in range(n):
        for j in range(i + 1):
            total = matrix[i, j]
            for k in range(j):
                total -= root[i, k] * root[j, k]
            if i > j:
                root[i, j] = total * root[j, j]
            elif total > _WELL:
                root[i, i] = 1.0 / np.sqrt(total)
            else:
                return False
    for i in range(n):
        total = right[i]
        for k in range(i):
            total -= root[i, k] * out[k]
        out[i] = total * root[i, i]
    for i in range(n - 1, -1, -1):
        total = out[i]
        for k in range(i + 1, n):
            total -= root[k, i] * out[k]
        out[i] = total * root[i, i]
    return True


@njit(cache=True, nogil=True)
def _solve_known(matrix: F, right: F, vectors: F, out: F) -> None:
    """Solve in those directions that the data fix; the matrix is changed."""
    n = right.size
    _eigen(matrix, vectors)
    largest = _TINY
    for k in range(n):
        largest = max(largest, matrix[k, k])
    out[:] = 0.0
    for k in range(n):
        if matrix[k, k] > _KNOWN * largest:
            along = 0.0
            for a in range(n):
                along += vectors[a, k] * right[a]
            for a in range(n):
                out[a] += vectors[a, k] * along / matrix[k, k]


@njit(cache=True, nogil=True)
def solve_one(normal: F, right: F, matrix: F, vectors: F, out: F) -> None:
    """Solve one system as `solve_all` does; ``matrix`` and ``vectors`` are scratch space."""
    n = right.size
    scale, scaled = np.empty(n), np.empty(n)
    for a in range(n):
        scale[a] = 1.0 / np.sqrt(max(normal[a, a], _TINY))
        scaled[a] = right[a] * scale[a]
    for a in range(n):
        for b in range(n):
            matrix[a, b] = normal[a, b] * scale[a] * scale[b]
    if not _solve_well(matrix, scaled, vectors, out):
        _solve_known(matrix, scaled, vectors, out)
    for a in range(n):
        out[a] *= scale[a]


@njit(cache=True, nogil=True)
def solve_all(normal: F, right: F) -> F:
    """Solve ``normal[i] @ out[i] = right[i]``; directions that the data do not fix stay 0.

    Parameters
    ----------
    normal : (n, k, k)
        Symmetric, none negative.
    right : (n, k)
    """
    count, k = right.shape
    out = np.empty((count, k))
    matrix, vectors = np.empty((k, k)), np.empty((k, k))
    for i in range(count):
        solve_one(normal[i], right[i], matrix, vectors, out[i])
    return out


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"}, error_model="numpy", forceinline=True)
def _add_slopes(
    slopes: F, columns: F, first: int, fit: F, kappa: float, redescend: bool, space: F, normal: F, right: F
) -> None:
    """Add weighted normal equations: Geman-McClure, or absolute deviations softened at ``kappa``.

    The slopes are those from number ``first`` on.
    """
    k, count = columns.shape[0], slopes.size
    rest, weight, weighted = space[0], space[1], space[2]
    for p in range(count):
        rest[p] = slopes[p]
    for a in range(k):
        column = columns[a, first:]
        for p in range(count):
            rest[p] -= column[p] * fit[a]
    inverse = 1.0 / kappa
    scale = inverse * inverse
    for p in range(count):
        t2 = 1.0 + scale * (rest[p] * rest[p])
        weight[p] = scale / (t2 * t2 if redescend else np.sqrt(t2))
    for a in range(k):
        total, column = 0.0, columns[a, first:]
        for p in range(count):
            weighted[p] = weight[p] * column[p]
            total += weighted[p] * rest[p]
        right[a] += total
        for b in range(a, k):
            total, other = 0.0, columns[b, first:]
            for p in range(count):
                total += weighted[p] * other[p]
            normal[a, b] += total


@njit(cache=True, nogil=True)
def fit_slopes(
    across: F,
    design_across: F,
    along: F,
    design_along: F,
    start: F,
    kappas: F,
    redescend: bool,
    precision: float,
    turns: int,
) -> F:
    """Fit slopes along both axes by reweighting, until the fit moves by less than ``precision`` widths.

    Parameters
    ----------
    across, along : (n,), (m,)
        Differences of neighbors along either axis.
    design_across, design_along : (k, n), (k, m)
        What each of the ``k`` terms adds to them.
    start : (k,)
    kappas : (2,)
        Widths along either axis, positive.
    redescend : bool
        Geman-McClure weights; else absolute deviations, softened at the width.
    """
    k = start.size
    fit = start.copy()
    move = np.empty(k)
    normal, right = np.empty((k, k)), np.empty(k)
    matrix, vectors = np.empty((k, k)), np.empty((k, k))
    space = np.empty((3, _BLOCK))
    for _ in range(turns):
        normal[:] = 0.0
        right[:] = 0.0
        for axis in range(2):
            slopes, columns = (across, design_across) if axis == 0 else (along, design_along)
            for p in range(0, slopes.size, _BLOCK):
                few = slopes[p : p + _BLOCK]
                _add_slopes(few, columns, p, fit, kappas[axis], redescend, space, normal, right)
        moved = 0.0
        for a in range(k):
            for b in range(a):
                normal[a, b] = normal[b, a]
        solve_one(normal, right, matrix, vectors, move)
        for a in range(k):
            fit[a] += move[a]
            for b in range(k):
                moved += move[a] * normal[a, b] * move[b]
        if np.sqrt(max(moved, 0.0)) <= precision:
            break
    return fit
