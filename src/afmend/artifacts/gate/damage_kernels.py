"""Compiled loops that compare two records of one surface, line by line: import late."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from afmend.compiled import njit
from afmend.leveling.selection_kernels import median_of, selected
from afmend.scan.arrays import Heights, Mask

Floats = NDArray[np.float64]


@njit(cache=True, nogil=True)
def quantile_of(values: Floats, share: float) -> float:
    """Return a quantile, linear between neighbors; values are reordered."""
    place = share * (values.size - 1)
    rank = int(place)
    lower = float(selected(values, rank))
    if rank == values.size - 1:
        return lower
    upper = float(values[rank + 1])
    for k in range(rank + 2, values.size):
        upper = min(upper, float(values[k]))
    return float(lower + (place - rank) * (upper - lower))


@njit(cache=True, nogil=True)
def leveled_lines(z: Heights, missing: Mask, rounds: int) -> Heights:
    """Take away medians of lines and columns, then of each line a parabola by reweighted least squares."""
    rows, cols = z.shape
    out = np.empty((rows, cols))
    for r in range(rows):
        out[r] = z[r] - median_of(z[r].copy())
    middle = np.empty(cols)
    column = np.empty(rows)
    for c in range(cols):
        for r in range(rows):
            column[r] = out[r, c]
        middle[c] = median_of(column)
    for r in range(rows):
        for c in range(cols):
            out[r, c] -= middle[c]
    return straightened(out, missing, rounds)


@njit(cache=True, nogil=True)
def straightened(z: Heights, missing: Mask, rounds: int) -> Heights:
    """Take away of each line a parabola by reweighted least squares."""
    rows, cols = z.shape
    out = np.empty((rows, cols))
    x = np.linspace(-1.0, 1.0, cols)
    size, weight = np.empty(cols), np.empty(cols)
    for r in range(rows):
        for c in range(cols):
            weight[c] = (0.0 if missing[r, c] else 1.0) + 1e-6
        for _ in range(rounds):
            a, b, d = _parabola(z[r], weight, x)
            for c in range(cols):
                out[r, c] = z[r, c] - (a + x[c] * (b + x[c] * d))
                size[c] = abs(out[r, c])
            usual = 2 * (1.4826 * median_of(size) + 1e-12)
            for c in range(cols):
                away = out[r, c] / usual
                weight[c] = ((0.0 if missing[r, c] else 1.0) + 1e-6) / (1 + away * away)
    return out


@njit(cache=True, nogil=True)
def _parabola(line: Floats, weight: Floats, x: Floats) -> tuple[float, float, float]:
    """Fit a parabola: the three coefficients, lowest power first."""
    s0 = s1 = s2 = s3 = s4 = t0 = t1 = t2 = 0.0
    for c in range(line.size):
        w0 = weight[c]
        w1 = w0 * x[c]
        w2 = w1 * x[c]
        s0 += w0
        s1 += w1
        s2 += w2
        s3 += w2 * x[c]
        s4 += w2 * x[c] * x[c]
        t0 += w0 * line[c]
        t1 += w1 * line[c]
        t2 += w2 * line[c]
    s0 += 1e-9
    m11, s44 = s2 + 1e-9, s4 + 1e-9
    c00, c01, c02 = m11 * s44 - s3 * s3, s2 * s3 - s1 * s44, s1 * s3 - s2 * m11
    c11, c12, c22 = s0 * s44 - s2 * s2, s1 * s2 - s0 * s3, s0 * m11 - s1 * s1
    whole = s0 * c00 + s1 * c01 + s2 * c02
    return (
        (c00 * t0 + c01 * t1 + c02 * t2) / whole,
        (c01 * t0 + c11 * t1 + c12 * t2) / whole,
        (c02 * t0 + c12 * t1 + c22 * t2) / whole,
    )


@njit(cache=True, nogil=True)
def misfits(z: Heights, truth: Heights, shifts: Floats, margin: int) -> Floats:
    """Return the mean deviation of lines from the truth moved along them, offsets taken away, without the margins."""
    rows, cols = z.shape
    wide = cols - 2 * margin
    away, sizes = np.empty(wide), np.empty(wide)
    out = np.zeros(shifts.size)
    for k in range(shifts.size):
        whole = int(np.floor(shifts[k]))
        part = shifts[k] - whole
        for r in range(rows):
            for c in range(wide):
                near = min(max(c + margin - whole, 0), cols - 1)
                far = min(max(c + margin - whole - 1, 0), cols - 1)
                away[c] = z[r, c + margin] - ((1 - part) * truth[r, near] + part * truth[r, far])
                sizes[c] = away[c]
            middle = median_of(sizes)
            for c in range(wide):
                out[k] += abs(away[c] - middle)
    out /= rows * wide
    return out


@njit(cache=True, nogil=True)
def bend_spread(z: Heights, bad: Mask) -> float:
    """Return the median size of what lines deviate from the mean of their neighbors, freed of offsets, where good."""
    rows, cols = z.shape
    bends, line = np.empty((rows - 2) * cols), np.empty(cols)
    every = np.empty(bends.size)
    count = 0
    for r in range(1, rows - 1):
        start = (r - 1) * cols
        for c in range(cols):
            bends[start + c] = z[r, c] - 0.5 * (z[r - 1, c] + z[r + 1, c])
            line[c] = bends[start + c]
        middle = median_of(line)
        for c in range(cols):
            bends[start + c] = abs(bends[start + c] - middle)
            if not bad[r, c]:
                every[count] = bends[start + c]
                count += 1
    if count == 0:
        return median_of(bends)
    return median_of(every[:count])


@njit(cache=True, nogil=True)
def plane_range(z: Heights, low: float, high: float) -> float:
    """Return the range of the heights between two quantiles, the mean plane taken away."""
    rows, cols = z.shape
    y, x = np.linspace(-1.0, 1.0, rows), np.linspace(-1.0, 1.0, cols)
    middle = z.mean()
    down = across = 0.0
    for r in range(rows):
        for c in range(cols):
            down += (z[r, c] - middle) * y[r]
            across += (z[r, c] - middle) * x[c]
    down /= cols * np.sum(y * y)
    across /= rows * np.sum(x * x)
    left = np.empty(rows * cols)
    for r in range(rows):
        for c in range(cols):
            left[r * cols + c] = z[r, c] - middle - down * y[r] - across * x[c]
    return quantile_of(left, high) - quantile_of(left, low)
