"""Smart flatten: low-order polynomials along the lines, in the direction of the dominant slope."""

from __future__ import annotations

from typing import Literal

import numpy as np

from afmend.leveling.plane import fit_plane, slopes
from afmend.leveling.row_shapes import subtract_line_polynomials
from afmend.pipeline import Field, Knob, Leveled, Params, step


class SmartFlatten(Params):
    """Flatten line by line, along the steeper axis."""

    direction: Literal["auto", "rows", "columns"] = Knob(
        "auto",
        "Fit along rows or columns; 'auto' takes the axis along which the plane through the usable pixels rises more.",
    )
    degree: int = Knob(2, "Degree of the polynomial along each line; larger follows more bow.", ge=0, le=5, step=1,
                       recommended=(1, 2))  # fmt: skip
    bidirectional: bool = Knob(False, "Afterwards fit along the other axis, too.")


@step("level.smart_flatten", SmartFlatten, version="1")
def smart_flatten(field: Field, params: SmartFlatten) -> Leveled:
    """Subtract from each line the polynomial through its usable pixels.

    'auto' compares the rise of the least-squares plane from edge to edge: |slope| * (pixels - 1) along the fast and
    along the slow axis; the larger one decides, rows on a tie. Lines that carry no fit of their own borrow from their
    neighbors, as in ``level.rows`` with the method "polynomial", which this step repeats for 'rows'.

    When not to use it: columns cross all lines and so mix their offsets; after 'columns' row offsets are still there.
    Once leveled there is no dominant slope: a second 'auto' may choose the other axis. Features must be masked.

    Raises
    ------
    StepError
        If no line has enough usable pixels, or these do not determine a plane.
    """
    direction, facts = params.direction, {}
    if direction == "auto":
        slow, fast = slopes(fit_plane(field.heights, field.usable), field.shape)
        rises = abs(slow) * (field.shape[0] - 1), abs(fast) * (field.shape[1] - 1)
        direction = "columns" if rises[0] > rises[1] else "rows"
        facts = {"rise_slow": rises[0], "rise_fast": rises[1]}
    heights, usable, borrowed = field.heights, field.usable, 0
    for turned in (direction == "columns", direction != "columns")[: 2 if params.bidirectional else 1]:
        if turned:
            done, more = subtract_line_polynomials(
                np.ascontiguousarray(heights.T), np.ascontiguousarray(usable.T), params.degree
            )
            heights = np.ascontiguousarray(done.T)
        else:
            heights, more = subtract_line_polynomials(heights, usable, params.degree)
        borrowed += more
    return Leveled(heights, facts={"direction": direction, "lines_borrowed": borrowed, **facts})
