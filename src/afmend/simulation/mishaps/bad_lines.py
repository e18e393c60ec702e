"""Bad lines: bundles of lines whose shape differs from that of their neighbors."""

from __future__ import annotations

from typing import Literal

import numpy as np

from afmend.pipeline.params import Knob, Params
from afmend.simulation.mishaps.runs import Numbers, band_of, mark_lines, of_direction
from afmend.simulation.recording import WAYS, Both, Recording


class BadLinesEvent(Params):
    """One bundle of lines."""

    row: int = Knob(0, "First line.", unit="px")
    lines: int = Knob(1, "How many lines.", unit="lines", ge=1, le=1000, recommended=(1, 10))
    offset_nm: float = Knob(0.0, "Added to all of them.", unit="nm", ge=-1e6, le=1e6)
    deviation_nm: float = Knob(1.0, "Smooth random deviation along the line, rms.", unit="nm", ge=0, le=1e6)
    deviation_px: float = Knob(
        80.0, "Length over which it deviates.", unit="px", ge=1, le=100_000, recommended=(20, 400)
    )
    alike: float = Knob(0.7, "Correlation between the deviations of adjacent lines.", ge=-1, le=1, step=0.05)
    noise_nm: float = Knob(0.0, "Extra noise without memory, rms.", unit="nm", ge=0, le=1e6)
    direction: Both = Knob("trace", "Scan direction in which it happens.")


class BadLines(Params):
    """Bad lines: one to ten adjacent lines that are smoothly bent, shifted and noisier than the others."""

    kind: Literal["bad_lines"] = "bad_lines"
    events: tuple[BadLinesEvent, ...] = Knob((), "The bundles.")
    seed: int = Knob(0, "Seed of deviation and noise.", ge=0, le=2**63 - 1)


def apply_bad_lines(params: BadLines, recording: Recording) -> None:
    """Add offset, smooth deviation and noise to bundles of lines, in place.

    The mask "bad_line" holds these lines, whole: a deviation passes through zero, but its line is not to be trusted.
    Trace and retrace of an event with direction "both" deviate differently.
    """
    cols = recording.shape[1]
    for index, way in enumerate(WAYS):
        rng = np.random.default_rng((params.seed, index))
        bad = np.zeros(recording.shape[0], dtype=np.bool_)
        for event in of_direction(params.events, way):
            change = event.offset_nm + event.deviation_nm * _deviation(event, cols, rng)
            if event.noise_nm > 0:
                change += event.noise_nm * rng.standard_normal(change.shape)
            band = band_of(recording, event.row, event.lines)
            recording.heights[way][band] += change[band.start - event.row : band.stop - event.row]
            bad[band] = True
        mark_lines(recording, way, "bad_line", bad)


def _deviation(event: BadLinesEvent, cols: int, rng: np.random.Generator) -> Numbers:
    """Return (lines, cols) normal numbers of rms 1: smooth along lines, lines like their neighbors."""
    place = np.arange(cols) / event.deviation_px + rng.random()
    before = place.astype(np.intp)
    part = place - before
    part *= part * (3 - 2 * part)
    knots = rng.standard_normal((event.lines, before[-1] + 2))
    fresh = np.sqrt(1 - event.alike**2)
    for i in range(1, event.lines):
        knots[i] = event.alike * knots[i - 1] + fresh * knots[i]
    deviation: Numbers = knots[:, before] * (1 - part) + knots[:, before + 1] * part
    return deviation / np.hypot(1 - part, part)
