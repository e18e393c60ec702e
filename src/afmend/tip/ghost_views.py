"""An image, prepared for the search for ghosts: texture, slopes, noise, and how its details repeat themselves."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from afmend.scan.arrays import Heights, Mask
from afmend.tip.features import noise_nm as noise_of

Vector = NDArray[np.float64]
FARTHEST_PX = 32
SHALLOWEST = 0.015
"""Least depth of a second apex, of the range of heights."""
LEAST_RANGE = 1e-4
"""Noise is taken to be at least this share of the range: rounding, and what interpolation misses."""
TEXTURE_SIGMAS = 1.6
"""A window tells something if what no plane explains in it is so many sigmas."""
BLUR_PX = 1.0
DETAIL_PX = 3.0
"""What is longer than this (sigma) is taken off before an image is correlated with itself."""
PERIOD = 0.75
"""A ghost has no ghost of its own: at its offset details correlate by one half at most, at a period of the sample by
one."""
NEAR_PERIOD_PX, DIP = 3, 0.3
"""A period is so near; on the way there the correlation is lower by this at least."""


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """An image, prepared: texture, slopes, noise that may blur an agreement; ``alike``: see `correlation`."""

    image: Heights
    good: Mask
    noise: float
    ground: float
    range_nm: float
    texture: Heights
    slope: Heights
    window: int
    vague_px: float
    alike: Heights

    @property
    def telling(self) -> Mask:
        """Where texture stands out of the noise."""
        out: Mask = self.good & (self.texture > (TEXTURE_SIGMAS * self.noise) ** 2)
        return out

    def telling_at(self, places: NDArray[np.int64]) -> Mask:
        """Return `telling` at places, (n, 2), alone."""
        here = tuple(places.T)
        out: Mask = self.good[here] & (self.texture[here] > (TEXTURE_SIGMAS * self.noise) ** 2)
        return out

    @property
    def shallowest(self) -> float:
        """The least depth that is looked for, nm."""
        return max(SHALLOWEST * self.range_nm, self.noise)


def view_of(image: Heights, good: Mask, *, blurred: bool = False) -> View | None:
    """Prepare an image; None if it is flat."""
    from scipy.ndimage import gaussian_filter

    noise, window = noise_of(image, good), 5
    low, ground, high = np.quantile(image[good], (0.001, 0.01, 0.999)) if good.any() else (0.0, 0.0, 0.0)
    if not high > low:
        return None
    if blurred:
        image, window, noise = gaussian_filter(image, BLUR_PX), 7, noise / (2 * math.sqrt(math.pi) * BLUR_PX)
    span = float(high - low)
    rise = np.gradient(gaussian_filter(image, 0.7))
    noise = max(noise, LEAST_RANGE * span)
    return View(
        image, good, noise, float(ground) + 0.02 * span, span, texture_of(image, window), np.hypot(*rise), window,
        0.15 * BLUR_PX if blurred else 0.0, correlation(image, good, noise, min(FARTHEST_PX, min(image.shape) // 3)),
    )  # fmt: skip


def texture_of(image: Heights, window: int) -> Heights:
    """Return the mean square of what a plane leaves unexplained in windows of a side in pixels, nm^2."""
    from afmend.tip.ghost_kernels import textures

    half, out = window // 2, np.empty(image.shape)
    textures(np.pad(image - float(np.mean(image)), half, mode="symmetric"), window, out)
    return out


def correlation(image: Heights, good: Mask, noise_nm: float, far: int) -> Heights:
    """Return how an image's details correlate with themselves at offsets up to ``far`` pixels, freed of noise."""
    from scipy.fft import irfft2, next_fast_len, rfft2
    from scipy.ndimage import gaussian_filter

    detail = np.where(good, image - gaussian_filter(image, DETAIL_PX), 0.0)
    detail[good] -= float(np.mean(detail[good]))
    size = [next_fast_len(n + far) for n in detail.shape]
    sums, counts = (irfft2(np.abs(rfft2(z, size)) ** 2, size) for z in (detail, good.astype(np.float64)))
    lags = np.arange(-far, far + 1)
    chosen = np.ix_(lags, lags)
    noise = min(noise_nm**2, 0.5 * sums[0, 0] / max(counts[0, 0], 1.0))
    out: Heights = (
        sums[chosen] / np.maximum(counts[chosen], 1.0) / (sums[0, 0] / max(counts[0, 0], 1.0) - noise + 1e-300)
    )
    return out


def is_period(alike: Heights, offset: Vector) -> bool:
    """Whether near an offset the details of an image repeat themselves altogether; ``alike`` is their correlation.

    Nearer to the middle they must repeat themselves less: smooth images do so everywhere.
    """
    from scipy.ndimage import map_coordinates

    far, distance = alike.shape[0] // 2, math.hypot(*offset)
    row, col = (int(np.clip(round(float(k)), -far, far)) + far for k in offset)
    reach = NEAR_PERIOD_PX
    around = alike[max(0, row - reach) : row + reach + 1, max(0, col - reach) : col + reach + 1]
    if not around.max() > PERIOD:
        return False
    shares = np.linspace(0, 1, 2 * math.ceil(distance) + 1)
    between = map_coordinates(alike, [shares * float(k) + far for k in offset], order=1, mode="nearest")
    return bool(around.max() > max(PERIOD, between.min() + DIP))
