"""Compiled loops of the particles: imported only when they run, because numba takes its time to load."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from afmend.compiled import njit


@njit(cache=True)
def place(
    reach: NDArray[np.float64],
    draws: NDArray[np.float64],
    touching: NDArray[np.bool_],
    overlap: bool,
    size: tuple[float, float],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Place discs one after the other (random sequential adsorption); NaN where one found no room.

    ``reach`` holds the radii, the largest first; ``draws`` (discs, tries, 3) uniform numbers. Those ``touching`` are
    put beside a random earlier one.
    """
    n = reach.size
    y, x = np.full(n, np.nan), np.full(n, np.nan)
    side = 2 * reach[0] if n else 1.0  # cells so wide that only neighbors can overlap
    rows, cols = int(size[0] / side) + 1, int(size[1] / side) + 1
    first, after = np.full((rows, cols), -1), np.full(n, -1)
    for k in range(n):
        for t in range(draws.shape[1]):
            at_y, at_x = draws[k, t, 0] * size[0], draws[k, t, 1] * size[1]
            other = int(draws[k, t, 2] * k)
            if touching[k] and k > 0 and not math.isnan(x[other]):
                angle, distance = 2 * math.pi * draws[k, t, 0], (reach[k] + reach[other]) * 1.0000001
                at_y, at_x = y[other] + distance * math.sin(angle), x[other] + distance * math.cos(angle)
            if not (0 <= at_y < size[0] and 0 <= at_x < size[1]):
                continue
            i, j = int(at_y / side), int(at_x / side)
            if overlap or _free(at_y, at_x, reach[k], (y, x, reach), (first, after), (i, j)):
                y[k], x[k] = at_y, at_x
                after[k], first[i, j] = first[i, j], k
                break
    return y, x


@njit(cache=True)
def _free(
    at_y: float,
    at_x: float,
    radius: float,
    discs: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]],
    lists: tuple[NDArray[np.int64], NDArray[np.int64]],
    cell: tuple[int, int],
) -> bool:
    y, x, reach = discs
    first, after = lists
    for i in range(max(cell[0] - 1, 0), min(cell[0] + 2, first.shape[0])):
        for j in range(max(cell[1] - 1, 0), min(cell[1] + 2, first.shape[1])):
            k = first[i, j]
            while k >= 0:
                if (y[k] - at_y) ** 2 + (x[k] - at_x) ** 2 < (radius + reach[k]) ** 2:
                    return False
                k = after[k]
    return True


@njit(cache=True)
def stamp(
    particles: tuple[NDArray[np.float64], ...],
    shape: int,
    ratios: tuple[float, float],
    pixel_nm: tuple[float, float],
    out: tuple[NDArray[np.float64], NDArray[np.int32]],
) -> None:
    """Put particles (y, x from the corner of the canvas, radius, angle, base) on heights and labels, where higher."""
    heights, labels = out
    y, x, radius, angle, base = particles
    rows, cols = heights.shape
    for k in range(y.size):
        reach = radius[k] * ratios[1] if shape >= 2 else radius[k]
        cos, sin = math.cos(angle[k]), math.sin(angle[k])
        top, bottom = int((y[k] - reach) / pixel_nm[0] - 0.5), int((y[k] + reach) / pixel_nm[0] + 1.5)
        left, right = int((x[k] - reach) / pixel_nm[1] - 0.5), int((x[k] + reach) / pixel_nm[1] + 1.5)
        for row in range(max(top, 0), min(bottom, rows)):
            dy = (row + 0.5) * pixel_nm[0] - y[k]
            for col in range(max(left, 0), min(right, cols)):
                dx = (col + 0.5) * pixel_nm[1] - x[k]
                along, across = dx * cos + dy * sin, dy * cos - dx * sin
                height = _height(shape, radius[k], along, across, ratios)
                if height > 0 and base[k] + height > heights[row, col]:
                    heights[row, col] = base[k] + height
                    labels[row, col] = k + 1


@njit(cache=True)
def _height(shape: int, radius: float, along: float, across: float, ratios: tuple[float, float]) -> float:
    """Return how high a particle stands above its base at a place; 0 beside it."""
    flatness, elongation = ratios
    if shape == 2:  # ellipsoid
        square = (along * along / elongation + across * across * elongation) / (radius * radius)
        return radius * flatness * (1 + math.sqrt(1 - square)) if square < 1 else 0.0
    if shape == 3:  # rod: a sphere drawn out along a line
        along = max(abs(along) - radius * (elongation - 1), 0.0)
    square = along * along + across * across
    if square >= radius * radius:
        return 0.0
    if shape == 1:  # cap
        height = radius * flatness
        curvature = (radius * radius + height * height) / (2 * height)
        return math.sqrt(curvature * curvature - square) - (curvature - height)
    return radius + math.sqrt(radius * radius - square)
