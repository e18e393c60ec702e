"""Compiled loops of cells, pores, grains and lattice sites: imported late, because numba takes its time to load."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from afmend.compiled import njit


@njit(cache=True)
def _window(centers: NDArray[np.float64], at: float, reach: float) -> tuple[int, int]:
    """Return the first and one past the last pixel within ``reach`` of a place along one axis."""
    return int(np.searchsorted(centers, at - reach)), int(np.searchsorted(centers, at + reach))


@njit(cache=True)
def raise_cells(
    where: tuple[NDArray[np.float64], NDArray[np.float64]],
    cells: NDArray[np.float64],
    numbers: tuple[float, float, float, float],
    out: NDArray[np.float64],
) -> None:
    """Raise domes with a nucleus over flat ground; rows of ``cells``: y, x, scale, angle, four waves, their phases."""
    ys, xs = where
    radius, height, elongation, nucleus = numbers
    long = math.sqrt(elongation)
    for k in range(cells.shape[0]):
        y, x, scale, angle = cells[k, 0], cells[k, 1], cells[k, 2], cells[k, 3]
        wave, phase = cells[k, 4:8], cells[k, 8:12]
        reach = radius * scale * long * (1 + np.abs(wave).sum())
        cos, sin = math.cos(angle), math.sin(angle)
        even, odd = wave * np.cos(phase), wave * np.sin(phase)
        for row in range(*_window(ys, y, reach)):
            for col in range(*_window(xs, x, reach)):
                dy, dx = ys[row] - y, xs[col] - x
                along, across = (dx * cos + dy * sin) / long, (dy * cos - dx * sin) * long
                away = math.sqrt(along * along + across * across)
                c, d = (along / away, across / away) if away > 0 else (1.0, 0.0)
                outline, cn, dn = 1.0, 1.0, 0.0
                for n in range(4):  # cosine and sine of the next multiple of the angle
                    cn, dn = cn * c - dn * d, dn * c + cn * d
                    outline += even[n] * cn - odd[n] * dn
                square = (away / (radius * scale * outline)) ** 2
                if square < 1:
                    dome = (1 - nucleus) * math.sqrt(1 - square) ** 1.3 + nucleus * math.exp(-6 * square) * (1 - square)
                    out[row, col] = max(out[row, col], height * scale * dome)


@njit(cache=True)
def sink_pores(
    where: tuple[NDArray[np.float64], NDArray[np.float64]],
    pores: NDArray[np.float64],
    numbers: tuple[float, float],
    out: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> None:
    """Sink pits and raise rims around them; rows of ``pores``: y, x, radius, depth, elongation, angle."""
    ys, xs = where
    rim, steep = numbers
    pit, ring = out
    for k in range(pores.shape[0]):
        y, x, radius, depth, elongation, angle = pores[k]
        long = math.sqrt(elongation)
        reach = 2 * radius * long if rim > 0 else radius * long
        cos, sin = math.cos(angle), math.sin(angle)
        for row in range(*_window(ys, y, reach)):
            for col in range(*_window(xs, x, reach)):
                dy, dx = ys[row] - y, xs[col] - x
                along, across = (dx * cos + dy * sin) / long, (dy * cos - dx * sin) * long
                q = math.sqrt(along * along + across * across) / radius
                if q < 1:
                    pit[row, col] = min(pit[row, col], -depth * min((1 - q * q) * steep, 1.0))
                if rim > 0 and q < 2:
                    bump = max(1 - ((q - 1) / 0.5) ** 2, 0.0)
                    ring[row, col] = max(ring[row, col], rim * bump * bump)


@njit(cache=True)
def grow_grains(
    where: tuple[NDArray[np.float64], NDArray[np.float64]],
    grains: NDArray[np.float64],
    numbers: tuple[float, float],
    facets: bool,
    out: NDArray[np.float64],
) -> None:
    """Write the highest of many domes or pyramids at each pixel.

    ``grains`` (n, 5) holds y, x, height, and cosine and sine of the direction; ``numbers``: mean distance, and the
    height lost at half of it. With one grain in each square cell of that size none further away than ``reach`` can win.
    """
    ys, xs = where
    size, relief = numbers
    out[:] = -np.inf
    reach = size * (3.1 if facets else 2.2)  # the own cell's grain is at most 1.42 away; heights differ by 1.5 reliefs
    for k in range(grains.shape[0]):
        y, x, height = grains[k, 0], grains[k, 1], grains[k, 2]
        cos, sin = grains[k, 3] / size, grains[k, 4] / size
        left, right = _window(xs, x, reach)
        for row in range(*_window(ys, y, reach)):
            line, dy = out[row, left:right], ys[row] - y
            if facets:
                for col in range(line.size):
                    dx = xs[left + col] - x
                    away = max(abs(dx * cos + dy * sin), abs(dy * cos - dx * sin))
                    line[col] = max(line[col], height - 2 * relief * away)
            else:
                for col in range(line.size):
                    dx = xs[left + col] - x
                    line[col] = max(line[col], height - 4 * relief * (dx * dx + dy * dy) / (size * size))


@njit(cache=True)
def add_bumps(
    where: tuple[NDArray[np.float64], NDArray[np.float64]],
    bumps: NDArray[np.float64],
    sigma: float,
    out: NDArray[np.float64],
) -> None:
    """Add Gaussians, cut at 4 sigma; rows of ``bumps``: y, x, height."""
    ys, xs = where
    for k in range(bumps.shape[0]):
        y, x, height = bumps[k]
        left, right = _window(xs, x, 4 * sigma)
        for row in range(*_window(ys, y, 4 * sigma)):
            for col in range(left, right):
                square = (ys[row] - y) ** 2 + (xs[col] - x) ** 2
                out[row, col] += height * math.exp(-0.5 * square / (sigma * sigma))
