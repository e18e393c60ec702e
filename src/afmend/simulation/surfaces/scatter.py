"""Random numbers that belong to a place, so that a wider margin moves nothing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_ODD = np.uint64(0x9E3779B97F4A7C15)
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


def place_numbers(seed: int, i: NDArray[np.int64], j: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """Return uniform numbers that depend on nothing but the seed and the place (i, j).

    Parameters
    ----------
    seed : int
    i, j : int arrays that broadcast
        Indices of the place, for example of a cell or of a lattice site; may be negative.
    count : int
        Independent numbers for each place.

    Returns
    -------
    (count, ...) float64
        In [0, 1). Made by the finalizer of splitmix64: G. L. Steele et al., OOPSLA 2014, doi:10.1145/2660193.2660195.
    """
    with np.errstate(over="ignore"):
        state = _mixed(np.asarray(i).astype(np.uint64) + np.uint64(seed % 2**64) * _ODD)
        state = _mixed(state ^ (np.asarray(j).astype(np.uint64) * _MIX[0]))
        out = np.stack([_mixed(state + np.uint64(n + 1) * _ODD) for n in range(count)])
    return (out >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mixed(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    x = x + _ODD
    x = (x ^ (x >> np.uint64(30))) * _MIX[0]
    x = (x ^ (x >> np.uint64(27))) * _MIX[1]
    return x ^ (x >> np.uint64(31))


def cells(
    low_nm: tuple[float, float], high_nm: tuple[float, float], size_nm: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return indices (i, j), as a column and a row, of all square cells that touch a (slow, fast) rectangle."""
    i = np.arange(np.floor(low_nm[0] / size_nm), np.floor(high_nm[0] / size_nm) + 1).astype(np.int64)
    j = np.arange(np.floor(low_nm[1] / size_nm), np.floor(high_nm[1] / size_nm) + 1).astype(np.int64)
    return i[:, None], j[None, :]
