"""Stuck lines: the program stored the line before once more, or the signal stood still."""

from __future__ import annotations

from typing import Literal

import numpy as np

from afmend.pipeline.params import Knob, Params
from afmend.simulation.mishaps.runs import band_of, forget, mark_lines, of_direction
from afmend.simulation.recording import WAYS, Both, Recording


class StuckLineEvent(Params):
    """One band of lines."""

    row: int = Knob(1, "First line.", unit="px")
    lines: int = Knob(1, "How many lines.", unit="lines", ge=1, le=100_000, recommended=(1, 4))
    form: Literal["repeat", "hold"] = Knob("repeat", "repeat the line before, or hold the last value of that line.")
    direction: Both = Knob("both", "Scan direction in which it happens.")


class StuckLine(Params):
    """Stuck lines: copies of the line before, or constant lines."""

    kind: Literal["stuck_line"] = "stuck_line"
    events: tuple[StuckLineEvent, ...] = Knob((), "The bands.")


def apply_stuck_line(params: StuckLine, recording: Recording) -> None:
    """Replace bands of lines by copies of the line before, or by the last height that was recorded in it, in place.

    The mask "stuck_line" holds the replaced lines, whole; other masks let go of them. The first line of a scan has none
    before it and stays. To be applied after the noise, which the copies repeat.
    """
    for way in WAYS:
        stuck = np.zeros(recording.shape[0], dtype=np.bool_)
        heights = recording.heights[way]
        for event in of_direction(params.events, way):
            band = band_of(recording, max(event.row, 1), event.lines + min(event.row - 1, 0))
            before = heights[max(band.start - 1, 0)]
            last = -1 if way == "trace" else 0
            heights[band] = before.copy() if event.form == "repeat" else before[last]
            stuck[band] = True
        forget(recording, way, stuck[:, None])
        mark_lines(recording, way, "stuck_line", stuck)
