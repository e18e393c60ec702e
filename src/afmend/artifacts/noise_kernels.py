"""Compiled statistics of the differences between lines. Import this module inside functions only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from afmend.compiled import njit
from afmend.scan.arrays import Mask

Map = NDArray[np.float32]
Indices = NDArray[np.int64]


@njit(cache=True, nogil=True)
def ranked(bits: NDArray[np.uint32], rank: int) -> np.uint32:
    """Return the number of this rank, counted from 0, of numbers below 2 ** 31: bit after bit, without moving any."""
    found = np.uint32(0)
    for bit in range(30, -1, -1):
        probe = np.uint32(found | np.uint32(1 << bit))
        smaller = np.uint32(0)
        for n in range(bits.size):
            smaller = np.uint32(smaller + np.uint32(bits[n] < probe))
        if smaller <= rank:
            found = probe
    return found


@njit(cache=True, nogil=True)
def tile_noise(
    ground: Map, usable: Mask, every: int, row_edges: Indices, col_edges: Indices, out: Map, first: int, stop: int
) -> None:
    """Write the value of rank 35 % of the absolute bends between lines in each tile, unless most are unknown.

    Of every ``every``-th column; the edges count bends and such columns. Of the tiles from line ``first`` of ``out``.
    """
    half = np.float32(0.5)
    largest = np.max(row_edges[1:] - row_edges[:-1]) * np.max(col_edges[1:] - col_edges[:-1])
    known = np.empty(largest + 1, np.float32)
    bits = known.view(np.uint32)  # the bits of numbers that are not negative are in their order
    for a in range(first, stop):
        for b in range(col_edges.size - 1):
            count = 0
            for i in range(row_edges[a], row_edges[a + 1]):
                for k in range(col_edges[b], col_edges[b + 1]):
                    j = k * every
                    known[count] = abs(ground[i + 1, j] - half * (ground[i, j] + ground[i + 2, j]))
                    count += usable[i, j] and usable[i + 1, j] and usable[i + 2, j]
            size = (row_edges[a + 1] - row_edges[a]) * (col_edges[b + 1] - col_edges[b])
            if count >= max(1, size // 4):
                known[largest] = 0.0
                bits[largest] = ranked(bits[:count], (35 * (count - 1)) // 100)
                out[a, b] = known[largest]


@njit(cache=True, nogil=True)
def line_differences(heights: Map, every: int) -> Map:
    """Return the differences of every ``every``-th pixel between neighboring lines: (rows - 1, pixels)."""
    rows, count = heights.shape[0], -(-heights.shape[1] // every)
    out = np.empty((rows - 1, count), np.float32)
    for i in range(rows - 1):
        for k in range(count):
            out[i, k] = heights[i + 1, k * every] - heights[i, k * every]
    return out


@njit(cache=True, nogil=True)
def split_lines(ordered: Map, ends: Map) -> NDArray[np.float64]:
    """Split each of many sorted lines at the middle of its range; (6, lines).

    Rows: median, distance of the quartiles, medians of the lower and the upper group, number in the lower group, and
    how many of the two ``ends`` of the line (before it was sorted) are in it.
    """
    lines, count = ordered.shape
    out = np.empty((6, lines))
    edge, quarter = count // 32, count // 4
    for i in range(lines):
        line = ordered[i]
        cut = 0.5 * (np.float64(line[edge]) + np.float64(line[count - 1 - edge]))
        lower = 0
        for k in range(count):
            lower += line[k] < cut
        out[0, i] = 0.5 * (np.float64(line[(count - 1) // 2]) + np.float64(line[count // 2]))
        out[1, i] = np.float64(line[count - 1 - quarter]) - np.float64(line[quarter])
        out[2, i] = line[max(lower - 1, 0) // 2]
        out[3, i] = line[min((lower + count) // 2, count - 1)]
        out[4, i] = lower
        out[5, i] = np.float64(ends[i, 0] < cut) + np.float64(ends[i, 1] < cut)
    return out
