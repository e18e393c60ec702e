"""Areas drawn by hand: polygons and rectangles, and the pixels whose centers they hold."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from afmend.errors import BadMaskError
from afmend.pipeline import Field, Knob, Params, step
from afmend.scan import Masks
from afmend.scan.arrays import Mask

Point = tuple[float, float]
MAX_POINTS = 100_000
"""Points of all polygons together; more were not drawn by hand."""
FARTHEST = 1e9
"""Largest coordinate that can be meant."""
_CROSSINGS = 1 << 20
"""Crossings of edges and lines worked on at a time."""


class Areas(Params):
    """Areas drawn by hand: polygons and rectangles."""

    polygons: tuple[tuple[Point, ...], ...] = Knob(
        (), "Polygons, each a list of points [x, y] = [column, row]; pixel (0, 0) covers 0 to 1. Even-odd rule."
    )
    rectangles: tuple[tuple[float, float, float, float], ...] = Knob(
        (), "Rectangles, each [x, y, width, height], x and y of the corner nearest to the origin."
    )
    unit: Literal["px", "nm"] = Knob(
        "px", "Unit of all numbers; nm count from the same corner and need a calibrated scan."
    )


class Draw(Areas):
    """Mark areas drawn by hand: polygons and rectangles."""

    role: Literal["foreground", "artifact"] = Knob(
        "foreground", "foreground: right, but kept out of fits. artifact: wrong, will be filled."
    )
    name: str = Knob("drawn", "Name of the mask; a mask of this name is added to.")


@step("mask.draw", Draw, version="1")
def draw(field: Field, params: Draw) -> Masks:
    """Mark the pixels whose center is inside of one of the areas; with none given nothing is marked.

    Raises
    ------
    BadMaskError
        If an area has no inside or marks no pixel of this scan, or nm are given for a scan without calibration.
    """
    found = _areas(field, params)
    return field.masks.with_added(params.role, params.name, found)


class Erase(Areas):
    """Take areas drawn by hand out of masks."""

    role: Literal["foreground", "artifact"] = Knob("artifact", "Masks of this role lose the areas.")
    name: str = Knob("", "Only the mask of this name; empty = every mask of the role.")


@step("mask.erase", Erase, version="1")
def erase(field: Field, params: Erase) -> Masks:
    """Take the pixels whose center is inside of one of the areas out of the masks of a role.

    For what a detector marked and a person knows to be right. Pixels that were never measured stay missing.

    Raises
    ------
    BadMaskError
        As `draw`.
    """
    found = _areas(field, params)
    masks = field.masks
    for role, name, mask in field.masks.items():
        if role == params.role and params.name in ("", name):
            masks = masks.with_mask(role, name, mask & ~found)
    return masks


def _areas(field: Field, areas: Areas) -> Mask:
    """Mark the pixels whose center is inside of any of the areas."""
    scale = (1.0, 1.0)
    if areas.unit == "nm":
        if not field.calibrated:
            raise BadMaskError("areas are given in nm, the scan has no calibration", now="Give them in px.")
        scale = (field.pixel_nm[1], field.pixel_nm[0])
    check_count(sum(len(points) for points in areas.polygons) + 4 * len(areas.rectangles))
    found = np.zeros(field.shape, dtype=np.bool_)
    for number, points in enumerate(areas.polygons, start=1):
        found |= polygon_mask(points, field.shape, scale, f"polygon {number}")
    for number, box in enumerate(areas.rectangles, start=1):
        where = f"rectangle {number}"
        found |= polygon_mask(corners(box, where), field.shape, scale, where)
    return found


def check_count(points: int) -> None:
    """Raise `BadMaskError` if there are more points than anybody draws."""
    if points > MAX_POINTS:
        raise BadMaskError(f"the areas have {points} points, allowed are {MAX_POINTS}", now="Give a mask image.")


def corners(box: tuple[float, float, float, float], where: str = "") -> tuple[Point, ...]:
    """Return the corners of a rectangle (x, y, width, height); raise `BadMaskError` if it has no inside."""
    x, y, width, height = box
    if not (width > 0 and height > 0):
        raise BadMaskError(
            f"a rectangle of width {width} and height {height} has no inside", where=where, now="Both are positive."
        )
    return ((x, y), (x + width, y), (x + width, y + height), (x, y + height))


def check_polygon(points: tuple[Point, ...], where: str = "") -> None:
    """Raise `BadMaskError` unless there are at least three points, with coordinates that can be meant."""
    if len(points) < 3:
        raise BadMaskError(f"a polygon of {len(points)} points has no inside", where=where, now="Give three or more.")
    for x, y in points:
        if not (math.isfinite(x) and math.isfinite(y) and max(abs(x), abs(y)) <= FARTHEST):
            raise BadMaskError(f"the point ({x}, {y}) cannot be meant", where=where, now="Mend the point.")


def polygon_mask(points: tuple[Point, ...], shape: tuple[int, int], scale: Point = (1.0, 1.0), where: str = "") -> Mask:
    """Mark the pixels whose centers are inside of one polygon (even-odd rule).

    Parameters
    ----------
    points : sequence of (x, y)
        Closed by itself. A center exactly on an edge is inside if the polygon lies toward larger x or y.
    shape : (rows, cols)
    scale : (x, y)
        Size of a pixel in the unit of the points.
    where : str
        Name of the polygon for messages.

    Raises
    ------
    BadMaskError
        If the polygon is not one, or holds no pixel center.
    """
    check_polygon(points, where)
    vertices = np.array(points, dtype=np.float64) / scale - 0.5  # from here on, centers are whole numbers
    start, end = vertices, np.roll(vertices, -1, axis=0)
    rows, cols = shape
    crossings = np.zeros(rows * (cols + 1), dtype=np.uint8)
    block = max(1, _CROSSINGS // rows)
    for first in range(0, len(vertices), block):
        _cross(crossings, start[first : first + block], end[first : first + block], shape)
    inside = np.bitwise_xor.accumulate(crossings.reshape(rows, cols + 1), axis=1)[:, :cols].astype(np.bool_)
    if not inside.any():
        raise BadMaskError(
            f"the area holds no pixel of the scan ({cols} columns x {rows} rows): it is outside, flat or too small",
            where=where, now="Points are [x, y] = [column, row], in the unit you stated.",
        )  # fmt: skip
    return inside


def _cross(
    crossings: NDArray[np.uint8], start: NDArray[np.float64], end: NDArray[np.float64], shape: tuple[int, int]
) -> None:
    """Flip, in every line that an edge crosses, the first pixel center that is not left of the crossing."""
    rows, cols = shape
    upper = np.where((start[:, 1] <= end[:, 1])[:, None], start, end)
    lower = np.where((start[:, 1] <= end[:, 1])[:, None], end, start)
    first = np.clip(np.ceil(upper[:, 1]), 0, rows).astype(np.intp)
    count = np.clip(np.ceil(lower[:, 1]), 0, rows).astype(np.intp) - first
    edge = np.repeat(np.arange(len(start)), count)
    row = np.arange(edge.size) - np.repeat(np.cumsum(count) - count, count) + first[edge]
    x0, y0 = upper[edge].T
    x1, y1 = lower[edge].T
    x = x0 + (row - y0) / (y1 - y0) * (x1 - x0)
    col = np.clip(np.ceil(x), 0, cols).astype(np.intp)
    np.bitwise_xor.at(crossings, row * (cols + 1) + col, np.uint8(1))
