"""What the gate looks at: one channel in the order of time, leveled, with its units taken away."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from afmend.artifacts.scar_score import filled_from_lines
from afmend.scan.arrays import Mask

if TYPE_CHECKING:
    from afmend.artifacts.gate.sight import Sight

Map = NDArray[np.float32]
Floats = NDArray[np.floating]
SMALLEST = (8, 16)
"""Lines and pixels that a scan must have to be judged."""
LEVELED = 0.4
"""Of the range of bowless heights: so much of it is surface, whatever leveling line by line leaves."""
SAMPLE = 32_768
"""So many values tell the distribution of a map well enough."""


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """One channel as measured; time runs from left to right (turn a retrace around first).

    Attributes
    ----------
    heights : (rows, cols) float
    missing : (rows, cols) bool
    opposite : (rows, cols) float or None
        The other scan direction, same column = same place.
    opposite_missing : (rows, cols) bool or None
    error : (rows, cols) float or None
        The loop's error signal of the same direction.
    """

    heights: Floats
    missing: Mask
    opposite: Floats | None = None
    opposite_missing: Mask | None = None
    error: Floats | None = None


class View:
    """The maps that all features share, each made once.

    Parameters
    ----------
    measured : Measured
    """

    def __init__(self, measured: Measured) -> None:
        self.measured = measured

    def within(self, lines: slice) -> View:
        """Return some lines as a scan; all of it where these are all, or too few to judge."""
        measured = self.measured
        there = measured.heights[lines].shape[0]
        if there == measured.heights.shape[0] or there < SMALLEST[0]:
            return self
        whole = (measured.heights, measured.missing, measured.opposite, measured.opposite_missing, measured.error)
        return View(Measured(*(None if part is None else part[lines] for part in whole)))  # type: ignore[arg-type]

    @cached_property
    def raw(self) -> Map:
        """Heights without tilt, holes filled."""
        return _tilted_back(_filled(self.measured.heights, self.measured.missing))

    @cached_property
    def steps(self) -> Map:
        """(rows - 1,) median step from each line to the next."""
        return median_along(self.raw[1:] - self.raw[:-1])

    @cached_property
    def flat(self) -> Map:
        """Heights without tilt and without offsets of lines that last a few lines only."""
        offsets = np.concatenate(([0.0], np.cumsum(self.steps)))
        slow = np.convolve(np.pad(offsets, 8, mode="edge"), np.ones(17) / 17, mode="valid")
        return self.raw - (offsets - slow).astype(np.float32)[:, None]

    @cached_property
    def bend(self) -> Map:
        """(rows - 2, cols) each line over the mean of its neighbors, without offset."""
        bend = self.raw[1:-1] - 0.5 * (self.raw[:-2] + self.raw[2:])
        return bend - median_along(bend)[:, None]

    @cached_property
    def curl(self) -> Map:
        """(rows, cols - 2) each pixel over the mean of its neighbors in the line."""
        z = self.raw
        return z[:, 1:-1] - 0.5 * (z[:, :-2] + z[:, 2:])

    @cached_property
    def noise(self) -> float:
        """Scatter of pixels between neighboring lines."""
        return max(spread(self.bend) / float(np.sqrt(1.5)), 1e-5 * self.relief, 1e-12)

    @cached_property
    def relief(self) -> float:
        """Half of the range that holds 90 % of the heights, over 1.645."""
        low, high = np.percentile(sampled(self.flat), (5, 95))
        return max(float(high - low) / 3.29, 1e-12)

    @cached_property
    def bowless(self) -> Map:
        """`flat` without the bow of the scanner."""
        return np.asarray(without_bow(self.flat), np.float32)

    @cached_property
    def half_range(self) -> float:
        """Half of the range that holds 99.6 % of the heights of the surface, in the lines that were measured.

        Tilt and bow are none of its heights, nor is what lasts a line: the middle one of three lines counts. Leveling
        line by line also takes away drift, but with it what a surface has along or across the lines alone: so leveled
        heights may say less than bowless ones, but not less than `LEVELED` of it.
        """
        there = ~self.measured.missing.all(axis=1)
        if np.count_nonzero(there) < SMALLEST[0]:
            return half_range(self.flat)
        leveled, bowless = (half_range(_middle_of_three(z[there])) for z in (self.level, self.bowless))
        return min(max(leveled, LEVELED * bowless), bowless)

    @cached_property
    def level(self) -> Map:
        """(rows, cols) heights without what all lines share and without a robust parabola of each line."""
        from afmend.artifacts.gate.damage_kernels import leveled_lines
        from afmend.artifacts.gate.pair_features import ROUNDS

        z = np.ascontiguousarray(self.raw, np.float64)
        return np.asarray(leveled_lines(z, np.asarray(self.measured.missing), ROUNDS), np.float32)

    @cached_property
    def disagreement(self) -> Map | None:
        """(rows, cols) what the two directions do not share (`pair_features`)."""
        from afmend.artifacts.gate.pair_features import disagreement

        return disagreement(self)

    @cached_property
    def sight(self) -> Sight:
        """What the networks say (`gate.sight`)."""
        from afmend.artifacts.gate.sight import look

        return look(self)

    @cached_property
    def straight(self) -> tuple[Map, Map] | None:
        """Both directions without the bow of each: it is the scanner's, and agrees in all lines; None if one is."""
        if self.other is None:
            return None
        one, two = (np.asarray(without_bow(z), np.float32) for z in (self.raw, self.other))
        return one, two

    @cached_property
    def other(self) -> Map | None:
        """The other direction, leveled alike; None if not recorded."""
        if self.measured.opposite is None:
            return None
        missing = self.measured.opposite_missing
        there = np.zeros(self.raw.shape, np.bool_) if missing is None else missing
        return _tilted_back(_filled(self.measured.opposite, there))


