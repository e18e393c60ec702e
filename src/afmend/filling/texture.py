"""Kriging with the image's own two-dimensional covariance, tile by tile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from afmend.filling.holes import Holes, distance_to_data
from afmend.filling.lines import interpolate
from afmend.filling.variogram import Variogram
from afmend.scan.arrays import Heights, Mask

Vector: TypeAlias = NDArray[np.float64]
Longs: TypeAlias = NDArray[np.int64]
TILE_PX = (8, 12)
_AROUND_PX = 9
_TAPER = 0.25
_STRETCH = 4.0
_DIRECTIONS = 16
_LEAST_NOISE = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Tiles:
    """Hole pixels sorted into tiles."""

    rows: Longs
    cols: Longs
    place: Longs
    starts: Longs
    boxes: Longs

    @classmethod
    def of(cls, known: Mask, rows: Longs, cols: Longs) -> Tiles:
        """Cut along a grid that a mirrored image has mirrored."""
        down, along = (_cuts(size, side) for size, side in zip(known.shape, TILE_PX, strict=True))
        tile = down[rows] * (int(along[-1]) + 1) + along[cols]
        place = np.lexsort((cols, rows, tile))
        rows, cols, tile = rows[place], cols[place], tile[place]
        first = np.flatnonzero(np.r_[True, tile[1:] != tile[:-1]])
        far = np.maximum.reduceat(distance_to_data(known, rows, cols), first)
        around = np.ceil(far).astype(np.int64) + _AROUND_PX
        low = [np.minimum.reduceat(line, first) - around for line in (rows, cols)]
        high = [np.maximum.reduceat(line, first) + around + 1 for line in (rows, cols)]
        boxes = np.stack([*low, *high], axis=1)
        return cls(rows, cols, place, np.r_[first, rows.size].astype(np.int64), boxes)


def _cuts(size: int, side: int) -> Longs:
    """Tile number of each line: tiles of one side from both edges on, what is left in the middle is one tile."""
    near = np.arange(size) // side
    count = max(1, size // (2 * side))
    near = np.minimum(near, count)
    far = np.minimum(np.arange(size)[::-1] // side, count)
    return np.where(near < count, near, np.where(far < count, 2 * count - far, count))


@dataclass(frozen=True, slots=True, eq=False)
class Texture:
    """Covariances of one image: its own, and the stretched ones of its variogram, for each direction."""

    tables: Vector
    nugget: float
    slow_px: float
    quota: int

    @classmethod
    def of(cls, holes: Holes, variogram: Variogram, slow_px: float, neighbors: int) -> Texture:
        """Learn from the good pixels."""
        reach = 2 * (int(np.ceil(holes.radius_px)) + _AROUND_PX) + 2 * max(TILE_PX)
        own = covariance(holes.heights, holes.known, variogram.nugget, reach)
        side = np.arange(-reach, reach + 1, dtype=np.float64)
        y, x = side[:, None] * slow_px, side[None, :]
        tables = [own]
        for number in range(_DIRECTIONS):
            angle = np.pi * number / _DIRECTIONS
            along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
            rise = variogram.slope * variogram.rise(np.hypot(along / _STRETCH, across))
            tables.append(2 * rise.max() - rise)
        nugget = max(variogram.nugget, _LEAST_NOISE * float(own[reach, reach]))
        return cls(np.stack(tables), nugget, slow_px, max(2, neighbors // 4))

    def predict(
        self, heights: Heights, known: Mask, rows: Longs, cols: Longs
    ) -> tuple[Vector, Vector, Vector, Vector]:
        """Means, variances, log likelihoods per neighbor set and activities, each (2, pixels): own, directed."""
        from afmend.filling.texture_kernels import directions, hash_tiles, solve

        tiles = Tiles.of(known, rows, cols)
        base = float(np.mean(heights[known]))
        z = heights - base
        hashes = hash_tiles(tiles.starts, tiles.rows, tiles.cols, tiles.boxes, known)
        tensor = directions(tiles.boxes, z, known, self.slow_px)
        angle = 0.5 * np.arctan2(2 * tensor[:, 2], tensor[:, 0] - tensor[:, 1]) + np.pi / 2
        step = np.rint(angle / np.pi * _DIRECTIONS).astype(np.int64) % _DIRECTIONS
        size = np.diff(tiles.starts)
        out = np.empty((4, 2, rows.size))
        for number, which in enumerate((np.zeros(step.size, dtype=np.int64), step + 1)):
            key = hashes + which.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
            _, inverse, counts = np.unique(key, return_inverse=True, return_counts=True)
            order = np.argsort(inverse, kind="stable")
            groups = np.concatenate([[0], np.cumsum(counts)])
            mean, variance, fit = solve(
                order, groups, which, tiles.starts, tiles.rows, tiles.cols, tiles.boxes, z, known,
                self.tables, self.nugget, self.slow_px, self.quota,
            )  # fmt: skip
            out[0, number, tiles.place] = mean + base
            out[1, number, tiles.place] = variance
            out[2, number, tiles.place] = np.repeat(fit[:, 0], size)
            out[3, number, tiles.place] = np.repeat(fit[:, 1], size)
        return out[0], np.maximum(out[1], 0.0), out[2], out[3]


def covariance(heights: Heights, known: Mask, noise_variance: float, reach: int) -> Vector:
    """Covariance of an image without its plane and its noise, by (dy + reach, dx + reach).

    From the periodogram, less the noise and never negative, hence a valid covariance: kriging systems made from it
    can be solved. (The raw covariances of an image are none, and kriging with them diverges.)
    """
    import scipy.fft

    z = interpolate(heights, known, "across_lines", learn=False)[0]
    window = np.outer(*(np.hanning(size + 2)[1:-1] for size in z.shape))
    window /= np.sqrt(np.mean(window**2))
    z = _without_plane(z)
    z = (z - np.sum(z * window**2) / np.sum(window**2)) * window
    shape = [scipy.fft.next_fast_len(size + reach + 1, real=True) for size in z.shape]
    power = np.abs(scipy.fft.rfft2(z, shape)) ** 2 / z.size
    table = scipy.fft.irfft2(np.maximum(power - noise_variance, 0.0), shape)
    side = np.arange(-reach, reach + 1)
    down, along = (np.exp(-0.5 * (side / (_TAPER * size)) ** 2) for size in z.shape)
    return np.ascontiguousarray(table[np.ix_(side % shape[0], side % shape[1])] * np.outer(down, along))


def _without_plane(z: Heights) -> Heights:
    y, x = (np.linspace(-1.0, 1.0, size) if size > 1 else np.zeros(1) for size in z.shape)
    flat = z - np.mean(z)
    for line, axis in ((y, 1), (x, 0)):
        norm = float(np.sum(line**2))
        if norm:
            slope = np.sum(line * np.mean(flat, axis=axis)) / norm
            flat = flat - slope * (line[:, None] if axis == 1 else line[None, :])
    return flat
