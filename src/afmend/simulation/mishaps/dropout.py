"""Dropouts: for a moment the converter reads the lowest or the highest value."""

from __future__ import annotations

from typing import Literal

import numpy as np

from afmend.pipeline.params import Knob, Params
from afmend.simulation.mishaps.runs import column, forget, of_direction, pixels_of
from afmend.simulation.recording import WAYS, Both, Recording


class DropoutEvent(Params):
    """One dropout: a run of pixels in one line."""

    row: int = Knob(0, "Line.", unit="px")
    col: int = Knob(0, "Where it starts; it goes on in scan time: to the left in the retrace.", unit="px")
    length_px: int = Knob(1, "Length.", unit="px", ge=1, le=100_000, recommended=(1, 20))
    level: Literal["lowest", "highest"] = Knob("lowest", "Which extreme value it reads.")
    direction: Both = Knob("trace", "Scan direction in which it happens.")


class Dropout(Params):
    """Dropouts: pixels or short runs that hold the lowest or the highest value of the scan."""

    kind: Literal["dropout"] = "dropout"
    events: tuple[DropoutEvent, ...] = Knob((), "The dropouts.")


def apply_dropout(params: Dropout, recording: Recording) -> None:
    """Set runs of pixels to the lowest or highest recorded height of their direction, in place.

    The mask "dropout" holds these pixels, all of them; other masks let go of them. To be applied after the noise.
    """
    for way in WAYS:
        events = of_direction(params.events, way)
        if not events:
            continue
        heights = recording.heights[way]
        recorded = heights[~recording.missing[way]]
        if recorded.size == 0:
            continue
        highest = np.array([event.level == "highest" for event in events])
        level = np.where(highest, recorded.max(), recorded.min())
        pixels = pixels_of(
            way, recording.shape, column(events, "row"), column(events, "col"), column(events, "length_px")
        )
        heights[pixels.row, pixels.col] = level[pixels.run]
        mask = np.zeros(recording.shape, dtype=np.bool_)
        mask[pixels.row, pixels.col] = True
        forget(recording, way, mask)
        recording.mark(way, "dropout", mask)
