"""Statistics along the lines: autocorrelation, height-height correlation, power spectral density.

All functions take heights in nm and an optional mask of usable pixels; ``center`` subtracts the mean of each line
first. Conventions are those of Gwyddion, lengths in nm.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from afmend.errors import StepError
from afmend.fusion.tapers import hann
from afmend.scan.arrays import Heights, Mask

Curve = NDArray[np.float64]


def row_acf(heights: Heights, usable: Mask | None = None, *, center: bool = True) -> Curve:
    """Autocorrelation along the lines, mean of z(x) z(x + lag) over all pairs of usable pixels.

    Returns
    -------
    (cols,) float64, nm^2
        At lags of 0, 1, ... cols - 1 pixels; NaN where there is no pair. Long lags rest on few pairs: trust a tenth
        of the line.
    """
    values, weights = _lines(heights, usable, center=center)
    sums, pairs = _correlated(values, values), _correlated(weights, weights)
    return _mean(sums, pairs)


def row_hhcf(heights: Heights, usable: Mask | None = None, *, center: bool = True) -> Curve:
    """Height-height correlation along the lines, mean of (z(x + lag) - z(x))^2 over pairs of usable pixels.

    Returns
    -------
    (cols,) float64, nm^2
        At lags of 0, 1, ... cols - 1 pixels; NaN where there is no pair.
    """
    values, weights = _lines(heights, usable, center=center)
    # A common constant cancels in the differences, but not in the digits.
    values -= weights * (np.sum(values) / max(float(np.sum(weights)), 1.0))
    squares = values * values
    cross = _correlated(values, values)
    sums = _correlated(squares, weights) + _correlated(weights, squares) - 2 * cross
    found = _mean(sums, _correlated(weights, weights))
    found[0] = 0.0
    return np.maximum(found, 0.0)


def row_psdf(
    heights: Heights, pixel_nm: float, *, center: bool = True, window: Literal["none", "hann"] = "hann"
) -> tuple[Curve, Curve]:
    """One-dimensional power spectral density along the lines.

    Parameters
    ----------
    heights : (rows, cols) float64, nm
        Without holes: fill or crop first; there is no mask here.
    pixel_nm : float
        Distance of pixels along the line.
    center : bool
        Subtract the mean of each line first.
    window : "none" or "hann"
        The Hann window has a mean square of 1, so that the power is kept.

    Returns
    -------
    k : (cols // 2 + 1,) float64
        Angular spatial frequency in 1 / nm.
    density : (cols // 2 + 1,) float64
        In nm^3.
    """
    values, _ = _lines(heights, None, center=center)
    cols = heights.shape[1]
    if window == "hann":
        values *= hann(cols)
    power = np.square(np.abs(np.fft.rfft(values, axis=1)))
    density = np.mean(power, axis=0) * pixel_nm / (2 * np.pi * cols)
    return 2 * np.pi * np.arange(density.size) / (cols * pixel_nm), density


def _lines(heights: Heights, usable: Mask | None, *, center: bool) -> tuple[Heights, Heights]:
    """Heights (0 where not usable, line means subtracted if wanted) and weights."""
    weights = np.ones(heights.shape) if usable is None else usable.astype(np.float64)
    if not weights.any():
        raise StepError("no usable pixel to correlate", now="Shrink the masks.")
    values = heights * weights
    if center:
        values -= weights * (np.sum(values, axis=1) / np.maximum(np.sum(weights, axis=1), 1.0))[:, None]
    return values, weights


def _correlated(first: Heights, second: Heights) -> Curve:
    """Sum over lines and x of first(x) second(x + lag), by Fourier transform with zero padding."""
    cols = first.shape[1]
    size = 2 * cols
    product = np.conj(np.fft.rfft(first, size, axis=1)) * np.fft.rfft(second, size, axis=1)
    found: Curve = np.fft.irfft(np.sum(product, axis=0), size)[:cols]
    return found


def _mean(sums: Curve, pairs: Curve) -> Curve:
    counts = np.round(pairs)
    return np.where(counts > 0, sums / np.maximum(counts, 1.0), np.nan)
