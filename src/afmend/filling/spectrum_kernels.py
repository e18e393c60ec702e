"""Compiled passes over an image on its way to a periodogram. Imported only when they run."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from afmend.compiled import njit
from afmend.filling.place_kernels import ends
from afmend.scan.arrays import Heights

Vector = NDArray[np.float64]
Places = NDArray[np.int64]

_FAST = {"reassoc", "contract", "nsz"}


@njit(cache=True, nogil=True, fastmath=_FAST, forceinline=True)
def _sums(line: Vector, x: Vector, square: Vector) -> tuple[float, float, float]:
    """Sum the heights of a line, the same times x, and times the squared window."""
    total = tilted = windowed = 0.0
    for j in range(line.size):
        total += line[j]
        tilted += line[j] * x[j]
        windowed += line[j] * square[j]
    return total, tilted, windowed


@njit(cache=True, nogil=True)
def _bridge(heights: Heights, base: float, line: Vector, y: int, cols: Places, above: Places, below: Places) -> bool:
    """Interpolate between the columns' ends in the hole pixels of a line; tell whether some columns have none."""
    rows = heights.shape[0]
    lonely = False
    for n in range(cols.size):
        x, up, down = cols[n], above[n], below[n]
        if up >= 0 and down < rows:
            one, other = heights[up, x] - base, heights[down, x] - base
            line[x] = one + (other - one) * ((y - up) / (down - up))
        elif up >= 0 or down < rows:
            line[x] = heights[max(up, 0) if down >= rows else down, x] - base
        else:
            lonely = True
    return lonely


@njit(cache=True, nogil=True)
def _bridge_along(line: Vector, rows: int, cols: Places, above: Places, below: Places) -> None:
    """Interpolate along a line in those of its hole pixels whose columns hold no data."""
    width = line.size
    first = 0
    while first < cols.size:
        if above[first] >= 0 or below[first] < rows:
            first += 1
            continue
        last = first
        while (
            last + 1 < cols.size
            and cols[last + 1] == cols[last] + 1
            and above[last + 1] < 0
            and below[last + 1] >= rows
        ):
            last += 1
        left, right = cols[first] - 1, cols[last] + 1
        for n in range(first, last + 1):
            if left >= 0 and right < width:
                share = (cols[n] - left) / (right - left)
                line[cols[n]] = line[left] + (line[right] - line[left]) * share
            else:
                line[cols[n]] = line[left] if left >= 0 else line[right]
        first = last + 1


@njit(cache=True, nogil=True)
def tapered(
    heights: Heights, base: float, rows: Places, cols: Places, x: Vector, y: Vector, down: Vector, along: Vector,
    out: Vector,
) -> None:  # fmt: skip
    """Write heights without holes, plane and weighted mean, times a window along each axis, into a corner of zeros.

    Holes are bridged linearly across the lines, in columns without data along them.

    Parameters
    ----------
    heights : (rows, cols)
    base : float
        A height of the image: a common shift keeps rounding small.
    rows, cols : (n,)
        All hole pixels in reading order.
    x, y : (cols,), (rows,)
        Positions along either axis, symmetric about 0, two different ones at least.
    down, along : (rows,), (cols,)
        Windows; the mean that vanishes is weighted by their squares.
    out : (more rows, more cols)
        Is written to; zeros beyond the heights.
    """
    height, width = heights.shape
    above, below = ends(rows, cols, height, width)
    out[height:] = 0.0
    out[:height, width:] = 0.0
    square = along * along
    total = tilt_x = tilt_y = level = 0.0
    n = 0
    for i in range(height):
        line = out[i, :width]
        for j in range(width):
            line[j] = heights[i, j] - base
        first = n
        while n < rows.size and rows[n] == i:
            n += 1
        if _bridge(heights, base, line, i, cols[first:n], above[first:n], below[first:n]):
            _bridge_along(line, height, cols[first:n], above[first:n], below[first:n])
        whole, tilted, windowed = _sums(line, x, square)
        total += whole
        tilt_x += tilted
        tilt_y += y[i] * whole
        level += down[i] * down[i] * windowed
    mean = total / heights.size
    tilt_x /= height * np.sum(x * x)
    tilt_y /= width * np.sum(y * y)
    weight, across = down * down, np.sum(square)
    level -= mean * np.sum(weight) * across
    level -= tilt_x * np.sum(weight) * np.sum(square * x) + tilt_y * np.sum(weight * y) * across
    level /= heights.size
    for i in range(height):
        line = out[i, :width]
        offset = mean + level + tilt_y * y[i]
        for j in range(width):
            line[j] = (line[j] - offset - tilt_x * x[j]) * (down[i] * along[j])


@njit(cache=True, nogil=True)
def power_above(packed: Heights, factor: float, noise: float) -> Vector:
    """Return ``factor`` times the squared size of a Fourier transform, less the noise, never negative.

    Parameters
    ----------
    packed : (rows, cols)
        Of real numbers, as `cv2.dft` packs it: one column of real parts, then real and imaginary parts of each column
        in turn, up to one more of real parts if the number of columns is even. Those of real parts are packed
        likewise, downward.

    Returns
    -------
    (rows, cols // 2 + 1)
    """
    rows, cols = packed.shape
    out = np.empty((rows, cols // 2 + 1))
    for i in range(rows):
        for j in range(1, (cols + 1) // 2):
            real, imaginary = packed[i, 2 * j - 1], packed[i, 2 * j]
            out[i, j] = max((real * real + imaginary * imaginary) * factor - noise, 0.0)
    for j in range(0, cols, cols - 1 if cols % 2 == 0 else cols):
        for i in range(rows // 2 + 1):
            real, imaginary = packed[max(2 * i - 1, 0), j], packed[2 * i, j] if 0 < 2 * i < rows else 0.0
            out[i, (j + 1) // 2] = max((real * real + imaginary * imaginary) * factor - noise, 0.0)
            out[(rows - i) % rows, (j + 1) // 2] = out[i, (j + 1) // 2]
    return out
