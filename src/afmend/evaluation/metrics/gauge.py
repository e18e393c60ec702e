"""Comparison of a leveled map with the truth where nobody can know the tilt."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from afmend.errors import BadParameterError
from afmend.evaluation.metrics.arguments import as_heights, as_mask, finite, rms
from afmend.leveling.moments import surface_coefficients, without_surface
from afmend.scan.arrays import Heights, Mask


def gauge_free_rmse(
    heights: NDArray[Any], truth: NDArray[Any], *, degree: int = 2, usable: Mask | None = None
) -> float:
    """Root-mean-square error in nm that no polynomial background explains; the primary metric of leveling.

    ``min over p of sqrt(mean((heights - truth - p)^2))`` over usable pixels, p running over all polynomials in x and y
    of total degree <= ``degree``: tilt and bow of sample and scanner are a gauge that no method can know.

    Parameters
    ----------
    heights, truth : (rows, cols), nm
    degree : int
        Total degree of the gauge; 0 frees only the offset.
    usable : (rows, cols) bool, optional
        True = counts.

    Raises
    ------
    BadParameterError
        If the degree is negative.
    BadScanError
        If shapes differ.
    StepError
        If a usable pixel is not finite, or the usable pixels do not determine the polynomial.

    Notes
    -----
    Why a background must not count: Necas, Klapetek and Valtr, arXiv:2001.00433 (2020).

    **Can be fooled by:** a method that bends the surface by a polynomial of the gauge's degree, which costs nothing
    here, and a smooth result on a noisy truth map; it says nothing about single features (see the metrology metrics).
    """
    rest, counts = _rest(heights, truth, degree, usable)
    return rms(rest if counts.all() else rest[counts])


def gauge_free_difference(
    heights: NDArray[Any], truth: NDArray[Any], *, degree: int = 2, usable: Mask | None = None
) -> Heights:
    """Return the map heights - truth - p in nm whose RMS over usable pixels is `gauge_free_rmse`.

    The polynomial is fitted to the usable pixels alone and subtracted everywhere. To score a repair, let only the
    pixels outside the holes be usable, and look at the difference inside them. Parameters and errors as there.
    """
    return _rest(heights, truth, degree, usable, everywhere=True)[0]


def gauge_aligned(
    heights: NDArray[Any], truth: NDArray[Any], *, degree: int = 2, usable: Mask | None = None
) -> Heights:
    """Return the heights in nm in the truth's gauge, heights - p, with p as in `gauge_free_difference`.

    Do this before any metric that compares heights with the truth pixel by pixel (fill, PSNR, SSIM, VIF).
    """
    return gauge_free_difference(heights, truth, degree=degree, usable=usable) + as_heights(truth)


def without_background(heights: NDArray[Any], *, degree: int | None, usable: Mask | None = None) -> Heights:
    """Return the heights in nm minus their own least-squares polynomial of total degree <= ``degree`` (None = as is).

    Raises as `gauge_free_rmse`.
    """
    made = as_heights(heights)
    if degree is None:
        return made
    rest, counts = _rest(made, np.zeros(made.shape), degree, usable, everywhere=True)
    # Of a flat map rounding errors are left, and they have a spectrum and a skewness.
    flat = np.max(np.abs(rest[counts])) <= 1e-12 * np.max(np.abs(made[counts]))
    return np.zeros(made.shape) if flat else rest


def _rest(
    heights: NDArray[Any], truth: NDArray[Any], degree: int, usable: Mask | None, *, everywhere: bool = False
) -> tuple[Heights, Mask]:
    """Difference minus its polynomial (``everywhere`` or as far as usable pixels go), and the usable pixels."""
    if degree < 0:
        raise BadParameterError(f"degree is {degree}", now="A background has degree 0 (offset), 1, 2, ...")
    made = as_heights(heights)
    difference = made - as_heights(truth, made.shape, name="true heights")
    counts = as_mask(usable, made.shape)
    if counts.all():
        known = finite(difference)
    else:
        finite(difference[counts])
        # What is not usable may be anything, even NaN; it must not reach the sums of the fit.
        known = np.where(counts, difference, 0.0)
    order = np.arange(degree + 1)
    found = surface_coefficients(known, counts, order[:, None] + order <= degree)
    return without_surface(difference if everywhere else known, found), counts
