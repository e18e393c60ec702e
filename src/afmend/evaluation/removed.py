"""What the leveling in a history can have taken from a surface: polynomials of the lines and of the image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from afmend.catalogue import find_step
from afmend.errors import AfmendError
from afmend.scan import Record

HIGHEST_DEGREE = 3
"""Roughness is corrected for polynomials up to this degree, no higher."""


class Removed(NamedTuple):
    """Degrees of the polynomials that were subtracted: from each line (None = none), and from the image."""

    line_degree: int | None
    degree: int

    def together(self, other: Removed) -> Removed:
        """Return the smallest that contains both."""
        lines = [one for one in (self.line_degree, other.line_degree) if one is not None]
        return Removed(max(lines, default=None), max(self.degree, other.degree))


def removed_by(records: Sequence[Record]) -> Removed | None:
    """Return what all levelings of a history can have removed, or None if that is no polynomial of low degree.

    Parameters
    ----------
    records : sequence of Record
        Of one channel.

    Notes
    -----
    What lies in the span of these polynomials is what `quotable_roughness` subtracts again, so that its correction
    holds for the leveled channel. Levelings along columns, by facets, and filters are not of that kind.
    """
    found = Removed(None, 0)
    for record in records:
        try:
            one = _of(record)
        except (AfmendError, KeyError, TypeError):  # a history from elsewhere: steps and facts that this afmend lacks
            one = None
        if one is None or max(one.line_degree or 0, one.degree) > HIGHEST_DEGREE:
            return None
        found = found.together(one)
    return found


def cannot_give_back(records: Sequence[Record]) -> str:
    """Say which step takes what `removed_by` cannot describe, and why; "" if none does."""
    record = next((one for one in records if removed_by([one]) is None), None)
    if record is None:
        return ""
    if record.facts.get("line_jumps"):
        return f"{record.step} mended a jump within a line"
    if record.facts.get("line_axis") == "columns" or record.params.get("direction") in ("vertical", "both"):
        return f"{record.step} leveled along the columns"
    return f"{record.step} takes more than polynomials of degree {HIGHEST_DEGREE}"


def _of(record: Record) -> Removed | None:
    step, params, facts = record.step, record.params, record.facts
    found = None
    if step == "level.auto" and facts["line_model"] == "none":
        found = Removed(None, facts["degree"])
    elif step == "level.auto" and facts["line_axis"] == "rows" and not facts["line_jumps"]:
        found = Removed(facts["line_degree"], facts["degree"])  # a jump within a line would be no polynomial
    elif step == "level.rows" and params["direction"] == "horizontal" and params["method"] != "facet_tilt":
        found = Removed(params["degree"] if params["method"] == "polynomial" else 0, 0)
    elif step == "level.polynomial":
        fast, slow = params["degree_fast"], params["degree_slow"]
        found = Removed(None, max(fast, slow) if params["degrees"] == "total" else fast + slow)
    elif step == "level.smart_flatten" and facts["direction"] == "rows" and not params["bidirectional"]:
        found = Removed(params["degree"], 0)
    elif step in ("level.plane", "level.three_point", "level.facet", "level.given"):
        found = Removed(None, 1)
    elif step == "level.topostats":
        found = Removed(0, 2)
    elif step.startswith("fuse."):
        found = _of_fusion(step, facts)
    elif step == "level.shift" or find_step(step).kind != "correct":
        found = Removed(None, 0)
    return found


def _of_fusion(step: str, facts: Mapping[str, Any]) -> Removed | None:
    found = None
    if step == "fuse.frames":  # each frame is leveled before they are averaged
        found = Removed(None if facts["crossed"] else 0, 1)
    elif step == "fuse.trace_retrace" or "skipped" in facts or facts["width_px"] == 0:
        found = Removed(None, 0)  # what both directions have in common stays, the offsets of lines, too
    return found
