"""Roughness that can be quoted: corrected for what leveling removed with the background, with intervals.

Subtracting a polynomial from every line removes part of the roughness: with N correlation lengths per line and degree
p about 2 (p + 1) / N of the variance for an exponential autocorrelation, so that row-by-row leveling of second degree
at 20 correlation lengths costs a quarter of Sq^2. What is lost follows from the autocorrelation itself, which the same
leveling has bent: both are found together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from afmend.errors import BadParameterError, StepError
from afmend.fusion.agreement import drawn_again, level_alike
from afmend.fusion.tapers import hann
from afmend.leveling.moments import basis
from afmend.scan import ChannelKey, Scan
from afmend.scan.arrays import Heights, Mask

Curve = NDArray[np.float64]
DRAWS = 200
RUNGS = 33
BLOCKS = 16
LEAST_GOOD = 0.5
"""Lines with a smaller share of usable pixels do not count."""
FEW_LENGTHS = 10
HIGHEST_DEGREE = 3
HIDDEN = 2.0
"""Leveling shortens the correlation length to half at most, or else the fit is a guess."""
LONGEST = 4.0
"""Fits with fewer correlation lengths per line than this are nothing but extrapolation."""
EXPONENTS = (0.6, 2.0)


@dataclass(frozen=True, slots=True, eq=False)
class Roughness:
    """Roughness of a leveled channel, raw and corrected; heights in the channel's unit.

    Attributes
    ----------
    Sq_raw, Sq : float
        Root-mean-square height after leveling; corrected for what leveling removed.
    Sq_interval : (float, float)
        95 % interval of ``Sq``, from a bootstrap over blocks of lines.
    Sa_raw, Sa : float
        Mean absolute height; corrected by the same factor.
    correlation_nm_raw, correlation_nm : float
        Lag along the lines at which the autocorrelation has fallen to 1 / e; corrected. NaN for the raw one if it never
        falls so far. In pixels if the scan is not calibrated.
    correlation_interval_nm : (float, float)
    exponent : float
        Of the fitted autocorrelation exp(-(lag / correlation_nm)^exponent): 2 = Gaussian, 1 = exponential.
    removed_share : float
        Share of the variance that leveling removed.
    lengths_per_line : float
        Correlation lengths in a line: the more the better.
    pixels : int
        Number of pixels that count.
    repaired : "with" or "without"
        Whether invented pixels count.
    warnings : tuple of str
    k_per_nm, density_raw, density : (n,) float64
        Power spectral density along the lines (Hann window), raw and corrected.
    """

    Sq_raw: float
    Sq: float
    Sq_interval: tuple[float, float]
    Sa_raw: float
    Sa: float
    correlation_nm_raw: float
    correlation_nm: float
    correlation_interval_nm: tuple[float, float]
    exponent: float
    removed_share: float
    lengths_per_line: float
    pixels: int
    repaired: Literal["with", "without"]
    warnings: tuple[str, ...]
    k_per_nm: Curve
    density_raw: Curve
    density: Curve

    def to_json(self) -> dict[str, Any]:
        """Return the numbers as JSON types; no spectra."""
        out = {n: getattr(self, n) for n in self.__slots__ if n not in ("k_per_nm", "density_raw", "density")}
        out["correlation_nm_raw"] = None if math.isnan(self.correlation_nm_raw) else self.correlation_nm_raw
        return out


def quotable_roughness(
    scan: Scan,
    channel: str | ChannelKey | None = None,
    *,
    line_degree: int | None = 0,
    degree: int = 1,
    repaired: Literal["with", "without"] = "with",
) -> Roughness:
    """Level a channel in a known way, measure its roughness, and correct it for what leveling removed.

    Parameters
    ----------
    scan : Scan
    channel : str, ChannelKey or None
    line_degree : int or None
        Degree of the polynomial that is subtracted from each line, 0 to 3; None = none. At least what was subtracted
        before: leveling twice in the same way changes nothing, but what another leveling took is not known here.
    degree : int
        Total degree of the polynomial that is subtracted from the image, 0 to 3.
    repaired : "with" or "without"
        Whether invented pixels count. Missing pixels and artifacts that nobody filled never do.

    Returns
    -------
    Roughness

    Raises
    ------
    MissingChannelError
        If the scan has no such channel.
    BadParameterError
        If a degree is out of range.
    StepError
        If fewer than 4 lines are usable, or the surface is flat.

    Notes
    -----
    The autocorrelation along the lines is fitted with ``E[leveled]`` of ``sigma^2 exp(-(lag / T)^a)``: the covariance
    matrix between two projections (I - P) C (I - P), averaged along its diagonals; image polynomials are added as a
    constant for an isotropic surface. Variance, autocorrelation and spectrum are then raised by what the fit lost.
    Sources: Necas, Klapetek and Valtr, arXiv:2001.00433 (2020); Necas, Eng. Res. Express 6, 025560 (2024).

    When not to use it: surfaces that are not random (steps, gratings, few particles) have no such autocorrelation;
    below some 10 correlation lengths per line the correction is as large as the result; noise is roughness here, see
    `afmend.fusion.agreement`.
    """
    _check(line_degree, degree)
    key = scan.find(channel)
    found = scan.channels[key]
    good = ~(found.holes & ~found.invented)
    if repaired == "without":
        good &= ~found.invented
    good[good.mean(axis=1) < LEAST_GOOD] = False
    lines = np.flatnonzero(good.any(axis=1))
    if lines.size < 4:
        raise StepError("fewer than 4 lines are usable", now="Shrink the masks, or count repaired pixels.")
    heights = level_alike(np.asarray(found.values, dtype=np.float64), good, degree, line_degree)[lines]
    sums, pairs = _line_acf(heights, good[lines])
    raw = sums.sum(axis=0) / np.maximum(pairs.sum(axis=0), 1.0)
    if not raw[0] > (1e-9 * float(np.max(np.abs(found.values)))) ** 2:
        raise StepError("the surface is flat", now="Roughness needs some height.")
    leveler = _Leveler(heights.shape[1], line_degree, _extra_terms(line_degree, degree), scan.grid.pixel_nm, lines.size)
    model = leveler.fit(raw)
    lost = leveler.lost(model) + _noise_lost(raw, leveler, model)
    pixel = scan.grid.pixel_fast_nm
    variance = raw[0] + lost
    values = heights[good[lines]]
    spread, lengths = _intervals(sums, pairs, leveler, model)
    k, before, after = leveler.spectra(heights, good[lines], model)
    gain = math.sqrt(variance / raw[0])
    sa = float(np.mean(np.abs(values)))
    per_line = heights.shape[1] / model[1]
    return Roughness(
        math.sqrt(raw[0]), math.sqrt(variance), spread, sa, sa * gain, _one_over_e(raw) * pixel, model[1] * pixel,
        (lengths[0] * pixel, lengths[1] * pixel), model[2], lost / variance, per_line, values.size, repaired,
        _warnings(per_line, leveler, model, raw), k, before, after,
    )  # fmt: skip


def _check(line_degree: int | None, degree: int) -> None:
    for name, value in (("line_degree", line_degree), ("degree", degree)):
        if value is not None and not 0 <= value <= HIGHEST_DEGREE:
            raise BadParameterError(f"{name} is {value}", now=f"Choose 0 to {HIGHEST_DEGREE}.")


def _extra_terms(line_degree: int | None, degree: int) -> int:
    """Count the terms of the image polynomial that the polynomials of the lines do not contain."""
    above = -1 if line_degree is None else line_degree
    return sum(1 for i in range(degree + 1) for _ in range(degree + 1 - i) if i > above)


def _line_acf(heights: Heights, good: Mask) -> tuple[Heights, Heights]:
    """Return sums of products and numbers of pairs of each line at lags up to half of it, both (rows, lags)."""
    cols = heights.shape[1]
    values, weights = np.where(good, heights, 0.0), good.astype(np.float64)
    out = []
    for line in (values, weights):
        power = np.square(np.abs(np.fft.rfft(line, 2 * cols, axis=1)))
        out.append(np.fft.irfft(power, 2 * cols, axis=1)[:, : max(cols // 2, 2)])
    return out[0], np.round(out[1])


def _one_over_e(acf: Curve) -> float:
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


Model = tuple[float, float, float]
"""Variance, correlation length in pixels, exponent."""


class _Leveler:
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

        first, last = self._reach(_one_over_e(acf))

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

    def spectra(self, heights: Heights, good: Mask, model: Model) -> tuple[Curve, Curve, Curve]:
        """Angular frequency, power spectral density along the lines, and the same corrected."""
        window = hann(self.cols)
        share = np.maximum(np.mean(np.square(window * good), axis=1, keepdims=True), 1e-300)
        power = np.square(np.abs(np.fft.rfft(window * np.where(good, heights, 0.0), axis=1))) / share
        factor = self.pixel_nm[1] / (2 * np.pi * self.cols)
        raw = np.mean(power, axis=0) * factor
        true = np.exp(-((np.arange(self.cols) / model[1]) ** model[2]))
        products, gram = self._through(true)
        own, through = (np.fft.rfft(window * lines, axis=1) for lines in (self.terms, products))
        taken = 2 * np.sum((np.conj(own) * through).real, axis=0)
        taken -= np.einsum("kx,kl,lx->x", np.conj(own), gram, own).real
        k = 2 * np.pi * np.arange(raw.size) / (self.cols * self.pixel_nm[1])
        return k, raw, raw + model[0] * taken * factor


def _correlated(one: Curve, two: Curve, size: int) -> Curve:
    """Sum over x of one(x) two(x + lag)."""
    found: Curve = np.fft.irfft(np.conj(np.fft.rfft(one, size)) * np.fft.rfft(two, size), size)
    return found


def _noise_lost(raw: Curve, leveler: _Leveler, model: Model) -> float:
    """Variance that leveling took from noise without correlation: what lag 0 has more than the model."""
    nugget = max(float(raw[0] - model[0] * leveler.bent(model[1], model[2])[1][0]), 0.0)
    return nugget * len(leveler.terms) / leveler.cols


def _intervals(
    sums: Heights, pairs: Heights, leveler: _Leveler, model: Model
) -> tuple[tuple[float, float], tuple[float, float]]:
    """95 % intervals of Sq and of the correlation length (px): blocks of lines are drawn again.

    A block is three correlation lengths or more, so that blocks hardly know of each other.
    """
    apart = 3 * model[1] * leveler.pixel_nm[1] / leveler.pixel_nm[0]
    number = int(min(max(len(sums) / max(apart, 1.0), 4), BLOCKS, len(sums)))
    drawn = drawn_again(sums, number, DRAWS) / np.maximum(drawn_again(pairs, number, DRAWS), 1.0)
    # Student's t for the number of blocks, against 1.96 of the normal law.
    widen = math.sqrt(number / (number - 1)) * (1 + 1.21 / (number - 1) + 1.43 / (number - 1) ** 2)
    lost, lengths = leveler.refit(drawn, model)
    heights = np.sqrt(np.maximum(drawn[:, 0] + lost, 0.0))
    return _range(heights, widen), _range(lengths, widen)


def _range(values: Curve, widen: float) -> tuple[float, float]:
    middle = float(np.mean(values))
    low, high = np.quantile(values, (0.025, 0.975))
    return max(middle + widen * (float(low) - middle), 0.0), middle + widen * (float(high) - middle)


def _warnings(per_line: float, leveler: _Leveler, model: Model, raw: Curve) -> tuple[str, ...]:
    found = []
    if per_line < FEW_LENGTHS:
        found.append(f"only {per_line:.1f} correlation lengths per line: scan a larger area")
    last = min(max(math.ceil(3 * model[1]), 6), leveler.count)
    rest = raw[1:last] - model[0] * leveler.bent(model[1], model[2])[1][1:last]
    if float(np.max(np.abs(rest), initial=0.0)) > 0.1 * raw[0]:
        found.append("the autocorrelation is not that of a random surface: do not trust the correction")
    return tuple(found)
