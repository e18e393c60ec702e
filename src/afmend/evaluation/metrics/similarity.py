"""Similarity of pictures: PSNR, SSIM, VIF. Secondary: none of them has a unit that a microscopist can use.

Bring the heights into the truth's gauge first (`gauge_aligned`): a tilt that nobody can know costs points here.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afmend.errors import BadParameterError, StepError
from afmend.evaluation.metrics.arguments import as_heights, as_mask, errors_in, finite, ratio, rms, values_in
from afmend.scan.arrays import Heights, Mask

SSIM_SIGMA_PX = 1.5
SSIM_RADIUS_PX = 5
"""The window of Wang et al.: 11 pixels wide."""
VIF_NOISE = 2.0
"""Variance of the eye's noise on the scale from 0 to 255."""
_TINY = 1e-10


def robust_peak(truth: NDArray[Any], *, usable: Mask | None = None) -> float:
    """Range in nm between the 0.1 % and the 99.9 % quantile of the truth: the peak for PSNR, the range for SSIM.

    Raises
    ------
    BadScanError
        If the truth or the mask is no map.
    StepError
        If no pixel is usable or a usable one is not finite.
    """
    low, high = _robust_range(truth, usable)
    return high - low


def psnr(heights: NDArray[Any], truth: NDArray[Any], *, peak_nm: float, usable: Mask | None = None) -> float:
    """Peak signal-to-noise ratio in dB, ``20 log10(peak / RMSE)``; infinite if nothing differs, NaN for no pixels.

    Parameters
    ----------
    heights, truth : (rows, cols), nm
    peak_nm : float
        Stated by the caller, from the truth alone: `robust_peak`. A peak from the result would reward spikes.
    usable : (rows, cols) bool, optional
        True = counts.

    Raises
    ------
    BadScanError
        If shapes differ.
    BadParameterError
        If the peak is not positive.
    StepError
        If a usable height is not finite.

    Notes
    -----
    **Can be fooled by:** the peak: a maximum in place of a robust range lets one spike in the truth add decibels to
    every method; blurring away noise.
    """
    if not 0 < peak_nm < math.inf:
        raise BadParameterError(f"peak_nm is {peak_nm}", now="Give robust_peak(truth).")
    error = rms(errors_in(heights, truth, as_mask(usable, np.shape(truth))))
    return 20 * math.log10(peak_nm / error) if error else math.inf


def ssim(heights: NDArray[Any], truth: NDArray[Any], *, range_nm: float) -> float:
    """Structural similarity (-1 to 1, 1 = equal), mean over the map.

    Wang, Bovik, Sheikh and Simoncelli, IEEE Trans. Image Process. 13, 600 (2004), doi:10.1109/TIP.2003.819861:
    ``(2 m m' + C1) (2 s_xy + C2) / ((m^2 + m'^2 + C1) (s^2 + s'^2 + C2))``, local moments under a Gaussian of 1.5
    pixels (11 x 11 window, only where it fits), ``C1 = (0.01 range)^2, C2 = (0.03 range)^2``.

    Parameters
    ----------
    heights, truth : (rows, cols), nm
        Without holes. The offset matters: m is the height above zero.
    range_nm : float
        Stated by the caller, from the truth alone: `robust_peak`.

    Raises
    ------
    BadScanError
        If shapes differ.
    BadParameterError
        If the range is not positive.
    StepError
        If a height is not finite, or the map smaller than the window.

    Notes
    -----
    **Can be fooled by:** changing little, if the reference is the input and not the truth; a large common offset,
    which makes the first factor 1; a range far above the roughness, which makes C2 outweigh everything.
    """
    if not 0 < range_nm < math.inf:
        raise BadParameterError(f"range_nm is {range_nm}", now="Give robust_peak(truth).")
    x, y = _finite_pair(heights, truth)
    kernel = _gaussian(SSIM_RADIUS_PX, SSIM_SIGMA_PX)
    mean_x, mean_y, var_x, var_y, both = _moments(x, y, kernel)
    c1, c2 = (0.01 * range_nm) ** 2, (0.03 * range_nm) ** 2
    light = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    structure = (2 * both + c2) / (var_x + var_y + c2)
    return float(np.mean(light * structure))


