"""One height map from trace and retrace."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afmend.errors import BadScanError
from afmend.fusion.agreement import doubts
from afmend.fusion.gate import Belief, believe
from afmend.fusion.registration import Shift, bend, outside, register_lines, shifted, shifted_mask
from afmend.scan.arrays import Heights, Mask, check_mask

LEAST_SHARE = 0.1
"""A direction keeps at least this weight: noise is known to some 20 % only."""


@dataclass(frozen=True, slots=True, eq=False)
class FusedPair:
    """Trace and retrace in one.

    Attributes
    ----------
    heights : (rows, cols) float64
        At the places of the trace.
    sigma : (rows, cols) float64
        1-sigma noise of each pixel, from the difference of the directions and the doubt which of them is right;
        infinite where there is no measurement. Noise that both directions share (slow drift, hum in step with the
        lines) is not in it.
    both_wrong : (rows, cols) bool
        Where both directions fly over the surface: the value is an upper bound.
    unknown : (rows, cols) bool
        Where neither direction holds a measurement; the trace's placeholder stands there.
    shift : Shift
    bend : (cols,) float64
        Tilt and bow of the trace against the retrace; half of it went from each.
    belief : Belief
    noise : (float, float)
        Noise of trace and of retrace, rms: from the median size of their differences on flat ground where both are
        right, so that edges and tails do not count. Noise slower than a line is not in it.
    noise_fused : float
        Noise where both are averaged, if that of the directions is independent: expected, not measured.
    warnings : tuple of str
        Why the fusion may be wrong.
    """

    heights: Heights
    sigma: Heights
    both_wrong: Mask
    unknown: Mask
    shift: Shift
    bend: NDArray[np.float64]
    belief: Belief
    noise: tuple[float, float]
    noise_fused: float
    warnings: tuple[str, ...]

    @property
    def facts(self) -> dict[str, Any]:
        """What is worth telling, as JSON values."""
        law = self.belief.law
        return {
            **self.shift.to_json(),
            "noise_trace": self.noise[0],
            "noise_retrace": self.noise[1],
            "noise_fused": self.noise_fused,
            "noise_fused_measured": False,
            "retrace_minus_trace": -law.offset,
            "bend_peak_to_peak": float(np.ptp(self.bend)),
            "trace_high_share": round(float(np.mean(self.belief.first_high)), 5),
            "retrace_high_share": round(float(np.mean(self.belief.second_high)), 5),
            "both_wrong_share": round(float(np.mean(self.both_wrong)), 5),
            "fall_per_px": law.fall or None,
            "warnings": list(self.warnings),
        }


def fuse_pair(
    trace: Heights, retrace: Heights, trace_excluded: Mask | None = None, retrace_excluded: Mask | None = None
) -> FusedPair:
    """Fuse the two directions of one scan, at the places of the trace.

    The retrace is registered (`register_lines`), the offset between the directions is removed line by line, half from
    each, and so is a tilt or bow that all lines share (`registration.bend`). Where both are right (`gate.believe`),
    the result is their mean, weighted by the noise of each line; where one direction stays above the other for a run
    that noise does not make, the lower one: a tip can fly too high, it cannot dig. In between the weights are the
    probabilities.

    Parameters
    ----------
    trace, retrace : (rows, cols) float64
        Same column = same nominal place; time runs to the right in the trace, to the left in the retrace.
    trace_excluded, retrace_excluded : (rows, cols) bool, optional
        True = no measurement; there the other direction alone decides.

    Returns
    -------
    FusedPair

    Raises
    ------
    BadScanError
        If shapes differ, lines are shorter than 16 pixels, or no pixel is measured in both directions.

    Notes
    -----
    When not to use it: in contact mode on surfaces with friction contrast, and on soft samples that the two directions
    deform differently: there both are right and differ. Where walls of gratings let both directions fly all the way
    (deep narrow trenches), nothing can be recovered and not all of it is recognized.
    """
    excluded = [np.zeros(trace.shape, np.bool_) if m is None else m for m in (trace_excluded, retrace_excluded)]
    for mask in excluded:
        check_mask(mask, trace.shape, "excluded")
    shift = register_lines(trace, retrace, ~(excluded[0] | excluded[1]))
    along = shift.shift_px
    moved = shifted(retrace, along)
    lost = shifted_mask(excluded[1], along) | outside(along)
    known = ~(excluded[0] | lost)
    if not known.any():
        raise BadScanError(
            "no pixel is measured in both directions", now="Fuse complete channels, or shrink the masks."
        )
    bent = bend(trace, moved, known)
    trace, moved = trace - 0.5 * bent, moved + 0.5 * bent
    belief = believe(trace, moved, known)
    weight = _weights(trace, retrace, known & (belief.right > 0.5))
    heights, parts = _mixed(trace, moved, (excluded[0], lost), belief, weight)
    spread = _split(belief.law.spread, weight, known)
    sigma = _doubt(heights, belief, (excluded[0], lost), spread, weight, parts)
    unknown = excluded[0] & lost
    sigma[unknown] = np.inf
    good = known & (belief.right > 0.5)
    noise = _split(_quiet(trace, moved, good, belief.offset), weight, known)
    share = float(np.average(weight[:, 0], weights=known.sum(axis=1)))
    return FusedPair(
        heights, sigma, (belief.both_high > 0.5) & known, unknown, shift, bent, belief, noise,
        math.hypot(share * noise[0], (1 - share) * noise[1]), doubts(trace, moved, good, shift.error_px),
    )  # fmt: skip


def _quiet(trace: Heights, moved: Heights, good: Mask, offset: NDArray[np.float64]) -> float:
    """Spread of the differences on the flatter half of the good pixels, from their median size; 0 without any."""
    steep = np.abs(np.gradient(trace + moved, axis=1))
    flat = good & (steep <= np.median(steep[good])) if good.any() else good
    away = (trace - moved - offset[:, None])[flat]
    return 1.4826 * float(np.median(np.abs(away))) if away.size else 0.0


def _weights(trace: Heights, retrace: Heights, right: Mask) -> NDArray[np.float64]:
    """Weight of the trace in each line, (rows, 1): inverse to the variance of its finest differences.

    Counted where both are right (a flying tip sees no noise), with the whole scan's as many pixels' worth of prior.
    """
    good = right[:, 2:] & right[:, 1:-1] & right[:, :-2]
    count = good.sum(axis=1)
    if not count.any():
        return np.full((trace.shape[0], 1), 0.5)
    powers = [np.where(good, np.square(np.diff(heights, 2, axis=1)), 0.0) for heights in (trace, retrace)]
    limits = [20 * float(np.median(power[good])) for power in powers]  # edges are no noise
    sums = [np.minimum(power, limit).sum(axis=1) for power, limit in zip(powers, limits, strict=True)]
    lines = [one + trace.shape[1] * float(np.sum(one)) / float(count.sum()) for one in sums]
    total = lines[0] + lines[1]
    share = np.divide(lines[1], total, out=np.full(total.shape, 0.5), where=total > 0)
    weight: NDArray[np.float64] = np.clip(share, LEAST_SHARE, 1 - LEAST_SHARE)[:, None]
    return weight


def _mixed(
    trace: Heights, moved: Heights, lost: tuple[Mask, Mask], belief: Belief, weight: NDArray[np.float64]
) -> tuple[Heights, tuple[Heights, Heights]]:
    """Return the posterior mean, and both directions, of which each gave up its part of the offset."""
    offset = belief.offset[:, None]
    first, second = trace - (1 - weight) * offset, moved + weight * offset
    heights = (
        belief.right * (weight * first + (1 - weight) * second)
        + belief.first_high * second
        + belief.second_high * first
        + belief.both_high * np.minimum(first, second)
    )
    heights = np.where(lost[0] & ~lost[1], second, np.where(lost[1], first, heights))
    return heights, (first, second)


def _split(spread: float, weight: NDArray[np.float64], known: Mask) -> tuple[float, float]:
    """Noise of the two directions, whose squares add up to that of the difference."""
    share = float(np.average(1 - weight[:, 0], weights=known.sum(axis=1)))
    return spread * math.sqrt(share), spread * math.sqrt(1 - share)


def _doubt(
    heights: Heights,
    belief: Belief,
    lost: tuple[Mask, Mask],
    noise: tuple[float, float],
    weight: NDArray[np.float64],
    parts: tuple[Heights, Heights],
) -> Heights:
    """Return the standard deviation of the mixture: noise of what was taken, and distance of what might be."""
    one, two = noise[0] ** 2, noise[1] ** 2
    first, second = parts
    mean = weight * first + (1 - weight) * second
    low = np.minimum(first, second)
    cases = (
        (belief.right, mean, np.broadcast_to(weight**2 * one + (1 - weight) ** 2 * two, heights.shape)),
        (belief.first_high, second, np.full(heights.shape, two)),
        (belief.second_high, first, np.full(heights.shape, one)),
        (belief.both_high, low, np.full(heights.shape, 2 * belief.law.tail**2)),
    )
    variance: Heights = np.zeros(heights.shape)
    for share, value, power in cases:
        variance += share * (power + np.square(value - heights))
    variance = np.where(lost[0] & ~lost[1], two, np.where(lost[1] & ~lost[0], one, variance))
    return np.asarray(np.sqrt(variance))
