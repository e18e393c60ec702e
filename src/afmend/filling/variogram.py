"""How much the heights of two good pixels differ, as a function of their distance: a power variogram."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from afmend.filling.holes import some_lines
from afmend.scan.arrays import Heights, Mask

_LAGS = 8
_POWERS = np.arange(1, 40) * 0.05  # 0.05 .. 1.95


@dataclass(frozen=True, slots=True)
class PowerVariogram:
    """Half the mean square difference at distance h (in fast pixels): ``nugget + slope * h**power``.

    Attributes
    ----------
    nugget : float
        Variance of the noise of one pixel, in the heights' unit squared.
    slope : float
        Half the mean square difference of the noise-free surface at one pixel.
    power : float
        Between 0 (rough) and 2 (smooth); twice the Hurst exponent.
    """

    nugget: float
    slope: float
    power: float

    @property
    def flat(self) -> bool:
        """Does the surface not vary at all?"""
        return self.nugget <= 0 and self.slope <= 0


def fit_variogram(heights: Heights, known: Mask, slow_px: float) -> PowerVariogram | None:
    """Fit a power variogram to lags 1 to 8 along the fast axis, by least squares on relative errors.

    Lines differ by more than the surface does (drift, noise of the feedback between lines), so that only
    differences within a line tell about the surface. An image without any pair of good pixels on a line falls back
    on the slow axis; one without any pair at all gives None.

    Parameters
    ----------
    heights : (rows, cols) float64
    known : (rows, cols) bool
        Good pixels.
    slow_px : float
        Distance between lines in units of the distance between the pixels of a line.
    """
    lags, gammas = _empirical(*some_lines(heights, known))
    if lags.size == 0:
        lags, gammas = _empirical(heights.T, known.T)
        lags = lags * slow_px
    if lags.size == 0:
        return None
    tallest = float(np.max(np.abs(heights[known])))
    noise = (tallest * np.finfo(np.float64).eps) ** 2
    rising = gammas > noise
    if not rising.any():
        return PowerVariogram(0.0, 0.0, 1.0)
    return _fit(lags[rising], gammas[rising])


def _empirical(heights: Heights, known: Mask) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lags along axis 1 that have pairs, and half the variance of the differences at each."""
    lags, gammas = [], []
    for lag in range(1, min(_LAGS, heights.shape[1] - 1) + 1):
        differences = (heights[:, lag:] - heights[:, :-lag])[known[:, lag:] & known[:, :-lag]]
        if differences.size:
            lags.append(float(lag))
            # The mean difference is the tilt; a single pair has none.
            gammas.append(0.5 * float(np.var(differences) if differences.size > 1 else differences[0] ** 2))
    return np.array(lags), np.array(gammas)


def _fit(lags: NDArray[np.float64], gammas: NDArray[np.float64]) -> PowerVariogram:
    """Non-negative least squares on nugget and slope for each power; the best power wins."""
    one = 1.0 / gammas
    best, best_cost = PowerVariogram(0.0, float(gammas[0] / lags[0]), 1.0), np.inf
    for power in _POWERS:
        rise = lags**power / gammas
        nn, nr, rr = float(np.sum(one * one)), float(np.sum(one * rise)), float(np.sum(rise * rise))
        n, r = float(np.sum(one)), float(np.sum(rise))
        determinant = nn * rr - nr * nr
        nugget = (n * rr - r * nr) / determinant if determinant > 1e-12 * nn * rr else 0.0
        nugget = max(nugget, 0.0)
        slope = (r - nugget * nr) / rr
        if slope <= 0:
            nugget, slope = 0.0, r / rr
        cost = float(np.sum((nugget * one + slope * rise - 1.0) ** 2))
        if cost < best_cost * (1 - 1e-9):
            best, best_cost = PowerVariogram(nugget, slope, float(power)), cost
    return best
