"""Roughness that can be quoted: corrected for what leveling removed with the background, with intervals.

Subtracting a polynomial from every line removes part of the roughness: with N correlation lengths per line and degree
p about 2 (p + 1) / N of the variance for an exponential autocorrelation, so that row-by-row leveling of second degree
at 20 correlation lengths costs a quarter of Sq^2. What is lost follows from the autocorrelation itself, which the same
leveling has bent: both are found together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from afmend.errors import BadParameterError, StepError
from afmend.evaluation.removed import HIGHEST_DEGREE
from afmend.evaluation.roughness_model import Curve, Leveler, Model, one_over_e
from afmend.fusion.agreement import drawn_again, level_alike
from afmend.scan import ChannelKey, Scan
from afmend.scan.arrays import Heights, Mask

DRAWS = 200
BLOCKS = 16
GRAINY = 0.05
"""Warn from this share of uncorrelated variance on."""
MOST_SKEW, MOST_KURTOSIS = 1.5, 6.0
"""A normal distribution has 0 and 3."""
LEAST_GOOD = 0.5
"""Lines with a smaller share of usable pixels do not count."""
FEW_LENGTHS = 10

_SPECTRA = ("k_per_nm", "density_raw", "density", "density_interval")


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
    Sa_interval : (float, float)
        That of ``Sq``, scaled.
    correlation_nm_raw, correlation_nm : float
        Lag along the lines at which the autocorrelation has fallen to 1 / e; corrected. NaN for the raw one if it never
        falls so far. In pixels if the scan is not calibrated.
    correlation_interval_nm : (float, float)
    exponent : float
        Of the fitted autocorrelation exp(-(lag / correlation_nm)^exponent): 2 = Gaussian, 1 = exponential.
    grain : float
        Rms of what has no correlation from pixel to pixel: white noise, or structure finer than a pixel. It is part of
        ``Sq``; noise that is correlated along the lines is, too, and is not in here.
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
    density_interval : (2, n) float64
        Ends of the 95 % interval of ``density``, frequency by frequency.
    """

    Sq_raw: float
    Sq: float
    Sq_interval: tuple[float, float]
    Sa_raw: float
    Sa: float
    Sa_interval: tuple[float, float]
    correlation_nm_raw: float
    correlation_nm: float
    correlation_interval_nm: tuple[float, float]
    exponent: float
    grain: float
    removed_share: float
    lengths_per_line: float
    pixels: int
    repaired: Literal["with", "without"]
    warnings: tuple[str, ...]
    k_per_nm: Curve
    density_raw: Curve
    density: Curve
    density_interval: Heights

    def to_json(self) -> dict[str, Any]:
        """Return the numbers as JSON types; no spectra."""
        out = {n: getattr(self, n) for n in self.__slots__ if n not in _SPECTRA}
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
    leveler = Leveler(heights.shape[1], line_degree, _extra_terms(line_degree, degree), scan.grid.pixel_nm, lines.size)
    model = leveler.fit(raw)
    grain = _grain(raw, float(raw[0] - model[0] * leveler.bent(model[1], model[2])[1][0]))
    # Leveling takes of uncorrelated noise as much as it has terms.
    lost = leveler.lost(model) + grain * len(leveler.terms) / leveler.cols
    pixel = scan.grid.pixel_fast_nm
    variance = raw[0] + lost
    blocks = _Blocks(lines.size, leveler, model)
    drawn = blocks.mean(sums, pairs)
    taken, lengths = leveler.refit(drawn, model)
    sq_ends = blocks.interval(math.sqrt(variance), np.sqrt(np.maximum(drawn[:, 0] + taken, 0.0)))
    k, powers, given = leveler.spectra(heights, good[lines], model)
    gain = math.sqrt(variance / raw[0])
    sa = float(np.mean(np.abs(heights[good[lines]])))
    per_line = heights.shape[1] / model[1]
    density = np.mean(powers, axis=0)
    return Roughness(
        Sq_raw=math.sqrt(raw[0]),
        Sq=math.sqrt(variance),
        Sq_interval=_pair(sq_ends),
        Sa_raw=sa,
        Sa=sa * gain,
        Sa_interval=_pair(sq_ends * (sa * gain / math.sqrt(variance))),
        correlation_nm_raw=one_over_e(raw) * pixel,
        correlation_nm=model[1] * pixel,
        correlation_interval_nm=_pair(blocks.interval(model[1], lengths) * pixel),
        exponent=model[2],
        grain=math.sqrt(grain),
        removed_share=lost / variance,
        lengths_per_line=per_line,
        pixels=int(np.count_nonzero(good[lines])),
        repaired=repaired,
        warnings=(*_warnings(per_line, leveler, model, raw), *_doubts(heights[good[lines]], grain / variance)),
        k_per_nm=k,
        density_raw=density,
        density=density + given,
        density_interval=blocks.interval(density + given, blocks.mean(powers, np.ones_like(powers)) + given),
    )


