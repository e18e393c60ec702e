"""Small-window filters of other programs' recipes: median, mean, Gaussian, conservative.

They change every pixel, measured ones included: no default recipe of afmend uses them.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from afmend.errors import StepError
from afmend.pipeline import Field, Knob, Leveled, Params, step


def _odd(size: int) -> int:
    if size % 2 == 0:
        raise StepError(f"a window of {size} px has no central pixel", now=f"Take {size - 1} or {size + 1}.")
    return size


class MedianFilter(Params):
    """Replace each pixel by the median of its surroundings."""

    size_px: int = Knob(3, "Edge of the square window, odd; larger removes larger specks and rounds more corners.",
                        unit="px", ge=1, le=31, step=2, recommended=(3, 5))  # fmt: skip


@step("filter.median", MedianFilter, version="1")
def median_filter(field: Field, params: MedianFilter) -> Leveled:
    """Filter with a square window, clipped at the edges of the image; exact in double precision.

    Of an even number of pixels (at the edges) the larger of the middle two is taken. All pixels count, masked or not:
    fill holes first. Not before measuring roughness.

    Raises
    ------
    StepError
        If the size is even.
    """
    from afmend.leveling import filter_kernels

    return Leveled(filter_kernels.median(np.ascontiguousarray(field.heights), _odd(params.size_px)))


class MeanFilter(Params):
    """Replace each pixel by the mean of its surroundings."""

    size_px: int = Knob(3, "Edge of the square window, odd; larger smooths more.", unit="px", ge=1, le=99, step=2,
                        recommended=(3, 5))  # fmt: skip


@step("filter.mean", MeanFilter, version="1")
def mean_filter(field: Field, params: MeanFilter) -> Leveled:
    """Filter with a square window, clipped at the edges of the image. All pixels count: fill holes first.

    Raises
    ------
    StepError
        If the size is even.
    """
    from scipy.ndimage import correlate1d

    ones = np.ones(_odd(params.size_px))
    sums = field.heights
    for axis in (0, 1):
        count = correlate1d(np.ones(field.shape[axis]), ones, mode="constant")
        sums = correlate1d(sums, ones, axis=axis, mode="constant") / (count[:, None] if axis == 0 else count)
    return Leveled(sums)


class GaussianFilter(Params):
    """Smooth with a Gaussian."""

    sigma_px: float = Knob(1.0, "Standard deviation of the Gaussian; larger smooths more.", unit="px", gt=0, le=100,
                           step=0.1, recommended=(0.5, 2))  # fmt: skip
    mode: Literal["reflect", "nearest"] = Knob(
        "reflect", "What lies beyond the edge: the mirrored image, or the edge pixel on and on.", advanced=True
    )
    truncate: float = Knob(4.0, "Where the Gaussian ends; larger is more exact.", unit="sigma", ge=2, le=10, step=0.5,
                           advanced=True)  # fmt: skip


@step("filter.gaussian", GaussianFilter, version="1")
def gaussian_filter(field: Field, params: GaussianFilter) -> Leveled:
    """Smooth. All pixels count, masked or not: fill holes first. Lowers roughness and blurs edges."""
    from scipy import ndimage

    smooth = ndimage.gaussian_filter(field.heights, params.sigma_px, mode=params.mode, truncate=params.truncate)
    return Leveled(np.ascontiguousarray(smooth))


class ConservativeFilter(Params):
    """Clip each pixel to the range of its surroundings."""

    size_px: int = Knob(5, "Edge of the square window, odd; larger clips less.", unit="px", ge=3, le=31, step=2,
                        recommended=(3, 5))  # fmt: skip


@step("filter.conservative", ConservativeFilter, version="1")
def conservative_filter(field: Field, params: ConservativeFilter) -> Leveled:
    """Clip each pixel to the lowest and highest of the others in its window: removes single spikes only.

    The window is clipped at the edges of the image. All pixels count, masked or not: fill holes first.

    Raises
    ------
    StepError
        If the size is even, or the image is a single pixel.
    """
    from scipy.ndimage import maximum_filter, minimum_filter

    if field.heights.size == 1:
        raise StepError("a single pixel has no surroundings")
    others = np.ones((_odd(params.size_px), params.size_px), dtype=np.bool_)
    others[params.size_px // 2, params.size_px // 2] = False
    low = minimum_filter(field.heights, footprint=others, mode="constant", cval=np.inf)
    high = maximum_filter(field.heights, footprint=others, mode="constant", cval=-np.inf)
    return Leveled(np.clip(field.heights, low, high))
