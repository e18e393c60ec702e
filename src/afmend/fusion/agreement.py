"""What trace and retrace have in common is the sample, what differs is noise: roughness without noise, spectra."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afmend.errors import StepError
from afmend.fusion.directions import pair_of
from afmend.fusion.gate import believe
from afmend.fusion.registration import bend, outside, register_lines, shifted, shifted_mask
from afmend.fusion.tapers import hann
from afmend.leveling.moments import line_fits, surface_coefficients, without_curves, without_surface
from afmend.scan import ChannelKey, Scan
from afmend.scan.arrays import Heights, Mask

Curve = NDArray[np.float64]
DRAWS = 200
BLOCKS = 16
FEWEST_LINES = 4
MISREGISTERED = 0.02
"""Loss of variance by an error of the shift beyond which the result is called invalid."""


@dataclass(frozen=True, slots=True, eq=False)
class Agreement:
    """Roughness and noise of a pair of scan directions, in the channel's unit.

    Attributes
    ----------
    sq_trace, sq_mean : float
        Rms height of the trace, and of the mean of both directions: noise included.
    sq : float or None
        Rms height without the noise in which the directions differ, ``sqrt(cov(trace, retrace))``; None if the
        covariance is not positive.
    interval : (float, float) or None
        95 % interval of ``sq``, from a bootstrap over blocks of lines.
    noise_trace, noise_retrace : float
        Rms noise of each direction, ``sqrt(var - cov)``.
    correlation : float
        Of the two directions.
    share : float
        Share of the pixels that counts: measured, and no tail, in both directions.
    warnings : tuple of str
        Why the result may be wrong.
    k_per_nm : (n,) float64
        Angular spatial frequency along the lines, 1 / nm.
    density, density_trace : (n,) float64
        Power spectral density along the lines: without noise (cross spectrum; may be negative where there is no
        signal), and of the trace; in unit^2 nm.
    """

    sq_trace: float
    sq_mean: float
    sq: float | None
    interval: tuple[float, float] | None
    noise_trace: float
    noise_retrace: float
    correlation: float
    share: float
    warnings: tuple[str, ...]
    k_per_nm: Curve
    density: Curve
    density_trace: Curve

    def to_json(self) -> dict[str, Any]:
        """Return the numbers as JSON types; no spectra."""
        curves = ("k_per_nm", "density", "density_trace")
        return {name: getattr(self, name) for name in self.__slots__ if name not in curves}


def agreement(
    scan: Scan, channel: str | ChannelKey | None = None, *, degree: int = 1, line_degree: int | None = 0
) -> Agreement:
    """Measure roughness without noise bias from the two scan directions of a channel.

    Noise adds to the mean square of any single map; it does not add to the covariance of two maps whose noise is
    independent. Both directions are registered and leveled in the same way; pixels at which one of them flies do not
    count.

    Parameters
    ----------
    scan : Scan
        Both directions as measured.
    channel : str, ChannelKey or None
    degree : int
        Total degree of the polynomial background that is removed.
    line_degree : int or None
        Degree of the polynomial removed from each line; None = nothing. This removes roughness, too: see
        `afmend.evaluation.roughness` for the correction.

    Returns
    -------
    Agreement

    Raises
    ------
    MissingChannelError, StepError
        If the channel or its other direction is missing, or too little is measured in both.

    Notes
    -----
    When not to use it: noise that both directions share (vibrations slower than a line, drift, hum in step with the
    lines, a double tip) is taken for the sample, so ``sq`` is an upper bound then; a loop too slow for the surface
    lowers it. A tilt or bow by which all lines of the directions differ (`registration.bend`) is taken from the
    retrace; what the trace has of it counts as sample unless ``degree`` removes it. A wrong registration lowers it,
    too, and is warned of.
    """
    trace, retrace, no_trace, no_retrace = pair_of(scan, channel)
    shift = register_lines(trace, retrace, ~(no_trace | no_retrace))
    moved = shifted(retrace, shift.shift_px)
    known = ~(no_trace | shifted_mask(no_retrace, shift.shift_px) | outside(shift.shift_px))
    if np.count_nonzero(known.any(axis=1)) < FEWEST_LINES:
        raise StepError("too little is measured in both directions", now="Shrink the masks.")
    moved = moved + bend(trace, moved, known)
    good = known & (believe(trace, moved, known).right > 0.5)
    good[np.count_nonzero(good, axis=1) < max(8, 0.2 * trace.shape[1])] = False
    if np.count_nonzero(good.any(axis=1)) < FEWEST_LINES:
        raise StepError("one of the directions is wrong nearly everywhere", now="Scan more slowly.")
    first, second = (level_alike(heights, good, degree, line_degree) for heights in (trace, moved))
    sums = _line_sums(first, second, good)
    one, two, both = (float(v) for v in sums[:, :3].sum(axis=0) / sums[:, 3].sum())
    interval = _interval(sums)
    warnings = _warnings(first, second, good, shift.error_px, interval)
    pixel = scan.grid.pixel_fast_nm
    k, density, own = cross_spectrum(first, second, good, pixel)
    return Agreement(
        math.sqrt(one), math.sqrt(max((one + two + 2 * both) / 4, 0.0)), math.sqrt(both) if both > 0 else None,
        interval if both > 0 else None, math.sqrt(max(one - both, 0.0)), math.sqrt(max(two - both, 0.0)),
        both / math.sqrt(one * two) if one * two > 0 else 0.0, float(np.mean(good)), warnings, k, density, own,
    )  # fmt: skip


def doubts(trace: Heights, moved: Heights, good: Mask, error_px: Curve) -> tuple[str, ...]:
    """Say why a registered pair may not be what it seems; see `Agreement`.

    Parameters
    ----------
    trace, moved : (rows, cols) float64
        Both directions at the same places, as measured.
    good : (rows, cols) bool
        Measured, and no tail, in both.
    error_px : (cols,) float64
        1-sigma error of the shift.
    """
    if np.count_nonzero(good.any(axis=1)) < FEWEST_LINES:
        return ("one of the directions is wrong nearly everywhere",)
    first, second = (level_alike(heights, good, 1, 0) for heights in (trace, moved))
    return _warnings(first, second, good, error_px, _interval(_line_sums(first, second, good)))


def level_alike(heights: Heights, good: Mask, degree: int, line_degree: int | None) -> Heights:
    """Remove a polynomial of total degree ``degree`` and one per line, fitted to the good pixels.

    A line whose good pixels do not determine its polynomial loses their mean.
    """
    order = np.arange(degree + 1)
    found = surface_coefficients(heights, good, order[:, None] + order <= degree)
    rest = without_surface(heights, found)
    if line_degree is None:
        return rest
    curves, leverage, *_ = line_fits(rest, good, line_degree)
    curves[:, :1] += np.where(np.isinf(leverage)[:, None], line_fits(rest, good, 0)[0], 0.0)
    return without_curves(rest, curves)


def _line_sums(first: Heights, second: Heights, good: Mask) -> NDArray[np.float64]:
    """Return sums of squares, sum of products and number of pixels of each line, (rows, 4)."""
    parts = (first * first, second * second, first * second, np.ones(first.shape))
    return np.stack([np.where(good, part, 0.0).sum(axis=1) for part in parts], axis=1)


def drawn_again(sums: NDArray[np.float64], blocks: int, draws: int) -> NDArray[np.float64]:
    """Bootstrap sums over lines: draw blocks of neighboring lines again, always the same ones.

    Parameters
    ----------
    sums : (rows, n) float64
        Of each line.
    blocks, draws : int

    Returns
    -------
    (draws, n) float64
    """
    parts = np.stack([part.sum(axis=0) for part in np.array_split(sums, blocks)])
    return np.asarray(parts[np.random.default_rng(0).integers(0, blocks, (draws, blocks))].sum(axis=1))


def _interval(sums: NDArray[np.float64]) -> tuple[float, float]:
    """95 % interval of the noise-free Sq."""
    drawn = drawn_again(sums, min(BLOCKS, sums.shape[0]), DRAWS)
    values = np.sqrt(np.maximum(drawn[:, 2] / np.maximum(drawn[:, 3], 1.0), 0.0))
    low, high = np.quantile(values, (0.025, 0.975))
    return float(low), float(high)


def _warnings(
    first: Heights, second: Heights, good: Mask, error_px: Curve, interval: tuple[float, float]
) -> tuple[str, ...]:
    """Say why the covariance may not be the signal's."""
    found = []
    both = float(np.mean(np.square(interval)))
    if interval[0] <= 0:
        found.append("the directions have nothing in common: the sample is flatter than the noise")
    pairs = good[:, 2:] & good[:, :-2]
    # The covariance of slopes is free of noise, too.
    slopes = np.where(pairs, (first[:, 2:] - first[:, :-2]) * (second[:, 2:] - second[:, :-2]) / 4, 0.0)
    loss = float(np.mean(np.square(error_px))) * max(float(slopes.sum()) / max(int(pairs.sum()), 1), 0.0) / 2
    if interval[0] > 0 and loss > MISREGISTERED * both:
        found.append("the shift between the directions is not known well enough: roughness is too low")
    if float(np.mean(good)) < 0.5:
        found.append("less than half of the pixels count: tails or masks cover the rest")
    return tuple(found)


def cross_spectrum(first: Heights, second: Heights, good: Mask, pixel_nm: float) -> tuple[Curve, Curve, Curve]:
    """Return angular frequency, real cross spectral density and the density of the first, along the lines.

    Lines with less than 95 % good pixels do not count unless there are no others; bad pixels are set to 0 and the
    power is scaled up for them.
    """
    full = good.mean(axis=1)
    chosen = full >= (0.95 if np.count_nonzero(full >= 0.95) >= FEWEST_LINES else 0.2)
    window = hann(first.shape[1]) * good[chosen]
    power = np.maximum(np.mean(np.square(window), axis=1, keepdims=True), 1e-300)
    a, b = (np.fft.rfft(window * heights[chosen] / np.sqrt(power), axis=1) for heights in (first, second))
    factor = pixel_nm / (2 * np.pi * first.shape[1])
    k = 2 * np.pi * np.arange(a.shape[1]) / (first.shape[1] * pixel_nm)
    return k, np.mean((np.conj(a) * b).real, axis=0) * factor, np.mean(np.abs(a) ** 2, axis=0) * factor
