"""Whether what would be subtracted from the lines is the sample: structure along the lines, or something large.

A ridge, a terrace edge or a grating within a degree of the fast axis looks like line offsets: it lies in the mean of
each line. Two things tell them apart. Structure that is not exactly parallel to the lines moves from line to line along
them, at its own angle, while line noise stays in its line; and gratings repeat, while noise does not. Large objects
lead the chain of lines astray; then the correction spreads the heights, while the removal of noise never does.
What none of this explains is left to `afmend.leveling.evidence`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from afmend.leveling.background import centered, mirror_edges
from afmend.leveling.terraces import entropy
from afmend.scan.arrays import Heights, Mask

Vector = NDArray[np.float64]
Table = NDArray[np.float64]

_BLOCKS = 9
FEWEST_LINES = 16
_SHEARS = np.geomspace(0.6, 24.0, 16)
"""Rows by which structure may move over the whole width. Noise that drifts during a line moves by up to half a row."""
_LEAST_SHARE = 0.25
"""Of the correction, so much at least must be something else than structure along the lines."""
_CLEARLY = 0.5
_ERRORS = 2.0
_BY_CHANCE = 0.05
"""Standard errors and significance level by which a correction of a repeating surface is told from mere noise."""
_EVIDENT = 0.4
_LARGEST = 2
"""Events that never count."""
_EVENT = 2
_BINS = 96
_BLUR = 0.005
"""Nats by which the entropy of the heights may rise by chance."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """What speaks against a correction of lines.

    Attributes
    ----------
    sheared : bool
        The heights move along the lines at an angle, and the correction would take that away.
    repeating : bool
        The heights repeat from line to line, and so does the correction, or it would disturb the repetition.
    blurred : bool
        The correction would spread the heights.
    """

    sheared: bool = False
    repeating: bool = False
    blurred: bool = False

    def __bool__(self) -> bool:
        return self.sheared or self.repeating or self.blurred

    def __str__(self) -> str:
        if self.sheared or self.repeating:
            return "edges_along_lines"
        return "blurred_heights" if self.blurred else ""


def doubt_about(one: Table, other: Table, before: Vector, after: Vector, quantum: float = 0.0) -> Doubt:
    """Judge a correction of lines by what the heights look like before and after it.

    Parameters
    ----------
    one, other : (rows - 1, blocks)
        `Blocks.steps` without and with the correction.
    before, after : (n,)
        Some hundred or thousand heights above their background, without and with the correction, in order.
    quantum : float
        Step of quantized heights; finer bins would tell how it fits the background.

    Notes
    -----
    All but the blur is said about the steps of block means (9 blocks of columns) from line to line. *Sheared*: the
    energy that a common profile, moved by so many rows from the first to the last block, leaves unexplained at the
    best shear is compared before and after. Line noise is unexplained but for a known part, so that removing it lowers
    that energy by its own; removing structure does not. *Repeating*: the same with the best period instead of the best
    shear, or a correction that repeats by itself, or in which the period stands out of the frequencies beside it.
    Single events make neither: the two largest never count. Both need steps that stand out of the line noise: smooth
    gratings, and some of those with noise above a twentieth of their height, are not seen.
    *Blurred*: the entropy of the histogram of heights rises.
    """
    change = one - other
    energy = float(np.sum(change**2))
    if one.shape[0] < FEWEST_LINES or one.shape[1] < 3 or not energy > 1e-12 * float(np.sum(one**2)):
        return Doubt()
    blurred = _is_blurred(before, after, quantum)
    return Doubt(_is_sheared(one, other, change), _is_repeating(one, other, change), blurred)


def _is_blurred(before: Vector, after: Vector, quantum: float) -> bool:
    if before.size == 0:
        return False
    width = float(before[int(0.99 * (before.size - 1))] - before[int(0.01 * (before.size - 1))]) / _BINS
    width = max(width, quantum)
    return width > 0.0 and entropy(after, width) - entropy(before, width) > _BLUR


@dataclass(frozen=True, slots=True)
class Blocks:
    """Sums over blocks of lines, 9 to a line, from which the means above any polynomial of each line follow.

    Attributes
    ----------
    mean : (lines, blocks)
        Mean height; 0 where a block is mostly masked.
    powers : (lines, blocks, 4)
        Means of 1, x, x**2, x**3 over the same pixels.
    both : (lines - 1, blocks) bool
        Whether a block is known in a line and in the next.
    """

    mean: Table
    powers: Table
    both: NDArray[np.bool_]

    @classmethod
    def of(cls, z: Heights, skip: Mask, *, across: bool = False) -> Blocks:
        """Sum up once over all heights; ``across``: lines are columns."""
        from afmend.leveling import ground_kernels as kernels

        along = z.shape[0] if across else z.shape[1]
        sums = kernels.block_sums_across if across else kernels.block_sums
        edges = mirror_edges(along, _BLOCKS)
        return cls(*kernels.block_parts(sums(z, skip, centered(along), edges), edges))

    def steps(self, coefs: NDArray[np.float64]) -> Table:
        """Return the steps of the means from line to line, without a polynomial of each line; 0 where unknown."""
        from afmend.leveling import ground_kernels as kernels

        return kernels.block_steps(self.mean, self.powers, self.both, coefs)


def _is_sheared(before: Table, after: Table, change: Table) -> bool:
    usual = _usual(change)
    before, after, change = (np.where(usual[:, None], steps, 0.0) for steps in (before, after, change))
    if not change.any():
        return False
    (total, total_after), (first, last) = _explained(np.stack([before, after]))
    best = int(np.argmax(first))
    if first[best] < _EVIDENT * total:
        return False
    shear, side = best % len(_SHEARS), best // len(_SHEARS)
    (energy,), (alike,) = _explained(change[None], slice(shear, shear + 1))
    lowered = float((total - first[best]) - (total_after - np.max(last)))
    return lowered < _LEAST_SHARE * max(float(energy - alike[side]), 0.0)


def _usual(change: Table) -> NDArray[np.bool_]:
    """Tell which steps do not belong to the two largest events: a jump in mid-line looks like an edge at an angle."""
    size = np.sum(change**2, axis=1)
    usual = np.ones(size.size, dtype=np.bool_)
    for _ in range(_LARGEST):
        at = int(np.argmax(np.where(usual, size, -1.0)))
        usual[max(at - _EVENT, 0) : at + _EVENT + 1] = False
    return usual


@lru_cache(maxsize=2)
def _turns(count: int, blocks: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Cosines and sines that move blocks back by each shear, over their number: (shears, blocks, frequencies)."""
    at = (np.arange(blocks) - 0.5 * (blocks - 1)) / blocks
    angles = np.pi / count * _SHEARS[:, None, None] * np.arange(count + 1) * at[:, None]
    return np.cos(angles) / blocks, np.sin(angles) / blocks


