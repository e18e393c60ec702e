"""Compiled loops that lay chains on a surface: imported only when they run, because numba takes its time to load."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from afmend.compiled import njit


@njit(cache=True)
def lay_chain(
    chain: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]],
    closed: bool,
    numbers: tuple[float, float],
    pixel_nm: tuple[float, float],
    layers: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]],
    out: NDArray[np.float64],
) -> None:
    """Lay one chain (y, x in pixels; height) on what already lies there; ``layers`` are zeros, and are left so."""
    y, x, _ = chain
    width, crossing = numbers
    count = y.size if closed else y.size - 1
    for k in range(count):
        _lay_segment(chain, k, count, closed, width, pixel_nm, layers)
    top, second, _ = layers
    for k in range(count):
        for row in range(*_span(y, k, width / pixel_nm[0], out.shape[0])):
            for col in range(*_span(x, k, width / pixel_nm[1], out.shape[1])):
                if top[row, col] > 0:
                    own = _piled(top[row, col], second[row, col], crossing)
                    out[row, col] = _piled(out[row, col], own, crossing)
                    top[row, col] = second[row, col] = 0.0


@njit(cache=True)
def _piled(a: float, b: float, crossing: float) -> float:
    return max(a, b) + crossing * min(a, b)


@njit(cache=True)
def _span(points: NDArray[np.float64], k: int, width_px: float, size: int) -> tuple[int, int]:
    """Return the pixels that segment k can reach along one axis."""
    a, b = points[k], points[(k + 1) % points.size]
    low, high = math.ceil(min(a, b) - 0.5 * width_px), math.floor(max(a, b) + 0.5 * width_px) + 1
    return max(low, 0), min(high, size)


@njit(cache=True)
def _lay_segment(
    chain: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]],
    k: int,
    count: int,
    closed: bool,
    width: float,
    pixel_nm: tuple[float, float],
    layers: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]],
) -> None:
    """Raise the layer of this strand, or the second one where an earlier strand of the same chain lies."""
    y, x, height = chain
    top, second, place = layers
    along_y, along_x = (y[(k + 1) % y.size] - y[k]) * pixel_nm[0], (x[(k + 1) % x.size] - x[k]) * pixel_nm[1]
    square = along_y**2 + along_x**2
    near = 2.0 * width / math.sqrt(square) + 2 if square > 0 else 2.0  # so many segments further is another strand
    for row in range(*_span(y, k, width / pixel_nm[0], top.shape[0])):
        for col in range(*_span(x, k, width / pixel_nm[1], top.shape[1])):
            dy, dx = (row - y[k]) * pixel_nm[0], (col - x[k]) * pixel_nm[1]
            t = (dy * along_y + dx * along_x) / square if square > 0 else 0.0
            t = min(max(t, 0.0), 1.0)
            q = ((dy - t * along_y) ** 2 + (dx - t * along_x) ** 2) / (0.25 * width * width)
            if q >= 1:
                continue
            thick = height[k] + t * (height[(k + 1) % y.size] - height[k])
            h = 0.5 * thick * (1 + math.sqrt(1 - q))
            apart = abs(k - place[row, col])
            if top[row, col] == 0 or apart < near or (closed and count - apart < near):
                top[row, col] = max(top[row, col], h)
                place[row, col] = k
            elif h > second[row, col]:
                second[row, col] = h
