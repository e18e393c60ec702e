"""Compiled loops over lines in pieces. Imported only when they run."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from afmend.compiled import njit
from afmend.scan.arrays import Mask

Floats = NDArray[np.float64]
Places = NDArray[np.intp]
Cut = NDArray[np.float32]
SUMS: Any = {"reassoc", "contract", "nsz"}


@njit(cache=True, nogil=True)
def any_repeats(heights: Floats, excluded: Mask, every: int) -> bool:
    """Whether any line could be equal to the next, or constant, by every ``every``-th of its pixels."""
    rows, cols = heights.shape
    for i in range(rows):
        constant, equal = True, i + 1 < rows
        for j in range(0, cols, every):
            if equal:
                equal = heights[i, j] == heights[i + 1, j] or excluded[i, j] or excluded[i + 1, j]
            k = j + every
            if constant and k < cols:
                constant = heights[i, j] == heights[i, k] or excluded[i, j] or excluded[i, k]
            if not (equal or constant):
                break
        if equal or constant:
            return True
    return False


@njit(cache=True, nogil=True)
def smallest_step(heights: Floats, every: int) -> float:
    """Return the smallest difference between neighbors of every ``every``-th line that are not equal; 0 if all are."""
    least = np.inf
    for i in range(0, heights.shape[0], every):
        for j in range(1, heights.shape[1]):
            step = abs(heights[i, j] - heights[i, j - 1])
            if 0 < step < least:
                least = step
    return least if least < np.inf else 0.0


@njit(cache=True, nogil=True, fastmath=SUMS)
def offsets_and_slopes(heights: Floats, starts: Places, across: Floats) -> tuple[Floats, Floats]:
    """Return mean and slope of each piece of each line, (lines, pieces); ``across`` are centered positions."""
    rows, pieces, length = heights.shape[0], starts.size, across.size
    means, slopes = np.empty((rows, pieces)), np.empty((rows, pieces))
    norm = max(1.0, float(np.sum(across * across)))
    for r in range(rows):
        for p in range(pieces):
            piece = heights[r, starts[p] : starts[p] + length]
            total = 0.0
            for j in range(length):
                total += piece[j]
            mean = total / length
            tilt = 0.0
            for j in range(length):
                tilt += (piece[j] - mean) * across[j]
            means[r, p] = mean
            slopes[r, p] = tilt / norm
    return means, slopes


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz", "nnan"})
def tallest(heights: Floats, starts: Places, across: Floats, means: Floats, slopes: Floats) -> float:
    """Return the largest size of what `cut_out` writes with factor 1."""
    largest = np.zeros(across.size)
    for r in range(heights.shape[0]):
        for p in range(starts.size):
            piece, mean, slope = heights[r, starts[p] : starts[p] + across.size], means[r, p], slopes[r]
            for j in range(across.size):
                largest[j] = max(largest[j], abs(piece[j] - mean - slope * across[j]))
    return float(np.max(largest))


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz", "nnan"})
def cut_out(
    heights: Floats, starts: Places, across: Floats, means: Floats, slopes: Floats, factor: float, out: Cut
) -> None:
    """Write ``factor`` times the pieces without their means and their line's slope."""
    for r in range(heights.shape[0]):
        for p in range(starts.size):
            piece, mean, slope = heights[r, starts[p] : starts[p] + across.size], means[r, p], slopes[r]
            cut = out[r, p]
            for j in range(across.size):
                cut[j] = (piece[j] - mean - slope * across[j]) * factor


@njit(cache=True, nogil=True, fastmath=SUMS)
def mean_roots(cut: Cut, one: Places, other: Places) -> Floats:
    """Return the mean root of the size of the differences of pairs of lines, piece by piece: (pairs, pieces)."""
    out = np.empty((one.size, cut.shape[1]))
    for r in range(one.size):
        for p in range(cut.shape[1]):
            total = np.float32(0.0)
            for j in range(cut.shape[2]):
                total += np.sqrt(np.abs(cut[one[r], p, j] - cut[other[r], p, j]))
            out[r, p] = total / cut.shape[2]
    return out
