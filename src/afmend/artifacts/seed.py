"""The classical part of the published mask generation that afmend grew from, step by step, with its own names.

Their segmentation network comes with a later version; a local response map takes its place here.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from afmend.artifacts.chosen import MaskChoice, components, reshaped
from afmend.artifacts.spikes import Spikes, find_spikes
from afmend.artifacts.thresholds import robust_spread
from afmend.pipeline import Field, Found, Knob, Params, step
from afmend.scan.arrays import Heights, Mask
from afmend.scan.masks import Masks


class SeedScreen(Params):
    """Mark suspicious pixels by a local response map and despike (Table 1, rows 1 and 2: thr, win, lam)."""

    thr: float = Knob(
        0.5, "Response from which a pixel is suspicious (0 to 1); larger marks less. 0.5 is lam sigma.",
        ge=0, le=1, step=0.05, recommended=(0.4, 0.7),
    )  # fmt: skip
    win: Literal[3, 5, 7, 9, 11] = Knob(3, "Window of the despike.", unit="px")
    lam: float = Knob(5.0, "Deviation in sigma, for the response and the despike; larger marks less.",
                      unit="sigma", gt=0, le=1000, step=0.5, recommended=(3, 10))  # fmt: skip


@step("mark.seed", SeedScreen, version="1")
def seed_screen(field: Field, params: SeedScreen) -> Found:
    """Unite pixels whose response reaches thr with spikes |h - median| > lam sigma, under the name "suspicious".

    The response r / (r + lam sigma) compares a pixel with the median of the lines 3 and 4 above and below it.
    The published pre-screen is a network; it comes in a later version, this is its classical stand-in.
    """
    raw = response_map(field, params.lam) >= max(params.thr, np.finfo(float).tiny)
    found = find_spikes(field.heights, field.excluded, Spikes(win=params.win, lam=params.lam))
    mask = (raw | found.mask(field.shape)) & field.usable
    return Found(mask, "suspicious", facts={"response": int(raw.sum()), "spikes": int(found.row.size)})


def response_map(field: Field, lam: float) -> NDArray[np.float64]:
    """Between 0 and 1: how far a pixel is from the lines around it; 0.5 = ``lam`` robust standard deviations."""
    rows = field.shape[0]
    around = [field.heights[(np.arange(rows) + k).clip(0, rows - 1)] for k in (-4, -3, 3, 4)]
    away = np.abs(field.heights - np.median(around, axis=0))
    limit = lam * robust_spread(away[field.usable])
    return np.asarray(away / np.maximum(away + limit, np.finfo(float).tiny), dtype=np.float64)


class MaskArea(MaskChoice):
    """Keep components of min_pix to max_pix pixels (Table 1, row 3: area filter)."""

    min_pix: int = Knob(5, "Smaller components are noise and dropped.", unit="px", ge=0, le=10**9)
    max_pix: int = Knob(10**9, "Larger components are structure and dropped.", unit="px", ge=1, le=10**9)


@step("mask.area", MaskArea, version="1")
def mask_area(field: Field, params: MaskArea) -> Masks:
    """Filter the connected components (corners connect) of each chosen mask by their area."""

    def keep(mask: Mask) -> Mask:
        labels, stats = components(mask)
        fits = (stats[:, 4] >= params.min_pix) & (stats[:, 4] <= params.max_pix)
        fits[0] = False
        return np.asarray(fits[labels], dtype=np.bool_)

    return reshaped(field, params, keep)


class MaskStripes(MaskChoice):
    """Grow stripes into similar pixels beside them, keep blobs (Table 1, rows 4 to 6: ar, k, region, grad)."""

    ar: float = Knob(3.0, "Width over height from which a component is a stripe.", gt=0, le=10_000, recommended=(2, 8))
    k: float = Knob(
        1.5, "Similarity growth: how far a pixel may be from the stripe's mean, in the stripe's standard deviations.",
        unit="sigma", ge=0, le=100, step=0.1, recommended=(0.5, 3),
    )  # fmt: skip
    region: int = Knob(5, "A stripe grows at most this far.", unit="px", ge=0, le=1000, recommended=(2, 20))
    grad: float = Knob(
        3.0, "Largest gradient of a pixel that is taken in, in robust standard deviations of all gradients.",
        unit="sigma", ge=0, le=1000, step=0.1, recommended=(1, 10),
    )  # fmt: skip


@step("mask.stripes", MaskStripes, version="1")
def mask_stripes(field: Field, params: MaskStripes) -> Masks:
    """Grow each stripe by |h - mean| <= k sigma and |gradient| <= grad; result: grown stripes united with blobs."""
    calm = _calm(field.heights, params.grad) & field.usable

    def grow(mask: Mask) -> Mask:
        labels, stats = components(mask)
        out = mask.copy()
        for label in range(1, stats.shape[0]):
            left, top, width, height = (int(v) for v in stats[label, :4])
            if width < params.ar * height:
                continue
            rows = slice(max(0, top - params.region), top + height + params.region)
            cols = slice(max(0, left - params.region), left + width + params.region)
            stripe = labels[rows, cols] == label
            out[rows, cols] |= _grown(field.heights[rows, cols], stripe, calm[rows, cols], params)
        return out

    return reshaped(field, params, grow)


def _calm(heights: Heights, limit: float) -> Mask:
    if min(heights.shape) < 2:
        return np.ones(heights.shape, dtype=np.bool_)
    slow, fast = np.gradient(heights)
    size = np.hypot(slow, fast)
    return np.asarray(size <= limit * robust_spread(size), dtype=np.bool_)


def _grown(heights: Heights, stripe: Mask, calm: Mask, params: MaskStripes) -> Mask:
    import cv2

    for _ in range(params.region):
        inside = heights[stripe]
        similar = np.abs(heights - np.mean(inside)) <= params.k * np.std(inside)
        wider = cv2.dilate(stripe.astype(np.uint8), np.ones((3, 3), dtype=np.uint8)).astype(np.bool_)
        more = stripe | (wider & similar & calm)
        if (more == stripe).all():
            break
        stripe = more
    return stripe


class MaskExpandLines(MaskChoice):
    """Expand stripes to whole lines or columns (section 2.5: full-row and full-column expansion)."""

    ar: float = Knob(
        5.0, "Width over height (or height over width) from which a component is expanded.",
        ge=1, le=10_000, recommended=(3, 20),
    )  # fmt: skip


@step("mask.expand_lines", MaskExpandLines, version="1")
def mask_expand_lines(field: Field, params: MaskExpandLines) -> Masks:
    """Mark the whole rows of horizontal stripes and the whole columns of vertical ones.

    This throws good pixels away. `fill` steps need the ends of a stripe; expand only what is wrong throughout.
    """

    def expand(mask: Mask) -> Mask:
        _, stats = components(mask)
        out = mask.copy()
        for left, top, width, height, _ in stats[1:]:
            if width >= params.ar * height:
                out[top : top + height] = True
            elif height >= params.ar * width:
                out[:, left : left + width] = True
        return out

    return reshaped(field, params, expand)
