"""Row leveling: an offset, a polynomial or a tilt of each line."""

from __future__ import annotations

from functools import partial
from typing import Literal, TypeAlias

import numpy as np

from afmend.leveling import lines, row_offsets, row_shapes
from afmend.pipeline import Field, Knob, Leveled, Params, step
from afmend.scan.arrays import Heights, Mask

Method: TypeAlias = Literal[
    "median",
    "mean",
    "trimmed_mean",
    "polynomial",
    "median_difference",
    "trimmed_mean_difference",
    "modus",
    "matching",
    "facet_tilt",
]


class Rows(Params):
    """Level each line."""

    method: Method = Knob(
        "median",
        "What is made equal between lines: a center of each line, a polynomial along it, or the differences between"
        " neighboring lines (these keep large features and the slope along the slow axis).",
    )
    trim: float = Knob(0.05, "Fraction of pixels cut from each tail by the trimmed methods; 0.5 is the median.", ge=0,
                       le=0.5, step=0.01, recommended=(0.05, 0.25))  # fmt: skip
    degree: int = Knob(1, "Degree of the polynomial along each line; larger follows more bow.", ge=0, le=5, step=1,
                       recommended=(1, 2))  # fmt: skip
    direction: Literal["horizontal", "vertical", "both"] = Knob(
        "horizontal", "Along the fast axis, along the slow axis, or first the one and then the other."
    )
    use_mask: bool = Knob(True, "Keep excluded pixels out; if false, every pixel counts, even a missing one.")
    convention: Literal["afmend", "gwyddion"] = Knob(
        "afmend",
        "'gwyddion' repeats that program's numbers: upper medians, and its rules for lines with few usable pixels.",
        advanced=True,
    )
    weight_unit: Literal["dimensionless", "nm", "m"] = Knob(
        "dimensionless",
        "Unit of the exponent of 'matching': dimensionless, or the height unit in which Gwyddion's is evaluated.",
        advanced=True,
    )


@step("level.rows", Rows, version="1")
def rows(field: Field, params: Rows) -> Leveled:
    """Level each line with its usable pixels, or, for vertical lines, each column.

    Lines with too few usable pixels take what their neighbors have (see ``convention``). The mean of the image is
    kept, up to the pixels that do not count.

    When not to use it: offsets from centers (median, mean, modus, polynomial) sink lines that cross a large feature
    unless it is masked; differences keep it, but their errors add up from line to line.

    Raises
    ------
    StepError
        If no line has enough usable pixels.
    """
    heights = field.heights
    usable = field.usable if params.use_mask else np.ones(field.shape, dtype=np.bool_)
    slow, fast = field.pixel_nm
    borrowed = 0
    if params.direction != "vertical":
        heights, borrowed = _leveled(heights, usable, params, fast)
    if params.direction != "horizontal":
        turned, more = _leveled(np.ascontiguousarray(heights.T), np.ascontiguousarray(usable.T), params, slow)
        heights, borrowed = np.ascontiguousarray(turned.T), borrowed + more
    facts = {"lines_borrowed": borrowed} if params.method == "polynomial" else {}
    return Leveled(heights, facts=facts)


def _leveled(heights: Heights, usable: Mask, params: Rows, pixel: float) -> tuple[Heights, int]:
    gwyddion = params.convention == "gwyddion"
    if params.method == "facet_tilt":
        return row_shapes.subtract_facet_tilts(heights, usable, pixel, relative=not gwyddion), 0
    if params.method == "polynomial" and not (gwyddion and params.degree == 0):
        if gwyddion:
            return row_shapes.subtract_line_polynomials_gwyddion(heights, usable, params.degree), 0
        return row_shapes.subtract_line_polynomials(heights, usable, params.degree)
    return heights - offsets(heights, usable, params)[:, None], 0


def offsets(heights: Heights, usable: Mask, params: Rows) -> row_offsets.Offsets:
    """Return the offset of each horizontal line by any method that finds one."""
    gwyddion = params.convention == "gwyddion"
    if params.method == "matching":
        return row_offsets.matching_offsets(heights, usable, weight_unit=params.weight_unit, gwyddion=gwyddion)
    center: row_offsets.Center = partial(lines.medians, upper=gwyddion)
    if params.method in ("trimmed_mean", "trimmed_mean_difference"):
        center = partial(lines.trimmed_means, trim=params.trim, upper=gwyddion)
    elif params.method in ("mean", "polynomial"):
        center = partial(lines.trimmed_means, trim=0.0, upper=gwyddion)
    elif params.method == "modus":
        center = partial(lines.modes, upper=gwyddion)
    if params.method.endswith("_difference"):
        return row_offsets.difference_offsets(heights, usable, center, gwyddion=gwyddion)
    cols = heights.shape[1]
    fewest = 1 if gwyddion and params.method == "modus" else min(lines.fewest_usable(cols), cols)
    return row_offsets.center_offsets(heights, usable, center, gwyddion=gwyddion, fewest=fewest)
