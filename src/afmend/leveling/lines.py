"""Centers of the usable pixels of each line: medians, trimmed means, the mode."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from afmend.scan.arrays import Heights, Mask


def fewest_usable(cols: int) -> int:
    """Return how many usable pixels a line of ``cols`` pixels needs for a center of its own, as Gwyddion has it."""
    return math.floor(math.log(cols) + 1.5)


def sorted_usable(heights: Heights, usable: Mask) -> tuple[Heights, NDArray[np.int64]]:
    """Sort each line with its unusable pixels (as infinity) last; also return how many are usable."""
    counts = usable.sum(axis=1)
    ordered = np.where(usable, heights, np.inf)
    ordered.sort(axis=1)
    return ordered, counts


def medians(ordered: Heights, counts: NDArray[np.int64], *, upper: bool = False) -> NDArray[np.float64]:
    """Medians of sorted lines; NaN for an empty line.

    ``upper``: the larger of the middle two for an even count (Gwyddion), else their average.
    """
    lines = np.arange(len(ordered))
    high = ordered[lines, np.minimum(counts // 2, ordered.shape[1] - 1)]
    if upper:
        return np.where(counts > 0, high, np.nan)
    low = ordered[lines, np.maximum(counts - 1, 0) // 2]
    # Halves first: infinities of empty lines do not subtract, and the sum of large heights does not overflow.
    return np.where(counts > 0, low / 2 + high / 2, np.nan)


def trimmed_means(
    ordered: Heights, counts: NDArray[np.int64], trim: float, *, upper: bool = False
) -> NDArray[np.float64]:
    """Means of sorted lines without the fraction ``trim`` at each end; the median where nothing would be left."""
    cut = np.floor(trim * counts + 0.5).astype(np.int64)
    place = np.arange(ordered.shape[1])
    kept = (place >= cut[:, None]) & (place < (counts - cut)[:, None])
    sums = np.sum(ordered, axis=1, where=kept)
    means = sums / np.maximum(counts - 2 * cut, 1)
    return np.where(2 * cut + 1 >= counts, medians(ordered, counts, upper=upper), means)


def modes(ordered: Heights, counts: NDArray[np.int64], *, upper: bool = False) -> NDArray[np.float64]:
    """Middle of the densest stretch of each sorted line.

    Shortest window of sqrt(n) values (the lowest of equals), mean of its middle third; the median below 9 values.
    Windows count as equal within 1e-9 of the line's range, so that the unit of quantized heights does not choose
    between them; with ``upper`` (Gwyddion) only exact equals do.
    """
    out = medians(ordered, counts, upper=upper)
    for line in np.flatnonzero(counts >= 9):
        n = int(counts[line])
        values = ordered[line, :n]
        width = math.floor(math.sqrt(n) + 0.5)
        spans = values[width - 1 :] - values[: n - width + 1]
        slack = 0.0 if upper else 1e-9 * (values[-1] - values[0])
        start = int(np.argmax(spans <= spans.min() + slack))
        third = width // 3
        out[line] = np.mean(values[start + third : start + width - third])
    return out


def upper_median(values: NDArray[np.float64]) -> float:
    """Element n // 2 of the sorted values: the larger of the middle two for an even count."""
    place = values.size // 2
    return float(np.partition(values, place)[place])


def interpolated(values: NDArray[np.float64], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Fill lines that are not ``known`` linearly from their known neighbors (beyond the last one: its value)."""
    if known.all():
        return values
    at = np.arange(len(values))
    return np.interp(at, at[known], values[known])
