"""The seed method: directional neighbors for compact holes, Telea for stripes, then local smoothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from afmend.filling.holes import find_holes, label_holes
from afmend.filling.lines import Directional, directional
from afmend.filling.opencv import inpaint
from afmend.filling.windows import blur_inside
from afmend.pipeline import Field, Filled, Knob, Params, step


class Seed(Params):
    """Fill holes as the seed paper does: directional neighbors, Telea for stripes, local smoothing."""

    ar: float = Knob(
        4.0, "A hole at least this many times wider than high is a stripe.", ge=1, le=50, step=0.5, recommended=(2, 10)
    )
    radius: int = Knob(
        5, "Reach of the directional neighbors and of Telea.", unit="px", ge=1, le=50, step=1, recommended=(2, 8)
    )
    sigma_px: float = Knob(
        1.0, "Width of the final Gaussian inside the holes; 0 = none.", unit="px", ge=0, le=10, step=0.1,
        recommended=(0, 2),
    )  # fmt: skip


@step("fill.seed", Seed, version="1")
def seed(field: Field, params: Seed) -> Filled:
    """Fill compact holes along the line, stripes by Telea, and smooth inside the holes.

    Kept as a baseline: on stripes and scars its error was measured to be about three times that of the best method.
    It has no error bar. Width and height are those of a hole's bounding box.

    Source: Zhang et al., Artifact Removal and Image Restoration in AFM: A Structured Mask-Guided Directional
    Inpainting Approach, section 2.5.

    Raises
    ------
    StepError
        If every pixel is a hole.
    """
    import cv2

    holes = find_holes(field)
    if holes.empty:
        return Filled(field.heights)
    labels, boxes = label_holes(holes.wanted)
    stripe = boxes[:, 2] >= params.ar * boxes[:, 3]
    stripe[0] = False
    stripes = stripe[labels]
    heights = directional(field, Directional(radius=params.radius)).heights
    if stripes.any():
        # Compact holes are filled by now: Telea may lean on them.
        ready = replace(holes, heights=np.where(stripes, holes.heights, heights), known=~stripes, wanted=stripes)
        heights = inpaint(ready, params.radius, cv2.INPAINT_TELEA)
    if params.sigma_px > 0:
        heights = blur_inside(heights, holes.wanted, params.sigma_px)
    return Filled(heights, facts={"stripes": int(np.count_nonzero(stripe)), "holes": len(boxes) - 1})