def vif(heights: NDArray[Any], truth: NDArray[Any]) -> float:
    """Visual information fidelity in the pixel domain (no unit): 1 = equal, 0 = nothing left, above 1 = more contrast.

    Sheikh and Bovik, IEEE Trans. Image Process. 15, 430 (2006), doi:10.1109/TIP.2005.859378, multi-scale pixel version.
    Both maps are scaled by the truth's range (0.1 % to 99.9 % quantile to 0 to 255, not clipped), for the eye's noise
    of variance 2 is on that scale. On scales s = 1..4 (window of N = 2^(5 - s) + 1 pixels, sigma N / 5, where it fits;
    halved in size each time): ``g = s_xy / s_x^2``, ``v = s_y^2 - g s_xy``, x the truth, y the result, and
    ``VIF = sum log(1 + g^2 s_x^2 / (v + 2)) / sum log(1 + s_x^2 / 2)`` over scales and places.

    Parameters
    ----------
    heights, truth : (rows, cols), nm
        Without holes, at least 41 pixels along each axis.

    Returns
    -------
    float
        NaN if the truth is flat.

    Raises
    ------
    BadScanError
        If shapes differ.
    StepError
        If a height is not finite, or the map is too small.

    Notes
    -----
    **Can be fooled by:** exaggerated contrast, which scores above 1; offsets and slow bends, which it does not see; the
    scale: a few tall features widen the range and drown the ground in the eye's noise.
    """
    y, x = _finite_pair(heights, truth)
    low, high = _robust_range(x, None)
    if not high > low:
        return math.nan
    x, y = (255.0 * (z - low) / (high - low) for z in (x, y))
    kept, total = 0.0, 0.0
    for scale in range(1, 5):
        size = 2 ** (5 - scale) + 1
        kernel = _gaussian(size // 2, size / 5)
        if scale > 1:
            x, y = (np.ascontiguousarray(_smooth_inside(z, kernel)[::2, ::2]) for z in (x, y))
        _, _, var_x, var_y, both = _moments(x, y, kernel)
        passed, held = _information(np.maximum(var_x, 0.0), np.maximum(var_y, 0.0), both)
        kept, total = kept + passed, total + held
    return ratio(kept, total)


def _information(var_x: Heights, var_y: Heights, both: Heights) -> tuple[float, float]:
    """Information that the result passes on, and that the truth holds, on one scale."""
    gain = both / (var_x + _TINY)
    rest = var_y - gain * both
    flat = var_x < _TINY
    gain[flat], rest[flat] = 0.0, var_y[flat]
    var_x = np.where(flat, 0.0, var_x)
    dead = var_y < _TINY
    gain[dead], rest[dead] = 0.0, 0.0
    against = gain < 0
    gain[against], rest[against] = 0.0, var_y[against]
    rest = np.maximum(rest, _TINY)
    passed = float(np.sum(np.log1p(gain * gain * var_x / (rest + VIF_NOISE))))
    return passed, float(np.sum(np.log1p(var_x / VIF_NOISE)))


def _moments(x: Heights, y: Heights, kernel: NDArray[np.float64]) -> tuple[Heights, Heights, Heights, Heights, Heights]:
    """Local means, variances and covariance."""
    mean_x, mean_y = _smooth_inside(x, kernel), _smooth_inside(y, kernel)
    var_x = _smooth_inside(x * x, kernel) - mean_x * mean_x
    var_y = _smooth_inside(y * y, kernel) - mean_y * mean_y
    return mean_x, mean_y, var_x, var_y, _smooth_inside(x * y, kernel) - mean_x * mean_y


def _smooth_inside(z: Heights, kernel: NDArray[np.float64]) -> Heights:
    """Weighted local means where the whole window lies in the map."""
    from scipy.ndimage import correlate1d

    if min(z.shape) < kernel.size:
        raise StepError(
            f"a map (or its half) of {z.shape[0]} x {z.shape[1]} pixels has no room for a window of {kernel.size}",
            now="Use larger maps.",
        )
    radius = kernel.size // 2
    down = correlate1d(z, kernel, axis=0)[radius : z.shape[0] - radius]
    return np.asarray(correlate1d(down, kernel, axis=1)[:, radius : z.shape[1] - radius], dtype=np.float64)


def _gaussian(radius: int, sigma: float) -> NDArray[np.float64]:
    weights = np.exp(-np.square(np.arange(-radius, radius + 1)) / (2 * sigma * sigma))
    return np.asarray(weights / np.sum(weights), dtype=np.float64)


def _finite_pair(heights: NDArray[Any], truth: NDArray[Any]) -> tuple[Heights, Heights]:
    made = as_heights(heights)
    real = as_heights(truth, made.shape, name="true heights")
    return finite(made), finite(real, name="true heights")


def _robust_range(truth: NDArray[Any], usable: Mask | None) -> tuple[float, float]:
    values = values_in(truth, as_mask(usable, np.shape(truth)), name="true heights")
    if not values.size:
        raise StepError("no pixel to take a range from", now="Shrink the masks.")
    low, high = np.quantile(values, [0.001, 0.999])
    return float(low), float(high)
