"""Error bars that notice a hard place: two methods that disagree, heights read in coarse steps, nothing to learn from.

The size of errors elsewhere in the image is an average over easy and hard places. Where a second, cheap method gives
another answer the place is hard, and their difference joins the error bar before it is calibrated.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from afmend.scan.arrays import Heights, Mask

Vector: TypeAlias = NDArray[np.float64]
_ROUNDING = 1e-9
"""An error bar below this share of the range of the good heights is rounding, not knowledge."""
_WEIGHTS = (1.0, 4.0, 16.0, 64.0)
"""How much the squared difference of two methods may count beside the method's own variance."""
_LINES = 32
_ODD = 0.05
"""Differences this far from whole multiples of a step are not quantized."""
_LEAST_LEVELS = 5
"""A line with fewer levels shows terraces or a flat ground, not a digitizer."""


def doubt(one: Vector, other: Vector, noise_variance: float) -> Vector:
    """Squared difference of two fills of the same pixels, less the noise of one pixel; never negative."""
    return np.maximum((one - other) ** 2 - noise_variance, 0.0)


def weight_of_doubt(errors: Vector, variance: Vector, doubts: Vector, noise_variance: float) -> float:
    """How much the doubt counts beside the method's variance: 1 or more, by the likelihood of errors on hidden pixels.

    Where methods err together, as at edges, their difference tells where the errors are, but not how large.
    """

    def likelihood(weight: float) -> float:
        total = variance + weight * doubts + noise_variance
        return -float(np.mean(np.log(total)) + np.log(np.mean(errors**2 / total)))

    return max(_WEIGHTS, key=likelihood) if errors.any() else _WEIGHTS[0]


def telling(variance: Vector, heights: Heights, known: Mask) -> NDArray[np.bool_]:
    """Whether variances are more than rounding: False = the trials and the surface said nothing about the error."""
    good = heights[known]
    return variance > (_ROUNDING * float(np.ptp(good))) ** 2


def error_bars(variance: Vector, q: float, heights: Heights, known: Mask) -> Vector:
    """Sigma of filled pixels from their variances (method and doubt together) and the factor of the trials.

    At least the rounding of quantized heights, step / sqrt(12); inf where nothing is known about the error.
    """
    floor = quantization_step(heights, known) / np.sqrt(12.0)
    sigma = np.maximum(q * np.sqrt(variance), floor)
    return np.where(telling(np.maximum(variance, floor**2), heights, known), sigma, np.inf)


def quantization_step(heights: Heights, known: Mask) -> float:
    """Smallest step of quantized heights, 0 if they are not quantized.

    Differences of neighbors within a line are looked at, so that a plane or offsets of lines, subtracted before, hide
    nothing; lines leveled by a curve do hide it. A line counts as quantized if most of its differences occur more than
    once and all are whole multiples of one step apart.
    """
    chosen = np.unique(np.linspace(0, heights.shape[0] - 1, _LINES).round().astype(np.intp))
    found = [_step_of(np.diff(heights[row])[known[row, 1:] & known[row, :-1]], heights[row]) for row in chosen]
    steps = [step for step in found if step is not None]
    if not steps or np.count_nonzero(steps) <= len(steps) // 2:
        return 0.0
    return float(np.median([step for step in steps if step]))


def _step_of(differences: Vector, line: Vector) -> float | None:
    """Step of one line, 0 if it has none, None if it has too few differences to tell."""
    if differences.size < 4 * _LEAST_LEVELS:
        return None
    gaps = np.diff(np.sort(differences))
    apart = gaps[gaps > 1e-6 * float(np.ptp(differences)) + 8 * np.finfo(np.float64).eps * float(np.abs(line).max())]
    if not 1 <= apart.size <= gaps.size // 2:
        return 0.0
    step = float(apart.min())
    multiples = apart / step
    if float(np.max(np.abs(multiples - np.round(multiples)))) > _ODD:
        return 0.0
    levels = np.cumsum(np.round((differences - np.median(differences)) / step))
    return step if np.unique(levels).size >= _LEAST_LEVELS else 0.0
