"""After the loop: what mishaps, noise, digitization and saving do to the recorded heights and to the error signal."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from afmend.scan.arrays import Heights, Mask
from afmend.simulation.electronics import add_noise, digitize
from afmend.simulation.loop import Loop
from afmend.simulation.mishaps import LATE, apply_mishap
from afmend.simulation.params import Twin
from afmend.simulation.recording import WAYS, Recording, Way
from afmend.simulation.saved import apply_saved


def spoil(twin: Twin, recording: Recording, errors: dict[Way, Heights], railed: dict[Way, Mask]) -> Recording:
    """Let everything happen that comes after the loop; return the error signals as a recording of their own.

    Parameters
    ----------
    twin : Twin
    recording : Recording
        Changed in place.
    errors : {"trace", "retrace"} to (rows, cols) float64
        The loop's error, nm.
    railed : {"trace", "retrace"} to (rows, cols) bool
        Where the piezo stood at an end of its range: what drives it stands still there, and has no noise.
    """
    before = {way: recording.heights[way].copy() for way in WAYS}
    for mishap in twin.mishaps:
        if mishap.kind not in LATE:
            apply_mishap(mishap, recording)
    still = twin.electronics.model_copy(update={"white_nm": 0.0, "flicker_nm": 0.0})
    add_noise(still, recording)
    seen = {
        way: errors[way] + _felt(twin.loop, way, recording.heights[way] - before[way], recording.pixel_s)
        for way in WAYS
    }
    for way in WAYS:
        before[way] = recording.heights[way].copy()
    add_noise(twin.electronics.model_copy(update={"hum": ()}), recording)
    for way in WAYS:
        recording.heights[way][railed[way]] = before[way][railed[way]]
    signals = replace(
        recording,
        heights={way: np.clip(seen[way], -twin.loop.free_nm, twin.loop.pushed_nm) for way in WAYS},
        masks={way: {} for way in WAYS},
        missing={way: recording.missing[way].copy() for way in WAYS},
    )
    for mishap in twin.mishaps:
        if mishap.kind in LATE:
            apply_mishap(mishap, recording)
            apply_mishap(mishap, signals)
    digitize(twin.electronics, recording)
    apply_saved(twin.saved, recording)
    return signals


def _felt(loop: Loop, way: Way, motion: Heights, pixel_s: float) -> Heights:
    """Return the error that drives the piezo through a motion: its speed over the integral gain."""
    in_time = motion if way == "trace" else motion[:, ::-1]
    speed = np.diff(in_time, axis=1, prepend=in_time[:, :1]) / pixel_s
    felt: Heights = speed / loop.integral_hz
    return felt if way == "trace" else felt[:, ::-1]
