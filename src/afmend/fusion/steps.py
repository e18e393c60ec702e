"""Steps: trace and retrace become one; what both directions got wrong is marked."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from afmend.fusion.pair import FusedPair, fuse_pair
from afmend.pipeline import Field, Found, Leveled, Params, step
from afmend.scan.arrays import Heights, Mask

NARROWEST = 16
Array = TypeVar("Array", bound=NDArray[Any])


class TraceRetrace(Params):
    """Fuse trace and retrace: average what agrees, take the lower where one direction flies."""


class BothFly(Params):
    """Mark where trace and retrace both fly over the surface: nothing there is more than an upper bound."""


@step("fuse.trace_retrace", TraceRetrace, version="4")
def trace_retrace(field: Field, params: TraceRetrace) -> Leveled:
    """Replace the heights by the fusion of both scan directions, at the places of this one.

    Do this first, before leveling: both directions must be as measured. Without a channel of the other direction, or
    if the direction is not known, nothing is changed and the facts say so. Masks stay as they are: a pixel that is
    missing or marked here takes the value of the other direction, yet keeps its mark. Marks of parachuting in this
    direction do not count: which direction flies is decided here. How: see `fuse_pair`.
    """
    del params
    reason = why_not(field)
    if reason:
        return Leveled(np.array(field.heights), facts={"skipped": reason})
    return fused_heights(field, of_field(field))


@step("mark.both_fly", BothFly, version="4")
def both_fly(field: Field, params: BothFly) -> Found:
    """Mark pixels at which both directions fall like a tip in free flight. Do this before ``fuse.trace_retrace``."""
    del params
    reason = why_not(field)
    if reason:
        return Found(np.zeros(field.shape, dtype=np.bool_), "parachute", facts={"skipped": reason})
    return fused_marks(field, of_field(field))


def fused_heights(field: Field, fused: FusedPair) -> Leveled:
    """Give the fusion of a field the places of its direction."""
    return Leveled(mirrored(field, fused.heights), facts=fused.facts)


def fused_marks(field: Field, fused: FusedPair) -> Found:
    """Mark where both directions fly."""
    return Found(mirrored(field, fused.both_wrong), "parachute")


def why_not(field: Field) -> str:
    """Say why the directions cannot be fused; empty if they can."""
    if field.opposite is None:
        return "no channel of the other scan direction"
    if field.direction not in ("trace", "retrace"):
        return "the scan direction is unknown"
    if field.shape[1] < NARROWEST:
        return f"lines of fewer than {NARROWEST} pixels"
    if not (~_holes(field) & ~field.opposite_excluded).any():
        return "no pixel is measured in both directions"
    return ""


def of_field(field: Field) -> FusedPair:
    """Fuse what a kernel sees; mirrored for a retrace, so that time runs to the right in it."""
    return fuse_pair(*as_seen(field), mirrored(field, _holes(field)), mirrored(field, field.opposite_excluded))


def _holes(field: Field) -> Mask:
    """No measurement in this direction. A flying tip measures an upper bound: `fuse_pair` must see it."""
    masks = field.masks.with_mask("artifact", "parachute", np.zeros(field.shape, dtype=np.bool_))
    return masks.union("missing", "artifact", shape=field.shape)


def as_seen(field: Field) -> tuple[Heights, Heights]:
    """Return the heights of this and of the other direction, with time running to the right in the first."""
    return mirrored(field, field.heights), mirrored(field, np.asarray(field.opposite, dtype=np.float64))


def mirrored(field: Field, values: Array) -> Array:
    """Mirror what belongs to a retrace; once more mirrors it back."""
    return np.ascontiguousarray(values[:, ::-1]) if field.direction == "retrace" else values  # type: ignore[return-value]
