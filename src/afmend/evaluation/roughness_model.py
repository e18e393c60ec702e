"""A random surface's autocorrelation along the lines, and what leveling makes of it."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

from afmend.fusion.tapers import hann
from afmend.leveling.moments import basis
from afmend.scan.arrays import Heights, Mask

Curve = NDArray[np.float64]
Model = tuple[float, float, float]
"""Variance, correlation length in pixels, exponent."""
RUNGS = 33
HIDDEN = 2.0
"""Leveling shortens the correlation length to half at most, or else the fit is a guess."""
LONGEST = 4.0
"""Fits with fewer correlation lengths per line than this are nothing but extrapolation."""
EXPONENTS = (0.6, 2.0)


def one_over_e(acf: Curve) -> float:
    """Lag at which an autocorrelation first falls below 1 / e, linear between pixels; NaN if never."""
    below = np.flatnonzero(acf < acf[0] / math.e)
    if below.size == 0:
        return math.nan
    at = int(below[0])
    return float(at - 1 + (acf[at - 1] - acf[0] / math.e) / (acf[at - 1] - acf[at]))


@cache
def _orthonormal(cols: int, line_degree: int) -> NDArray[np.float64]:
    """Orthonormal polynomials over a line, (degree + 1, cols)."""
    q, _ = np.linalg.qr(basis(cols, line_degree).T)
    return np.ascontiguousarray(q.T)


class Leveler:
    """What leveling does to an autocorrelation."""

    def __init__(
        self, cols: int, line_degree: int | None, extra: int, pixel_nm: tuple[float, float], rows: int
    ) -> None:
        self.cols, self.extra = cols, extra
        self.count = max(cols // 2, 2)
        self.terms = np.zeros((0, cols)) if line_degree is None else _orthonormal(cols, line_degree)
        self.pixel_nm = pixel_nm
        # In squares of a fast pixel, as correlation lengths are.
        self.area = rows * pixel_nm[0] / pixel_nm[1] * cols

    def bent(self, length: float, exponent: float) -> tuple[Curve, Curve]:
        """Autocorrelation of unit variance before, and its expectation after leveling, at the lags of the data."""
        true = np.exp(-((np.arange(self.cols) / length) ** exponent))
        products, gram = self._through(true)
        size = 2 * self.cols
        taken = np.zeros(self.count)
        for one, two in zip(products, self.terms, strict=True):
            taken += _correlated(one, two, size)[: self.count] + _correlated(two, one, size)[: self.count]
        for row, one in zip(gram, self.terms, strict=True):
            taken -= _correlated(one, row @ self.terms, size)[: self.count]
        plain = 2 * math.pi * length**2 * math.gamma(2 / exponent) / exponent / self.area
        lags = self.cols - np.arange(self.count)
        return true[: self.count], true[: self.count] - taken / lags - self.extra * min(plain, 1.0)

    def _through(self, true: Curve) -> tuple[Heights, NDArray[np.float64]]:
        """Products of the covariance matrix with the polynomials, and of both with the polynomials."""
        spectrum = np.fft.rfft(np.concatenate([true, [0.0], true[:0:-1]]))
        products = np.fft.irfft(np.fft.rfft(self.terms, 2 * self.cols, axis=1) * spectrum, 2 * self.cols, axis=1)
        products = products[:, : self.cols]
        return products, products @ self.terms.T

    def fit(self, acf: Curve) -> Model:
        """Least squares; lags up to three times that of 1 / e, without lag 0, where the noise sits."""
        from scipy.optimize import minimize

        first, last = self._reach(one_over_e(acf))

        def misfit(logarithm: float, power: float) -> tuple[float, float]:
            curve = self.bent(math.exp(logarithm), power)[1][1:last]
            square = float(np.dot(curve, curve))
            scale = max(float(np.dot(curve, acf[1:last])) / square, 0.0) if square > 0 else 0.0
            return float(np.sum(np.square(acf[1:last] - scale * curve))) / float(acf[0]) ** 2, scale

        limits = (math.log(0.3), math.log(min(self.cols / LONGEST, HIDDEN * first)))
        best = minimize(
            lambda v: misfit(v[0], v[1])[0], (math.log(first), 1.4), method="Nelder-Mead",
            bounds=(limits, EXPONENTS), options={"xatol": 1e-3, "fatol": 1e-10, "maxiter": 120},
        ).x  # fmt: skip
        return misfit(float(best[0]), float(best[1]))[1], math.exp(float(best[0])), float(best[1])

    def refit(self, curves: Heights, model: Model) -> tuple[Curve, Curve]:
        """Fit variance and length alone to curves (draws, lags) that resemble the fitted one.

        Returns the variance that leveling took, and the length in pixels. Lengths are tried on a ladder between a
        third and three times that of the model; between rungs the minimum is that of the parabola through three.
        """
        first, last = self._reach(model[1])
        ladder = np.linspace(math.log(first / 3), math.log(first * 3), RUNGS)
        bent = [self.bent(math.exp(rung), model[2]) for rung in ladder]
        shapes = np.array([after[1:last] for _, after in bent])
        squares = np.sum(np.square(shapes), axis=1)
        fitted = np.maximum(curves[:, 1:last] @ shapes.T, 0.0)
        gains = np.square(fitted) / squares
        draws = np.arange(len(curves))
        best = np.argmax(gains, axis=1)
        at = np.clip(best, 1, RUNGS - 2)
        left, middle, right = (gains[draws, at + side] for side in (-1, 0, 1))
        bend = 2 * middle - left - right
        shift = np.where(bend > 0, 0.5 * (right - left) / np.where(bend > 0, bend, 1.0), best - at)
        place = at + np.clip(shift, -1.0, 1.0)
        taken = fitted / squares * np.array([before[0] - after[0] for before, after in bent])
        below = np.minimum(place.astype(np.intp), RUNGS - 2)
        share = place - below
        lost = (1 - share) * taken[draws, below] + share * taken[draws, below + 1]
        return lost, np.exp(ladder[0] + place * (ladder[1] - ladder[0]))

    def _reach(self, start: float) -> tuple[float, int]:
        """Return the length to start from, and the first lag that no longer counts."""
        first = min(max(start if math.isfinite(start) else self.cols / 4, 0.5), self.cols / LONGEST)
        return first, min(max(math.ceil(3 * first), 6), self.count)

    def lost(self, model: Model) -> float:
        """Variance that leveling takes from the model."""
        before, after = self.bent(model[1], model[2])
        return model[0] * float(before[0] - after[0])

    def spectra(self, heights: Heights, good: Mask, model: Model) -> tuple[Curve, Heights, Curve]:
        """Angular frequency, power spectral density of each line, and what leveling took from it."""
        window = hann(self.cols)
        share = np.maximum(np.mean(np.square(window * good), axis=1, keepdims=True), 1e-300)
        power = np.square(np.abs(np.fft.rfft(window * np.where(good, heights, 0.0), axis=1))) / share
        factor = self.pixel_nm[1] / (2 * np.pi * self.cols)
        true = np.exp(-((np.arange(self.cols) / model[1]) ** model[2]))
        products, gram = self._through(true)
        own, through = (np.fft.rfft(window * lines, axis=1) for lines in (self.terms, products))
        taken = 2 * np.sum((np.conj(own) * through).real, axis=0)
        taken -= np.einsum("kx,kl,lx->x", np.conj(own), gram, own).real
        k = 2 * np.pi * np.arange(taken.size) / (self.cols * self.pixel_nm[1])
        return k, power * factor, model[0] * taken * factor


def _correlated(one: Curve, two: Curve, size: int) -> Curve:
    """Sum over x of one(x) two(x + lag)."""
    found: Curve = np.fft.irfft(np.conj(np.fft.rfft(one, size)) * np.fft.rfft(two, size), size)
    return found
