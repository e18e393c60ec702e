"""Reshaping of masks: grow, shrink, fill holes, drop components, expand to whole lines.

Every step here works on each kind of artifact (each mask of a role) by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from afmend.artifacts.components import find_components
from afmend.pipeline import Field, Knob, Params, step
from afmend.scan import Masks
from afmend.scan.arrays import Mask


class OfMasks(Params):
    """Which masks a step reshapes."""

    role: Literal["artifact", "foreground", "missing"] = Knob(
        "artifact",
        "Masks of this role are reshaped. Taking pixels away from missing gives up what the file said: "
        "the placeholders under them then count as measured.",
    )
    name: str = Knob("", "Only the mask of this name (for example scar); empty = every mask of the role, one by one.")


def reshape_each(field: Field, chosen: OfMasks, change: Callable[[Mask], Mask]) -> Masks:
    """Apply ``change`` to each chosen mask separately; a name that marks nothing is an empty mask, not an error."""
    masks = field.masks
    for role, name, mask in field.masks.items():
        if role == chosen.role and chosen.name in ("", name):
            masks = masks.with_mask(role, name, change(mask))
    return masks


class Grow(OfMasks):
    """Grow masks by some pixels along each axis."""

    fast_px: int = Knob(1, "Growth to either side along lines.", unit="px", ge=0, le=100_000, recommended=(0, 5))
    slow_px: int = Knob(1, "Growth to either side across lines.", unit="px", ge=0, le=100_000, recommended=(0, 5))


@step("mask.grow", Grow, version="1")
def grow(field: Field, params: Grow) -> Masks:
    """Mark every pixel whose window of 2 fast_px + 1 by 2 slow_px + 1 pixels holds a marked one."""
    return reshape_each(field, params, lambda mask: grown(mask, params.fast_px, params.slow_px))


class Shrink(OfMasks):
    """Shrink masks by some pixels along each axis."""

    fast_px: int = Knob(1, "Shrinkage at either end along lines.", unit="px", ge=0, le=100_000, recommended=(0, 5))
    slow_px: int = Knob(1, "Shrinkage at either end across lines.", unit="px", ge=0, le=100_000, recommended=(0, 5))


@step("mask.shrink", Shrink, version="1")
def shrink(field: Field, params: Shrink) -> Masks:
    """Keep the pixels whose whole window is marked; a mask does not shrink from the border of the image.

    Not for scars of one line: across lines they vanish whole.
    """
    return reshape_each(field, params, lambda mask: ~grown(~mask, params.fast_px, params.slow_px))


def grown(mask: Mask, fast_px: int, slow_px: int) -> Mask:
    """Return ``mask`` grown by a rectangle; time does not depend on its size."""
    return _grown_along_lines(_grown_along_lines(mask, fast_px).T, slow_px).T


def _grown_along_lines(mask: Mask, reach: int) -> Mask:
    cols = mask.shape[1]
    reach = min(reach, cols)
    counted = np.zeros((mask.shape[0], cols + 1), dtype=np.int32)
    np.cumsum(mask, axis=1, dtype=np.int32, out=counted[:, 1:])
    place = np.arange(cols)
    first, stop = np.maximum(place - reach, 0), np.minimum(place + reach + 1, cols)
    return counted[:, stop] > counted[:, first]


class FillHoles(OfMasks):
    """Mark what masks enclose."""

    max_pix: int = Knob(0, "Larger holes stay open; 0 = none is too large.", unit="px", ge=0, le=1 << 25)


@step("mask.fill_holes", FillHoles, version="1")
def fill_holes(field: Field, params: FillHoles) -> Masks:
    """Close holes that touch neither the border of the image nor, over a side, anything outside the mask."""
    return reshape_each(field, params, lambda mask: holes_filled(mask, params.max_pix))


def holes_filled(mask: Mask, max_pix: int = 0) -> Mask:
    """Return ``mask`` with its enclosed holes of up to ``max_pix`` pixels marked (0 = of any size)."""
    rows, cols = mask.shape
    open_ = find_components(~mask, diagonal=False)
    inside = (open_.left > 0) & (open_.top > 0) & (open_.left + open_.width < cols) & (open_.top + open_.height < rows)
    if max_pix:
        inside &= open_.area <= max_pix
    return mask | open_.paint(inside)


class RemoveSmall(OfMasks):
    """Drop components that are too small, too short or too low."""

    min_pix: int = Knob(4, "Components of fewer pixels are dropped.", unit="px", ge=1, le=1 << 25, recommended=(1, 30))
    min_fast_px: int = Knob(1, "Components shorter along lines than this are dropped.", unit="px", ge=1, le=100_000)
    min_slow_px: int = Knob(1, "Components of fewer lines than this are dropped.", unit="px", ge=1, le=100_000)


@step("mask.remove_small", RemoveSmall, version="1")
def remove_small(field: Field, params: RemoveSmall) -> Masks:
    """Drop small components; pixels that touch at a corner belong together."""

    def kept(mask: Mask) -> Mask:
        parts = find_components(mask)
        large = (parts.width >= params.min_fast_px) & (parts.height >= params.min_slow_px)
        return parts.paint(large & (parts.area >= params.min_pix))

    return reshape_each(field, params, kept)


class Area(OfMasks):
    """Keep components of a certain area (area filter of the seed paper, Table 1 step 3)."""

    min_pix: int = Knob(
        10, "Components of fewer pixels are noise and dropped.", unit="px", ge=1, le=1 << 25, recommended=(3, 100)
    )
    max_pix: int = Knob(
        0, "Components of more pixels are regular structures and dropped; 0 = none is too large.",
        unit="px", ge=0, le=1 << 25,
    )  # fmt: skip


@step("mask.area", Area, version="1")
def area(field: Field, params: Area) -> Masks:
    """Keep the components C of a mask with min_pix <= area(C) <= max_pix; corners connect.

    Not after expansion to whole lines: an upper limit then drops the worst artifacts.

    Source: Zhang et al., Artifact Removal and Image Restoration in AFM: A Structured Mask-Guided Directional
    Inpainting Approach, eq. 2.
    """

    def kept(mask: Mask) -> Mask:
        parts = find_components(mask)
        fits = parts.area >= params.min_pix
        if params.max_pix:
            fits &= parts.area <= params.max_pix
        return parts.paint(fits)

    return reshape_each(field, params, kept)


class ExpandLines(OfMasks):
    """Expand horizontal stripes to whole rows and vertical ones to whole columns (seed paper, section 2.5)."""

    ar: float = Knob(
        4.0, "A component at least this many times longer than thick is a stripe.", ge=1, le=1000, step=0.5,
        recommended=(2, 10),
    )  # fmt: skip


@step("mask.expand_lines", ExpandLines, version="1")
def expand_lines(field: Field, params: ExpandLines) -> Masks:
    """Mark every row that a horizontal stripe touches, and every column that a vertical one touches.

    Lengths are those of bounding boxes, in pixels. Not for short scars: good data beside them is given up, and a
    column that is marked whole leaves a fill along lines nothing but its two neighbors.

    Source: Zhang et al., Artifact Removal and Image Restoration in AFM: A Structured Mask-Guided Directional
    Inpainting Approach, section 2.5.
    """
    return reshape_each(field, params, lambda mask: lines_expanded(mask, params.ar))


def lines_expanded(mask: Mask, ar: float) -> Mask:
    """Return ``mask`` with its stripes expanded; with ``ar`` 1 a square is a stripe both ways."""
    parts = find_components(mask)
    marked = np.arange(parts.area.size) > 0
    lying = parts.paint(marked & (parts.width >= ar * parts.height))
    standing = parts.paint(marked & (parts.height >= ar * parts.width))
    whole: Mask = mask | np.any(lying, axis=1, keepdims=True) | np.any(standing, axis=0, keepdims=True)
    return whole
