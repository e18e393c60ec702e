"""Unfinished scans: stopped early, the remaining lines were never recorded."""

from __future__ import annotations

from typing import Literal

import numpy as np

from afmend.pipeline.params import Knob, Params
from afmend.simulation.mishaps.runs import forget, lose, mark_lines
from afmend.simulation.recording import WAYS, Recording


class Unfinished(Params):
    """Unfinished: all lines from one on were never recorded."""

    kind: Literal["unfinished"] = "unfinished"
    row: int = Knob(1, "First line that was not recorded.", unit="px", ge=1, le=1_000_000)
    form: Literal["missing", "repeated"] = Knob(
        "missing", "The file leaves those lines out, or fills them with the last line without saying so."
    )


def apply_unfinished(params: Unfinished, recording: Recording) -> None:
    """Take all lines from ``row`` on away, in both directions, in place.

    In the form "missing" they become missing. In the form "repeated" they hold the last recorded line, and the mask
    "unfinished" holds these lines, whole; other masks let go of them. To be applied after the noise, which the copies
    repeat.
    """
    rows = recording.shape[0]
    gone = np.arange(rows) >= params.row
    for way in WAYS:
        if params.form == "missing":
            lose(recording, way, gone)
        else:
            recording.heights[way][params.row :] = recording.heights[way][min(params.row, rows) - 1]
            forget(recording, way, gone[:, None])
            mark_lines(recording, way, "unfinished", gone)
