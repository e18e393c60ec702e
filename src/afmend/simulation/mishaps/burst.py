"""Bursts: a vibration, a voice or a switch makes the height oscillate for a while."""

from __future__ import annotations

from typing import Literal

import numpy as np

from afmend.pipeline.params import Knob, Params
from afmend.simulation.recording import WAYS, Recording


class BurstEvent(Params):
    """One burst; it happens in time, so it runs through trace, turnaround and retrace."""

    start_s: float = Knob(0.0, "Start, from the start of the scan.", unit="s", ge=0, le=1e7)
    length_s: float = Knob(2.0, "How long it lasts at most.", unit="s", gt=0, le=1e7)
    frequency_hz: float = Knob(60.0, "Frequency.", unit="Hz", gt=0, le=1e7)
    amplitude_nm: float = Knob(1.0, "Amplitude at the start.", unit="nm", ge=0, le=1e6)
    phase_rad: float = Knob(0.0, "Phase at the start.", unit="rad", ge=-7, le=7)
    decay_s: float = Knob(0.0, "It fades by e in this time; 0 = steady until its end.", unit="s", ge=0, le=1e7)


class Burst(Params):
    """Bursts: bands of lines with an oscillation."""

    kind: Literal["burst"] = "burst"
    events: tuple[BurstEvent, ...] = Knob((), "The bursts.")
    visible_nm: float = Knob(0.0, "Where the amplitude has faded to this, nothing is marked.", unit="nm", ge=0, le=1e6)


def apply_burst(params: Burst, recording: Recording) -> None:
    """Add oscillations to both directions, in place.

    At time t after its start a burst adds amplitude exp(-t/decay) sin(2π f t + phase).

    The mask "burst" holds exactly the pixels recorded while an amplitude (not the oscillation itself, which passes
    through zero) was above ``visible_nm``.
    """
    rows = recording.shape[0]
    for way in WAYS:
        times_s = recording.pixel_times_s(way)
        mask = np.zeros(recording.shape, dtype=np.bool_)
        for event in params.events:
            first = min(int(event.start_s / recording.line_s), rows)
            last = min(int((event.start_s + event.length_s) / recording.line_s) + 1, rows)
            age = times_s[first:last] - event.start_s
            amplitude = np.where((age >= 0) & (age < event.length_s), event.amplitude_nm, 0.0)
            if event.decay_s > 0:
                amplitude *= np.exp(-np.maximum(age, 0) / event.decay_s)
            recording.heights[way][first:last] += amplitude * np.sin(
                2 * np.pi * event.frequency_hz * age + event.phase_rad
            )
            mask[first:last] |= amplitude > params.visible_nm
        recording.mark(way, "burst", mask)
