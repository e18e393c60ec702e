"""Leveling by the plane through three chosen places."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

from afmend.errors import StepError
from afmend.pipeline import Field, Knob, Leveled, Params, step

Point: TypeAlias = tuple[int, int]


class ThreePoint(Params):
    """Subtract the plane through three places."""

    points: tuple[Point, Point, Point] | None = Knob(
        None,
        "Three places as [column, row] in px; none given: upper left, upper right, lower middle, 1/8 inside.",
        unit="px",
    )
    radius_px: int = Knob(1, "Heights are averaged within this radius; 1 is a single pixel.", unit="px", ge=1, le=200,
                          step=1, recommended=(1, 10))  # fmt: skip
    constant: Literal["zero", "keep_mean"] = Knob(
        "zero", "The plane becomes zero, or the mean of the usable pixels is kept."
    )


@step("level.three_point", ThreePoint, version="1")
def three_point(field: Field, params: ThreePoint) -> Leveled:
    """Subtract the plane through the mean heights around three places; excluded pixels do not count.

    The right tool where the eye knows what is level and no algorithm does. It trusts three small patches: noise and
    row offsets there tilt everything.

    Raises
    ------
    StepError
        If a place is outside the image or has no usable pixel, or the three are on one line.
    """
    points = params.points or _default_points(field.shape)
    # The mean height belongs to the center of the pixels that made it: a disk cut by a mask or an edge has moved.
    disks = np.array([_disk(field, point, params.radius_px) for point in points])
    matrix = np.column_stack((np.ones(3), disks[:, 1:]))
    if abs(np.linalg.det(matrix)) < 0.5:
        raise StepError("the three points lie on one line", now="Choose the corners of a triangle.")
    constant, fast, slow = np.linalg.solve(matrix, disks[:, 0])
    rows, cols = field.shape
    plane = (constant + slow * np.arange(rows))[:, None] + fast * np.arange(cols)
    if params.constant == "keep_mean":
        plane -= np.mean(plane[field.usable])
    facts = {"points": [list(point) for point in points], "slope_fast_per_px": float(fast),
             "slope_slow_per_px": float(slow)}  # fmt: skip
    return Leveled(field.heights - plane, facts=facts)


def _default_points(shape: tuple[int, int]) -> tuple[Point, Point, Point]:
    bottom, right = shape[0] - 1, shape[1] - 1
    return (right // 8, bottom // 8), (right - right // 8, bottom // 8), (right // 2, bottom - bottom // 8)


def _disk(field: Field, point: Point, radius: int) -> tuple[float, float, float]:
    """Mean (height, column, row) of the usable pixels nearer than ``radius`` - 1/2 to a point (column, row)."""
    col, row = point
    rows, cols = field.shape
    if not (0 <= row < rows and 0 <= col < cols):
        raise StepError(f"the point [{col}, {row}] lies outside the image of {cols} x {rows} px")
    top, left = max(row - radius, 0), max(col - radius, 0)
    window = (slice(top, row + radius + 1), slice(left, col + radius + 1))
    usable = field.usable[window]
    down = np.arange(usable.shape[0])[:, None] + top - row
    right = np.arange(usable.shape[1]) + left - col
    near = usable & (down**2 + right**2 < (radius - 0.5) ** 2)
    if not near.any():
        raise StepError(f"no usable pixel within {radius} px of the point [{col}, {row}]",
                        now="Move the point or enlarge the radius.")  # fmt: skip
    middle = np.argwhere(near).mean(axis=0)
    return float(np.mean(field.heights[window][near])), float(middle[1]) + left, float(middle[0]) + top
