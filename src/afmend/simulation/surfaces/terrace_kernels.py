"""Compiled loops of the terraces: imported only when they run, because numba takes its time to load."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from afmend.compiled import njit


@njit(cache=True)
def _ramp(inside_nm: float, edge_nm: float) -> float:
    """Return 0 outside, 1 inside, and a smooth ramp of width ``edge_nm`` in between."""
    if inside_nm >= 0.5 * edge_nm:
        return 1.0
    if inside_nm <= -0.5 * edge_nm:
        return 0.0
    t = inside_nm / edge_nm + 0.5
    return t * t * (3 - 2 * t)


@njit(cache=True)
def count_edges(
    where: tuple[NDArray[np.float64], NDArray[np.float64], float],
    edges: NDArray[np.float64],
    walks: tuple[NDArray[np.float64], float, float],
    numbers: tuple[int, float, float, float],
    out: NDArray[np.float64],
) -> None:
    """Write how many edges lie below each pixel: their mean places, and how far each is off along itself."""
    ys, xs, angle = where
    wander, start, step = walks
    first, width, kink, edge_nm = numbers
    cos, sin = math.cos(angle), math.sin(angle)
    furthest = np.abs(wander).max() + 0.5 * edge_nm + kink
    for row in range(ys.size):
        for col in range(xs.size):
            u = xs[col] * cos + ys[row] * sin
            place = (ys[row] * cos - xs[col] * sin - start) / step
            i = int(place)
            part = place - i
            # Edge k lies in the middle of its terrace or less than half a width beside it: those before ``low`` are
            # below the pixel wherever they wander, those from ``high`` on are not.
            low = max(math.floor((u - furthest) / width) - 1 - first, 0)
            high = min(math.floor((u + furthest) / width) + 2 - first, edges.size)
            level = float(low + first)
            for k in range(low, high):
                if kink > 0:
                    off = kink * np.rint(wander[k, i] / kink)
                else:
                    off = wander[k, i] + part * (wander[k, i + 1] - wander[k, i])
                level += _ramp(u - edges[k] - off, edge_nm)
            out[row, col] = level


@njit(cache=True)
def add_islands(
    where: tuple[NDArray[np.float64], NDArray[np.float64]],
    islands: NDArray[np.float64],
    edge_nm: float,
    out: NDArray[np.float64],
) -> None:
    """Add discs with a wavy outline, one level high or deep."""
    ys, xs = where
    for k in range(islands.shape[0]):
        y, x, radius, second, phase2, third, phase3, sign = islands[k]
        reach = radius * (1 + second + third) + edge_nm
        top, bottom = np.searchsorted(ys, y - reach), np.searchsorted(ys, y + reach)
        left, right = np.searchsorted(xs, x - reach), np.searchsorted(xs, x + reach)
        for row in range(top, bottom):
            for col in range(left, right):
                dy, dx = ys[row] - y, xs[col] - x
                angle = math.atan2(dy, dx)
                outline = radius * (1 + second * math.cos(2 * angle - phase2) + third * math.cos(3 * angle - phase3))
                out[row, col] += sign * _ramp(outline - math.hypot(dy, dx), edge_nm)