def _pair(ends: Heights) -> tuple[float, float]:
    return float(ends[0]), float(ends[1])


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


def _grain(raw: Curve, above_model: float) -> float:
    """Variance without correlation: what lag 0 has more than both the model and the parabola through the next lags."""
    smooth = float(3 * raw[1] - 3 * raw[2] + raw[3]) if raw.size > 3 else float(raw[1])
    return max(min(above_model, float(raw[0]) - smooth), 0.0)


class _Blocks:
    """Blocks of lines to draw again: three correlation lengths or more, so that they hardly know of each other."""

    def __init__(self, lines: int, leveler: Leveler, model: Model) -> None:
        apart = 3 * model[1] * leveler.pixel_nm[1] / leveler.pixel_nm[0]
        self.number = number = int(min(max(lines / max(apart, 1.0), 4), BLOCKS, lines))
        # Student's t for the number of blocks, against 1.96 of the normal law.
        self.widen = math.sqrt(number / (number - 1)) * (1 + 1.21 / (number - 1) + 1.43 / (number - 1) ** 2)

    def mean(self, sums: Heights, counts: Heights) -> Heights:
        """Draw means of lines (rows, n): (draws, n)."""
        drawn = drawn_again(sums, self.number, DRAWS) / np.maximum(drawn_again(counts, self.number, DRAWS), 1.0)
        return np.asarray(drawn)

    def interval(self, value: Curve | float, drawn: Heights) -> Heights:
        """Return the ends of the 95 % interval around a value, (2, ...), not below 0; it holds the value."""
        apart = self.widen * (np.quantile(drawn, (0.025, 0.975), axis=0) - np.mean(drawn, axis=0))
        return np.asarray(np.maximum(value + np.stack([np.minimum(apart[0], 0.0), np.maximum(apart[1], 0.0)]), 0.0))


def _warnings(per_line: float, leveler: Leveler, model: Model, raw: Curve) -> tuple[str, ...]:
    found = []
    if per_line < FEW_LENGTHS:
        found.append(f"only {per_line:.1f} correlation lengths per line: scan a larger area")
    last = min(max(math.ceil(3 * model[1]), 6), leveler.count)
    rest = raw[1:last] - model[0] * leveler.bent(model[1], model[2])[1][1:last]
    if float(np.max(np.abs(rest), initial=0.0)) > 0.1 * raw[0]:
        found.append("the autocorrelation is not that of a random surface: do not trust the correction")
    return tuple(found)


def _doubts(values: Curve, grain_share: float) -> list[str]:
    found = []
    if grain_share > GRAINY:
        found.append(
            f"{100 * grain_share:.0f} % of the variance has no correlation from pixel to pixel: noise, most likely, "
            "and part of Sq"
        )
    z = values - np.mean(values)
    square = np.square(z)
    scale = float(np.mean(square))
    skew, kurtosis = float(np.mean(square * z)) / scale**1.5, float(np.mean(np.square(square))) / scale**2
    if abs(skew) > MOST_SKEW or kurtosis > MOST_KURTOSIS:
        found.append(
            f"the heights are not those of a random surface (skewness {skew:.1f}, kurtosis {kurtosis:.1f}): a few "
            "features make Sq"
        )
    return found
