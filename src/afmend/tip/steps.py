"""Steps: the tip is taken off, and what it never touched is marked."""

from __future__ import annotations

import math
from functools import partial
from typing import Any, Literal

import numpy as np

from afmend.pipeline import Field, Found, Leveled, Params, step
from afmend.pipeline.params import Knob
from afmend.scan.arrays import Heights, Mask
from afmend.tip.correct import Correction, correct
from afmend.tip.double import NONE, First, find_ghost, without_ghost
from afmend.tip.estimate import FLANK_DEG, TipEstimate, estimate_tip
from afmend.tip.learned import MODEL, learned_correction, mean_correction
from afmend.tip.shapes import SphereCone, largest_tip_array
from afmend.tip.unsure import Undo, Undone, undo_unsure

SMALLEST_PX = 16
NAME = "untouched"
"""Of the artifact mask: heights there are upper bounds."""


class TipSource(Params):
    """Where the tip comes from."""

    source: Literal["estimate", "given"] = Knob("estimate", "The tip is estimated from the scan, or given here.")
    radius_nm: float = Knob(10.0, "Radius of a given tip.", unit="nm", gt=0, recommended=(2.0, 50.0))
    half_angle_deg: float = Knob(FLANK_DEG, "Angle between axis and flank of the tip.", unit="deg", ge=2, le=80)
    double_tip: bool = Knob(True, "Look for the ghosts of a second apex and take them off, too.")
    unsure: Literal["average", "leave"] = Knob(
        "average",
        "If the scan does not show the radius: undo as much of what the tip may have done as is better on average (no "
        "pixel is then certain), or leave the heights as they are.",
    )


class TipCorrection(TipSource):
    """Take the tip off: lower the heights to those of the surface; by less if the tip is not known, or by nothing."""

    untouched: Literal["mean", "expected", "learned", "bound"] = Knob(
        "mean",
        "Where the tip touched nothing: the likely height by a rule of thumb (expected); what a network says that has "
        "seen many surfaces, which also smooths what the tip touched (learned); the mean of both, which smooths "
        "nothing; or the highest possible height (bound).",
    )
    model: str = Knob(
        MODEL,
        "With mean or learned: a model that comes with afmend, or the path of the card (.json) of one that you "
        "trained.",
        advanced=True,
    )


class Untouched(TipSource):
    """Mark what the tip never touched: what tip.correct returns there was not measured. Do this before tip.correct."""


@step("tip.correct", TipCorrection, version="7")
def tip_correct(field: Field, params: TipCorrection) -> Leveled:
    """Take the tip off by erosion; see `afmend.tip.correct`. The facts say what was found, or why nothing was done."""
    ways: dict[str, Undo] = {"mean": mean_correction, "learned": learned_correction}
    asked = params.untouched in ways
    undo = partial(ways[params.untouched], model=params.model) if asked else correct
    found, _, facts = _correction(field, params, undo)
    if found is None:
        return Leveled(np.array(field.heights), facts=facts)
    facts |= {"untouched": params.untouched} | ({"model": params.model} if asked else {})
    heights = found.heights if params.untouched == "bound" else found.expected
    return Leveled(np.where(_holes(field), field.heights, heights), facts=facts)


@step("mark.untouched", Untouched, version="7")
def untouched(field: Field, params: Untouched) -> Found:
    """Mark the pixels of the surface that the tip (if unsure: the likely one) does not touch for certain."""
    _, touched, facts = _correction(field, params)
    return Found(~touched & ~_holes(field), NAME, facts=facts)


def _correction(
    field: Field, params: TipSource, undo: Undo = correct
) -> tuple[Correction | None, Mask, dict[str, Any]]:
    """Return the correction, if any, where the tip touched, and what is worth telling."""
    reason, everywhere = _why_not(field), np.ones(field.shape, dtype=np.bool_)
    if reason:
        return None, everywhere, {"skipped": reason}
    image = _without_holes(field)
    depth = float(np.ptp(image))
    ghost = find_ghost(image, field.pixel_nm, ~_holes(field)) if params.double_tip else NONE
    first = without_ghost(image, ghost) if ghost.found else None
    estimate = _tip_of(field, image, params, first)
    facts = (estimate.facts if estimate is not None else {"radius_nm": params.radius_nm}) | ghost.facts
    if estimate is not None and estimate.shape is None:
        undone = _undone(field, image, params, estimate, first, undo)
        if undone is not None:
            found = undone.correction
            return found, undone.touched, facts | {"unsure": True} | undone.blunt.facts | found.facts
        if first is None:
            return None, everywhere, facts | {"skipped": estimate.reason}
    shape = SphereCone(radius_nm=params.radius_nm, half_angle_deg=params.half_angle_deg)
    limits = None
    if estimate is not None:
        shape = estimate.shape or SphereCone(radius_nm=_sharp(field), half_angle_deg=estimate.half_angle_deg)
        if estimate.shape is not None:
            sharp, blunt = (_array(one, shape.half_angle_deg, field, depth) for one in estimate.interval_nm)
            limits = (sharp, blunt)
    tip = _array(shape.radius_nm, shape.half_angle_deg, field, depth)
    found = undo(image, tip, field.pixel_nm, limits=limits, ghosts=first)
    return found, found.certain, facts | found.facts


def _undone(
    field: Field, image: Heights, params: TipSource, estimate: TipEstimate, first: First | None, undo: Undo
) -> Undone | None:
    if params.unsure == "leave":
        return None
    return undo_unsure(image, field.pixel_nm, estimate, usable=~_holes(field), ghosts=first, undo=undo)


def _why_not(field: Field) -> str:
    """Say why the tip cannot be dealt with at all; empty if it can."""
    if field.unit != "nm":
        return f"heights in {field.unit or 'unknown units'}: a tip touches topography only"
    if not field.calibrated:
        return "the size of the pixels is unknown"
    if min(field.shape) < SMALLEST_PX:
        return f"fewer than {SMALLEST_PX} pixels along a side"
    return "no pixel can be trusted" if _holes(field).all() else ""


def _holes(field: Field) -> Mask:
    """Return what was measured wrongly or not at all; features are right, and what no tip touched is a bound."""
    out = np.zeros(field.shape, dtype=np.bool_)
    for role, name, mask in field.masks.items():
        if role != "foreground" and name != NAME:
            out |= mask
    return out


def _without_holes(field: Field) -> Heights:
    """Let holes bound nothing: as high as the highest pixel."""
    holes = _holes(field)
    heights: Heights = np.where(holes, float(field.heights[~holes].max()), field.heights)
    return heights


def _tip_of(field: Field, image: Heights, params: TipSource, first: First | None) -> TipEstimate | None:
    if params.source == "given":
        return None
    usable = ~_holes(field) if first is None else ~(_holes(field) | first.hidden)
    return estimate_tip([image], field.pixel_nm, usable=[usable], flank_deg=params.half_angle_deg)


def _sharp(field: Field) -> float:
    """Return a radius that changes nothing on these pixels: only the second apex is taken off."""
    return 0.1 * math.sqrt(field.pixel_nm[0] * field.pixel_nm[1])


def _array(radius_nm: float, half_angle_deg: float, field: Field, depth_nm: float) -> Heights:
    shape = SphereCone(radius_nm=max(radius_nm, 1e-6), half_angle_deg=half_angle_deg)
    return largest_tip_array(shape, field.pixel_nm, depth_nm)
