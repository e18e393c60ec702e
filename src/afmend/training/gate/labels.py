"""From the size of every effect to the verdict that a scan deserves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from afmend.artifacts.gate.verdicts import ASKED, GOOD, QUESTIONS, VERDICTS

UNSURE = -1
"""Label and answer of what nobody could say."""

SIZES = ("random", "recorded", "noise", "waves", "clear", "faint", "astray", "astray some", "satellites", "break")
"""Effects whose sizes are guessed, as verdicts are made of limits of them; those of satellites only where they tell."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Up to which size an effect surely does not count, and from which on it surely does; between, nobody can say."""

    astray: tuple[float, float] = (0.02, 0.08)
    """Share out of touch or off by more than a quarter of the relief: an area that no repair brings back."""
    blind: tuple[float, float] = (0.8, 1.2)
    """Noise that is no wave, over the recorded relief: no surface to be seen; waves can be filtered."""
    recorded: tuple[float, float] = (0.125, 0.7)
    """Share of the heights that were recorded: up to the first the surface was never followed."""
    ghost: tuple[float, float] = (0.04, 0.15)
    """Area of satellites over that of the features, all on one side."""
    satellites: float = 3.0
    """So many somebody may see, however small they are, and if some seem to belong to features on the other side."""
    crowded: float = 0.4
    """Where features cover more, none stands alone: what the tip repeats looks like another sample."""
    changed: float = 0.01
    """Where features are too few to compare, nobody can say whose a change of so many pixels is."""
    repeat: tuple[float, float] = (0.25, 2.0)
    """Texture that repeats itself because of the tip: from here on somebody might see it, nobody must."""
    tip_break: tuple[float, float] = (0.2, 0.7)
    """Change of curvature along the lines where the tip changes, in powers of e."""
    wrong: tuple[float, float] = (0.001, 0.003)
    """Faint damage up to the first (a quarter of a line of 256), clear damage from the second (three quarters)."""
    noise: tuple[float, float] = (0.2, 0.4)
    wave: tuple[float, float] = (0.03, 0.12)
    """Amplitude of hum or fringes over the relief; only what is above the white noise counts."""
    over_surface: float = 3.0
    """Power of fringes over the surface's own, of the same waves: below that nobody can tell light from sample."""


def label_of(effects: Mapping[str, float], limits: Limits | None = None) -> str | None:
    """Return the verdict, by what it makes the user do: rescan before repair before nothing.

    Not Tracking outweighs Tip Contamination, which outweighs Imaging Artifacts, which outweigh Good: an area that was
    never followed and a tip that images itself cannot be repaired, whatever else is wrong.

    Parameters
    ----------
    effects : mapping of str to float
        From `effects.effects_of`.

    Returns
    -------
    str or None
        None where an effect is so small that nobody could say whether it counts.
    """
    said = answers_of(effects, limits)
    for verdict, questions in QUESTIONS.items():
        answer = _most(*(said[question] for question in questions))
        if answer is None:
            return None
        if answer:
            return verdict
    return GOOD


def answers_of(effects: Mapping[str, float], limits: Limits | None = None) -> dict[str, bool | None]:
    """Answer every question of `ASKED`: yes, no, or None where nobody could say.

    A scan without a verdict still answers most of them, and one with a verdict more than that.
    """
    at = limits or Limits()
    size = effects.get
    return {
        "astray": _between(effects["astray some"], effects["astray"], at.astray),
        "blind": _most(_sure(effects["random"], at.blind), _faded(effects["recorded"], at.recorded)),
        "satellites": _satellites(effects, at),
        "break": _sure(size("break", 0.0), at.tip_break),
        "repeats": _sure(size("repeat", 0.0), at.repeat),
        "wrong": _wrong(effects, at),
        "noise": _sure(effects["noise"], at.noise),
        "waves": _most(_sure(_wave(effects, "hum"), at.wave), _fringes(effects, at)),
    }


def sizes_of(effects: Mapping[str, float]) -> tuple[float, ...]:
    """Return the sizes of `SIZES` as powers of ten, the smallest made alike: what nobody sees is nothing."""
    size = effects.get
    gone, waves = effects["missing"], max(_wave(effects, "hum"), _wave(effects, "fringes"))
    values = (
        (effects["random"], 1e-3), (effects["recorded"], 2e-2), (effects["noise"], 1e-3), (waves, 3e-3),
        (effects["clear"] + gone, 1e-4),
        (effects["faint"] + gone, 1e-4), (effects["astray"], 1e-3), (effects["astray some"], 1e-3),
        (size("ghost", 0.0), 1e-2), (size("break", 0.0), 3e-2),
    )  # fmt: skip
    return tuple(math.log10(value + least) for value, least in values)


def _wave(effects: Mapping[str, float], kind: str) -> float:
    return effects.get(kind, 0.0) * min(1.0, effects.get(f"{kind} white", 0.0) / 2)


def _fringes(effects: Mapping[str, float], at: Limits) -> bool | None:
    large = _sure(_wave(effects, "fringes"), at.wave)
    return None if large and effects.get("fringes over surface", 0.0) < at.over_surface else large


def _satellites(effects: Mapping[str, float], at: Limits) -> bool | None:
    size = effects.get
    ghost, crowded = _between(size("ghost any", 0.0), size("ghost", 0.0), at.ghost), size("crowded", 0.0)
    if (crowded > at.crowded and ghost is not False) or (crowded == 1.0 and size("tip", 0.0) > at.changed):
        return None
    return None if ghost is False and size("satellites", 0.0) >= at.satellites else ghost


def _wrong(effects: Mapping[str, float], at: Limits) -> bool | None:
    no, yes = at.wrong
    if effects["clear"] + effects["missing"] >= yes:
        return True
    return None if effects["faint"] + effects["missing"] > no else False


def _sure(size: float, limit: tuple[float, float]) -> bool | None:
    low, high = limit
    return True if size >= high else None if size > low else False


def _faded(recorded: float, limit: tuple[float, float]) -> bool | None:
    low, high = limit
    return True if recorded <= low else None if recorded < high else False


def _between(some: float, surely: float, limit: tuple[float, float]) -> bool | None:
    """Judge a size by the least and the most that it might be."""
    low, high = limit
    return True if surely >= high else None if max(some, surely) > low else False


def _most(*answers: bool | None) -> bool | None:
    """Whether any surely counts; None if none does but some might."""
    if any(answers):
        return True
    return None if None in answers else False


def numbered(effects: Mapping[str, float]) -> tuple[int, tuple[int, ...]]:
    """Return the place of the verdict in `VERDICTS`, and the answers in the order of `ASKED`; `UNSURE` for None."""
    label, said = label_of(effects), answers_of(effects)
    answers = tuple(UNSURE if said[question] is None else int(bool(said[question])) for question in ASKED)
    return (UNSURE if label is None else VERDICTS.index(label)), answers
