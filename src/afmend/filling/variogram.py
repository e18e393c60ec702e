"""How much the heights of two good pixels differ, as a function of their distance: a power variogram."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from afmend.filling.holes import some_lines
from afmend.scan.arrays import Heights, Mask

_LAGS = (1, 2, 3, 4, 5, 6, 7, 8, 12, 16)
_POWERS = np.append(np.arange(2, 40) * 0.05, [1.98, 1.99])
_RANGES = np.array([2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0, 64.0, np.inf])


@dataclass(frozen=True, slots=True)
class Variogram:
    """Half the mean square difference at distance h (in fast pixels): nugget + slope * rise(h).

    ``rise(h) = range**power * (1 - exp(-(h / range)**power))``, which is ``h**power`` for an infinite range.

    Attributes
    ----------
    nugget : float
        Variance of the noise of one pixel, in the heights' unit squared.
    slope : float
        Half the mean square difference of the noise-free surface at one pixel, if one pixel is far below the range.
    power : float
        Between 0 (rough) and 2 (smooth); twice the Hurst exponent.
    range_px : float
        Distance beyond which heights are nearly independent; inf for a surface that keeps changing.
    """

    nugget: float
    slope: float
    power: float
    range_px: float = np.inf

    @property
    def flat(self) -> bool:
        """Whether the surface does not vary at all."""
        return self.nugget <= 0 and self.slope <= 0

    def rise(self, h: NDArray[np.float64]) -> NDArray[np.float64]:
        """Shape of the variogram without nugget, for a slope of 1."""
        return _rise(h, self.power, self.range_px)


def _rise(h: NDArray[np.float64], power: float, range_px: float) -> NDArray[np.float64]:
    if np.isinf(range_px):
        return np.asarray(h**power)
    return np.asarray(-(range_px**power) * np.expm1(-((h / range_px) ** power)))


def fit_variogram(heights: Heights, known: Mask, slow_px: float) -> Variogram | None:
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
        return Variogram(0.0, 0.0, 1.0)
    return _fit(lags[rising], gammas[rising])


def _empirical(heights: Heights, known: Mask) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lags along axis 1 that have pairs, and half the variance of the differences at each."""
    lags, gammas = [], []
    for lag in (lag for lag in _LAGS if lag < heights.shape[1]):
        differences = (heights[:, lag:] - heights[:, :-lag])[known[:, lag:] & known[:, :-lag]]
        if differences.size:
            lags.append(float(lag))
            # The mean difference is the tilt; a single pair has none.
            gammas.append(0.5 * float(np.var(differences) if differences.size > 1 else differences[0] ** 2))
    return np.array(lags), np.array(gammas)


def _fit(lags: NDArray[np.float64], gammas: NDArray[np.float64]) -> Variogram:
    """Non-negative least squares on nugget and slope for each power and range; the best pair wins."""
    best, best_cost = Variogram(0.0, float(gammas[0] / lags[0]), 1.0), np.inf
    trust = 1.0 / np.sqrt(lags)
    one = trust / gammas
    for range_px in _RANGES[::-1]:
        for power in _POWERS:
            rise = trust * _rise(lags, power, range_px) / gammas
            nugget, slope = _two_coefficients(one, rise, trust)
            cost = float(np.sum((nugget * one + slope * rise - trust) ** 2))
            if cost < best_cost * (1 - 1e-6):
                best, best_cost = Variogram(nugget, slope, float(power), float(range_px)), cost
    return best


def _two_coefficients(
    one: NDArray[np.float64], rise: NDArray[np.float64], goal: NDArray[np.float64]
) -> tuple[float, float]:
    """Least squares of ``nugget * one + slope * rise = goal`` with nugget >= 0 and slope > 0."""
    nn, nr, rr = float(np.sum(one * one)), float(np.sum(one * rise)), float(np.sum(rise * rise))
    n, r = float(np.sum(one * goal)), float(np.sum(rise * goal))
    determinant = nn * rr - nr * nr
    nugget = (n * rr - r * nr) / determinant if determinant > 1e-12 * nn * rr else 0.0
    nugget = max(nugget, 0.0)
    slope = (r - nugget * nr) / rr
    return (nugget, slope) if slope > 0 else (0.0, r / rr)
