"""From the size of every effect to the verdict that a scan deserves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from afmend.artifacts.gate.verdicts import GOOD, IMAGING, NOT_TRACKING, TIP

REPAIRABLE = (
    "scar", "streak", "bad_line", "spike", "dropout", "chatter", "burst", "stuck_line", "dragging",
    "lost_tracking", "saturation", "line_jump", "line_shift", "unfinished",
)  # fmt: skip
"""Kinds of the twin that are imaging artifacts. Offsets of whole lines are not: leveling cures them."""


@dataclass(frozen=True, slots=True)
class Limits:
    """From which size on an effect surely counts, and up to which it surely does not; between them nobody can say."""

    out_of_touch: tuple[float, float] = (0.02, 0.08)
    """Share where the piezo stood at an end of its range or the loop was off."""
    astray: tuple[float, float] = (0.02, 0.1)
    """Share where the loop was off by more than a quarter of the relief."""
    tip: tuple[float, float] = (0.002, 0.02)
    ghost: tuple[float, float] = (0.03, 0.12)
    tip_break: tuple[float, float] = (0.05, 0.25)
    wrong: tuple[float, float] = (0.0003, 0.002)
    """Share of visibly wrong or missing pixels."""
    loop: tuple[float, float] = (0.002, 0.02)
    """The same of what a lagging or ringing loop adds, by more than a tenth of the relief."""
    noise: tuple[float, float] = (0.25, 0.7)
    hum: tuple[float, float] = (0.015, 0.05)
    """Amplitude of hum or fringes over the relief; only what is above the white noise counts."""


def label_of(effects: Mapping[str, float], limits: Limits | None = None) -> str | None:
    """Return the verdict, by what it makes the user do: rescan before repair before nothing.

    Not Tracking outweighs Tip Contamination, which outweighs Imaging Artifacts, which outweigh Good: an area that was
    never followed and a tip that images itself cannot be repaired, whatever else is wrong.

    Parameters
    ----------
    effects : mapping of str to float
        From `examples.effects_of`.

    Returns
    -------
    str or None
        None where an effect is so small that nobody could say whether it counts.
    """
    at = limits or Limits()
    size = effects.get
    out = size("lost_tracking", 0.0) + size("saturation", 0.0)
    astray = out + sum(size(f"{kind} 0.25", 0.0) for kind in ("lag", "parachute"))
    loop = sum(size(f"{kind} 0.1", 0.0) for kind in ("lag", "parachute", "ringing"))
    wrong = sum(size(kind, 0.0) for kind in REPAIRABLE) + effects["missing"]
    wave = max(size(kind, 0.0) * min(1.0, size(f"{kind} white", 0.0) / 2) for kind in ("hum", "fringes"))
    changed = _most((size("tip", 0.0), at.tip))
    shown = _most((size("ghost", 0.0), at.ghost), (size("break", 0.0), at.tip_break))
    questions = (
        (NOT_TRACKING, _most((out, at.out_of_touch), (astray, at.astray))),
        (TIP, _both(changed, shown)),
        (IMAGING, _most((wrong, at.wrong), (loop, at.loop), (effects["noise"], at.noise), (wave, at.hum))),
    )  # fmt: skip
    for verdict, answer in questions:
        if answer is None:
            return None
        if answer:
            return verdict
    return GOOD


def _both(one: bool | None, other: bool | None) -> bool | None:
    """Whether both hold; None if nobody could say."""
    if one is False:
        return False
    return None if one is None or not other else True


def _most(*sizes: tuple[float, tuple[float, float]]) -> bool | None:
    """Whether any size surely counts; None if none does but some might."""
    if any(size >= high for size, (_, high) in sizes):
        return True
    return None if any(size > low for size, (low, _) in sizes) else False
