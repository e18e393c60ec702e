"""Upper bounds: behind a step the tip falls freely, and the surface cannot lie above what was recorded there."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from afmend.pipeline import Field

Vector: TypeAlias = NDArray[np.float64]
TAIL = "parachute"
"""Name of the artifact mask whose recorded heights are upper bounds."""
_LEAST_VARIANCE = 1e-3


def upper_bounds(field: Field, rows: NDArray[np.intp], cols: NDArray[np.intp]) -> Vector:
    """Return the recorded heights of those pixels that lie in a tail, inf for all others."""
    mask = field.masks.artifact.get(TAIL)
    if mask is None:
        return np.full(rows.size, np.inf)
    recorded = field.heights[rows, cols]
    return np.where(mask[rows, cols] & np.isfinite(recorded), recorded, np.inf)


def below(mean: Vector, sigma: Vector, bound: Vector) -> tuple[Vector, Vector]:
    """Mean and standard deviation of normal predictions of which is known that they lie below a bound.

    Where sigma is infinite the mean is only cut off. Source: moments of the truncated normal distribution, Johnson,
    Kotz and Balakrishnan, Continuous Univariate Distributions 1 (1994), section 10.1.
    """
    from scipy.special import log_ndtr

    told = np.isfinite(bound) & np.isfinite(sigma) & (sigma > 0)
    scale = np.where(told, sigma, 1.0)
    beta = np.where(told, (np.where(told, bound, 0.0) - mean) / scale, np.inf)
    beta = np.clip(beta, -1e4, 40.0)
    pull = np.exp(-0.5 * beta**2 - 0.5 * np.log(2 * np.pi) - log_ndtr(beta))
    rest = np.clip(1 - beta * pull - pull**2, _LEAST_VARIANCE, 1.0)
    lower = np.where(told, mean - scale * pull, mean)
    return np.minimum(lower, bound), np.where(told, scale * np.sqrt(rest), sigma)
