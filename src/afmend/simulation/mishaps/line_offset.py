"""Offset lines: single lines or a band that keep their shape but lie too high or too low."""

from __future__ import annotations

from typing import Literal

import numpy as np

from afmend.pipeline.params import Knob, Params
from afmend.simulation.mishaps.runs import band_of, mark_lines, of_direction
from afmend.simulation.recording import WAYS, Both, Recording


class LineOffsetEvent(Params):
    """One band of lines."""

    row: int = Knob(0, "First line.", unit="px")
    lines: int = Knob(1, "How many lines.", unit="lines", ge=1, le=100_000, recommended=(1, 20))
    height_nm: float = Knob(1.0, "How much higher they lie.", unit="nm", ge=-1e6, le=1e6)
    direction: Both = Knob("both", "Scan direction in which it happens.")


class LineOffset(Params):
    """Offset lines: a constant is added to single lines or to a band of lines."""

    kind: Literal["line_offset"] = "line_offset"
    events: tuple[LineOffsetEvent, ...] = Knob((), "The bands.")
    visible_nm: float = Knob(0.0, "Offsets up to this are not marked.", unit="nm", ge=0, le=1e6)


def apply_line_offset(params: LineOffset, recording: Recording) -> None:
    """Add a constant to each band of lines, in place.

    The mask "offset" holds these lines, whole, if the constant is above ``visible_nm``. Leveling can mend them: score
    them apart from artifacts that it cannot mend.
    """
    for way in WAYS:
        seen = np.zeros(recording.shape[0], dtype=np.bool_)
        for event in of_direction(params.events, way):
            band = band_of(recording, event.row, event.lines)
            recording.heights[way][band] += event.height_nm
            seen[band] |= abs(event.height_nm) > params.visible_nm
        mark_lines(recording, way, "offset", seen)
