"""Line jumps: from one moment on, everything lies higher or lower: a piezo that slipped, dirt on the tip."""

from __future__ import annotations

from typing import Literal

import numpy as np

from afmend.pipeline.params import Knob, Params
from afmend.simulation.recording import WAYS, Recording, Way, shorter_part


class LineJumpEvent(Params):
    """One jump, at the moment when pixel (row, col) of one scan direction is recorded."""

    row: int = Knob(0, "Line in which it happens.", unit="px")
    col: int = Knob(0, "First pixel that lies off, in scan time.", unit="px")
    height_nm: float = Knob(1.0, "How much higher everything lies from then on.", unit="nm", ge=-1e6, le=1e6)
    direction: Way = Knob("trace", "Scan direction in which it happens; it persists in both.")


class LineJump(Params):
    """Line jumps: offsets that begin within a line and persist."""

    kind: Literal["line_jump"] = "line_jump"
    events: tuple[LineJumpEvent, ...] = Knob((), "The jumps.")
    visible_nm: float = Knob(0.0, "Jumps up to this are not marked.", unit="nm", ge=0, le=1e6)


def apply_line_jump(params: LineJump, recording: Recording) -> None:
    """Shift everything that is recorded after each jump, in both directions, in place.

    The mask "line_jump" holds, of the line and the direction in which the jump happens, the pixels before or after the
    jump, whichever are fewer (none if the jump is not above ``visible_nm``). Later lines, and the retrace of a
    line whose trace jumped, are changed by one constant per line; that is not marked, since leveling can mend it.
    A jump above the image shifts everything, one below it nothing.
    """
    rows, cols = recording.shape
    for way in WAYS:
        offset_nm = np.zeros(rows)
        mask = np.zeros(recording.shape, dtype=np.bool_)
        for event in params.events:
            here = event.direction == way
            # The retrace comes after the trace of the same line.
            whole = here or (way == "trace" and event.direction == "retrace")
            offset_nm[max(event.row + whole, 0) :] += event.height_nm
            if here and 0 <= event.row < rows:
                part = np.arange(cols) >= event.col if way == "trace" else np.arange(cols) <= event.col
                recording.heights[way][event.row, part] += event.height_nm
                mask[event.row] |= shorter_part(part) & (abs(event.height_nm) > params.visible_nm)
        recording.heights[way] += offset_nm[:, None]
        recording.mark(way, "line_jump", mask)
