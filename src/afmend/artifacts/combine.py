"""Masks of one role put together, and masks taken away."""

from __future__ import annotations

from functools import reduce
from typing import Literal

import numpy as np

from afmend.pipeline import Field, Knob, Params, step
from afmend.scan import Masks
from afmend.scan.arrays import Mask


class Combine(Params):
    """Combine masks of one role into a named one."""

    operation: Literal["union", "intersection", "difference", "invert"] = Knob(
        "union",
        "union: in any of them. intersection: in all of them. difference: in the first and in none of the others. "
        "invert: in none of them.",
    )
    role: Literal["artifact", "foreground"] = Knob("artifact", "Role of the masks and of the result.")
    names: tuple[str, ...] = Knob(
        (), "Names of the masks, in order; none = every mask of the role, in alphabetical order."
    )
    into: str = Knob("combined", "Name of the result; a mask of this name is replaced.")
    keep: bool = Knob(True, "Keep the masks that were combined beside the result.")


@step("mask.combine", Combine, version="1")
def combine(field: Field, params: Combine) -> Masks:
    """Combine masks; a name that marks nothing counts as an empty mask.

    Inverting what marks nothing marks everything: check before a fill.
    """
    there: dict[str, Mask] = dict(getattr(field.masks, params.role))
    names = params.names or tuple(there)
    nothing = np.zeros(field.shape, dtype=np.bool_)
    taken = [there.get(name, nothing) for name in names]
    result = _combined(taken or [nothing], params.operation)
    masks = field.masks
    if not params.keep:
        for name in names:
            masks = masks.with_mask(params.role, name, nothing)
    return masks.with_mask(params.role, params.into, result)


def _combined(taken: list[Mask], operation: str) -> Mask:
    first, *others = taken
    if operation == "intersection":
        return reduce(np.logical_and, others, first)
    if operation == "difference":
        return reduce(lambda rest, other: rest & ~other, others, first)
    union: Mask = reduce(np.logical_or, others, first)
    return ~union if operation == "invert" else union


class Clear(Params):
    """Take masks away."""

    role: Literal["artifact", "foreground", "missing", "all"] = Knob(
        "artifact",
        "Masks of this role are taken away. Without missing, placeholders of pixels never measured count as measured.",
    )
    name: str = Knob("", "Only the mask of this name; empty = every mask of the role.")


@step("mask.clear", Clear, version="1")
def clear(field: Field, params: Clear) -> Masks:
    """Take away the masks of a role, or only the one of a name; heights stay as they are."""
    masks = field.masks
    for role, name, mask in field.masks.items():
        if params.role in (role, "all") and params.name in ("", name):
            masks = masks.with_mask(role, name, np.zeros_like(mask))
    return masks