def sampled(values: Floats) -> Floats:
    """Take at most about `SAMPLE` values, evenly."""
    flat = values.reshape(-1)
    # A stride that shares no factor with common line lengths, so that every column is seen.
    return flat[:: max(1, flat.size // SAMPLE) | 1]


def half_range(z: Floats) -> float:
    """Half of the range that holds 99.6 % of some heights."""
    low, high = np.quantile(sampled(z), (0.002, 0.998))
    return max(float(high - low) / 2, 1e-12)


def without_bow(z: Floats) -> NDArray[np.float64]:
    """Remove a parabola along each axis: that of the medians of columns, then of lines, as one bad area is no bow."""
    rest = z.astype(np.float64)
    for part in (rest.T, rest):
        terms, _ = np.linalg.qr(np.polynomial.legendre.legvander(np.linspace(-1, 1, len(part)), 2))
        middle = np.median(part[:, :: max(1, part.shape[1] // 128)], axis=1)
        np.subtract(part, (terms @ (terms.T @ middle))[:, None], out=part)
    return rest


def _middle_of_three(z: Map) -> Map:
    """Return the median of each line and its two neighbors, but for the first and last line."""
    before, line, after = z[:-2], z[1:-1], z[2:]
    return np.maximum(np.minimum(before, line), np.minimum(np.maximum(before, line), after))


def spread(values: Floats) -> float:
    """Robust standard deviation about zero."""
    return 1.4826 * float(np.median(np.abs(sampled(values))))


def median_along(values: Map) -> Map:
    """Median of each line, from up to 128 of its pixels."""
    return np.asarray(np.median(values[:, :: max(1, values.shape[1] // 128)], axis=1), np.float32)


def _filled(heights: Floats, missing: Mask) -> Map:
    z = np.asarray(heights, np.float64)
    if missing.all():
        return np.zeros(z.shape, np.float32)
    if missing.any():
        z = np.asarray(filled_from_lines(z, missing), np.float64)
        z = np.where(np.isnan(z), np.median(z[~missing]), z)  # columns of which nothing was measured
    return np.asarray(z - np.median(sampled(z)), np.float32)


def _tilted_back(z: Map) -> Map:
    """Remove the usual slope along both axes."""
    rows, cols = z.shape
    along = np.median(sampled(z[:, 8:] - z[:, :-8])) / 8 if cols > 8 else np.float32(0)
    ramp = np.arange(cols, dtype=np.float32) * along
    z = z - ramp
    y = np.arange(rows, dtype=np.float32) - np.float32((rows - 1) / 2)
    middle = median_along(z)
    slope = np.float32(np.mean(middle * y) / max(float(np.mean(y * y)), 1e-12))
    out: Map = z - (y * slope + np.float32(np.median(middle)))[:, None]
    return out
