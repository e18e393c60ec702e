"""The compiled loop of the soft minimum: imported only when it runs, because numba takes its time to load."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from afmend.compiled import njit
from afmend.tip.morphology_kernels import in_bands

FARTHEST = 6.0
"""Temperatures above the minimum beyond which a height does not compete."""
STRETCH = 32
"""Pixels of a line that are finished before the next ones begin: elements that compete nowhere there are left out."""


def softness(
    image: NDArray[np.float64], eroded: NDArray[np.float64], tip: NDArray[np.float64], temperature_nm: float
) -> NDArray[np.float64]:
    """Return by how much the soft minimum over the tip's elements lies below the minimum, (rows, cols) in nm.

    Parameters
    ----------
    image : (rows, cols) float64, nm
    eroded : (rows, cols) float64, nm
        Its erosion by the tip.
    tip : (n, m) float64, nm
        -inf where there is none.
    temperature_nm : float
        Above 0.
    """
    rows, cols = (0 if side % 2 else 1 for side in tip.shape)  # an even side gets one pixel more, as in `erode`
    mirrored = np.ascontiguousarray(np.pad(tip, ((0, rows), (0, cols)), constant_values=-np.inf)[::-1, ::-1])
    above, left = mirrored.shape[0] // 2, mirrored.shape[1] // 2
    padded = np.pad(image, ((above, above), (left, left)), mode="edge")
    out = np.empty(image.shape)
    in_bands(
        lambda first, last: _soften(padded, eroded, mirrored, temperature_nm, first, last, out), image.shape[0],
        out.size * tip.size,
    )  # fmt: skip
    return out


@njit(cache=True, nogil=True)
def _soften(
    padded: NDArray[np.float64],
    eroded: NDArray[np.float64],
    mirrored: NDArray[np.float64],
    temperature: float,
    first: int,
    last: int,
    out: NDArray[np.float64],
) -> None:
    (n, m), cols, reach = mirrored.shape, out.shape[1], FARTHEST * temperature
    sums = np.empty(STRETCH)
    for row in range(first, last):
        for left in range(0, cols, STRETCH):
            right = min(left + STRETCH, cols)
            sums[:] = 0.0
            highest = eroded[row, left:right].max()
            for u in range(n):
                lowest = padded[row + u, left : right + m - 1].min()
                for v in range(m):
                    rise = -mirrored[u, v]
                    if lowest + rise - highest >= reach:
                        continue
                    line, under = padded[row + u, left + v : right + v], eroded[row, left:right]
                    if _least(line, under) + rise < reach:
                        for k in range(right - left):
                            above = line[k] + rise - under[k]
                            if above < reach:
                                sums[k] += math.exp(-above / temperature)
            for col in range(left, right):
                out[row, col] = temperature * math.log(max(sums[col - left], 1.0))


@njit(cache=True, nogil=True, fastmath={"nnan", "nsz", "reassoc"}, forceinline=True)
def _least(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Return the least difference of two lines: no branch inside, so that it becomes vector code."""
    least = np.inf
    for k in range(a.size):
        least = min(least, a[k] - b[k])
    return least
