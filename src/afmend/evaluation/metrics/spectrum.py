"""Metrics of the power spectrum: what was lost at which scale, and what is left of line noise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from afmend.errors import BadParameterError
from afmend.evaluation.metrics.arguments import as_heights, finite, ratio
from afmend.evaluation.metrics.gauge import without_background
from afmend.evaluation.spectra import row_psdf
from afmend.fusion.tapers import hann
from afmend.scan.arrays import Heights

Bands: TypeAlias = tuple[float, float, float, float]

BAND_EDGES = (0.0, 1 / 8, 1 / 4, 1 / 2, 1.0)
"""Bands in shares of the highest frequency, above the first edge up to and with the second."""
LOWEST = 3
"""Frequencies below so many periods per image are left to the background."""


@dataclass(frozen=True, slots=True)
class PsdRatio:
    """Power of the result over power of the truth in four bands, long waves first; NaN where the truth has none.

    Attributes
    ----------
    radial : four floats
        By the length of the frequency vector, up to the smaller of both axes' highest frequencies.
    fast, slow : four floats
        By the frequency along one axis, from the spectra of single lines (of single columns).
    """

    radial: Bands
    fast: Bands
    slow: Bands


def psd_ratio(
    heights: NDArray[Any], truth: NDArray[Any], *, pixel_nm: tuple[float, float], degree: int | None = 2
) -> PsdRatio:
    """Ratio of power spectral densities, result over truth, in four bands (no unit); 1 is right.

    The bands are octaves: k up to 1/8, 1/4, 1/2 and all of the Nyquist frequency ``pi / pixel``. In each: sum of
    |FFT|^2 of the result over that of the truth. Both maps are first freed of their own polynomial of total degree
    <= ``degree`` (None = as they are) and tapered by Hann windows along the axes that are transformed. About such
    spectra: Jacobs, Junge and Pastewka, Surf. Topogr. 5, 013001 (2017), doi:10.1088/2051-672X/aa51f8.

    Parameters
    ----------
    heights, truth : (rows, cols), nm
        Without holes.
    pixel_nm : (slow, fast)
    degree : int or None

    Raises
    ------
    BadScanError
        If shapes differ.
    StepError
        If a height is not finite, or the map too small for the polynomial.
    BadParameterError
        If a pixel size is not positive.

    Notes
    -----
    **Can be fooled by:** noise that fills in for topography taken out (power knows no phase), and by truth maps without
    noise, against which the finest band measures the noise of the scan.
    """
    made = as_heights(heights)
    real = as_heights(truth, made.shape, name="true heights")
    maps = [without_background(finite(z), degree=degree) for z in (made, real)]
    k_slow, k_fast = _frequencies(made.shape, pixel_nm)
    length = np.hypot(k_slow[:, None], k_fast)
    limit = math.pi / max(pixel_nm)
    radial = _banded(length, limit, _power(maps[0]), _power(maps[1]))
    axes = []
    for turned, pixel in ((False, pixel_nm[1]), (True, pixel_nm[0])):
        lines = [np.ascontiguousarray(z.T) if turned else z for z in maps]
        k, found = row_psdf(lines[0], pixel)
        axes.append(_banded(k, math.pi / pixel, found, row_psdf(lines[1], pixel)[1]))
    return PsdRatio(radial, axes[0], axes[1])


@dataclass(frozen=True, slots=True, eq=False)
class Anisotropy:
    """Power across the lines against what an isotropic surface would have.

    Attributes
    ----------
    k_slow : (n,)
        Angular frequency along the slow axis in 1 / nm.
    excess : (n,)
        S(k_fast = 0, k_slow) / S_iso(k_slow); single values scatter by their own size.
    geometric_mean : float
        Of the excess, times exp(0.5772) so that an isotropic Gaussian surface has 1; NaN for a flat or tiny map.
    """

    k_slow: NDArray[np.float64]
    excess: NDArray[np.float64]
    geometric_mean: float


def anisotropy_excess(heights: NDArray[Any], *, pixel_nm: tuple[float, float], degree: int | None = 2) -> Anisotropy:
    """Anisotropy excess (no unit) of the line k_fast = 0: above 1 line noise is left, below 1 topography was removed.

    ``AE(k) = S(0, k) / S_iso(k)``: S is the power spectrum of the map (freed of its polynomial of total degree <=
    ``degree``, Hann windows along both axes), S_iso its mean over rings in the wedge ``|k_slow| <= |k_fast|``, which
    offsets of lines do not reach, interpolated to k in logarithms. Taken from 3 periods per image to the smaller
    Nyquist frequency. Needs no truth; the geometric mean is compensated for the exponential distribution of single
    values of a spectrum, ``exp(mean(log AE) + 0.5772)``.

    Parameters
    ----------
    heights : (rows, cols), nm
        Without holes.
    pixel_nm : (slow, fast)
    degree : int or None

    Raises
    ------
    StepError
        If a height is not finite, or the map too small for the polynomial.
    BadParameterError
        If a pixel size is not positive.

    Notes
    -----
    **Can be fooled by:** surfaces that are not isotropic (gratings, terraces, fibers along an axis), whose own excess
    is far from 1: compare with that of the truth where there is one; also by noise along the lines or a filter that
    changes the wedge, too.
    """
    rest = without_background(finite(as_heights(heights)), degree=degree)
    k_slow, k_fast = _frequencies(rest.shape, pixel_nm)
    power = _power(rest)
    spacing = max(k[1] if k.size > 1 else math.inf for k in (k_slow, k_fast))
    centers, isotropic = _isotropic(power, k_slow, k_fast, spacing)
    half = np.arange(1, k_slow.size // 2 + 1)
    k = np.abs(k_slow[half])
    tiny = 1e-9 * spacing
    half = half[(k >= LOWEST * spacing - tiny) & (k <= math.pi / max(pixel_nm) + tiny)]
    if not (half.size and centers.size):
        return Anisotropy(np.zeros(0), np.zeros(0), math.nan)
    k = np.abs(k_slow[half])
    excess = power[half, 0] / np.exp(np.interp(np.log(k), np.log(centers), np.log(isotropic)))
    mean = math.exp(float(np.mean(np.log(excess))) + np.euler_gamma) if (excess > 0).all() else 0.0
    return Anisotropy(k, excess, mean)


def _isotropic(
    power: Heights, k_slow: NDArray[np.float64], k_fast: NDArray[np.float64], spacing: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean frequency and mean power of rings in the wedge of fast variation, as far as there is power."""
    length = np.hypot(k_slow[:, None], k_fast)
    wedge = (np.abs(k_slow)[:, None] <= np.abs(k_fast)) & (length > 0)
    if not wedge.any():
        return np.zeros(0), np.zeros(0)
    ring = np.rint(length[wedge] / spacing).astype(np.intp)
    count = np.bincount(ring)
    sums = np.bincount(ring, weights=power[wedge])
    places = np.bincount(ring, weights=length[wedge])
    kept = sums > 0
    return places[kept] / count[kept], sums[kept] / count[kept]


