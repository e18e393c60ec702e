"""Missing lines: never recorded, or lost on the way."""

from __future__ import annotations

from typing import Literal

import numpy as np

from afmend.pipeline.params import Knob, Params
from afmend.simulation.mishaps.runs import band_of, lose, of_direction
from afmend.simulation.recording import WAYS, Both, Recording


class MissingLineEvent(Params):
    """One band of lines."""

    row: int = Knob(0, "First line.", unit="px")
    lines: int = Knob(1, "How many lines.", unit="lines", ge=1, le=100_000, recommended=(1, 8))
    direction: Both = Knob("both", "Scan direction in which they are missing.")


class MissingLine(Params):
    """Missing lines: nothing is known there."""

    kind: Literal["missing_line"] = "missing_line"
    events: tuple[MissingLineEvent, ...] = Knob((), "The bands.")


def apply_missing_line(params: MissingLine, recording: Recording) -> None:
    """Take lines away, in place: they become missing, their heights the mean of what is left (a placeholder).

    Artifact masks let go of these lines: what was never measured is not measured wrongly. To be applied after the
    noise.
    """
    for way in WAYS:
        gone = np.zeros(recording.shape[0], dtype=np.bool_)
        for event in of_direction(params.events, way):
            gone[band_of(recording, event.row, event.lines)] = True
        lose(recording, way, gone)
