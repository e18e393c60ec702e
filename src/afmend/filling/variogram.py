"""How much the heights of two good pixels differ, as a function of their distance."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from afmend.filling.holes import some_lines
from afmend.scan.arrays import Heights, Mask

Floats: TypeAlias = NDArray[np.float64]
_LAGS = (1, 2, 3, 4, 5, 6, 7, 8, 12, 16)
_POWERS = np.array(sorted([*(np.arange(2, 40) * 0.05), 1.98, 1.99], key=lambda power: (abs(power - 1), power)))
_RANGES = np.array([np.inf, 64.0, 32.0, 24.0, 16.0, 12.0, 8.0, 6.0, 4.0, 3.0, 2.0])


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

    def rise(self, h: Floats) -> Floats:
        """Shape of the variogram without nugget, for a slope of 1."""
        return _rise(h, self.power, self.range_px)


def _rise(h: Floats, power: float | Floats, range_px: float | Floats) -> Floats:
    """``h**power`` for an infinite range; broadcasts over powers and ranges."""
    scale = np.where(np.isinf(range_px), 1.0, range_px) ** power
    rising: Floats = (h / np.where(np.isinf(range_px), 1.0, range_px)) ** power
    return np.where(np.isinf(range_px), rising, -scale * np.expm1(-rising))


@lru_cache(maxsize=8)
def _rises(lags: tuple[float, ...]) -> Floats:
    """Shapes of all variograms that are tried at these lags: (ranges, powers, lags)."""
    return _rise(np.array(lags), _POWERS[:, None], _RANGES[:, None, None])


def fit_variogram(heights: Heights, known: Mask, slow_px: float) -> Variogram | None:
    """Fit a variogram to lags 1 to 16 along the fast axis, by least squares on relative errors, near lags first.

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
    from afmend.filling.hole_kernels import tallest

    lags, gammas = _empirical(*some_lines(heights, known))
    if lags.size == 0:
        lags, gammas = _empirical(heights.T, known.T)
        lags = lags * slow_px
    if lags.size == 0:
        return None
    noise = (tallest(heights, known) * np.finfo(np.float64).eps) ** 2
    rising = gammas > noise
    if not rising.any():
        return Variogram(0.0, 0.0, 1.0)
    return _fit(lags[rising], gammas[rising])


def _empirical(heights: Heights, known: Mask) -> tuple[Floats, Floats]:
    """Lags along axis 1 that have pairs, and half the variance of the differences at each."""
    from afmend.filling.hole_kernels import lag_sums

    heights, known = np.ascontiguousarray(heights), np.ascontiguousarray(known)
    reached = np.array([lag for lag in _LAGS if lag < heights.shape[1]], dtype=np.int64)
    tilt = 0.0
    for lag in reached:
        count, total, _ = lag_sums(heights, known, np.array([lag]), 0.0)[0]
        if count:
            tilt = total / count / lag
            break
    # Sums of squares around the tilt, which is the mean difference: no digits cancel.
    sums = lag_sums(heights, known, reached, tilt)
    lags: list[float] = []
    gammas: list[float] = []
    for lag, (count, total, squares) in zip(reached, sums, strict=True):
        if count:
            lags.append(float(lag))
            one = (total + tilt * lag) ** 2  # a single pair has no tilt
            gammas.append(0.5 * (max(squares / count - (total / count) ** 2, 0.0) if count > 1 else one))
    return np.array(lags), np.array(gammas)


def _fit(lags: Floats, gammas: Floats) -> Variogram:
    """Non-negative least squares on nugget and slope for each range and power; the best pair wins.

    Where few lags leave the choice open, the straight and the endless one is taken.
    """
    trust = 1.0 / np.sqrt(lags)
    one = trust / gammas
    rise = one * _rises(tuple(lags.tolist()))
    nn, nr, rr = np.sum(one * one), np.sum(one * rise, axis=2), np.sum(rise * rise, axis=2)
    n, r = np.sum(one * trust), np.sum(rise * trust, axis=2)
    determinant = nn * rr - nr * nr
    solvable = determinant > 1e-12 * nn * rr
    nugget = np.divide(n * rr - r * nr, determinant, out=np.zeros_like(rr), where=solvable)
    nugget = np.maximum(nugget, 0.0)
    nugget = np.where(r > nugget * nr, nugget, 0.0)
    slope = (r - nugget * nr) / rr
    cost = np.sum((nugget[..., None] * one + slope[..., None] * rise - trust) ** 2, axis=2)
    best = int(np.argmax(cost <= np.min(cost) + 1e-9))
    way, power = divmod(best, _POWERS.size)
    return Variogram(float(nugget.flat[best]), float(slope.flat[best]), float(_POWERS[power]), float(_RANGES[way]))
