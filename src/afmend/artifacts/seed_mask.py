"""The first mask of the seed paper (Table 1, steps 1 and 2), with a classical response in place of its network."""

from __future__ import annotations

import numpy as np

from afmend.artifacts.scar_score import filled_from_lines
from afmend.artifacts.thresholds import robust_spread
from afmend.pipeline import Field, Found, Knob, Params, step
from afmend.scan.arrays import Heights, Mask

HALF = 6.0
"""Deviation in robust standard deviations at which the response is 0.5."""


class SeedMask(Params):
    """Mark suspicious pixels as the seed paper does, with a classical response map in place of its network."""

    thr: float = Knob(
        0.5, "Response (0 to 1) from where on a pixel is suspicious; larger marks less. 0.5 is a jump to both "
        "neighboring lines of 6 robust standard deviations.",
        ge=0.01, le=1, step=0.01, recommended=(0.3, 0.8),
    )  # fmt: skip
    win: int = Knob(
        7, "Width of the square window in which spikes are sought; even widths are rounded up.", unit="px", ge=3, le=15,
        step=2, recommended=(5, 11),
    )  # fmt: skip
    lam: float = Knob(
        4.0, "A spike is away from the median of its window by more than lam standard deviations of the window; "
        "larger marks less, beyond about win nothing.",
        unit="sigma", ge=0.5, le=15, step=0.1, recommended=(3, 6),
    )  # fmt: skip


@step("mark.seed", SeedMask, version="1")
def seed_mask(field: Field, params: SeedMask) -> Found:
    """Mark P >= thr and spikes |h - median| > lam sigma of the window.

    The paper's response map P comes from a trained network that is not part of this step; here P is
    d^2 / (d^2 + 6^2), where d is the second difference across lines in its robust standard deviations. Kept as the
    start of the seed's chain (mask.area, mask.stripes, mask.expand_lines). Not for scars of several lines, of which
    only the rims respond: use mark.scars. Level lines first: a line offset responds over its whole length.

    Source: Zhang et al., Artifact Removal and Image Restoration in AFM: A Structured Mask-Guided Directional
    Inpainting Approach, section 2.3.
    """
    usable = field.usable
    if not usable.any():
        return Found(np.zeros(field.shape, dtype=np.bool_), "suspicious")
    center = float(np.median(field.heights[usable]))
    heights = filled_from_lines(field.heights - center, field.excluded)
    heights[:, ~usable.any(axis=0)] = 0.0
    rounding = 64 * np.finfo(np.float64).eps * float(np.max(np.abs(field.heights[usable])))
    stripe = (response(heights, usable, rounding) >= params.thr) & usable
    spike = spikes(heights, params.win | 1, params.lam, rounding) & usable
    facts = {"by_response": int(np.count_nonzero(stripe)), "by_spikes": int(np.count_nonzero(spike))}
    return Found(stripe | spike, "suspicious", facts=facts)


def response(heights: Heights, usable: Mask, rounding: float = 0.0) -> Heights:
    """Return how suspicious each pixel is, 0 to 1; differences up to ``rounding`` mean nothing.

    Beyond the first and the last line the image is continued by that line.
    """
    padded = np.pad(heights, ((1, 1), (0, 0)), mode="edge")
    bend = heights - 0.5 * (padded[:-2] + padded[2:])
    bend[np.abs(bend) <= rounding] = 0.0
    spread = robust_spread(bend[usable])
    if spread == 0:
        return np.zeros(heights.shape)
    squared = np.square(bend / spread)
    return squared / (squared + HALF**2)


def spikes(heights: Heights, win: int, lam: float, rounding: float = 0.0) -> Mask:
    """Mark |h - median| > lam sigma, both over a window of ``win`` by ``win`` pixels (odd)."""
    from scipy.ndimage import median_filter, uniform_filter

    mean = uniform_filter(heights, win, mode="nearest")
    variance = uniform_filter(np.square(heights), win, mode="nearest") - np.square(mean)
    sigma = np.sqrt(np.maximum(variance, 0.0))
    away = np.abs(heights - median_filter(heights, win, mode="nearest"))
    found: Mask = (away > lam * sigma) & (away > rounding)
    return found
