"""Fusion of whole scans, with masks and history."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from afmend.errors import StepError
from afmend.fusion.steps import (
    BothFly,
    TraceRetrace,
    both_fly,
    fused_heights,
    fused_marks,
    of_field,
    trace_retrace,
    why_not,
)
from afmend.pipeline import Field, run_step
from afmend.scan import ChannelKey, Scan


def fuse(scan: Scan, channel: str | ChannelKey | None = None) -> Scan:
    """Fuse trace and retrace of one channel; the other direction stays as it is.

    Runs the steps ``mark.both_fly`` and ``fuse.trace_retrace``, so that the history can be replayed.

    Parameters
    ----------
    scan : Scan
        As measured, not yet leveled.
    channel : str, ChannelKey or None
        The direction whose places the result has; None = the topography's trace.

    Returns
    -------
    Scan
        Facts of the last record: noise of both directions and of the result, shift, shares of tails. Pixels at which
        both directions fly are marked as "parachute".

    Raises
    ------
    MissingChannelError
        If there is no such channel.
    StepError
        If the other direction is missing, or nothing is measured in both.
    """
    key = scan.find(channel)
    found, other = scan.channels[key], scan.opposite(key)
    field = Field(
        found.values, direction=key.direction, masks=found.masks, opposite=None if other is None else other.values,
        opposite_excluded=None if other is None else other.holes,  # type: ignore[arg-type]  # None = none
    )  # fmt: skip
    reason = why_not(field)
    if reason:
        raise StepError(f"cannot fuse {key}: {reason}", now="Fuse a channel that has a trace and a retrace.")
    # What both steps would compute is computed once, inside the first.
    pair = cache(lambda: of_field(field))
    marking = replace(both_fly.step, kernel=lambda seen, _: fused_marks(seen, pair()))
    fusing = replace(trace_retrace.step, kernel=lambda seen, _: fused_heights(seen, pair()))
    return run_step(run_step(scan, marking, BothFly(), key), fusing, TraceRetrace(), key)
