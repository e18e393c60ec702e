"""Spikes: one to three pixels far off, sometimes followed by a short ringing."""

from __future__ import annotations

from typing import Literal

import numpy as np

from afmend.pipeline.params import Knob, Params
from afmend.simulation.mishaps.runs import TAIL, add_runs, column, of_direction, pixels_of
from afmend.simulation.recording import WAYS, Both, Recording


class SpikeEvent(Params):
    """One spike: highest at (row, col), falling evenly over ``width_px`` pixels in scan time."""

    row: int = Knob(0, "Line.", unit="px")
    col: int = Knob(0, "Where it starts.", unit="px")
    height_nm: float = Knob(20.0, "Height; negative = a dark spike.", unit="nm", ge=-1e6, le=1e6)
    width_px: int = Knob(1, "Length.", unit="px", ge=1, le=16, recommended=(1, 3))
    ring: float = Knob(0.0, "Ringing after it, relative to its height.", ge=0, le=1, step=0.05)
    ring_px: float = Knob(5.0, "Period of the ringing, which fades by e in each.", unit="px", ge=2, le=100)
    direction: Both = Knob("trace", "Scan direction in which it happens.")


class Spike(Params):
    """Spikes: single pixels, or two or three in a line, that stand far out of the image."""

    kind: Literal["spike"] = "spike"
    events: tuple[SpikeEvent, ...] = Knob((), "The spikes.")
    visible_nm: float = Knob(0.0, "Changes up to this are not marked.", unit="nm", ge=0, le=1e6)


def apply_spike(params: Spike, recording: Recording) -> None:
    """Add spikes to the heights, in place.

    In scan time t a spike adds height (width - t)/width for t < width, then height ring cos(2π t/p) exp(-t/p) with
    period p, until the ringing has faded to 1 %.

    The mask "spike" holds exactly the pixels to which a spike adds more than ``visible_nm``, ringing included.
    """
    for way in WAYS:
        events = of_direction(params.events, way)
        if not events:
            continue
        width, ring, period = (column(events, name) for name in ("width_px", "ring", "ring_px"))
        reach = np.maximum(width, np.ceil(TAIL * period) * (ring > 0))
        pixels = pixels_of(way, recording.shape, column(events, "row"), column(events, "col"), reach)
        run, age = pixels.run, pixels.age
        turns = age / period[run]
        after = ring[run] * np.cos(2 * np.pi * turns) * np.exp(-turns)
        change = np.where(age < width[run], 1 - age / width[run], after) * column(events, "height_nm")[run]
        add_runs(recording, way, "spike", pixels, change, params.visible_nm)
