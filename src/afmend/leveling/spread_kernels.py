"""Compiled measures of spread: differences of lines, histograms. Imported only when they run."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from afmend.compiled import njit
from afmend.leveling.ground_kernels import nearest

F = NDArray[np.float64]
I = NDArray[np.int64]  # noqa: E741 (integer arrays, beside F)
B = NDArray[np.bool_]


@njit(cache=True, nogil=True)
def differences(r: F, skip: B, below: I, above: I, cols: I) -> tuple[F, I]:
    """Return the differences of pairs of lines in some columns, infinite where unusable, and how many are usable."""
    out, count = np.empty((below.size, cols.size)), np.empty(below.size, np.int64)
    for i in range(below.size):
        low, high = below[i], above[i]
        usable = 0
        for k in range(cols.size):
            unknown = skip[low, cols[k]] | skip[high, cols[k]]
            out[i, k] = np.inf if unknown else r[high, cols[k]] - r[low, cols[k]]
            usable += 0 if unknown else 1
        count[i] = usable
    return out, count


@njit(cache=True, nogil=True)
def steps_along(r: F, skip: B, lines: I) -> F:
    """Differences of usable neighbors along some lines."""
    out = np.empty(lines.size * max(r.shape[1] - 1, 0))
    n = 0
    for i in lines:
        for j in range(r.shape[1] - 1):
            if not (skip[i, j] | skip[i, j + 1]):
                out[n] = r[i, j + 1] - r[i, j]
                n += 1
    return out[:n]


@njit(cache=True, nogil=True)
def spreads(ordered: F, count: I) -> tuple[F, F, F]:
    """Median, robust scale and scale of the densest quarter of the first ``count`` numbers of sorted lines.

    See `line_scales.pair_scales`; all are 0 where there are none.
    """
    middle, scale, core = np.zeros(count.size), np.zeros(count.size), np.zeros(count.size)
    for i in range(count.size):
        n = count[i]
        if n == 0:
            continue
        line = ordered[i, :n]
        upper = n // 2
        lower = upper if n % 2 else upper - 1
        middle[i] = 0.5 * (line[lower] + line[upper])
        away = 0.5 * (nearest(line, middle[i], lower + 1) + nearest(line, middle[i], upper + 1))
        scale[i] = max(1.4826 * away, 0.4 * nearest(line, middle[i], min(3 * n // 4, n - 1) + 1))
        reach = n // 4
        if reach >= 2:
            least = np.inf
            for k in range(n - reach):
                least = min(least, line[k + reach] - line[k])
            core[i] = least / 0.637
    return middle, scale, core


@njit(cache=True, nogil=True)
def entropy_of_ordered(ordered: F, width: float) -> float:
    """Entropy of a histogram of ordered numbers, averaged over two positions of its bins, in nats.

    Numbers of bins stay floating: where the bins are narrow as rounding, no integer holds them.
    """
    n = ordered.size
    middle = 0.5 * (ordered[(n - 1) // 2] + ordered[n // 2])
    total = 0.0
    for shift in (0.25, -0.25):
        start, here = 0, np.floor((ordered[0] - middle) / width + shift)
        for i in range(1, n + 1):
            beyond = np.floor((ordered[i] - middle) / width + shift) if i < n else here
            if i < n and beyond == here:
                continue
            p = (i - start) / n
            total -= 0.5 * p * math.log(p)
            start, here = i, beyond
    return total
