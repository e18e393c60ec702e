"""Scars: the tip jumps, follows something that is not the surface for a while, and finds back."""

from __future__ import annotations

from typing import Literal

import numpy as np

from afmend.pipeline.params import Knob, Params
from afmend.simulation.mishaps.runs import TAIL, Numbers, add_runs, column, envelope, of_direction, pixels_of, wander
from afmend.simulation.recording import WAYS, Both, Recording, Way


class ScarEvent(Params):
    """One scar: ``width`` adjacent lines, the first of which starts exactly at (row, col)."""

    row: int = Knob(0, "First line.", unit="px")
    col: int = Knob(0, "Where it starts; it goes on in scan time: to the left in the retrace.", unit="px")
    length_px: int = Knob(30, "Length until the tip lets go.", unit="px", ge=1, le=100_000, recommended=(5, 200))
    width: int = Knob(1, "Adjacent lines.", unit="lines", ge=1, le=16, recommended=(1, 4))
    height_nm: float = Knob(3.0, "Height of the jump; negative = a dark scar.", unit="nm", ge=-1e6, le=1e6)
    rise_px: float = Knob(
        0.5, "How slowly it rises; far above the length = a ramp that snaps back.", unit="px", ge=0, le=10_000
    )
    settle_px: float = Knob(
        20.0, "How slowly it settles from the jump to the rest.", unit="px", ge=0, le=10_000, recommended=(2, 100)
    )
    rest: float = Knob(0.5, "Share of the height to which it settles.", ge=-1, le=1, step=0.05)
    release_px: float = Knob(0.7, "How slowly it fades after its end.", unit="px", ge=0, le=10_000, recommended=(0, 20))
    wobble: float = Knob(0.2, "Wobble along the scar, relative to its height, with tall peaks.", ge=0, le=2, step=0.05)
    wobble_px: float = Knob(3.0, "Length over which it wobbles.", unit="px", ge=1, le=1000, recommended=(1, 10))
    ragged_px: float = Knob(3.0, "By how much the ends of the other lines differ, rms.", unit="px", ge=0, le=1000)
    unlike: float = Knob(0.3, "By how much heights of the other lines differ, rms of their logarithm.", ge=0, le=2)
    direction: Both = Knob("trace", "Scan direction in which it happens.")


class Scar(Params):
    """Scars: short stretches of one or a few lines that are too high or too low."""

    kind: Literal["scar"] = "scar"
    events: tuple[ScarEvent, ...] = Knob((), "The scars.")
    visible_nm: float = Knob(0.0, "Changes up to this are not marked; set it to the noise.", unit="nm", ge=0, le=1e6)
    seed: int = Knob(0, "Seed of wobble and ragged ends.", ge=0, le=2**63 - 1)


def apply_scar(params: Scar, recording: Recording) -> None:
    """Add scars to the heights, in place.

    In scan time t (pixels since the start) a scar of height h and length L adds, up to L,
    h (1 - exp(-(t + 1)/rise)) (rest + (1 - rest) exp(-t/settle)), times a wobble exp(w g - w²/2) with normal g; then
    the last value fades as exp(-t/release), and ends where it has faded to 1 %.

    The mask "scar" holds exactly the pixels to which a scar adds more than ``visible_nm``. Trace and retrace of an
    event with direction "both" wobble differently.
    """
    for index, way in enumerate(WAYS):
        events = of_direction(params.events, way)
        if events:
            _scratch(params, events, way, np.random.default_rng((params.seed, index)), recording)


def _scratch(params: Scar, events: list[ScarEvent], way: Way, rng: np.random.Generator, recording: Recording) -> None:
    width = column(events, "width").astype(np.intp)
    event = np.repeat(np.arange(width.size), width)
    line = np.arange(event.size) - np.repeat(np.cumsum(width) - width, width)

    def of(name: str) -> Numbers:
        return column(events, name)[event]

    # The first line keeps to the letter of the event, the others are like it.
    other = (line > 0) * rng.standard_normal((3, event.size))
    late = np.rint(other[0] * of("ragged_px"))
    length = np.maximum(np.rint(of("length_px") + other[1] * of("ragged_px")), 1)
    height = of("height_nm") * np.exp(other[2] * of("unlike"))
    release = of("release_px")
    start = of("col") + (late if way == "trace" else -late)
    pixels = pixels_of(way, recording.shape, of("row") + line, start, length + np.ceil(TAIL * release))
    run, age = pixels.run, pixels.age
    rest, wobble = of("rest")[run], of("wobble")[run]
    held = np.minimum(age, length[run] - 1)
    change = rest + (1 - rest) * np.exp(-held / np.maximum(of("settle_px")[run], 1e-9))
    change *= envelope(age, length[run], of("rise_px")[run], release[run])
    change *= np.exp(wobble * wander(rng, run.size, 1 / of("wobble_px")[run]) - wobble**2 / 2)
    change *= height[run]
    add_runs(recording, way, "scar", pixels, change, params.visible_nm)
