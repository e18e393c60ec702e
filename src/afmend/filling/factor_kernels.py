"""Compiled Cholesky factorization of kriging systems, beside which stand what they are solved for."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from afmend.compiled import njit

Floats: TypeAlias = NDArray[np.float64]

ROW = 1544
"""Numbers in a row of a system: neighbors, targets, and what is solved for; no power of two, for the cache's sake."""


@njit(cache=True, nogil=True, fastmath={"contract"}, forceinline=True)
def subtract_four(a: Floats, start: int, i: int, width: int) -> None:
    """Take the rows ``start`` to ``start + 3`` off the rows ``i`` to ``i + 3``, from column ``i`` on.

    The constant distance between the rows lets the compiler see that they do not overlap.
    """
    p, r = a[start * ROW + i : (start + 4) * ROW], a[i * ROW + i : (i + 4) * ROW]
    f00, f01, f02, f03 = p[0], p[ROW], p[2 * ROW], p[3 * ROW]
    f10, f11, f12, f13 = p[1], p[ROW + 1], p[2 * ROW + 1], p[3 * ROW + 1]
    f20, f21, f22, f23 = p[2], p[ROW + 2], p[2 * ROW + 2], p[3 * ROW + 2]
    f30, f31, f32, f33 = p[3], p[ROW + 3], p[2 * ROW + 3], p[3 * ROW + 3]
    for j in range(width - i):
        p0, p1, p2, p3 = p[j], p[ROW + j], p[2 * ROW + j], p[3 * ROW + j]
        r[j] = r[j] - f00 * p0 - f01 * p1 - f02 * p2 - f03 * p3
        r[ROW + j] = r[ROW + j] - f10 * p0 - f11 * p1 - f12 * p2 - f13 * p3
        r[2 * ROW + j] = r[2 * ROW + j] - f20 * p0 - f21 * p1 - f22 * p2 - f23 * p3
        r[3 * ROW + j] = r[3 * ROW + j] - f30 * p0 - f31 * p1 - f32 * p2 - f33 * p3


@njit(cache=True, nogil=True, fastmath={"contract"}, forceinline=True)
def factor_four(a: Floats, start: int, width: int) -> bool:
    """Factor the four rows from ``start`` on by their first four columns, in one pass over the others."""
    p = a[start * ROW + start : (start + 4) * ROW]
    d0 = p[0]
    s0 = 1.0 / np.sqrt(d0) if d0 > 0.0 else 0.0
    f01, f02, f03 = p[1] * s0, p[2] * s0, p[3] * s0
    d1 = p[ROW + 1] - f01 * f01
    s1 = 1.0 / np.sqrt(d1) if d1 > 0.0 else 0.0
    f12, f13 = (p[ROW + 2] - f01 * f02) * s1, (p[ROW + 3] - f01 * f03) * s1
    d2 = p[2 * ROW + 2] - f02 * f02 - f12 * f12
    s2 = 1.0 / np.sqrt(d2) if d2 > 0.0 else 0.0
    f23 = (p[2 * ROW + 3] - f02 * f03 - f12 * f13) * s2
    d3 = p[3 * ROW + 3] - f03 * f03 - f13 * f13 - f23 * f23
    s3 = 1.0 / np.sqrt(d3) if d3 > 0.0 else 0.0
    for j in range(width - start):
        r0 = p[j] * s0
        r1 = (p[ROW + j] - f01 * r0) * s1
        r2 = (p[2 * ROW + j] - f02 * r0 - f12 * r1) * s2
        p[3 * ROW + j] = (p[3 * ROW + j] - f03 * r0 - f13 * r1 - f23 * r2) * s3
        p[j], p[ROW + j], p[2 * ROW + j] = r0, r1, r2
    return bool(s0 > 0.0 and s1 > 0.0 and s2 > 0.0 and s3 > 0.0)


@njit(cache=True, nogil=True, fastmath={"contract"}, forceinline=True)
def factor_rest(a: Floats, start: int, n: int, width: int) -> bool:
    """Factor the last rows, fewer than four, one by one."""
    for k in range(start, n):
        row = a[k * ROW + k : k * ROW + width]
        if not row[0] > 0.0:
            return False
        pivot = 1.0 / np.sqrt(row[0])
        for j in range(row.size):
            row[j] *= pivot
        for i in range(k + 1, n):
            f, beside, other = row[i - k], row[i - k :], a[i * ROW + i : i * ROW + width]
            for j in range(other.size):
                other[j] -= f * beside[j]
    return True


@njit(cache=True, nogil=True, fastmath={"contract"}, forceinline=True)
def factor(a: Floats, n: int, width: int) -> bool:
    """Factor a matrix in place (u^T u) and divide u^T off the columns beside it; False if a pivot is not positive.

    Parameters
    ----------
    a : (n * ROW,)
        Row by row: the upper triangle of the matrix in the first ``n`` columns, then up to ``width`` the others.

    Notes
    -----
    Four pivots are taken off four rows at a time: each number that is read serves four times.
    """
    start = 0
    while start + 4 <= n:
        if not factor_four(a, start, width):
            return False
        i = start + 4
        while i + 4 <= n:
            subtract_four(a, start, i, width)
            i += 4
        while i < n:
            p, r = a[start * ROW + i : (start + 4) * ROW], a[i * ROW + i : i * ROW + width]
            f0, f1, f2, f3 = p[0], p[ROW], p[2 * ROW], p[3 * ROW]
            for j in range(r.size):
                r[j] = r[j] - f0 * p[j] - f1 * p[ROW + j] - f2 * p[2 * ROW + j] - f3 * p[3 * ROW + j]
            i += 1
        start += 4
    return factor_rest(a, start, n, width)
