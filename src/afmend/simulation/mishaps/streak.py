"""Streaks: long faint stretches of single lines, not much higher than the noise."""

from __future__ import annotations

from typing import Literal

import numpy as np

from afmend.pipeline.params import Knob, Params
from afmend.simulation.mishaps.runs import TAIL, Numbers, add_runs, column, envelope, of_direction, pixels_of, wander
from afmend.simulation.recording import WAYS, Both, Recording


class StreakEvent(Params):
    """One streak, one line wide."""

    row: int = Knob(0, "Line.", unit="px")
    col: int = Knob(0, "Where it starts; it goes on in scan time: to the left in the retrace.", unit="px")
    length_px: int = Knob(300, "Length until it fades.", unit="px", ge=1, le=100_000, recommended=(50, 1000))
    height_nm: float = Knob(0.3, "Height at the start.", unit="nm", ge=-1e6, le=1e6)
    end_height_nm: float = Knob(0.3, "Height at the end; between, it drifts evenly.", unit="nm", ge=-1e6, le=1e6)
    rise_px: float = Knob(0.0, "How slowly it comes.", unit="px", ge=0, le=10_000, recommended=(0, 60))
    fade_px: float = Knob(10.0, "How slowly it goes.", unit="px", ge=0, le=10_000, recommended=(0, 60))
    wander_nm: float = Knob(0.05, "Slow wander along the streak, rms.", unit="nm", ge=0, le=1e6)
    wander_px: float = Knob(40.0, "Length over which it wanders.", unit="px", ge=1, le=10_000, recommended=(10, 100))
    direction: Both = Knob("trace", "Scan direction in which it happens.")


class Streak(Params):
    """Streaks: lines that lie a little too high or too low over most of their length."""

    kind: Literal["streak"] = "streak"
    events: tuple[StreakEvent, ...] = Knob((), "The streaks.")
    visible_nm: float = Knob(0.0, "Changes up to this are not marked.", unit="nm", ge=0, le=1e6)
    seed: int = Knob(0, "Seed of the wander.", ge=0, le=2**63 - 1)


def apply_streak(params: Streak, recording: Recording) -> None:
    """Add streaks to the heights, in place.

    In scan time t a streak of length L adds (height + (end_height - height) t/(L - 1) + wander), times
    1 - exp(-(t + 1)/rise); after L pixels it fades as exp(-t/fade), and ends where it has faded to 1 %.

    The mask "streak" holds exactly the pixels to which a streak adds more than ``visible_nm``: where a streak crosses
    zero on its way from high to low, a few pixels are right and are not marked.
    """
    for index, way in enumerate(WAYS):
        events = of_direction(params.events, way)
        if not events:
            continue
        rng = np.random.default_rng((params.seed, index))
        length, fade = column(events, "length_px"), column(events, "fade_px")
        reach = length + np.ceil(TAIL * fade)
        pixels = pixels_of(way, recording.shape, column(events, "row"), column(events, "col"), reach)
        run, age = pixels.run, pixels.age
        high, low = column(events, "height_nm")[run], column(events, "end_height_nm")[run]
        along: Numbers = np.minimum(age / np.maximum(length[run] - 1, 1), 1)
        change = high + (low - high) * along
        change += column(events, "wander_nm")[run] * wander(rng, run.size, 1 / column(events, "wander_px")[run])
        change *= envelope(age, length[run], column(events, "rise_px")[run], fade[run])
        add_runs(recording, way, "streak", pixels, change, params.visible_nm)
