"""Scars as the peers define them, number for number: Gwyddion's and TopoStats' rules.

They are here for comparison and for labs that must reproduce old numbers. For new work `mark.scars` finds more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from afmend.artifacts.runs import grow_along_rows, paint_runs
from afmend.pipeline import Field, Found, Knob, Params, step
from afmend.scan.arrays import Heights, Mask

Polarity = Literal["both", "positive", "negative"]


class GwyddionScars(Params):
    """Mark scars by Gwyddion's rule (vertical rms, first fitting width).

    Not for noisy scans: a scar of 2 or 3 lines loses half of its pixels.
    """

    polarity: Polarity = Knob("both", "Scars above the surface (positive), below it (negative), or both.")
    hard: float = Knob(
        0.666, "Height in vertical rms at which a pixel starts a scar.", unit="rms", ge=0, le=20, step=0.01
    )
    soft: float = Knob(
        0.25, "Height in vertical rms at which a pixel may continue a scar.", unit="rms", ge=0, le=20, step=0.01
    )
    min_length: int = Knob(16, "Shorter runs are dropped.", unit="px", ge=1, le=100_000)
    max_width: int = Knob(4, "Widest scar in lines; also: the last lines where no scar can start.", ge=1, le=16)


class TopoStatsScars(Params):
    """Mark scars by TopoStats' rule (standard deviation of the image, last fitting width).

    Blind as soon as tall features raise the standard deviation of the image.
    """

    polarity: Polarity = Knob("both", "Scars above the surface (positive), below it (negative), or both.")
    hard: float = Knob(
        0.666, "Height in standard deviations of the image at which a pixel starts a scar.", unit="sigma", ge=0, le=20
    )
    soft: float = Knob(
        0.25, "Height in standard deviations at which a pixel may continue a scar.", unit="sigma", ge=0, le=20
    )
    min_length: int = Knob(16, "Shorter runs are dropped.", unit="px", ge=1, le=100_000)
    max_width: int = Knob(4, "Widest scar in lines.", ge=1, le=16)


@step("mark.scars_gwyddion", GwyddionScars, version="1")
def scars_gwyddion(field: Field, params: GwyddionScars) -> Found:
    """Mark scars exactly as Gwyddion 2.63 and later do with the same numbers."""
    return _both(field, params.polarity, lambda sign: gwyddion_mask(field.heights, params, sign))


@step("mark.scars_topostats", TopoStatsScars, version="1")
def scars_topostats(field: Field, params: TopoStatsScars) -> Found:
    """Mark scars exactly as TopoStats 2.4 does in one pass with the same numbers."""
    return _both(field, params.polarity, lambda sign: topostats_mask(sign * field.heights, params))


def _both(field: Field, polarity: Polarity, marks: Callable[[float], Mask]) -> Found:
    mask = np.zeros(field.shape, dtype=np.bool_)
    if polarity != "negative":
        mask |= marks(1.0)
    if polarity != "positive":
        mask |= marks(-1.0)
    return Found(mask & field.usable, "scar")


def gwyddion_mask(heights: Heights, params: GwyddionScars, sign: float = 1.0) -> Mask:
    """Positive (``sign`` 1) or negative (-1) scars by Gwyddion's rule; ``heights`` of any unit.

    The unit of both thresholds is the root of the summed squared differences between lines over *all* pixels.
    A column belongs to a scar of k lines where all of them stand above both neighbors by the soft threshold;
    the thinnest k wins. Start rows end at rows - max_width - 2, whatever k.
    """
    rows, cols = heights.shape
    none = np.zeros((rows, cols), dtype=np.bool_)
    width = min(params.max_width, rows - 2)
    from afmend.artifacts.peer_kernels import gwyddion_strength, long_strong_runs, rms_between_lines

    rms = rms_between_lines(heights)
    if width < 1 or params.min_length > cols or rms == 0:
        return none
    strength = gwyddion_strength(heights, params.soft, rms, width, sign)
    mask: Mask = long_strong_runs(strength, params.hard, params.soft, params.min_length)
    return mask


def topostats_mask(heights: Heights, params: TopoStatsScars) -> Mask:
    """Positive scars by TopoStats' rule.

    Every width that fits marks its lines, each with its own height over the border; what is written last stays.
    A short run that ends at the last column keeps its last pixel.
    """
    rows, cols = heights.shape
    sigma = float(np.std(heights))
    if rows < 3 or sigma == 0:
        return np.zeros((rows, cols), dtype=np.bool_)
    fits, border = _topostats_fits(heights, params, sigma)
    strength = np.zeros((rows, cols))
    for line in range(params.max_width, 0, -1):
        for k in range(line, params.max_width + 1):
            if k in fits:
                count = fits[k].shape[0]
                target = strength[line : line + count]
                value = (heights[line : line + count] - border[k]) / sigma
                np.copyto(target, value, where=fits[k])
    runs = grow_along_rows(strength >= params.hard, strength >= params.soft)
    short = runs.length < params.min_length
    kept = paint_runs(runs.keep(~short), heights.shape)
    kept[runs.row[short & (runs.stop == cols)], cols - 1] = True
    return kept


def _topostats_fits(
    heights: Heights, params: TopoStatsScars, sigma: float
) -> tuple[dict[int, Mask], dict[int, Heights]]:
    """For each width k: where a scar of k lines starts below row r, and the higher of its two borders."""
    rows = heights.shape[0]
    limit = params.soft * sigma
    rise = heights[1:] - heights[:-1] > limit
    fits: dict[int, Mask] = {}
    border: dict[int, Heights] = {}
    low: Heights = heights[1:]
    for k in range(1, min(params.max_width, rows - 2) + 1):
        count = rows - k - 1
        low = np.minimum(low[:count], heights[k : k + count])
        border[k] = np.maximum(heights[:count], heights[k + 1 : k + 1 + count])
        fits[k] = rise[:count] & (low - border[k] > limit)
    return fits, border
