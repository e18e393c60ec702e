"""Compiled loops of the facets of terraces: means of blocks, their slopes and what a polynomial adds to them.

Imported only when they run.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from afmend.compiled import njit

F = NDArray[np.float64]
I = NDArray[np.int64]  # noqa: E741 (integer arrays, beside F)
B = NDArray[np.bool_]


@njit(cache=True, nogil=True)
def block_means(r: F, skip: B, row_edges: I, col_edges: I) -> tuple[F, F]:
    """Average the usable heights of each block; return their number as well."""
    mean = np.zeros((row_edges.size - 1, col_edges.size - 1))
    count = np.zeros(mean.shape)
    total, number = np.empty(r.shape[1]), np.empty(r.shape[1])
    for a in range(row_edges.size - 1):
        total[:] = 0.0
        number[:] = 0.0
        for i in range(row_edges[a], row_edges[a + 1]):
            for j in range(r.shape[1]):
                total[j] += 0.0 if skip[i, j] else r[i, j]
                number[j] += 0.0 if skip[i, j] else 1.0
        for b in range(col_edges.size - 1):
            for j in range(col_edges[b], col_edges[b + 1]):
                mean[a, b] += total[j]
                count[a, b] += number[j]
            if count[a, b] > 0:
                mean[a, b] /= count[a, b]
    return mean, count


@njit(cache=True, nogil=True)
def slopes(mean: F, alive: B, axis: int, terms: F) -> tuple[F, F]:
    """Differences of neighboring blocks along an axis where both are alive, and what each term adds to them.

    Parameters
    ----------
    mean, alive : (rows, cols)
    axis : int
    terms : (k, rows, cols)

    Returns
    -------
    (n,), (k, n)
    """
    down, along = (1, 0) if axis == 0 else (0, 1)
    rows, cols = mean.shape[0] - down, mean.shape[1] - along
    found, design = np.empty(rows * cols), np.empty((terms.shape[0], rows * cols))
    n = 0
    for i in range(rows):
        for j in range(cols):
            if alive[i, j] and alive[i + down, j + along]:
                found[n] = mean[i + down, j + along] - mean[i, j]
                for k in range(terms.shape[0]):
                    design[k, n] = terms[k, i + down, j + along] - terms[k, i, j]
                n += 1
    return found[:n].copy(), design[:, :n].copy()


@njit(cache=True, nogil=True)
def over(mean: F, alive: B, terms: F, coefficients: F) -> F:
    """Living blocks over a polynomial: its constant and the coefficients of the first terms."""
    out = np.empty(mean.size)
    n = 0
    for i in range(mean.shape[0]):
        for j in range(mean.shape[1]):
            if alive[i, j]:
                surface = coefficients[0]
                for k in range(coefficients.size - 1):
                    surface += coefficients[k + 1] * terms[k, i, j]
                out[n] = mean[i, j] - surface
                n += 1
    return out[:n]
