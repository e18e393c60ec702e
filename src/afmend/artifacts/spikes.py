"""Spikes: single wrong pixels (or a few) that stick out of a small window."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from afmend.pipeline import Field, Found, Knob, Params, step
from afmend.scan.arrays import Heights, Mask

SAME_HEIGHT, HYSTERESIS = 0.5, 8
"""A spike is a feature if the other direction has half of its height within so many pixels along the line."""

ROUNDING = 2e-15
"""Share of the tallest height below which a difference is rounding: heights without noise have no other scale."""


class Spikes(Params):
    """Mark spikes: pixels far from the median of the small window around them."""

    win: Literal[3, 5, 7, 9, 11] = Knob(
        3, "Side of the window; finds spikes of up to half its area. 3 and 5 are fast.", unit="px"
    )
    lam: float = Knob(
        6.0, "Distance from the window's median in robust standard deviations; larger marks less.",
        unit="sigma", gt=0, le=1000, step=0.5, recommended=(4, 10),
    )  # fmt: skip
    polarity: Literal["both", "positive", "negative"] = Knob(
        "both", "Spikes above the surface (positive), below it (negative), or both."
    )
    max_px: int = Knob(
        3, "Largest spike; it must also jut out of calm surroundings of 7 x 7 pixels. 0 = do not ask: the plain rule "
        "of win and lam, which also marks sharp corners and fine texture.", unit="px", ge=0, le=12,
    )  # fmt: skip


class SpikePixels(NamedTuple):
    """Where the spikes are, and what to put there instead."""

    row: NDArray[np.intp]
    col: NDArray[np.intp]
    median: NDArray[np.float64]
    sigma: float

    def mask(self, shape: tuple[int, int]) -> Mask:
        """Return the spikes as a mask."""
        out = np.zeros(shape, dtype=np.bool_)
        out[self.row, self.col] = True
        return out


@step("mark.spikes", Spikes, version="3")
def spikes(field: Field, params: Spikes) -> Found:
    """Mark |h - median| > lam * sigma where a few pixels stand alone.

    Sigma is the robust spread of all h - median, or of the steps along the lines (over root 2) if that is larger.

    Where the other scan direction was recorded, what it shows as well is a small feature and left alone.
    Not for scans whose features are as small as a spike: single atoms or needles one pixel wide stand alone as well.
    """
    found = find_spikes(field.heights, field.excluded, params)
    mask, spared = found.mask(field.shape), 0
    if field.opposite is not None and params.max_px:
        surface = _seen_both_ways(found, field.heights, field.opposite, field.opposite_excluded)
        mask[found.row[surface], found.col[surface]] = False
        spared = int(np.count_nonzero(surface))
    facts = {"sigma": found.sigma, "spikes": int(found.row.size) - spared, "spared_by_opposite": spared}
    return Found(mask, "spike", facts=facts)


def _seen_both_ways(found: SpikePixels, heights: Heights, opposite: Heights, unknown: Mask) -> NDArray[np.bool_]:
    """Tell which spikes the other scan direction shows, too, within its hysteresis: those are small features."""
    distance = heights[found.row, found.col] - found.median
    rows = (found.row[:, None, None] + np.arange(-1, 2)[None, :, None]).clip(0, heights.shape[0] - 1)
    cols = (found.col[:, None, None] + np.arange(-HYSTERESIS, HYSTERESIS + 1)).clip(0, heights.shape[1] - 1)
    window = opposite[rows, cols].reshape(found.row.size, 3 * (2 * HYSTERESIS + 1))
    rise = np.sign(distance)[:, None] * (window - np.median(window, axis=1, keepdims=True))
    rise[unknown[rows, cols].reshape(window.shape)] = 0.0
    return np.asarray(rise.max(axis=1, initial=0.0) >= SAME_HEIGHT * np.abs(distance))


def find_spikes(heights: Heights, excluded: Mask, params: Spikes) -> SpikePixels:
    """Find spikes; the medians (of the usable pixels in the window) are what a fill would put there.

    Candidates come from a single-precision median; each is checked in double precision.
    """
    from afmend.artifacts.spike_kernels import beyond, window_medians

    away, tallest = _from_window_median(heights, params.win)
    sigma = max(_spread(away), _fast_noise(heights), ROUNDING * tallest)
    limit = np.float32(0.999 * params.lam * sigma)
    never = np.float32(np.inf)
    low, high = -limit, limit
    if params.polarity != "both":
        low, high = (-never, limit) if params.polarity == "positive" else (-limit, never)
    row, col = beyond(away, low, high)
    if excluded.any():
        kept = ~excluded[row, col]
        row, col = row[kept], col[kept]
    if params.max_px:
        from afmend.artifacts.spike_kernels import lonely

        alone = lonely(row, col, away, params.max_px)
        row, col = row[alone], col[alone]
    median = window_medians(heights, excluded, row, col, params.win)
    distance = heights[row, col] - median
    if params.polarity != "both":
        distance = distance if params.polarity == "positive" else -distance
    sure = (np.abs(distance) if params.polarity == "both" else distance) > params.lam * sigma
    if params.max_px and sure.any():
        from afmend.artifacts.spike_kernels import stands_alone

        sure[sure] = stands_alone(heights, row[sure], col[sure], excluded, (sigma, params.lam, params.max_px))
    return SpikePixels(row[sure], col[sure], median[sure], sigma)


def _from_window_median(heights: Heights, win: int) -> tuple[NDArray[np.float32], float]:
    """Heights minus the median of their window, which is continued by edge pixels; also the largest size of any."""
    sample = heights[:: max(1, heights.shape[0] // 64), :: max(1, heights.shape[1] // 64)]
    middle = _middle(sample.ravel())
    if win <= 5:
        return _from_small_median(heights, win, middle)
    from scipy.ndimage import median_filter

    from afmend.artifacts.spike_kernels import centered

    small = np.empty(heights.shape, dtype=np.float32)
    tallest = float(centered(heights, middle, small))
    return np.asarray(small - median_filter(small, size=win, mode="nearest"), dtype=np.float32), tallest


def _from_small_median(heights: Heights, win: int, middle: float) -> tuple[NDArray[np.float32], float]:
    """`_from_window_median` of a window of 3 or 5 pixels, half of the lines on either of two threads."""
    import cv2

    from afmend.artifacts.spike_kernels import centered
    from afmend.compiled import side_by_side

    rows, tallest = heights.shape[0], np.zeros(2)
    away = np.empty(heights.shape, dtype=np.float32)

    def half(part: int, parts: int) -> None:
        first, stop = rows * part // parts, rows * (part + 1) // parts
        top = max(first - win // 2, 0)
        some = heights[top : stop + win // 2]
        small = np.empty(some.shape, dtype=np.float32)
        tallest[part] = centered(some, middle, small)
        inside = slice(first - top, stop - top)
        cv2.subtract(small[inside], cv2.medianBlur(small, win)[inside], dst=away[first:stop])

    side_by_side(half)
    return away, float(tallest.max())


def _spread(away: NDArray[np.float32]) -> float:
    """Robust standard deviation of the distances, from a sample; not fooled by quantized heights.

    Where more than half of the distances are 0 (quantized or synthetic heights) the mean takes the place of the
    median.
    """
    rows, cols = away.shape
    middle = _middle(np.abs(away[:: max(1, rows // 64), :: max(1, cols // 64)]).ravel())
    if middle > 0:
        return 1.4826 * middle
    sizes = np.abs(away).ravel()
    positive = sizes[sizes > 0]
    if positive.size == 0:
        return 0.0
    return 1.2533 * float(np.mean(np.minimum(sizes, np.median(positive))))


def _middle(values: NDArray[np.floating[Any]]) -> float:
    """Upper median: a value of the array, cheaper than the mean of two."""
    half = values.size // 2
    return float(np.partition(values, half)[half])


def _fast_noise(heights: Heights) -> float:
    """Robust standard deviation from the differences along lines: on slopes the median itself hardly differs."""
    rows, cols = heights.shape
    if cols < 2:
        return 0.0
    part, every = heights[:: max(1, rows // 64)], max(1, cols // 64)
    steps = (part[:, 1::every] - part[:, : cols - 1 : every]).ravel()
    middle = _middle(np.abs(steps - _middle(steps)))
    if middle == 0:
        other = np.abs(steps[steps != 0])
        # Quantized heights: half of a quantum; a few odd steps on flat ground say nothing.
        return 0.5 * float(other.min()) if other.size > 0.02 * steps.size else 0.0
    return 1.0484 * middle
