"""Metrics of filled holes. ``mask`` is True in the holes; heights and truth share one gauge (see `gauge_aligned`)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afmend.errors import BadParameterError, BadScanError, StepError
from afmend.evaluation.metrics.arguments import as_heights, as_mask, errors_in, finite, ratio, rms, values_in
from afmend.evaluation.statistics import roughness
from afmend.filling.holdout import TWO_SIDED
from afmend.scan.arrays import Mask


def fill_rmse(filled: NDArray[Any], truth: NDArray[Any], mask: Mask) -> float:
    """Root-mean-square error of the filled pixels in nm; NaN if the mask is empty.

    Raises
    ------
    BadScanError
        If shapes differ.
    StepError
        If a height in the mask is not finite.

    Notes
    -----
    **Can be fooled by:** smooth fills, which win over realistic ones of the same surface (see the std ratio), and by
    tall scans, which dominate a mean over scans in nm (use the relative error).
    """
    return rms(errors_in(filled, truth, mask))


def fill_relative_rmse(filled: NDArray[Any], truth: NDArray[Any], mask: Mask) -> float:
    """`fill_rmse` divided by Sq of the whole truth (no unit).

    1 is what filling with the surface's mean would cost on a stationary surface. NaN if the mask is empty or the truth
    flat. Raises as `fill_rmse`.

    Notes
    -----
    **Can be fooled by:** a few tall features or a tilt left in the truth, which raise Sq and make every fill of the
    flat ground between them look good.
    """
    return ratio(fill_rmse(filled, truth, mask), float(roughness(as_heights(truth))["Sq"] or 0.0))


def fill_std_ratio(filled: NDArray[Any], truth: NDArray[Any], mask: Mask) -> float:
    """Return the standard deviation of the filled heights over that of the truth in the mask (no unit); 1 is right.

    Below 1 the fill is smoother than the surface, as every conditional mean is; NaN if the mask is empty or the truth
    flat in it. Raises as `fill_rmse`.

    Notes
    -----
    **Can be fooled by:** any noise of the right size, wherever its hills are, and by differences between far holes,
    which hide what happens inside each.
    """
    made, real = values_in(filled, mask), values_in(truth, mask, name="true heights")
    return ratio(float(np.std(made)), float(np.std(real))) if real.size else math.nan


def seam_gradient(filled: NDArray[Any], truth: NDArray[Any], mask: Mask, *, usable: Mask | None = None) -> float:
    """Mean height step across the edge of the holes, over the same in the truth (no unit); 1 is right.

    With E the pairs of neighbors (over sides, along both axes, pooled) of which exactly one lies in the mask:
    ``mean over E of |z_p - z_q|`` of the filled map, divided by that of the truth. Steps are in nm per pair, not
    divided by the pixel size. Above 1 the seam shows, below 1 it is blurred. NaN if there is no such pair, or the
    truth has no step there.

    Parameters
    ----------
    filled, truth : (rows, cols), nm
    mask : (rows, cols) bool
        True in the holes.
    usable : (rows, cols) bool, optional
        Pairs of two usable pixels count (leave out other holes).

    Raises
    ------
    BadScanError
        If shapes differ.
    StepError
        If a step is not finite.

    Notes
    -----
    **Can be fooled by:** a fill that joins smoothly and is wrong further in, and by noise of the truth map, against
    which real seams are small.
    """
    made = as_heights(filled)
    real = as_heights(truth, made.shape, name="true heights")
    inside = as_mask(mask, made.shape, name="mask")
    counts = as_mask(usable, made.shape)
    steps: list[NDArray[np.float64]] = []
    for z in (made, real):
        found = []
        for axis in (0, 1):
            near, far = (np.s_[:-1, :], np.s_[1:, :]) if axis == 0 else (np.s_[:, :-1], np.s_[:, 1:])
            edge = (inside[near] != inside[far]) & counts[near] & counts[far]
            found.append(np.abs(finite(z[far][edge], name="heights at the edge") - finite(z[near][edge])))
        steps.append(np.concatenate(found))
    return ratio(float(np.mean(steps[0])), float(np.mean(steps[1]))) if steps[0].size else math.nan


def touched_outside(before: NDArray[Any], after: NDArray[Any], mask: Mask) -> int:
    """Count pixels outside the mask of which a single bit changed (0.0 and -0.0 differ, equal NaNs do not).

    Raises
    ------
    BadScanError
        If shapes or types of number differ.

    Notes
    -----
    **Can be fooled by:** a mask that was grown first: give the mask the method was handed, not the one it used.
    """
    if before.shape != after.shape or before.dtype != after.dtype:
        raise BadScanError(
            f"{before.dtype} {before.shape} and {after.dtype} {after.shape} cannot be compared bit by bit",
            now="Give the heights as they went in and came out.",
        )
    outside = ~as_mask(mask, before.shape, name="mask")
    bits = f"V{before.dtype.itemsize}"
    return int(np.count_nonzero(before[outside].view(bits) != after[outside].view(bits)))


@dataclass(frozen=True, slots=True)
class Coverage:
    """How honest error bars are.

    Attributes
    ----------
    coverage : float
        Share of the pixels whose truth lies within ``sigmas`` error bars; NaN if none has an error bar.
    mean_width_nm : float
        Mean full width of the intervals, ``2 sigmas sigma``.
    pixels : int
        Pixels of the mask with an error bar; those without one (infinite) count nowhere else.
    """

    coverage: float
    mean_width_nm: float
    pixels: int


def interval_coverage(
    filled: NDArray[Any], sigma: NDArray[Any], truth: NDArray[Any], mask: Mask, *, sigmas: float = TWO_SIDED
) -> Coverage:
    """Coverage (share) and mean width (nm) of the intervals ``filled -+ sigmas sigma``; 95 % unless told otherwise.

    Parameters
    ----------
    filled, sigma, truth : (rows, cols), nm
        An infinite sigma says that the method has no error bar there.
    mask : (rows, cols) bool
        True in the holes.
    sigmas : float
        Half width in error bars; the nominal coverage is ``erf(sigmas / sqrt(2))``.

    Raises
    ------
    BadScanError
        If shapes differ.
    StepError
        If a height in the mask is not finite, or an error bar there negative or NaN.
    BadParameterError
        If ``sigmas`` is not positive.

    Notes
    -----
    Source: Gneiting, Balabdaoui and Raftery, J. R. Stat. Soc. B 69, 243 (2007), doi:10.1111/j.1467-9868.2007.00587.x.

    **Can be fooled by:** bars so wide that they cover everything (read it with the width and the CRPS), and by bars
    too wide in one hole and too narrow in the next, which pool to 95 %; neighboring errors are correlated, so that a
    scan holds far fewer independent trials than pixels.
    """
    if not sigmas > 0:
        raise BadParameterError(f"sigmas is {sigmas}", now="1.96 for 95 %.")
    errors, bars = _with_bars(filled, sigma, truth, mask)
    if not bars.size:
        return Coverage(math.nan, math.nan, 0)
    inside = float(np.mean(np.abs(errors) <= sigmas * bars))
    return Coverage(inside, 2 * sigmas * float(np.mean(bars)), bars.size)


def gaussian_crps(
    mean: NDArray[np.float64], sigma: NDArray[np.float64], observed: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Continuous ranked probability score of normal predictions, pixel by pixel, in the unit of the heights.

    ``sigma (w (2 Phi(w) - 1) + 2 phi(w) - 1 / sqrt(pi))`` with w = (observed - mean) / sigma, and ``|observed - mean|``
    where sigma is 0. Source: Gneiting and Raftery, J. Am. Stat. Assoc. 102, 359 (2007),
    doi:10.1198/016214506000001437. Sigma must be finite and not negative.
    """
    from scipy.special import erf

    off = np.abs(observed - mean)
    certain = sigma == 0
    w = off / np.where(certain, 1.0, sigma)
    density = np.sqrt(2 / np.pi) * np.exp(-w * w / 2)
    spread = sigma * (w * erf(w / np.sqrt(2)) + density - 1 / np.sqrt(np.pi))
    return np.asarray(np.where(certain, off, spread), dtype=np.float64)


def fill_crps(filled: NDArray[Any], sigma: NDArray[Any], truth: NDArray[Any], mask: Mask) -> float:
    """Mean `gaussian_crps` of the filled pixels in nm: error and honesty of the error bar in one number.

    Pixels without an error bar (infinite) do not count; NaN if none has one. Raises as `interval_coverage`.

    Notes
    -----
    **Can be fooled by:** tall scans, which dominate a mean in nm, and by a method that states error bars only where
    filling is easy (look at the count of pixels without one).
    """
    errors, bars = _with_bars(filled, sigma, truth, mask)
    return float(np.mean(gaussian_crps(np.zeros(bars.shape), bars, errors))) if bars.size else math.nan


def _with_bars(
    filled: NDArray[Any], sigma: NDArray[Any], truth: NDArray[Any], mask: Mask
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Errors and error bars of the pixels of the mask that have one."""
    errors = errors_in(filled, truth, mask)
    bars = as_heights(sigma, mask.shape, name="error bars")[mask]
    if not (bars >= 0).all():
        raise StepError("an error bar in the mask is negative or NaN", now="Infinite = no error bar.")
    known = np.isfinite(bars)
    return errors[known], bars[known]
