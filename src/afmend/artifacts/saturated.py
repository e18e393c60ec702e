"""Saturation: where the sensor or the amplifier had reached its end, all pixels hold exactly the same extreme value."""

from __future__ import annotations

from typing import cast

import numpy as np

from afmend.artifacts.repeats import USUAL, has_noise
from afmend.pipeline import Field, Found, Knob, Params, step
from afmend.scan.arrays import Heights, Mask


class Saturated(Params):
    """Mark plateaux at the highest or lowest value of the channel that cut off what would go on."""

    min_pixels: int = Knob(6, "Smallest plateau.", unit="px", ge=2, le=1_000_000, recommended=(4, 50))
    times: float = Knob(
        5.0, "How many times more often the extreme value occurs than the next levels.", gt=1, le=1e6, step=0.5
    )
    max_share: float = Knob(
        0.3, "Where the extreme value covers a larger share of the scan, it is the ground, not saturation.",
        gt=0, le=1, step=0.05, advanced=True,
    )  # fmt: skip


@step("mark.saturated", Saturated, version="1")
def saturated(field: Field, params: Saturated) -> Found:
    """Mark connected pixels that all hold exactly the highest (or the lowest) value.

    The value must occur far more often than the next levels. Where equal neighbors are common all over the
    scan, or lines hold no noise (synthetic or coarsely quantized data), nothing is marked: flat ground is surface.

    A plateau reaches over at least two lines. Not for filtered or leveled data: there the plateaux are no longer exact.
    """
    found = np.zeros(field.shape, dtype=np.bool_)
    facts = {}
    for name, sign in (("high", 1.0), ("low", -1.0)):
        heights = sign * field.heights
        marked = _plateaux(heights, field.usable, params)
        if marked is not None:
            found |= marked
            facts[name] = float(field.heights[marked][0])
    return Found(found, "saturated", facts=facts)


def _plateaux(heights: Heights, usable: Mask, params: Saturated) -> Mask | None:
    top = float(np.max(heights, where=usable, initial=-np.inf))
    at_top = usable & (heights == top)
    count = int(np.count_nonzero(at_top))
    measured = int(np.count_nonzero(usable))
    if count < params.min_pixels or count > params.max_share * measured:
        return None
    at_top &= ~_whole_lines(at_top, usable)
    next_levels = _next_levels(heights, usable & (heights < top))
    if count < params.times * next_levels:
        return None
    marked = _large_parts(at_top, params.min_pixels)
    if (
        not marked.any()
        or _equality_is_common(heights, usable & ~marked)
        or not has_noise(heights, np.asarray(usable.any(axis=1)))
    ):
        return None
    return marked


def _whole_lines(at_top: Mask, usable: Mask) -> Mask:
    """Lines with nothing but the extreme value: stuck or never scanned, not saturated."""
    return cast("Mask", (at_top == usable).all(axis=1)[:, None])


def _next_levels(heights: Heights, below: Mask) -> int:
    """How often the most frequent of the next three values occurs."""
    most = 0
    for _ in range(3):
        level = float(np.max(heights, where=below, initial=-np.inf))
        if not np.isfinite(level):
            break
        here = below & (heights == level)
        most = max(most, int(np.count_nonzero(here)))
        below = below & ~here
    return most


def _large_parts(mask: Mask, least: int) -> Mask:
    import cv2

    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    large = (stats[:, cv2.CC_STAT_AREA] >= least) & (stats[:, cv2.CC_STAT_HEIGHT] > 1)
    large[0] = False
    return cast("Mask", large[labels])


def _equality_is_common(heights: Heights, usable: Mask) -> bool:
    both = usable[:, 1:] & usable[:, :-1]
    same = both & (heights[:, 1:] == heights[:, :-1])
    return bool(np.count_nonzero(same) > (1 - USUAL) * np.count_nonzero(both))
