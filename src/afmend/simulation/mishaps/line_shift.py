"""Shifted lines: the line sync came too early or too late, so lines lie displaced along the fast axis."""

from __future__ import annotations

from typing import Literal

import numpy as np

from afmend.pipeline.params import Knob, Params
from afmend.simulation.mishaps.runs import band_of, of_direction
from afmend.simulation.recording import WAYS, Both, Recording


class LineShiftEvent(Params):
    """One band of lines."""

    row: int = Knob(0, "First line.", unit="px")
    lines: int = Knob(1, "How many lines.", unit="lines", ge=1, le=100_000, recommended=(1, 30))
    shift_px: float = Knob(3.0, "Shift of all of them to the right.", unit="px", ge=-10_000, le=10_000)
    spread_px: float = Knob(0.0, "Each line is shifted by that much more or less, rms.", unit="px", ge=0, le=1000)
    direction: Both = Knob("trace", "Scan direction in which it happens.")


class LineShift(Params):
    """Shifted lines: right in height, wrong in place."""

    kind: Literal["line_shift"] = "line_shift"
    events: tuple[LineShiftEvent, ...] = Knob((), "The bands.")
    visible_nm: float = Knob(0.0, "Changes of height up to this are not marked.", unit="nm", ge=0, le=1e6)
    seed: int = Knob(0, "Seed of the spread.", ge=0, le=2**63 - 1)


def apply_line_shift(params: LineShift, recording: Recording) -> None:
    """Displace lines along the fast axis, in place: linear between pixels, level beyond the edge.

    The mask "line_shift" holds exactly the pixels whose height one event changed by more than ``visible_nm``: a shifted
    line is not wrong where the surface is level. To be applied after the noise, which moves along.
    """
    cols = np.arange(recording.shape[1], dtype=np.float64)
    for index, way in enumerate(WAYS):
        rng = np.random.default_rng((params.seed, index))
        mask = np.zeros(recording.shape, dtype=np.bool_)
        heights = recording.heights[way]
        for event in of_direction(params.events, way):
            band = band_of(recording, event.row, event.lines)
            shifts = event.shift_px + event.spread_px * rng.standard_normal(band.stop - band.start)
            for row, shift in zip(range(band.start, band.stop), shifts, strict=True):
                moved = np.interp(cols - shift, cols, heights[row])
                mask[row] |= np.abs(moved - heights[row]) > params.visible_nm
                heights[row] = moved
        recording.mark(way, "line_shift", mask)
