"""Metrics of marked artifacts: found masks against true ones. Masks are True where an artifact is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afmend.errors import BadParameterError, BadScanError
from afmend.evaluation.metrics.arguments import as_heights, as_mask, finite, ratio
from afmend.scan.arrays import Mask


@dataclass(frozen=True, slots=True)
class Overlap:
    """How well a found mask covers the true one.

    Attributes
    ----------
    precision : float
        Share of the found pixels that are right; NaN if nothing was found.
    recall : float
        Share of the true pixels that were found; NaN if there are none.
    iou, dice : float
        See `mask_overlap`; 0 if only one of the masks is empty, NaN if both are.
    found_px, true_px : int
        Usable pixels of either mask.
    """

    precision: float
    recall: float
    iou: float
    dice: float
    found_px: int
    true_px: int


def mask_overlap(found: Mask, true: Mask, *, tolerance_lines: int = 1, usable: Mask | None = None) -> Overlap:
    """Precision, recall, IoU and Dice (shares, 0 to 1) of a found mask, forgiving an error of a few lines.

    A found pixel is right if a true pixel lies in its column at most ``tolerance_lines`` lines away; a true pixel is
    found if a found pixel does. With P, R the two shares: ``dice = 2 P R / (P + R)`` and ``iou = dice / (2 - dice)``.
    With tolerance 0 these are, exactly, ``2 |A & B| / (|A| + |B|)`` and ``|A & B| / |A | B|``.

    Parameters
    ----------
    found, true : (rows, cols) bool
    tolerance_lines : int
        0 = strict.
    usable : (rows, cols) bool, optional
        True = counts.

    Raises
    ------
    BadScanError
        If shapes differ.
    BadParameterError
        If the tolerance is negative.

    Notes
    -----
    Sources: Jaccard, New Phytol. 11, 37 (1912), doi:10.1111/j.1469-8137.1912.tb05611.x; Dice, Ecology 26, 297 (1945),
    doi:10.2307/1932409.

    **Can be fooled by:** one large artifact found while a hundred small ones are missed (see object recall), and, with
    tolerance, a mask that paints three lines for every one; shares of small masks jump with single pixels.
    """
    if tolerance_lines < 0:
        raise BadParameterError(f"tolerance_lines is {tolerance_lines}", now="0 = strict, 1 = one line off is right.")
    counts = _counted(found, true, usable)
    marked, real = found & counts, true & counts
    found_px, true_px = int(np.count_nonzero(marked)), int(np.count_nonzero(real))
    precision = ratio(int(np.count_nonzero(marked & _near(true, tolerance_lines))), found_px)
    recall = ratio(int(np.count_nonzero(real & _near(found, tolerance_lines))), true_px)
    if found_px and true_px:
        dice = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    else:
        dice = 0.0 if found_px or true_px else math.nan
    return Overlap(precision, recall, dice / (2 - dice), dice, found_px, true_px)


@dataclass(frozen=True, slots=True)
class Objects:
    """How many of the true objects were found: ``recall = hit / objects``, NaN if there are none."""

    recall: float
    hit: int
    objects: int


def object_recall(found: Mask, true: Mask, *, usable: Mask | None = None) -> Objects:
    """Share of the true artifacts (connected over sides and corners) of which more than half was found.

    Raises
    ------
    BadScanError
        If shapes differ.

    Notes
    -----
    **Can be fooled by:** marking everything, which finds every object (read it with the false marked share), and by
    artifacts that touch and so count as one.
    """
    from afmend.artifacts.components import find_components

    counts = _counted(found, true, usable)
    labels = find_components(true & counts).labels
    area = np.bincount(labels.ravel())[1:]
    covered = np.bincount(labels[found], minlength=area.size + 1)[1:]
    hit = int(np.count_nonzero(2 * covered > area))
    return Objects(ratio(hit, area.size), hit, area.size)


def false_marked_share(found: Mask, true: Mask, *, usable: Mask | None = None) -> float:
    """Share (0 to 1) of the good pixels that were marked: ``|found & ~true| / |~true|``; NaN if none is good.

    On a clean scan (nothing true) this is the marked area, the price of trusting a detector blindly.

    Raises
    ------
    BadScanError
        If shapes differ.

    Notes
    -----
    **Can be fooled by:** a detector that marks nothing, which scores a perfect 0; pooled with faulty scans it also
    counts generous margins around real artifacts as false.
    """
    good = _counted(found, true, usable) & ~true
    return ratio(int(np.count_nonzero(found & good)), int(np.count_nonzero(good)))


def average_precision(scores: NDArray[Any], true: Mask, *, usable: Mask | None = None) -> float:
    """Area under the precision-recall curve (AUPRC, 0 to 1) of a map of scores; NaN if no pixel is true.

    ``sum over thresholds of (R_n - R_(n-1)) P_n``, thresholds being the distinct scores from the highest on: pixels of
    equal score are marked together, and no line is drawn between points of the curve, which would flatter it (Davis
    and Goadrich, ICML 2006, doi:10.1145/1143844.1143874). A blind guess scores the share of true pixels.

    Parameters
    ----------
    scores : (rows, cols)
        Larger = more surely an artifact, in any unit.
    true : (rows, cols) bool
    usable : (rows, cols) bool, optional
        True = counts.

    Raises
    ------
    BadScanError
        If shapes differ.
    StepError
        If a score that counts is not finite.

    Notes
    -----
    **Can be fooled by:** the share of true pixels: the same detector scores higher on a scan with more artifacts, so
    compare methods on the same scans only; it judges the ranking and says nothing about a good threshold.
    """
    made = as_heights(scores)
    counts = as_mask(usable, made.shape)
    values = finite(made[counts], name="scores")
    real = as_mask(true, made.shape, name="true")[counts]
    total = int(np.count_nonzero(real))
    if not total:
        return math.nan
    order = np.argsort(-values, kind="stable")
    values = values[order]
    last = np.append(np.flatnonzero(np.diff(values)), values.size - 1)
    hits = np.cumsum(real[order])[last]
    gained = np.diff(hits, prepend=0)
    return float(np.sum(gained * (hits / (last + 1)))) / total


def _counted(found: Mask, true: Mask, usable: Mask | None) -> Mask:
    if found.ndim != 2:
        raise BadScanError(f"the found mask has shape {found.shape}", now="A mask has two axes.")
    as_mask(found, found.shape, name="found")
    as_mask(true, found.shape, name="true")
    return as_mask(usable, found.shape)


def _near(mask: Mask, lines: int) -> Mask:
    """Pixels with a marked pixel in their column at most so many lines away."""
    near = mask.copy()
    for shift in range(1, lines + 1):
        near[shift:] |= mask[:-shift]
        near[:-shift] |= mask[shift:]
    return near
