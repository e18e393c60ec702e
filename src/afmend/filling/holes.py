"""What every filling method needs to know about the holes: what is known, how wide a hole is, which stay open."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from afmend.errors import StepError
from afmend.pipeline import Field
from afmend.scan.arrays import Heights, Mask

_ENOUGH = 130_000
"""Pixels beyond which more of them say nothing new about a variance."""
_SEARCH = 8
"""Steps per pixel of the image beyond which transforming the whole image is faster than searching around holes."""


@dataclass(frozen=True, slots=True, eq=False)
class Holes:
    """The holes of a field, split into those to fill and those that are too wide.

    Attributes
    ----------
    heights : (rows, cols) float64
        A copy in which everything under the holes was replaced by one good height, so that nothing leaks.
    known : (rows, cols) bool
        Good pixels.
    wanted : (rows, cols) bool
        Hole pixels to fill.
    left_open : (rows, cols) bool or None
        Hole pixels not to fill.
    radius_px : float
        Largest distance from a wanted pixel to data; 0 if `find_holes` was not asked for a limit.
    distance : (n,) float32 or None
        From each wanted pixel, in reading order, to data, if `find_holes` was asked for a limit.
    """

    heights: Heights
    known: Mask
    wanted: Mask
    left_open: Mask | None = None
    radius_px: float = 0.0
    distance: NDArray[np.float32] | None = None

    @property
    def empty(self) -> bool:
        """Whether there is nothing to fill."""
        return not self.wanted.any()


def find_holes(field: Field, max_gap_px: float | None = None, extrapolate_px: float | None = None) -> Holes:
    """Read the holes off a field.

    Parameters
    ----------
    field : Field
    max_gap_px : float or None
        A connected hole (8 neighbors) with a pixel farther than this from all data is left open. None = fill all.
    extrapolate_px : float or None
        Lines and columns without any data at the edges of the image are left open if there are more than this many
        on one side: they have data on one side only. None = fill all.

    Raises
    ------
    StepError
        If there are holes but no good pixel to fill them from.
    """
    from afmend.filling.place_kernels import places, put

    holes = field.excluded
    rows, cols = places(holes)
    known = ~holes
    if rows.size == 0:
        return Holes(field.heights, known, np.zeros(field.shape, dtype=np.bool_))
    if rows.size == holes.size:
        raise StepError("every pixel is a hole: there is nothing to fill from", now="Shrink the masks.")
    heights = put(field.heights, rows, cols, first_good(field.heights, known))
    if max_gap_px is None and extrapolate_px is None:
        return Holes(heights, known, holes)
    wanted = np.ones(rows.size, dtype=np.bool_)
    if extrapolate_px is not None:
        wanted &= ~beyond_data(rows, cols, field.shape, extrapolate_px)
    distance, radius = None, np.zeros(rows.size, dtype=np.float32)
    if max_gap_px is not None and wanted.any():
        # What stays open at the edges does not count into the width of the holes that it touches.
        distance, radius = hole_radius(holes, rows, cols, wanted)
        wanted &= radius <= max_gap_px
    farthest = float(np.max(radius, where=wanted, initial=0.0))
    if wanted.all():
        return Holes(heights, known, holes, None, farthest, distance)
    left_open = np.zeros(field.shape, dtype=np.bool_)
    left_open[rows[~wanted], cols[~wanted]] = True
    distance = None if distance is None else distance[wanted]
    return Holes(heights, known, holes & ~left_open, left_open, farthest, distance)


def beyond_data(
    rows: NDArray[np.int64], cols: NDArray[np.int64], shape: tuple[int, int], extrapolate_px: float
) -> NDArray[np.bool_]:
    """Tell which hole pixels lie in lines or columns at the edges of the image that hold no data.

    Only where more than ``extrapolate_px`` of them lie side by side. The lists hold all hole pixels; not all are holes.
    """
    beyond = np.zeros(rows.size, dtype=np.bool_)
    for axis, at in enumerate((rows, cols)):
        has = np.flatnonzero(np.bincount(at, minlength=shape[axis]) < shape[1 - axis])
        first, last = int(has[0]), int(has[-1]) + 1
        if first > extrapolate_px:
            beyond |= at < first
        if shape[axis] - last > extrapolate_px:
            beyond |= at >= last
    return beyond


def first_good(heights: Heights, known: Mask) -> float:
    """Height of the first known pixel, in reading order."""
    return float(heights.flat[int(np.argmax(known))])


def distance_to_data(known: Mask, rows: NDArray[np.intp], cols: NDArray[np.intp]) -> NDArray[np.float32]:
    """Euclidean distance in pixels from some pixels to the nearest known one (0 for known ones)."""
    from afmend.filling.place_kernels import places

    every = places(~known)
    width = known.shape[1]
    listed, asked = every[0] * width + every[1], rows * width + cols
    at = np.minimum(np.searchsorted(listed, asked), max(listed.size - 1, 0))
    inside = listed[at] == asked if listed.size else np.zeros(asked.size, dtype=np.bool_)
    chosen = np.zeros(listed.size, dtype=np.bool_)
    chosen[at[inside]] = True
    out = np.zeros(asked.size, dtype=np.float32)
    out[inside] = _distances(~known, *every, chosen)[at[inside]]
    return out


def _distances(
    holes: Mask, rows: NDArray[np.int64], cols: NDArray[np.int64], chosen: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Distances to data from the chosen hole pixels, 0 for the others; all are listed in reading order."""
    from afmend.filling.place_kernels import distances

    height, width = holes.shape
    found, distance = distances(rows, cols, chosen, height, width, _SEARCH * holes.size)
    if not found:
        import cv2

        whole = cv2.distanceTransform(np.ascontiguousarray(holes).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        distance = np.where(chosen, whole[rows, cols], np.float32(0))
    return np.asarray(distance, dtype=np.float32)


def label_holes(holes: Mask) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Label connected holes (8 neighbors) from 1 on; per label (left, top, width, height, area), row 0 = no hole."""
    import cv2

    _, labels, boxes, _ = cv2.connectedComponentsWithStats(np.ascontiguousarray(holes).view(np.uint8), connectivity=8)
    return np.asarray(labels, dtype=np.int32), np.asarray(boxes, dtype=np.int32)


def hole_radius(
    holes: Mask, rows: NDArray[np.int64], cols: NDArray[np.int64], wanted: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Distance to data of the wanted pixels, and the largest one within the connected hole of each; 0 for the others.

    Parameters
    ----------
    holes : (rows, cols) bool
        All others are data.
    rows, cols : (n,) int
        All hole pixels in reading order.
    wanted : (n,) bool
        Hole pixels that count into the holes.
    """
    from afmend.filling.place_kernels import widest

    distance = _distances(holes, rows, cols, wanted)
    return distance, widest(rows, cols, wanted, distance)


def some_lines(heights: Heights, known: Mask) -> tuple[Heights, Mask]:
    """Take every n-th line from the nearer edge on; some hundred thousand pixels are enough for a variance."""
    every = heights.size // _ENOUGH
    if every < 2:
        return heights, known
    rows = np.arange(heights.shape[0])
    chosen = np.minimum(rows, rows[::-1]) % every == 0
    return heights[chosen], known[chosen]


def clear_of_zero(sigma: NDArray[np.float64], heights: Heights, known: Mask) -> NDArray[np.float64]:
    """Return error bars that are nowhere zero: at least the rounding of the tallest height."""
    from afmend.filling.hole_kernels import tallest

    return np.maximum(sigma, max(tallest(heights, known) * np.finfo(np.float64).eps, np.finfo(np.float64).tiny))
