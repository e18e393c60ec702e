"""The compiled search for the largest ball at a peak: imported only when it runs."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from afmend.compiled import njit

Floats = NDArray[np.float64]
PARTS = 4
"""Tops of balls are tried at so many places between a pixel's middle and its edge."""


@njit(cache=True, nogil=True)
def largest_ball(
    image: Floats, rows: NDArray[np.int64], cols: NDArray[np.int64], pixel: Floats, limits: Floats, settings: Floats,
    found: Floats,
) -> None:  # fmt: skip
    """Find for each peak, by halving, the largest radius at which a ball on it fits under the image.

    ``limits``: smallest and largest radius, nm. ``settings``: tolerance in nm, the part of the ball that is tried,
    least reach in nm, halvings.
    """
    for k in range(rows.size):
        low, high = math.log(limits[0]), math.log(limits[1])
        if fits(image, rows[k], cols[k], limits[1], pixel, settings):
            found[k] = limits[1]
            continue
        for _ in range(int(settings[3])):
            middle = 0.5 * (low + high)
            if fits(image, rows[k], cols[k], math.exp(middle), pixel, settings):
                low = middle
            else:
                high = middle
        found[k] = math.exp(0.5 * (low + high))


@njit(cache=True, nogil=True)
def fits(image: Floats, row: int, col: int, radius: float, pixel: Floats, settings: Floats) -> bool:
    """Whether a ball, with its top within half a pixel of the peak and the peak on it, is nowhere above the image."""
    for a in range(-PARTS, PARTS + 1):
        for b in range(-PARTS, PARTS + 1):
            top_y, top_x = a * pixel[0] / (2 * PARTS), b * pixel[1] / (2 * PARTS)
            if _placed(image, row, col, top_y, top_x, radius, pixel, settings):
                return True
    return False


@njit(cache=True, nogil=True)
def _placed(
    image: Floats, row: int, col: int, top_y: float, top_x: float, radius: float, pixel: Floats, settings: Floats
) -> bool:  # fmt: skip
    reach = max(settings[1] * radius, settings[2])
    n, m = int(reach / pixel[0]) + 1, int(reach / pixel[1]) + 1
    height = image[row, col] + _drop(top_y * top_y + top_x * top_x, radius, settings[1])
    for ring in range(1, max(n, m) + 1):  # from within, where it shows first
        for i in range(-min(ring, n), min(ring, n) + 1):
            y = row + i
            if y < 0 or y >= image.shape[0]:
                continue
            step = 1 if abs(i) == ring else 2 * ring
            for j in range(-ring, ring + 1, step):
                x = col + j
                if x < 0 or x >= image.shape[1]:
                    continue
                dy, dx = i * pixel[0] - top_y, j * pixel[1] - top_x
                square = dy * dy + dx * dx
                lowest = height - _drop(square, radius, settings[1]) - settings[0]
                if square <= reach * reach and image[y, x] < lowest:
                    return False
    return True


@njit(cache=True, nogil=True)
def _drop(square: float, radius: float, part: float) -> float:
    """Return how far a ball lies below its top; beyond the part that is tried a cone goes on."""
    edge = part * radius
    if square <= edge * edge:
        return radius - math.sqrt(radius * radius - square)
    deep = math.sqrt(radius * radius - edge * edge)
    return radius - deep + edge / deep * (math.sqrt(square) - edge)