def _explained(steps: NDArray[np.float64], shears: slice = slice(None)) -> tuple[Vector, Table]:
    """Energy of each table of steps, and how much of it a common profile explains at each shear.

    Parameters
    ----------
    steps : (tables, rows - 1, blocks)
    shears : slice
        Those of `_SHEARS` that are looked at.

    Returns
    -------
    energy : (tables,)
    explained : (tables, 2 shears)
        Of shears to one side, then of those to the other.
    """
    from scipy.fft import rfft

    from afmend.leveling.structure_kernels import power_when_turned

    count, blocks = steps.shape[1:]
    spectra = rfft(np.ascontiguousarray(steps.transpose(0, 2, 1)), 2 * count)
    real, imaginary = spectra.real.copy(), spectra.imag.copy()
    weight = np.full(count + 1, 2.0)
    weight[[0, -1]] = 1.0
    cosines, sines = _turns(count, blocks)
    power = blocks * power_when_turned(real, imaginary, weight, cosines[shears], sines[shears])
    return np.einsum("tbq,q->t", real**2 + imaginary**2, weight), power


def _is_repeating(before: Table, after: Table, change: Table) -> bool:
    one, other, moved = (steps.mean(axis=1) for steps in (before, after, change))
    repeats, lag = _repetition(one)
    if repeats < _CLEARLY:
        return False
    if _repetition(moved)[0] > _CLEARLY:
        return True
    energy = float(np.sum(moved**2)) * (moved.size - lag) / moved.size
    if energy * change.shape[1] < 0.1 * float(np.sum(change**2)):
        return False
    lowered = _unlike(one, lag) - _unlike(other, lag)
    if lowered < _LEAST_SHARE * energy:
        return True
    # The removal of mere noise lowers it by the energy of what is removed or more, but for chance.
    most = (1.0 + _ERRORS / np.sqrt(moved.size - lag)) * energy
    return bool(lowered < most) and _stands_out(moved, _main_period(one, lag)) < _BY_CHANCE


def _main_period(steps: Vector, lag: int) -> float:
    """Return the lag, or the part of it, that is the period of the strongest wave in the heights."""
    whole = steps.size // lag * lag
    waves = whole // lag * np.arange(1, lag // 2 + 1)
    power = np.abs(np.fft.rfft(steps[:whole])[waves]) / np.sin(np.pi * waves / whole)
    return lag / (1.0 + int(np.argmax(power)))


def _stands_out(steps: Vector, period: float) -> float:
    """Probability that noise has so much more power at a period than beside it: an F test of the periodogram."""
    from scipy.special import fdtrc

    waves = int(steps.size / period)
    if waves < 2:
        return 1.0
    power = np.abs(np.fft.rfft(steps[: round(waves * period)])[1 : 2 * waves]) ** 2
    beside = np.delete(power, waves - 1)
    usual = max(float(np.mean(beside)), np.finfo(np.float64).tiny)
    return float(fdtrc(2, 2 * beside.size, float(power[waves - 1]) / usual))


def _unlike(steps: Vector, lag: int) -> float:
    return 0.5 * float(np.sum((steps[lag:] - steps[:-lag]) ** 2))


def _repetition(steps: Vector) -> tuple[float, int]:
    """Correlation of steps with themselves at the best period, without the two largest products, and that period.

    A period is longer than the first stretch of likeness, and short enough that a third of the lines takes part.
    """
    from afmend.leveling.structure_kernels import without_largest

    count = steps.size
    steps = steps - np.mean(steps)
    power = np.abs(np.fft.rfft(steps, 2 * count)) ** 2
    likeness = np.fft.irfft(power)[:count]
    first, last = int(np.argmax(likeness <= 0.0)), 2 * count // 3
    if not likeness[0] > 0.0 or not 0 < first < last:
        return 0.0, 1
    per_pair = likeness[first:last] / (count - np.arange(first, last))
    return max((without_largest(steps, lag), lag) for lag in (np.argsort(-per_pair)[:3] + first).tolist())
