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
    """

    heights: Heights
    known: Mask
    wanted: Mask
    left_open: Mask | None = None
    radius_px: float = 0.0

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
    holes = field.excluded
    known = ~holes
    if not holes.any():
        return Holes(field.heights, known, np.zeros(field.shape, dtype=np.bool_))
    if not known.any():
        raise StepError("every pixel is a hole: there is nothing to fill from", now="Shrink the masks.")
    heights = np.where(known, field.heights, first_good(field.heights, known))
    if max_gap_px is None and extrapolate_px is None:
        return Holes(heights, known, holes)
    left_open = np.zeros(field.shape, dtype=np.bool_) if extrapolate_px is None else beyond_data(known, extrapolate_px)
    wanted = holes & ~left_open
    if max_gap_px is None:
        return Holes(heights, known, wanted, left_open if left_open.any() else None)
    # What stays open at the edges does not count into the width of the holes that it touches.
    radius = hole_radius(wanted, known) if wanted.any() else np.zeros(field.shape, dtype=np.float32)
    left_open |= radius > max_gap_px
    wanted &= ~left_open
    widest = float(np.max(radius, where=wanted, initial=0.0))
    return Holes(heights, known, wanted, left_open if left_open.any() else None, widest)


def beyond_data(known: Mask, extrapolate_px: float) -> Mask:
    """Lines and columns at the edges of the image that hold no data, where they are more than ``extrapolate_px``."""
    beyond = np.zeros(known.shape, dtype=np.bool_)
    for axis, view in ((1, beyond), (0, beyond.T)):
        has = np.flatnonzero(known.any(axis=axis))
        first, last = int(has[0]), int(has[-1]) + 1
        if first > extrapolate_px:
            view[:first] = True
        if len(view) - last > extrapolate_px:
            view[last:] = True
    return beyond


def first_good(heights: Heights, known: Mask) -> float:
    """Height of the first known pixel, in reading order."""
    return float(heights.flat[int(np.argmax(known))])


def distance_to_data(known: Mask, rows: NDArray[np.intp], cols: NDArray[np.intp]) -> NDArray[np.float32]:
    """Euclidean distance in pixels from some pixels to the nearest known one (0 for known ones)."""
    from afmend.filling.hole_kernels import column_gaps, nearest

    gap = column_gaps(known)
    if np.sum(gap[rows, cols], dtype=np.int64) <= _SEARCH * known.size:
        return np.asarray(nearest(gap, rows, cols), dtype=np.float32)
    import cv2

    distance = cv2.distanceTransform((~known).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(distance[rows, cols], dtype=np.float32)


def label_holes(holes: Mask) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Label connected holes (8 neighbors) from 1 on; per label (left, top, width, height, area), row 0 = no hole."""
    import cv2

    _, labels, boxes, _ = cv2.connectedComponentsWithStats(np.ascontiguousarray(holes).view(np.uint8), connectivity=8)
    return np.asarray(labels, dtype=np.int32), np.asarray(boxes, dtype=np.int32)


def hole_radius(holes: Mask, known: Mask | None = None) -> NDArray[np.float32]:
    """For each hole pixel, the largest distance to data within its connected hole; 0 elsewhere.

    Data are the ``known`` pixels; None = all that are no hole.
    """
    import cv2

    rows, cols = np.nonzero(holes)
    count, labels = cv2.connectedComponents(np.ascontiguousarray(holes).view(np.uint8), connectivity=8)
    label = np.asarray(labels, dtype=np.int32)[rows, cols]
    widest = np.zeros(count, dtype=np.float32)
    np.maximum.at(widest, label, distance_to_data(~holes if known is None else known, rows, cols))
    radius = np.zeros(holes.shape, dtype=np.float32)
    radius[rows, cols] = widest[label]
    return radius


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
