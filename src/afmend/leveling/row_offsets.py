"""One offset per line: from the lines' centers, or from differences between neighboring lines."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from afmend.errors import StepError
from afmend.leveling import lines
from afmend.scan.arrays import Heights, Mask

Offsets = NDArray[np.float64]
Center = Callable[[Heights, NDArray[np.int64]], NDArray[np.float64]]
UNITS = {"dimensionless": 0.0, "nm": 1.0, "m": 1e-9}
"""Factor from heights in memory to the unit in which the exponent of line matching is evaluated."""


def center_offsets(heights: Heights, usable: Mask, center: Center, *, gwyddion: bool, fewest: int) -> Offsets:
    """Offsets from the center of each line, with mean zero.

    Lines of fewer than ``fewest`` usable pixels take the offset interpolated from their neighbors
    (``gwyddion``: the median of all usable pixels).
    """
    ordered, counts = lines.sorted_usable(heights, usable)
    known = counts >= fewest
    found = center(ordered, counts)
    if not known.any():
        raise_no_line(fewest)
    if gwyddion:
        if not known.all():
            found = np.where(known, found, lines.upper_median(heights[usable]))
    else:
        found = lines.interpolated(found, known)
    return found - np.mean(found)


def difference_offsets(heights: Heights, usable: Mask, center: Center, *, gwyddion: bool) -> Offsets:
    """Cumulated centers of the differences of neighboring lines, without their straight line.

    Lines that have too few usable pixels are skipped: their neighbors are compared with each other, and their offset
    is interpolated (``gwyddion``: every difference of too few pixels counts as zero).
    """

    def jumps(below: Heights, above: Heights, both: Mask) -> tuple[Offsets, NDArray[np.bool_]]:
        ordered, counts = lines.sorted_usable(below - above, both)
        return center(ordered, counts), counts >= lines.fewest_usable(heights.shape[1])

    return _cumulated(heights, usable, jumps, without_line, gwyddion=gwyddion)


def matching_offsets(heights: Heights, usable: Mask, *, weight_unit: str, gwyddion: bool) -> Offsets:
    """Cumulated weighted mean differences of neighboring lines, with mean zero.

    Pixels where the two lines run parallel weigh more: weight exp(-x^2 / 2 q^2), x = difference of the two
    slopes, q = mean |x|. Gwyddion's exponent is x^2 / 2 q, which has the dimension of a height: ``weight_unit``
    "m" or "nm" evaluates that one.
    """
    jumps = partial(_matched, factor=UNITS[weight_unit], gwyddion=gwyddion)
    return _cumulated(heights, usable, jumps, lambda _, values: values - np.mean(values), gwyddion=gwyddion)


def _cumulated(
    heights: Heights,
    usable: Mask,
    jumps: Callable[[Heights, Heights, Mask], tuple[Offsets, NDArray[np.bool_]]],
    settle: Callable[[NDArray[np.int64], Offsets], Offsets],
    *,
    gwyddion: bool,
) -> Offsets:
    rows, cols = heights.shape
    known = np.ones(rows, dtype=np.bool_)
    if not gwyddion:
        fewest = min(lines.fewest_usable(cols), cols)
        known = usable.sum(axis=1) >= fewest
        if not known.any():
            raise_no_line(fewest)
        if not known.all():
            heights, usable = heights[known], usable[known]
    step, enough = jumps(heights[1:], heights[:-1], usable[1:] & usable[:-1])
    if gwyddion:
        step = np.where(enough, step, 0.0)
    elif not enough.all():
        middle = lines.medians(*lines.sorted_usable(heights, usable))
        step = np.where(enough, step, np.diff(middle))
    found = np.zeros(rows)
    found[known] = settle(np.flatnonzero(known), np.concatenate(([0.0], np.cumsum(step))))
    return lines.interpolated(found, known)


def _matched(
    below: Heights, above: Heights, both: Mask, *, factor: float, gwyddion: bool
) -> tuple[Offsets, NDArray[np.bool_]]:
    offset = below - above
    bend = np.diff(offset, axis=1)
    # Gwyddion asks the left pixel of a pair only, and drops the right one from the mean, not from its weight.
    pair = both[:, :-1] if gwyddion else both[:, 1:] & both[:, :-1]
    bend *= pair
    count = pair.sum(axis=1)
    scale = np.abs(bend).sum(axis=1) / (max(bend.shape[1], 1) if gwyddion else np.maximum(count, 1))
    width = 2 * np.square(scale) if factor == 0 else 2 * scale / factor
    # Equal slopes everywhere: all pairs weigh the same.
    weight = np.exp(-np.square(bend) / np.where(scale > 0, width, 1.0)[:, None]) * pair
    total = weight.sum(axis=1)
    mean = (offset[:, 1:] * both[:, 1:] + offset[:, :-1]) / 2
    found = np.sum(weight * mean, axis=1) / np.where(total > 0, total, 1.0)
    fewest = 1 if gwyddion else lines.fewest_usable(both.shape[1])
    return found, (count >= fewest) & (total > 0)


def without_line(places: NDArray[np.int64], values: Offsets) -> Offsets:
    """Subtract the least-squares straight line through (places, values)."""
    at = places - np.mean(places)
    rest = values - np.mean(values)
    slope = np.sum(rest * at) / max(float(np.sum(at * at)), 1.0)
    out: Offsets = rest - slope * at
    return out


def raise_no_line(fewest: int) -> None:
    """Raise the error for an image in which no line has enough usable pixels."""
    raise StepError(
        f"no line has the {fewest} usable pixels that an offset needs",
        now="Shrink the masks, or level by a plane instead.",
    )
