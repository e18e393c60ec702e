"""Which of two directions is right at each pixel: a hidden Markov chain along every line, learned from the scan.

In most pixels both directions are right and differ by noise. Behind a downward step one of them flies: it stays above
the other for a run of pixels and falls at a constant rate. Nothing but the length of runs, the heights of tails, the
rate and the noise is unknown, and all of them follow from the scan by expectation maximization (Baum-Welch).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from afmend.fusion.medians import crowded
from afmend.scan.arrays import Heights, Mask

Curve = NDArray[np.float64]
ROUNDS = 6
"""Rounds of expectation maximization on at most `LEARN_LINES` lines; two more run on all lines."""
LEARN_LINES = 128
SMALLEST_TAIL = 6.0
"""Mean height of tails is at least so many noise sigmas: lower ones cost less than a wrong choice."""
EDGE_PX = 0.5
"""Largest misregistration that may excuse a difference at an edge."""
SAME = 10.0
"""Largest number of pixels that count as one, for noise that is correlated along the line."""
FALL_FROM = 3
FALL_SPREAD = 0.3
TAIL_PIXELS = 100.0
_HABIT = np.array([[10, 0.3, 0.3, 0.0], [1, 10, 0.1, 0.1], [1, 0.1, 10, 0.1], [0.1, 1, 1, 10.0]])
"""Moves that are assumed to have been seen already: a state lasts, and both directions fail after one of them did."""


@dataclass(frozen=True, slots=True, eq=False)
class Law:
    """What the scan says about its noise and its tails; heights in its own unit (nm).

    Attributes
    ----------
    spread : float
        Standard deviation of the difference of the directions where both are right.
    edge_px : float
        How much more they differ at slopes, per slope.
    tail : float
        Mean height of a tail.
    fall, fall_spread : float
        Fall per pixel in a tail, 0 if the scan does not show it, and its spread.
    slope : float
        Mean size of the other slopes per pixel.
    same : float
        How many neighboring pixels tell as much as one.
    offset, offset_spread : float
        Usual difference of the directions, and its scatter from line to line.
    moves, start : (4, 4) and (4,) float64
        See `gate_kernels.beliefs`.
    """

    spread: float
    edge_px: float
    tail: float
    fall: float
    fall_spread: float
    slope: float
    same: float
    offset: float
    offset_spread: float
    moves: NDArray[np.float64]
    start: Curve


@dataclass(frozen=True, slots=True, eq=False)
class Belief:
    """Outcome of the gate.

    Attributes
    ----------
    first_high, second_high, both_high : (rows, cols) float64
        Probability of each state; what is left is that both are right.
    offset : (rows,) float64
        Difference of the directions in each line, tails apart.
    law : Law
    """

    first_high: Heights
    second_high: Heights
    both_high: Heights
    offset: Curve
    law: Law

    @property
    def right(self) -> Heights:
        """Probability that both directions are right, (rows, cols)."""
        made: Heights = np.clip(1 - self.first_high - self.second_high - self.both_high, 0.0, 1.0)
        return made


@dataclass(frozen=True, slots=True, eq=False)
class _Pair:
    """Two registered directions, as the recursion wants them."""

    away: Heights
    drops: Heights
    steep: Heights
    known: Mask

    @classmethod
    def of(cls, first: Heights, second: Heights, known: Mask) -> _Pair:
        slopes = np.gradient(first, axis=1), np.gradient(second, axis=1)
        steep = np.square(0.5 * (slopes[0] + slopes[1]))
        return cls(first - second, np.stack([-slopes[0], slopes[1]]), steep, np.ascontiguousarray(known))

    def lines(self, index: slice) -> _Pair:
        drops, known = self.drops[:, index].copy(), self.known[index].copy()
        return _Pair(self.away[index].copy(), drops, self.steep[index].copy(), known)


def believe(first: Heights, second: Heights, known: Mask) -> Belief:
    """Decide for every pixel which direction is right.

    Parameters
    ----------
    first, second : (rows, cols) float64
        Registered: same column = same place. Time runs to the right in the first, to the left in the second.
    known : (rows, cols) bool
        Where both hold a measurement; at least one pixel.

    Returns
    -------
    Belief
    """
    pair = _Pair.of(first, second, known)
    step = max(1, math.ceil(first.shape[0] / LEARN_LINES))
    some = pair.lines(slice(step // 2, None, step)) if step > 1 else pair
    law = _start(some)
    offset = _first_offsets(some, law)
    for number in range(ROUNDS):
        law, offset = _round(some, law, offset, use_fall=number + 1 >= FALL_FROM)
    if step > 1:
        offset = _first_offsets(pair, law)
        offset, _ = _improved(pair, law, offset)
    shares, _ = _recursion(pair, law, offset)
    return Belief(shares[0], shares[1], shares[2], offset, law)


def _start(pair: _Pair) -> Law:
    middles = crowded(pair.away, pair.known)
    away = np.abs(pair.away - middles[:, None])[pair.known]
    tiny = 1e-9 * float(np.max(np.abs(pair.away))) + 1e-12
    spread = float(np.quantile(away, 0.3)) / 0.3853 + tiny  # of normal noise; low, because tails may cover much
    tail = max(float(np.mean(away)), SMALLEST_TAIL * spread)
    slope = float(np.mean(np.abs(pair.drops))) + tiny
    middle, scatter = _crowd(middles)
    start = np.array([0.9, 0.04, 0.04, 0.02])
    return Law(spread, 0.0, tail, 0.0, 1.0, slope, 1.0, middle, scatter + tiny,
               _HABIT / _HABIT.sum(axis=1, keepdims=True), start)  # fmt: skip


def _crowd(values: Curve) -> tuple[float, float]:
    """Middle and standard deviation from the densest third."""
    ordered = np.sort(values)
    part = min(max(1, ordered.size // 3), ordered.size - 1)
    if part < 1:
        return float(ordered[0]), 0.0
    begin = int(np.argmin(ordered[part:] - ordered[:-part]))
    return float(ordered[begin + part // 2]), float(ordered[begin + part] - ordered[begin]) / 0.86


def _first_offsets(pair: _Pair, law: Law) -> Curve:
    """Crowded differences, unless they are far from what is usual: then the line is one long tail."""
    middles = crowded(pair.away, pair.known)
    return np.where(np.abs(middles - law.offset) > 4 * law.offset_spread, law.offset, middles)


def _recursion(pair: _Pair, law: Law, offset: Curve) -> tuple[Heights, NDArray[np.float64]]:
    from afmend.fusion.gate_kernels import beliefs

    numbers = np.array([law.tail, law.fall, law.fall_spread, law.slope, 1 / law.same])
    return beliefs(
        pair.away - offset[:, None], pair.drops, _spreads(pair, law), pair.known, numbers, law.moves, law.start
    )


def _spreads(pair: _Pair, law: Law) -> Heights:
    made: Heights = np.sqrt(law.spread**2 + law.edge_px**2 * pair.steep)
    return made


def _improved(pair: _Pair, law: Law, offset: Curve) -> tuple[Curve, tuple[Heights, Heights, NDArray[np.float64]]]:
    """One recursion, and the offsets that follow from it."""
    shares, counts = _recursion(pair, law, offset)
    right = np.where(pair.known, np.clip(1 - shares.sum(axis=0), 0.0, 1.0), 0.0)
    weight = right / np.square(_spreads(pair, law)) / SAME
    prior = 1 / law.offset_spread**2
    made = (np.sum(weight * pair.away, axis=1) + prior * law.offset) / (np.sum(weight, axis=1) + prior)
    return made, (shares, right, counts)


def _round(pair: _Pair, law: Law, offset: Curve, *, use_fall: bool) -> tuple[Law, Curve]:
    """One round of expectation maximization."""
    offset, (shares, right, counts) = _improved(pair, law, offset)
    away = pair.away - offset[:, None]
    counts = counts + _HABIT
    start = np.array([right[:, 0].mean(), *shares[:, :, 0].mean(axis=1)])
    law = replace(law, moves=counts / counts.sum(axis=1, keepdims=True), start=0.98 * start / start.sum() + 0.005)
    enough = right.sum(axis=1) > 0.2 * right.shape[1]
    plain = np.sum(right * pair.away, axis=1) / np.maximum(right.sum(axis=1), 1e-9)
    middle, scatter = _crowd(plain[enough] if np.count_nonzero(enough) > 8 else offset)
    law = _noise(pair, replace(law, offset=middle, offset_spread=max(scatter, 1e-3 * law.spread)), away, right)
    high = np.stack([shares[0], shares[1]]) * pair.known
    mass = float(np.sum(high))
    excess = np.stack([np.maximum(away, 0.0), np.maximum(-away, 0.0)])
    if mass > 1:
        law = replace(law, tail=max(float(np.sum(high * excess)) / mass, SMALLEST_TAIL * law.spread))
    if use_fall and mass > TAIL_PIXELS:
        law = _falls(pair, law, high * (excess > 2 * law.spread), right)
    return law, offset


def _noise(pair: _Pair, law: Law, away: Heights, right: Heights) -> Law:
    """Spread on flat and on steep pixels, and the correlation along the lines."""
    flat = pair.steep <= np.median(pair.steep)
    square = right * away * away
    floor = 1e-9 * float(np.max(np.abs(pair.away))) + 1e-12
    variance = float(np.sum(square[flat])) / max(float(np.sum(right[flat])), 1.0)
    law = replace(law, spread=math.sqrt(variance) + floor)
    steep = ~flat
    excess = float(np.sum(((square - right * variance) * pair.steep)[steep]))
    mass = float(np.sum((right * pair.steep**2)[steep]))
    edge = math.sqrt(min(max(excess / mass, 0.0), EDGE_PX**2)) if mass > 0 else 0.0
    law = replace(law, edge_px=edge)
    return replace(law, same=min(repeats(away / _spreads(pair, law), right > 0.9), SAME))


def repeats(values: Heights, good: Mask) -> float:
    """How many neighboring pixels tell as much as one: 1 + 2 times the sum of the correlations along the lines."""
    values = np.where(good, values, 0.0)
    variance = float(np.sum(values * values)) / max(int(np.count_nonzero(good)), 1)
    total = 1.0
    for lag in range(1, min(17, values.shape[1])):
        pairs = int(np.count_nonzero(good[:, lag:] & good[:, :-lag]))
        part = float(np.sum(values[:, lag:] * values[:, :-lag])) / pairs if pairs >= TAIL_PIXELS else 0.0
        if part <= 0.05 * variance:
            break
        total += 2 * part / variance
    return total


def _falls(pair: _Pair, law: Law, weight: Heights, right: Heights) -> Law:
    """Rate of fall: the weighted median of the slopes in clear tails."""
    if float(np.sum(weight)) < 0.5 * TAIL_PIXELS:
        return law
    order = np.argsort(pair.drops, axis=None)
    sums = np.cumsum(weight.ravel()[order])
    fall = float(pair.drops.ravel()[order][np.searchsorted(sums, 0.5 * sums[-1])])
    mass = float(np.sum(right))
    slope = float(np.sum(right * np.abs(pair.drops))) / (2 * mass) if mass > 10 else law.slope
    spread = math.hypot(0.5 * law.spread, FALL_SPREAD * fall)
    return replace(law, fall=max(fall, 0.0), fall_spread=spread, slope=max(slope, 1e-3 * law.spread))
