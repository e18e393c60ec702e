"""What steps other than fills do to heights after leveling: where they begin, what they changed, what they guessed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from afmend.errors import AfmendError
from afmend.scan import Channel, Record
from afmend.scan.arrays import Heights, Mask

TIP, UNTOUCHED = "tip.correct", "untouched"


class Change(NamedTuple):
    """What changed outside the filled and missing pixels, in the channel's unit.

    ``values`` (rows, cols) are zero where pixels were filled or never measured.
    """

    values: Heights
    pixels: int
    low: float
    high: float


def kind_of(step: str) -> str:
    """Return the kind of a step; of unknown ones "repair" if they are called so, else "unknown"."""
    from afmend.catalogue import find_step

    try:
        return find_step(step).kind
    except AfmendError:  # a history from elsewhere may name steps that this afmend lacks
        return "repair" if step.startswith("fill.") else "unknown"


def first_change(steps: Sequence[str]) -> int:
    """Return the index of the first step that changes heights other than by leveling; their number if none does.

    That is a fill, or a correction or filter (`tip.correct`, `filter.median`, ...). Those before the first leveling do
    not count if a leveling follows before any fill: the result of that is what is compared.
    """
    kinds = [kind_of(step) for step in steps]
    fill = kinds.index("repair") if "repair" in kinds else len(steps)
    leveling = [n for n, step in enumerate(steps[:fill]) if step.startswith("level.")]
    start = leveling[0] if leveling else 0
    return next((n for n in range(start, fill) if changes_heights(steps[n])), fill)


def changes_heights(step: str) -> bool:
    """Whether a step changes heights that were measured, and is no leveling."""
    return kind_of(step) == "correct" and not step.startswith("level.")


def guessed(channel: Channel, records: Sequence[Record]) -> Mask:
    """Return where `tip.correct` put likely heights, or bounds, for ones that the tip never touched, as far as marked.

    Parameters
    ----------
    channel : Channel
    records : sequence of Record
        Of the channel.
    """
    mask = channel.masks.artifact.get(UNTOUCHED)
    if mask is None or not _corrected(records):
        return np.zeros(channel.shape, dtype=np.bool_)
    return mask


def unmarked_guesses(channel: Channel, records: Sequence[Record]) -> list[str]:
    """Warn if `tip.correct` guessed heights and no mark says where."""
    facts = [record.facts for record in _corrected(records)]
    marked = any(r.step == "mark.untouched" for r in records) and not any(r.step == "mask.clear" for r in records)
    if not facts or marked or UNTOUCHED in channel.masks.artifact:
        return []
    certain = facts[-1].get("certain_share", 0.0)
    if certain >= 1.0:
        return []
    share = "an unknown part" if facts[-1].get("unsure") else f"{100 * (1 - certain):.2g} %"
    return [
        f"GUESSED: {share} of the heights is guessed by {TIP}, and no mark says which: put mark.untouched before it."
    ]


def _corrected(records: Sequence[Record]) -> list[Record]:
    return [record for record in records if record.step == TIP and "skipped" not in record.facts]


def change_between(before: Channel, after: Channel) -> Change | None:
    """Return what changed outside the filled and missing pixels; None if nothing did."""
    out, counted = after.values - before.values, ~(after.invented | after.missing | before.missing)
    out[~counted] = 0.0
    pixels = int(np.count_nonzero(out))
    return Change(out, pixels, float(out[counted].min()), float(out[counted].max())) if pixels else None
