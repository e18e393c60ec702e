"""Mishaps of the signal stage: one file per kind, explicit events, so that a history replays.

Belongs here: what happens to heights and to lines after the feedback loop: scars, spikes, offsets, lost lines.
Does not belong here: what tip, scanner and loop do (simulated as such), and the drawing of events (boxes).

Noise comes between the mishaps: those whose kind is in `LATE` happen to stored data, and have to be applied after
`afmend.simulation.electronics.add_noise` (a repeated line repeats its noise), the others before it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeAlias

from pydantic import Field

from afmend.simulation.mishaps.bad_lines import BadLines, apply_bad_lines
from afmend.simulation.mishaps.burst import Burst, apply_burst
from afmend.simulation.mishaps.dropout import Dropout, apply_dropout
from afmend.simulation.mishaps.fringes import Fringes, apply_fringes
from afmend.simulation.mishaps.line_jump import LineJump, apply_line_jump
from afmend.simulation.mishaps.line_offset import LineOffset, apply_line_offset
from afmend.simulation.mishaps.line_shift import LineShift, apply_line_shift
from afmend.simulation.mishaps.missing_line import MissingLine, apply_missing_line
from afmend.simulation.mishaps.scar import Scar, apply_scar
from afmend.simulation.mishaps.spike import Spike, apply_spike
from afmend.simulation.mishaps.streak import Streak, apply_streak
from afmend.simulation.mishaps.stuck_line import StuckLine, apply_stuck_line
from afmend.simulation.mishaps.unfinished import Unfinished, apply_unfinished
from afmend.simulation.recording import Recording

_EARLY: dict[str, Callable[[Any, Recording], None]] = {
    "scar": apply_scar,
    "streak": apply_streak,
    "spike": apply_spike,
    "line_jump": apply_line_jump,
    "line_offset": apply_line_offset,
    "bad_lines": apply_bad_lines,
    "burst": apply_burst,
    "fringes": apply_fringes,
}
_LATE: dict[str, Callable[[Any, Recording], None]] = {
    "line_shift": apply_line_shift,
    "stuck_line": apply_stuck_line,
    "dropout": apply_dropout,
    "missing_line": apply_missing_line,
    "unfinished": apply_unfinished,
}
EARLY = tuple(_EARLY)
"""Kinds that move the tip and so add to the heights: before the noise; the error signal feels them."""
LATE = tuple(_LATE)
"""Kinds that happen to stored data, heights and error alike: after the noise, before the heights are digitized."""
MISHAPS = _EARLY | _LATE
"""Every kind and the function that applies it."""

Mishap: TypeAlias = Annotated[
    Scar | Streak | Spike | LineJump | LineOffset | BadLines | Burst | LineShift | Fringes
    | StuckLine | Dropout | MissingLine | Unfinished,
    Field(discriminator="kind"),
]  # fmt: skip
"""The parameters of any mishap; ``kind`` says of which."""


def apply_mishap(params: Mishap, recording: Recording) -> None:
    """Let a mishap happen: change heights, masks and missing pixels of ``recording`` in place."""
    MISHAPS[params.kind](params, recording)
