"""The metrics of the seed paper, so that its tables can be repeated. None of them knows the truth.

J. Zhang et al., "Artifact Removal and Image Restoration in AFM: A Structured Mask-Guided Directional Inpainting
Approach", section 3.2.3. The paper gives names and one formula; where it is silent, the plain reading is taken and
said. ``background`` is True on the artifact-free background that counts. Its IoU and Dice are those of `mask_overlap`
with tolerance 0.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from afmend.errors import BadParameterError, StepError
from afmend.evaluation.metrics.arguments import as_heights, as_mask, choice, finite, ratio, values_in
from afmend.evaluation.statistics import roughness
from afmend.scan.arrays import Mask


def sigma_bg(heights: NDArray[Any], *, background: Mask | None = None) -> float:
    """Background variation in nm: standard deviation of all background heights about their mean.

    The plain reading: population standard deviation of the whole background, without another fit.

    Raises
    ------
    BadScanError
        If the mask does not fit.
    StepError
        If no pixel counts or one is not finite.

    Notes
    -----
    **Can be fooled by:** removing the surface: a constant map scores a perfect 0, and every blur or higher polynomial
    order improves it, so that it ranks methods against the truth; on a rough sample most of it is the sample.
    """
    made = as_heights(heights)
    counts = as_mask(background, made.shape)
    finite(made[counts])
    return float(roughness(made, counts)["Sq"] or 0.0)


def rmse_line(
    heights: NDArray[Any], *, order: int, along: Literal["fast", "slow"], background: Mask | None = None
) -> float:
    """Line-wise residual in nm: RMS distance of each line from its own fitted polynomial, mean over lines.

    The plain reading: the polynomial of degree ``order`` is fitted to the background pixels of one row (``along``
    "fast") or column ("slow"), the RMS is taken over the same pixels (divided by their number), and lines count alike.
    Lines whose background does not determine the polynomial are left out; NaN if that is all of them.

    Raises
    ------
    BadParameterError
        If the order is negative or the direction unknown.
    BadScanError
        If the mask does not fit.
    StepError
        If a background height is not finite.

    Notes
    -----
    **Can be fooled by:** the order: it is the training residual of the fit, which every higher order lowers; offsets
    between lines do not show at all; numbers along rows and along columns cannot be compared.
    """
    from afmend.leveling.moments import line_fits, without_curves

    choice(along, ("fast", "slow"), "along")
    if order < 0:
        raise BadParameterError(f"order is {order}", now="0 = the mean of each line.")
    made = as_heights(heights)
    counts = as_mask(background, made.shape)
    finite(made[counts])
    made = np.where(counts, made, 0.0)
    if along == "slow":
        made, counts = np.ascontiguousarray(made.T), np.ascontiguousarray(counts.T)
    coefficients, leverage, _, mass = line_fits(made, counts, order)
    fitted = np.isfinite(leverage)
    if not fitted.any():
        return math.nan
    squares = np.square(without_curves(made, coefficients)) * counts
    return float(np.mean(np.sqrt(np.sum(squares, axis=1)[fitted] / mass[fitted, 0])))


def mean_gradient(heights: NDArray[Any], *, background: Mask | None = None) -> float:
    """Gradient continuity, the paper's Delta |grad h|: mean absolute gradient over the background, in nm per pixel.

    The plain reading: central differences (one-sided at the edges of the map) along both axes per pixel, not per nm,
    ``mean(sqrt(g_slow^2 + g_fast^2))`` over background pixels; at the rim of a mask the neighbors inside it take part.

    Raises
    ------
    BadScanError
        If the mask does not fit.
    StepError
        If the map is less than two pixels wide, no pixel counts, or a gradient that counts is not finite.

    Notes
    -----
    **Can be fooled by:** blur, which always improves it, and finer sampling, which does too (per pixel, so that scans
    of different pixel size cannot be compared); a constant map scores a perfect 0.
    """
    made = as_heights(heights)
    counts = as_mask(background, made.shape)
    if min(made.shape) < 2 or not counts.any():
        raise StepError("no pixel with a gradient", now="Give at least 2 x 2 pixels and some background.")
    slow, fast = np.gradient(np.where(np.isinf(made), np.nan, made))
    return float(np.mean(values_in(np.hypot(slow, fast), counts, name="gradients")))


def tilt_removal(
    before: NDArray[Any], after: NDArray[Any], *, pixel_nm: tuple[float, float], background: Mask | None = None
) -> float:
    """Tilt removal ratio (no unit): ``1 - |slope after| / |slope before|`` of least-squares planes; 1 = all removed.

    The slopes are those of planes fitted to the background, in nm per nm along both axes. NaN if there was no tilt.

    Raises
    ------
    BadScanError
        If shapes differ.
    StepError
        If a background height is not finite, or the background does not determine a plane.

    Notes
    -----
    **Can be fooled by:** any method that subtracts a least-squares plane, which scores 1 by construction; a constant
    map scores 1, too; a scan that was level before gives any number.
    """
    from afmend.leveling.plane import fit_plane, slopes

    first = as_heights(before)
    counts = as_mask(background, first.shape)
    sizes = []
    for z in (first, as_heights(after, first.shape)):
        finite(z[counts])
        found = slopes(fit_plane(np.where(counts, z, 0.0), counts), z.shape)
        sizes.append(math.hypot(*(slope / pixel for slope, pixel in zip(found, pixel_nm, strict=True))))
    return 1 - ratio(sizes[1], sizes[0])
