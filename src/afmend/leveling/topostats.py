"""TopoStats' leveling sequence as one step."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from afmend.errors import StepError
from afmend.leveling import lines
from afmend.leveling.moments import basis, positions, surface_coefficients, without_surface
from afmend.pipeline import Field, Knob, Leveled, Params, step
from afmend.scan.arrays import Heights, Mask

SADDLE = np.ones((2, 2), dtype=np.bool_)
"""Terms 1, x, y, xy."""
OTSU_BINS = 256


class TopoStats(Params):
    """Level as TopoStats does: rows, plane, bow, saddle; mask features; the same again without them."""

    row_alignment_quantile: float = Knob(0.5, "Quantile of each row that becomes zero.", ge=0, le=1, step=0.05,
                                         recommended=(0.2, 0.5))  # fmt: skip
    threshold_method: Literal["std_dev", "otsu", "absolute"] = Knob("std_dev", "How features are told from ground.")
    otsu_threshold_multiplier: float = Knob(1.0, "Factor on Otsu's threshold.", gt=0, le=10, step=0.05)
    threshold_std_dev_below: float = Knob(
        10.0, "Ground ends so many standard deviations below the mean; larger marks fewer pits.", unit="sigma", gt=0,
        le=100, step=0.1,
    )  # fmt: skip
    threshold_std_dev_above: float = Knob(
        1.0, "Ground ends so many standard deviations above the mean; larger marks fewer bumps.", unit="sigma", gt=0,
        le=100, step=0.1,
    )  # fmt: skip
    threshold_absolute_below: float = Knob(-1.0, "Ground ends at this height.", unit="nm", step=0.1)
    threshold_absolute_above: float = Knob(1.0, "Ground ends at this height.", unit="nm", step=0.1)


@step("level.topostats", TopoStats, version="1")
def topostats(field: Field, params: TopoStats) -> Leveled:
    """Level twice, the second time without the features that the first pass reveals; return these as foreground.

    Each pass subtracts a quantile of every row, the slope of the column medians and of the row medians, the bow of
    the column medians and a saddle 1 + x + y + xy; the second starts from what the first one had after the slopes.
    Pixels excluded beforehand take no part. A row without usable pixels is left where it was, as in TopoStats
    (https://github.com/AFM-SPM/TopoStats). Its scar removal is a step of its own and not part of this one.

    Not for surfaces that are features more than ground, and not for terraces.

    Raises
    ------
    StepError
        If the usable pixels, or those left as ground, do not determine the background.
    """
    usable = field.usable
    aligned = _without_slopes(_without_quantile(field.heights, usable, params.row_alignment_quantile), usable)
    first = _without_bow_and_saddle(aligned, usable)
    below, above = _thresholds(first[usable], params)
    features = usable & ((first < below) | (first > above))
    ground = usable & ~features
    second = _without_slopes(_without_quantile(aligned, ground, params.row_alignment_quantile), ground)
    heights = _without_bow_and_saddle(second, ground)
    facts = {"threshold_below": below, "threshold_above": above, "features": int(np.count_nonzero(features))}
    return Leveled(heights, foreground=features, facts={k: v for k, v in facts.items() if np.isfinite(v)})


def _without_quantile(heights: Heights, usable: Mask, quantile: float) -> Heights:
    ordered, counts = lines.sorted_usable(heights, usable)
    last = np.maximum(counts - 1, 0)
    low = np.floor(quantile * last).astype(np.int64)
    part = quantile * last - low
    at = np.arange(len(ordered))
    floor, ceiling = ordered[at, low], ordered[at, np.minimum(low + 1, last)]
    level = np.zeros(len(ordered))
    some = counts > 0
    level[some] = floor[some] + (ceiling[some] - floor[some]) * part[some]
    return heights - level[:, None]


def _without_slopes(heights: Heights, usable: Mask) -> Heights:
    across = _median_fit(np.ascontiguousarray(heights.T), np.ascontiguousarray(usable.T), 1)
    down = _median_fit(heights, usable, 1)
    rows, cols = heights.shape
    leveled: Heights = heights - across[1] * positions(cols)
    leveled -= (down[1] * positions(rows))[:, None]
    return leveled


def _without_bow_and_saddle(heights: Heights, usable: Mask) -> Heights:
    bow = _median_fit(np.ascontiguousarray(heights.T), np.ascontiguousarray(usable.T), 2)
    bent = heights - np.sum(bow[1:, None] * basis(heights.shape[1], 2)[1:], axis=0)
    return without_surface(bent, surface_coefficients(bent, usable, SADDLE))


def _median_fit(heights: Heights, usable: Mask, degree: int) -> NDArray[np.float64]:
    """Legendre coefficients of the polynomial through the medians of the lines (those that have one)."""
    medians = lines.medians(*lines.sorted_usable(heights, usable))
    known = np.isfinite(medians)
    if np.count_nonzero(known) <= degree:
        raise StepError("too few lines have usable pixels", now="Shrink the masks, or raise the thresholds.")
    found = np.linalg.lstsq(basis(len(heights), degree)[:, known].T, medians[known], rcond=None)[0]
    return np.asarray(found, dtype=np.float64)


def _thresholds(values: NDArray[np.float64], params: TopoStats) -> tuple[float, float]:
    """Heights below and above which a pixel is a feature."""
    if params.threshold_method == "absolute":
        return params.threshold_absolute_below, params.threshold_absolute_above
    if params.threshold_method == "otsu":
        return -np.inf, otsu(values) * params.otsu_threshold_multiplier
    mean, deviation = float(np.mean(values)), float(np.std(values))
    return mean - params.threshold_std_dev_below * deviation, mean + params.threshold_std_dev_above * deviation


def otsu(values: NDArray[np.float64]) -> float:
    """Threshold that splits a histogram of 256 bins with the largest variance between the two parts.

    Otsu, IEEE Trans. Syst. Man Cybern. 9, 62 (1979), doi:10.1109/TSMC.1979.4310076.
    """
    counts, edges = np.histogram(values, bins=OTSU_BINS)
    centers = (edges[1:] + edges[:-1]) / 2
    low = np.cumsum(counts)[:-1].astype(np.float64)
    high = counts.sum() - low
    moment = np.cumsum(counts * centers)
    between = low * high * np.square(moment[:-1] / low - (moment[-1] - moment[:-1]) / np.maximum(high, 1))
    return float(centers[int(np.argmax(between))])
