"""Values that repeat exactly: the ends of the measuring range, and lines that were never scanned."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from afmend.pipeline import Field, Found, Knob, Params, step
from afmend.scan.arrays import Heights, Mask

LEVELS = 16
"""So many levels next to the extreme one tell how often a level usually occurs."""
FEWEST = 32
"""An image with fewer levels is too coarse to tell."""


class Saturated(Params):
    """Mark pixels at the end of the measuring range."""

    least: int = Knob(8, "A plateau has at least this many pixels.", unit="px", ge=2, le=1_000_000)
    times: float = Knob(
        10.0, "How many times more often than the levels next to it the extreme level must occur.",
        gt=1, le=10_000, recommended=(5, 50),
    )  # fmt: skip
    max_share: float = Knob(
        0.25, "A plateau that covers more of the image is taken for flat ground (synthetic data), not for saturation.",
        gt=0, le=1, step=0.05,
    )  # fmt: skip


@step("mark.saturated", Saturated, version="1")
def saturated(field: Field, params: Saturated) -> Found:
    """Mark exact-value plateaus at the highest and the lowest height.

    Not for 8-bit pictures with few levels: nothing is marked where an image has less than 32 levels.
    """
    return Found(
        plateau(field.heights, field.usable, params.least, params.times, params.max_share), "saturated"
    )


def plateau(heights: Heights, usable: Mask, least: int = 8, times: float = 10.0, max_share: float = 0.25) -> Mask:
    """Find the pixels at the highest and the lowest usable height, if there are suspiciously many of them."""
    out = np.zeros(heights.shape, dtype=np.bool_)
    values = heights.ravel() if usable.all() else heights[usable]
    if values.size == 0:
        return out
    ends = (float(values.min()), float(values.max()))
    counts = [int(np.count_nonzero(values == end)) for end in ends]
    levels: NDArray[np.intp] | None = None
    for end, count in zip(ends, counts, strict=True):
        if not least <= count <= max_share * values.size:
            continue
        if levels is None:  # how often each level occurs; sorting is slow, so only if there is a suspicion
            levels = np.unique(values, return_counts=True)[1]
        beside = levels[1 : LEVELS + 1] if end == ends[0] else levels[-LEVELS - 1 : -1]
        if levels.size >= FEWEST and count >= times * float(np.median(beside)):
            out |= (heights == end) & usable
    return out


class Unfinished(Params):
    """Mark lines that were never scanned as missing."""

    min_lines: int = Knob(2, "Shorter blocks are left alone.", unit="px", ge=1, le=100_000)


@step("mark.unfinished", Unfinished, version="1")
def unfinished(field: Field, params: Unfinished) -> Found:
    """Mark blocks of lines at the start or the end of the image that hold one and the same value throughout.

    Instruments write zeros (or the last value) for lines that a stopped scan never reached.
    """
    heights = field.heights
    gone = field.masks.missing
    missing = np.zeros(field.shape, dtype=np.bool_) if gone is None else gone.copy()
    dead = missing.all(axis=1)
    facts: dict[str, int] = {}
    for name, order in (("first", slice(None)), ("last", slice(None, None, -1))):
        ordered, known = heights[order], dead[order]
        start = int(np.argmin(known)) if not known.all() else known.size
        if start == known.size:
            continue
        value = ordered[start, 0]
        same = (ordered[start:] == value).all(axis=1)
        count = int(np.argmin(same)) if not same.all() else 0
        if count >= params.min_lines:
            missing[order][start : start + count] = True
            facts[f"{name}_lines"] = count
    return Found(missing, "missing", "missing", facts)