def _power(heights: Heights) -> Heights:
    """Squared Fourier coefficients under Hann windows along both axes."""
    rows, cols = heights.shape
    tapered = heights * hann(rows)[:, None] * hann(cols)
    return np.asarray(np.square(np.abs(np.fft.fft2(tapered))), dtype=np.float64)


def _frequencies(
    shape: tuple[int, ...], pixel_nm: tuple[float, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Angular frequencies in 1 / nm along both axes, in the order of the transform."""
    if not min(pixel_nm) > 0:
        raise BadParameterError(f"pixels of {pixel_nm} nm", now="Give their size along the slow and fast axis.")
    slow, fast = (
        np.asarray(2 * np.pi * np.fft.fftfreq(n, p), dtype=np.float64) for n, p in zip(shape, pixel_nm, strict=True)
    )
    return slow, fast


def _banded(k: NDArray[np.float64], limit: float, found: NDArray[np.float64], wanted: NDArray[np.float64]) -> Bands:
    """Ratio of sums in each band."""
    share = k / limit
    answer = []
    for low, high in pairwise(BAND_EDGES):
        inside = (share > low) & (share <= high + 1e-9)
        answer.append(ratio(float(np.sum(found[inside])), float(np.sum(wanted[inside]))))
    return (answer[0], answer[1], answer[2], answer[3])
