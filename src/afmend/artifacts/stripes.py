"""Growth of stripes into pixels that look like them (Table 1, steps 4 to 6, of the seed paper)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from afmend.artifacts.components import Components, find_components
from afmend.artifacts.reshape import OfMasks, reshape_each
from afmend.pipeline import Field, Knob, step
from afmend.scan import Masks
from afmend.scan.arrays import Heights, Mask

Indices = NDArray[np.intp]


class Stripes(OfMasks):
    """Grow stripes into neighboring pixels of similar height (stripe growth of the seed paper, Table 1)."""

    ar: float = Knob(
        4.0, "A component at least this many times wider than high is a stripe; the others are blobs and stay.",
        ge=1, le=1000, step=0.5, recommended=(2, 10),
    )  # fmt: skip
    k: float = Knob(
        1.0, "A neighbor joins if its height is within k standard deviations of the stripe's mean; larger grows more.",
        unit="sigma", ge=0, le=20, step=0.1, recommended=(0.5, 2),
    )  # fmt: skip
    region: int = Knob(
        10, "Farthest growth in steps from pixel to pixel; 0 = none.", unit="px", ge=0, le=1000, recommended=(3, 30)
    )
    grad: float = Knob(
        10.0, "Pixels with a steeper slope never join, in units of the image's median slope; the rims of stripes of 2 "
        "and more lines are steep.",
        unit="median slopes", ge=0, le=1000, step=0.1, recommended=(3, 50),
    )  # fmt: skip


@step("mask.stripes", Stripes, version="1")
def stripes(field: Field, params: Stripes) -> Masks:
    """Grow every stripe by the pixels at its sides with |h - mean| <= k sigma and a slope <= grad, again and again.

    Mean and sigma are those of the stripe before growth. Where two stripes could take a pixel, the one takes it whose
    mean is nearer in its sigma. Result: grown stripes and unchanged blobs. The paper gives the slope limit without a
    unit; here it is in median slopes, so that the result does not depend on the height scale. Not for tilted images,
    where similar height means nothing: level first.

    Source: Zhang et al., Artifact Removal and Image Restoration in AFM: A Structured Mask-Guided Directional
    Inpainting Approach, eqs. 3 to 5.
    """
    usable = field.usable
    if not usable.any():
        return field.masks
    centered = field.heights - float(np.median(field.heights[usable]))
    gentle = _gentle(centered, usable, params.grad)
    return reshape_each(field, params, lambda mask: mask | _grown_stripes(centered, usable, gentle, mask, params))


def _gentle(heights: Heights, usable: Mask, grad: float) -> Mask:
    """Find usable pixels whose slope (central differences, heights per pixel) is at most ``grad`` median slopes.

    The median is 0 where more than half of the image is flat (quantized data); then the mean counts.
    """
    along = [np.gradient(heights, axis=axis) for axis in (0, 1) if heights.shape[axis] > 1]
    slope = np.sqrt(np.sum(np.square(along), axis=0)) if along else np.zeros(heights.shape)
    known = slope[usable]
    gentle: Mask = usable & (slope <= grad * float(np.median(known) or np.mean(known)))
    return gentle


class _Alike(NamedTuple):
    """What joins: flat arrays of the image, and mean and sigma per component."""

    heights: NDArray[np.float64]
    gentle: NDArray[np.bool_]
    mean: NDArray[np.float64]
    sigma: NDArray[np.float64]
    k: float


def _grown_stripes(heights: Heights, usable: Mask, gentle: Mask, mask: Mask, params: Stripes) -> Mask:
    parts = find_components(mask)
    long = parts.width >= params.ar * parts.height
    mean, sigma, known = _statistics(parts, heights, usable)
    owner = np.where(parts.paint(long & known), parts.labels, 0).ravel()
    seeds = np.flatnonzero(owner)
    # Whatever is marked already is not for others to grow through.
    owner[(owner == 0) & mask.ravel()] = -1
    alike = _Alike(heights.ravel(), gentle.ravel(), mean, sigma, params.k)
    for _ in range(params.region):
        if seeds.size == 0:
            break
        seeds = _join(owner, seeds, mask.shape, alike)
    return owner.reshape(mask.shape) > 0


def _statistics(
    parts: Components, heights: Heights, usable: Mask
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Take mean and standard deviation of the usable pixels of each component, and whether it has any."""
    labels, values = parts.labels[usable], heights[usable]
    count = np.bincount(labels, minlength=parts.area.size)
    share = np.maximum(count, 1)
    mean = np.bincount(labels, values, parts.area.size) / share
    variance = np.bincount(labels, np.square(values - mean[labels]), parts.area.size) / share
    return mean, np.sqrt(variance), count > 0


def _join(owner: NDArray[np.int32], rim: Indices, shape: tuple[int, int], alike: _Alike) -> Indices:
    """Let the pixels at the sides of ``rim`` join its stripes; write them to ``owner`` and return them."""
    pixel, stripe = _beside(owner, rim, shape)
    away = np.abs(alike.heights[pixel] - alike.mean[stripe])
    fits = alike.gentle[pixel] & (owner[pixel] == 0) & (away <= alike.k * alike.sigma[stripe])
    pixel, stripe, away = pixel[fits], stripe[fits], away[fits]
    sigma = alike.sigma[stripe]
    distance = np.divide(away, sigma, out=np.zeros_like(away), where=sigma > 0)
    order = np.lexsort((stripe, distance, pixel))
    joined, first = np.unique(pixel[order], return_index=True)
    owner[joined] = stripe[order][first]
    return joined


def _beside(owner: NDArray[np.int32], rim: Indices, shape: tuple[int, int]) -> tuple[Indices, NDArray[np.int32]]:
    """List the four neighbors of each pixel of ``rim`` with the stripe that they may join."""
    rows, cols = shape
    row, col = np.divmod(rim, cols)
    pairs = ((-cols, row > 0), (cols, row < rows - 1), (-1, col > 0), (1, col < cols - 1))
    pixel = np.concatenate([rim[inside] + shift for shift, inside in pairs])
    return pixel, np.concatenate([owner[rim[inside]] for _, inside in pairs])
