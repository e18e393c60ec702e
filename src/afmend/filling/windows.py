"""Filling from a small window around each hole pixel: median of good neighbors, Gaussian of everything."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from afmend.errors import StepError
from afmend.filling.holes import find_holes
from afmend.pipeline import Field, Filled, Knob, Params, step
from afmend.scan.arrays import Heights, Mask

_CHUNK = 4096


class Median(Params):
    """Fill spikes with the median of the good pixels around them."""

    win: int = Knob(
        5, "Side of the square window; an even number counts as the next odd one.", unit="px", ge=3, le=31, step=2,
        recommended=(3, 9),
    )  # fmt: skip


class Smooth(Params):
    """Smooth filled holes with a Gaussian, inside the holes only."""

    sigma_px: float = Knob(
        1.0, "Width of the Gaussian; larger erases more of the fill's detail.", unit="px", ge=0.3, le=10, step=0.1,
        recommended=(0.5, 2),
    )  # fmt: skip


@step("fill.median", Median, version="1")
def median(field: Field, params: Median) -> Filled:
    """Give each hole pixel the exact median of the good pixels in its window.

    A pixel whose window holds no good pixel is left open. It has no error bar. For single-pixel spikes; on slopes
    and in wide holes it makes plateaus.

    Raises
    ------
    StepError
        If every pixel is a hole.
    """
    holes = find_holes(field)
    if holes.empty:
        return Filled(field.heights)
    heights, empty = window_median(holes.heights, holes.known, holes.wanted, params.win // 2)
    return Filled(
        heights, left_open=empty if empty.any() else None, facts={"open_pixels": int(np.count_nonzero(empty))}
    )


@step("fill.smooth", Smooth, version="1")
def smooth(field: Field, params: Smooth) -> Filled:
    """Blend the pixels of holes with their surroundings; good pixels keep their value.

    The localized smoothing of mask-guided restoration. Unlike all other fills it works on what stands in the holes:
    apply it after a fill, never to raw artifacts. It removes amplitude (18 % of it in gaps of 4 lines was measured)
    and voids the error bars. Not for images whose roughness is to be quoted.
    """
    if not field.excluded.any():
        return Filled(field.heights)
    return Filled(blur_inside(field.heights, field.excluded, params.sigma_px))


def window_median(heights: Heights, known: Mask, wanted: Mask, half: int) -> tuple[Heights, Mask]:
    """Return heights with medians in the wanted pixels, and the mask of pixels without a good neighbor."""
    filled = heights.copy()
    empty = np.zeros(heights.shape, dtype=np.bool_)
    padded = np.pad(np.where(known, heights, np.nan), half, constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (2 * half + 1, 2 * half + 1))
    for rows, cols in _chunks(wanted):
        # NaN sorts last: the good heights come first.
        sets = np.sort(windows[rows, cols].reshape(rows.size, -1), axis=1)
        count = np.count_nonzero(~np.isnan(sets), axis=1)
        has = count > 0
        sets, count = sets[has], count[has]
        each = np.arange(count.size)
        low, high = sets[each, (count - 1) // 2], sets[each, count // 2]
        filled[rows[has], cols[has]] = low + 0.5 * (high - low)
        empty[rows[~has], cols[~has]] = True
    return filled, empty


def _chunks(wanted: Mask) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    rows, cols = np.nonzero(wanted)
    for start in range(0, rows.size, _CHUNK):
        yield rows[start : start + _CHUNK], cols[start : start + _CHUNK]


def blur_inside(heights: Heights, holes: Mask, sigma_px: float) -> Heights:
    """Return heights with the pixels of the holes replaced by a Gaussian average of everything around them.

    Raises
    ------
    StepError
        If what stands in the holes is so far off that the average overflows.
    """
    from scipy.ndimage import gaussian_filter

    base = float(heights.flat[0])
    blurred = gaussian_filter(heights - base, sigma_px, mode="nearest", truncate=4.0) + base
    if not np.isfinite(blurred).all():
        raise StepError("the holes hold heights too large to smooth", now="Fill them first (fill.auto).")
    return np.where(holes, blurred, heights)
