"""Steps that reshape masks: grow, shrink, fill holes, remove small parts, combine, clear."""

from __future__ import annotations

from typing import Literal

import numpy as np

from afmend.artifacts.chosen import MaskChoice, components, reshaped
from afmend.errors import BadMaskError
from afmend.pipeline import Field, Knob, Params, step
from afmend.scan.arrays import Mask
from afmend.scan.masks import Masks, Role


class MaskGrow(MaskChoice):
    """Grow masks by some pixels."""

    fast_px: int = Knob(1, "Pixels added at both sides along the fast axis.", unit="px", ge=0, le=10_000)
    slow_px: int = Knob(1, "Lines added at both sides along the slow axis.", unit="px", ge=0, le=10_000)


@step("mask.grow", MaskGrow, version="1")
def mask_grow(field: Field, params: MaskGrow) -> Masks:
    """Grow each chosen mask by a rectangle."""
    return reshaped(field, params, lambda mask: grown(mask, params.slow_px, params.fast_px))


class MaskShrink(MaskChoice):
    """Shrink masks by some pixels."""

    fast_px: int = Knob(1, "Pixels taken away at both sides along the fast axis.", unit="px", ge=0, le=10_000)
    slow_px: int = Knob(1, "Lines taken away at both sides along the slow axis.", unit="px", ge=0, le=10_000)


@step("mask.shrink", MaskShrink, version="1")
def mask_shrink(field: Field, params: MaskShrink) -> Masks:
    """Shrink each chosen mask by a rectangle; at the edge of the image nothing is taken away."""
    return reshaped(field, params, lambda mask: ~grown(~mask, params.slow_px, params.fast_px))


def grown(mask: Mask, slow_px: int, fast_px: int) -> Mask:
    """Return the mask grown by a rectangle of (2 slow_px + 1) x (2 fast_px + 1) pixels."""
    import cv2

    # Not beyond the image: OpenCV fails on kernels much larger than it.
    tall, wide = min(slow_px, mask.shape[0]), min(fast_px, mask.shape[1])
    out = mask.astype(np.uint8)
    for kernel in (np.ones((2 * tall + 1, 1), np.uint8), np.ones((1, 2 * wide + 1), np.uint8)):
        out = cv2.dilate(out, kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return np.asarray(out, dtype=np.bool_)


class MaskFillHoles(MaskChoice):
    """Fill holes in masks."""

    max_pix: int = Knob(0, "Larger holes stay open; 0 = fill all.", unit="px", ge=0, le=10**9)


@step("mask.fill_holes", MaskFillHoles, version="1")
def mask_fill_holes(field: Field, params: MaskFillHoles) -> Masks:
    """Mark unmarked parts that a mask encloses (corners do not connect the inside with the outside)."""

    def fill(mask: Mask) -> Mask:
        labels, stats = components(~mask, connectivity=4)
        open_ends = np.unique(np.concatenate((labels[0], labels[-1], labels[:, 0], labels[:, -1])))
        inside = np.ones(stats.shape[0], dtype=np.bool_)
        inside[0] = False
        inside[open_ends] = False
        if params.max_pix:
            inside &= stats[:, 4] <= params.max_pix
        return mask | inside[labels]

    return reshaped(field, params, fill)


class MaskRemoveSmall(MaskChoice):
    """Remove small parts of masks."""

    min_pix: int = Knob(5, "Parts with fewer pixels are removed.", unit="px", ge=1, le=10**9)


@step("mask.remove_small", MaskRemoveSmall, version="1")
def mask_remove_small(field: Field, params: MaskRemoveSmall) -> Masks:
    """Remove connected parts (corners connect) below a size."""

    def keep(mask: Mask) -> Mask:
        labels, stats = components(mask)
        large = stats[:, 4] >= params.min_pix
        large[0] = False
        return np.asarray(large[labels], dtype=np.bool_)

    return reshaped(field, params, keep)


class MaskCombine(Params):
    """Combine two masks into one, or invert one."""

    operation: Literal["union", "intersection", "difference", "invert"] = Knob(
        "union", "union: in either; intersection: in both; difference: in the first only; invert: not in the first."
    )
    first: str = Knob("artifact", 'A mask as "role/name", for example "artifact/scar"; or a role: all its masks.')
    second: str = Knob("", "The other mask, written in the same way; not used by invert.")
    role: Literal["artifact", "foreground", "missing"] = Knob("artifact", "Role of the result.")
    name: str = Knob("combined", "Name of the result; a mask of that role and name is replaced.")


@step("mask.combine", MaskCombine, version="1")
def mask_combine(field: Field, params: MaskCombine) -> Masks:
    """Combine masks; a mask that does not exist (a detector found nothing) counts as empty.

    Raises
    ------
    BadMaskError
        If a mask is not written as "role" or "role/name".
    """
    first = named_mask(field, params.first)
    if params.operation == "invert":
        return field.masks.with_mask(params.role, named(params.name), ~first)
    second = named_mask(field, params.second)
    result = {
        "union": lambda: first | second,
        "intersection": lambda: first & second,
        "difference": lambda: first & ~second,
    }[params.operation]()
    return field.masks.with_mask(params.role, named(params.name), result)


def named_mask(field: Field, text: str) -> Mask:
    """Find a mask by "role/name", or unite all masks of "role"."""
    role, _, name = text.partition("/")
    if role not in ("artifact", "foreground", "missing"):
        raise BadMaskError(
            f"{text!r} is not a mask", now='Write "artifact/scar", "foreground/drawn", "missing", or a role alone.'
        )
    out = np.zeros(field.shape, dtype=np.bool_)
    for other_role, other_name, mask in field.masks.items():
        if other_role == role and name in ("", other_name):
            out |= mask
    return out


def named(name: str) -> str:
    """Return a mask's name; raise `BadMaskError` if it is empty or holds a slash."""
    if not name.strip() or "/" in name:
        raise BadMaskError(f"{name!r} cannot be the name of a mask", now='Take a plain word such as "drawn".')
    return name


class MaskClear(Params):
    """Remove masks."""

    role: Literal["artifact", "foreground", "missing", "all"] = Knob("artifact", "Role of the masks to remove.")
    name: str = Knob("", "Name of the mask to remove; all of the role if empty.")


@step("mask.clear", MaskClear, version="1")
def mask_clear(field: Field, params: MaskClear) -> Masks:
    """Remove masks. Heights that were filled already stay filled and keep their error bar."""
    masks = field.masks
    nothing = np.zeros(field.shape, dtype=np.bool_)
    for role, name, _ in field.masks.items():
        if params.role in (role, "all") and params.name in ("", name):
            masks = masks.with_mask(role, name, nothing)
    return masks


def with_role(masks: Masks, role: Role, name: str, mask: Mask) -> Masks:
    """Add a mask to those of the same role and name."""
    return masks.with_added(role, named(name), mask)
