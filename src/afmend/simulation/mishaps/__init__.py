"""Mishaps of the signal stage: one file per kind, explicit events, so that a history replays.

Belongs here: what happens to heights and to lines after the feedback loop: scars, spikes, offsets, lost lines.
Does not belong here: what tip, scanner and loop do (simulated as such), and the drawing of events (boxes).

Noise comes between the mishaps: those whose kind is in `LATE` replace heights or take them away, and have to be applied
after `afmend.simulation.electronics.add_noise` (a repeated line repeats its noise), the others before it.
"""

from __future__ import annotations

from importlib import import_module
from typing import Annotated, TypeAlias

from pydantic import Field

from afmend.simulation.mishaps.bad_lines import BadLines
from afmend.simulation.mishaps.burst import Burst
from afmend.simulation.mishaps.dropout import Dropout
from afmend.simulation.mishaps.fringes import Fringes
from afmend.simulation.mishaps.line_jump import LineJump
from afmend.simulation.mishaps.line_offset import LineOffset
from afmend.simulation.mishaps.line_shift import LineShift
from afmend.simulation.mishaps.missing_line import MissingLine
from afmend.simulation.mishaps.scar import Scar
from afmend.simulation.mishaps.spike import Spike
from afmend.simulation.mishaps.streak import Streak
from afmend.simulation.mishaps.stuck_line import StuckLine
from afmend.simulation.mishaps.unfinished import Unfinished
from afmend.simulation.recording import Recording

EARLY = ("line_shift", "scar", "streak", "spike", "line_jump", "line_offset", "bad_lines", "burst", "fringes")
"""Kinds that add to the heights: before the noise."""
LATE = ("stuck_line", "dropout", "missing_line", "unfinished")
"""Kinds that replace heights or take them away: after the noise, before the heights are digitized."""

MISHAPS: dict[str, str] = {kind: f"afmend.simulation.mishaps.{kind}:apply_{kind}" for kind in (*EARLY, *LATE)}
"""Every kind and the function that applies it."""

Mishap: TypeAlias = Annotated[
    Scar | Streak | Spike | LineJump | LineOffset | BadLines | Burst | LineShift | Fringes
    | StuckLine | Dropout | MissingLine | Unfinished,
    Field(discriminator="kind"),
]  # fmt: skip
"""The parameters of any mishap; ``kind`` says of which."""


def apply_mishap(params: Mishap, recording: Recording) -> None:
    """Let a mishap happen: change heights, masks and missing pixels of ``recording`` in place."""
    module, function = MISHAPS[params.kind].split(":")
    getattr(import_module(module), function)(params, recording)
