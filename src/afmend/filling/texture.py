"""Kriging with the image's own two-dimensional covariance, tile by tile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from afmend.filling.holes import Holes, distance_to_data, first_good
from afmend.filling.variogram import Variogram
from afmend.leveling.moments import positions
from afmend.scan.arrays import Heights, Mask

Vector: TypeAlias = NDArray[np.float64]
Longs: TypeAlias = NDArray[np.int64]
TILE_PX = (8, 12)
"""Lines and pixels of a tile: its pixels share their neighbors, hence one system of equations."""
_AROUND_PX = 7
"""How far beyond the nearest data a tile looks for neighbors."""
_TAPER = 0.5
"""Width of the taper of the covariance, in sizes of the image."""
LIVELINESS = (1.0, 0.1, 10.0)
"""Variances of calm and lively ground, relative to the whole image."""
_STRETCH = 4.0
_DIRECTIONS = 16
_LEAST_NOISE = 1e-6
"""Noise that is assumed at least, relative to the variance: keeps systems solvable."""
_OFTEN = 6
"""Tiles of one pattern from which on it gets twice the neighbors."""


@dataclass(frozen=True, slots=True, eq=False)
class Tiles:
    """Hole pixels sorted into tiles."""

    rows: Longs
    cols: Longs
    place: Longs
    starts: Longs
    boxes: Longs

    @classmethod
    def of(
        cls, known: Mask, rows: Longs, cols: Longs, farthest_px: int, distance: NDArray[np.float32] | None = None
    ) -> Tiles:
        """Cut along a grid that a mirrored image has mirrored; data are looked for up to ``farthest_px`` away.

        Pixels come in reading order; ``distance``: from each of them to data, if it is known.
        """
        down, along = (_cuts(size, side) for size, side in zip(known.shape, TILE_PX, strict=True))
        tile = down[rows] * (int(along[-1]) + 1) + along[cols]
        place = np.argsort(tile, kind="stable")
        rows, cols, tile = rows[place], cols[place], tile[place]
        first = np.flatnonzero(np.r_[True, tile[1:] != tile[:-1]])
        starts = np.r_[first, rows.size].astype(np.int64)
        away = distance_to_data(known, rows, cols) if distance is None else distance[place]
        reach = np.ceil(np.maximum.reduceat(away, first)).astype(np.int64)
        around = np.minimum(reach, farthest_px) + _AROUND_PX
        low = [np.minimum.reduceat(line, first) - around for line in (rows, cols)]
        high = [np.maximum.reduceat(line, first) + around + 1 for line in (rows, cols)]
        boxes = np.stack([*low, *high], axis=1)
        return cls(rows, cols, place, starts, boxes)


def _cuts(size: int, side: int) -> Longs:
    """Tile number of each line: tiles of one side from both edges on, what is left in the middle is one tile."""
    near = np.arange(size) // side
    count = size // (2 * side)
    near = np.minimum(near, count)
    far = np.minimum(np.arange(size)[::-1] // side, count)
    return np.where(near < count, near, np.where(far < count, 2 * count - far, count))


DIRECTED = len(LIVELINESS)
EVERYONE = (*range(len(LIVELINESS)), DIRECTED)
"""Numbers of the covariances: the image's own, times each liveliness, then the stretched one."""


class Guesses(NamedTuple):
    """What each covariance says about each pixel; arrays (covariances, pixels), in the order of `EVERYONE`.

    Attributes
    ----------
    mean, variance
        Of the noise-free surface.
    likelihood
        Log likelihood of the neighbors of the pixel's tile, per neighbor.
    activity
        Mean square of these neighbors in units of what the covariance expects: above 1 where the surface is livelier.
    """

    mean: Vector
    variance: Vector
    likelihood: Vector
    activity: Vector


@dataclass(frozen=True, slots=True, eq=False)
class Texture:
    """Covariances of one image: its own, and the stretched ones of its variogram, for each direction."""

    tables: Vector
    nugget: float
    slow_px: float
    quota: int
    farthest_px: int

    @classmethod
    def of(
        cls,
        holes: Holes,
        variogram: Variogram,
        slow_px: float,
        neighbors: int,
        *,
        directed: bool = True,
        transformed: Transform | None = None,
    ) -> Texture:
        """Learn from the good pixels; the stretched ones only if they are to take part.

        ``transformed``: the good pixels by `transform`, for the reach of `reach_of`, if they are.
        """
        reach = reach_of(holes)
        own = covariance(holes.heights, holes.known, variogram.nugget, reach, transformed)
        tables = [own * scale for scale in LIVELINESS]
        if directed:
            tables += [_stretched(variogram, slow_px, reach, np.pi * n / _DIRECTIONS) for n in range(_DIRECTIONS)]
        nugget = max(variogram.nugget, _LEAST_NOISE * float(own[reach, reach]))
        return cls(np.stack(tables), nugget, slow_px, _quota(neighbors), _farthest(holes))

    def predict(
        self, heights: Heights, known: Mask, rows: Longs, cols: Longs, taking_part: Sequence[int] = EVERYONE
    ) -> Guesses:
        """Predict pixels from the known ones by the covariances that take part (numbers of `EVERYONE`)."""
        from afmend.compiled import side_by_side
        from afmend.filling.texture_kernels import directions, hash_tiles, solve

        tiles = Tiles.of(known, rows, cols, self.farthest_px)
        base = first_good(heights, known)
        hashes = hash_tiles(tiles.starts, tiles.rows, tiles.cols, tiles.boxes, known)
        which = np.repeat(np.asarray(taking_part)[:, None], hashes.size, axis=1)
        if DIRECTED in taking_part:
            tensors = directions(tiles.boxes, heights, known, self.slow_px)
            which[taking_part.index(DIRECTED)] += _nearest_direction(tensors)
        order, groups, quotas = _patterns(hashes, which[-1], self.quota)
        found, fit = np.empty((2, len(which), rows.size)), np.empty((2, len(which), hashes.size))
        side_by_side(
            lambda part, parts: solve(
                part, parts, order, groups, which, tiles.starts, tiles.rows, tiles.cols, tiles.boxes, heights, base,
                known, self.tables, self.nugget, self.slow_px, quotas, found, fit,
            )
        )  # fmt: skip
        out = np.empty((4, len(which), rows.size))
        out[:, :, tiles.place] = np.concatenate([found, np.repeat(fit, np.diff(tiles.starts), axis=2)])
        out[0] += base
        return Guesses(out[0], np.maximum(out[1], 0.0), out[2], out[3])

    def mean(self, holes: Holes, plan: Plan) -> Vector:
        """Mean by the image's own covariance: that of ``predict`` but for rounding, and faster; in the tiles' order."""
        from afmend.compiled import side_by_side
        from afmend.filling.mean_kernels import solve_means

        heights, tiles = holes.heights, plan.tiles
        base = first_good(heights, holes.known)
        found = np.empty(tiles.rows.size)
        side_by_side(
            lambda part, parts: solve_means(
                part, parts, plan.order, plan.groups, tiles.starts, tiles.rows, tiles.cols, tiles.boxes, heights, base,
                holes.known, self.tables[0], self.nugget, self.slow_px, plan.quotas, found,
            )
        )  # fmt: skip
        return found + base


class Plan(NamedTuple):
    """Tiles sorted by pattern, and where each pattern starts; how many neighbors each tile has in each direction."""

    tiles: Tiles
    order: Longs
    groups: Longs
    quotas: Longs


def plan(holes: Holes, rows: Longs, cols: Longs, neighbors: int) -> Plan:
    """Prepare `Texture.mean` of all wanted pixels, in reading order; the covariance need not be known."""
    from afmend.filling.texture_kernels import hash_tiles

    tiles = Tiles.of(holes.known, rows, cols, _farthest(holes), holes.distance)
    hashes = hash_tiles(tiles.starts, tiles.rows, tiles.cols, tiles.boxes, holes.known)
    return Plan(tiles, *_patterns(hashes, np.zeros(hashes.size, dtype=np.int64), _quota(neighbors)))


def _patterns(hashes: NDArray[np.uint64], last: Longs, quota: int) -> tuple[Longs, Longs, Longs]:
    """Sort tiles by pattern, busiest first, then by ``last``; where each pattern starts; neighbors of each tile."""
    _, inverse, counts = np.unique(hashes, return_inverse=True, return_counts=True)
    # A pattern that many tiles share is factored once: it can afford more neighbors.
    quotas = np.where(counts[inverse] >= _OFTEN, 2 * quota, quota)
    busiest = np.argsort(-counts, kind="stable")
    order = np.lexsort((last, np.argsort(busiest)[inverse]))
    return order, np.concatenate([[0], np.cumsum(counts[busiest])]), quotas


def _quota(neighbors: int) -> int:
    """Neighbors in each of four directions."""
    return max(2, neighbors // 4)


def reach_of(holes: Holes) -> int:
    """Lag beyond which nobody asks for the covariance."""
    return 2 * (_farthest(holes) + _AROUND_PX + max(TILE_PX))


def _farthest(holes: Holes) -> int:
    return int(np.ceil(holes.radius_px))


def _stretched(variogram: Variogram, slow_px: float, reach: int, angle: float) -> Vector:
    """Covariance that falls four times more slowly along a direction, by (dy + reach, dx + reach)."""
    y, x = np.arange(reach + 1.0)[:, None] * slow_px, np.arange(-reach, reach + 1.0)
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    rise = variogram.slope * variogram.rise(np.hypot(along / _STRETCH, across))
    return _mirrored(2 * rise.max() - rise)


def _mirrored(lower: Vector) -> Vector:
    """Add the upper half of a covariance, which is the lower one, turned by half a turn."""
    return np.concatenate([lower[:0:-1, ::-1], lower])


def _nearest_direction(tensor: Vector) -> Longs:
    """Turn structure tensors (gx gx, gy gy, gx gy) into numbers of the directions along which heights change least."""
    uphill = 0.5 * np.arctan2(2 * tensor[:, 2], tensor[:, 0] - tensor[:, 1])
    return np.rint((uphill / np.pi + 0.5) * _DIRECTIONS).astype(np.int64) % _DIRECTIONS


class Transform(NamedTuple):
    """Fourier transform of a padded image, packed as `cv2.dft` does it (see `spectrum_kernels.power_above`)."""

    packed: Vector


def transform(heights: Heights, known: Mask, reach: int) -> Transform:
    """Transform an image without its plane and its edges, padded so that lags up to ``reach`` do not wrap around.

    In place: most of the time goes where new memory is written to.
    """
    import cv2
    import scipy.fft

    from afmend.filling.place_kernels import places
    from afmend.filling.spectrum_kernels import tapered

    rows, cols = places(~known)
    down, along = (np.hanning(size + 2)[1:-1] for size in heights.shape)
    down, along = down / np.sqrt(np.mean(down**2)), along / np.sqrt(np.mean(along**2))
    y, x = (positions(size) for size in heights.shape)
    height, width = (scipy.fft.next_fast_len(size + reach + 1, real=True) for size in heights.shape)
    padded = np.empty((height, width))
    tapered(heights, first_good(heights, known), rows, cols, x, y, down, along, padded)
    return Transform(np.asarray(cv2.dft(padded, dst=padded), dtype=np.float64))


def covariance(
    heights: Heights, known: Mask, noise_variance: float, reach: int, transformed: Transform | None = None
) -> Vector:
    """Covariance of an image without its plane and its noise, by (dy + reach, dx + reach).

    From the periodogram, less the noise and never negative, hence a valid covariance: kriging systems made from it
    can be solved. (The raw covariances of an image are none, and kriging with them diverges.) The taper averages
    over neighboring frequencies. The mean of the periodogram is the variance of the surface.

    ``transformed``: by `transform`, for this reach, if it is known.
    """
    import scipy.fft

    from afmend.filling.spectrum_kernels import power_above

    packed = (transformed or transform(heights, known, reach)).packed
    shape, power = packed.shape, power_above(packed, 1.0 / heights.size, noise_variance)
    # Few lags are wanted: a product of matrices takes less time than a transform. Those up are those down, mirrored.
    even, odd = np.split(_waves(shape[0], reach) @ power, 2)
    lines = even + 1j * odd
    lower = scipy.fft.irfft(lines, shape[1], axis=1)
    side = np.arange(-reach, reach + 1)
    lower = lower[:, side % shape[1]]
    down, along = (np.exp(-0.5 * (side / (_TAPER * size)) ** 2) for size in heights.shape)
    return _mirrored(lower) * np.outer(down, along)


@lru_cache(maxsize=2)
def _waves(count: int, reach: int) -> Vector:
    """Cosines, then sines, by lag and frequency along an axis, over its length: (2 (reach + 1), count)."""
    angles = 2 * np.pi / count * (np.arange(reach + 1)[:, None] * np.arange(count) % count)
    waves = np.concatenate([np.cos(angles), np.sin(angles)]) / count
    waves.flags.writeable = False
    return waves


def simulate(holes: Holes, noise_variance: float, seed: int) -> Heights:
    """Draw a surface with the image's covariance, of its size, without noise."""
    import scipy.fft

    from afmend.filling.spectrum_kernels import power_above

    packed = transform(holes.heights, holes.known, max(holes.heights.shape) // 4).packed
    shape, power = packed.shape, power_above(packed, 1.0 / holes.heights.size, noise_variance)
    white = scipy.fft.rfft2(np.random.default_rng(seed).standard_normal(shape))
    drawn = scipy.fft.irfft2(np.sqrt(power) * white, shape)
    return np.asarray(drawn[: holes.heights.shape[0], : holes.heights.shape[1]])
