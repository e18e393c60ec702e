"""The physical evidence behind a verdict, in numbers and in plain words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from afmend.artifacts.gate.area_features import line_correlation
from afmend.artifacts.gate.detectors import NAMES, Detected
from afmend.artifacts.gate.shift_features import displacements
from afmend.artifacts.gate.verdicts import GOOD, IMAGING, NOT_TRACKING, TIP
from afmend.artifacts.gate.view import View
from afmend.pictures.numerals import plain

Numbers = Mapping[str, float]
WORDS = {
    "bad_line": ("bad lines", "mark.lines"), "scar": ("scars", "mark.scars"), "spike": ("spikes", "mark.spikes"),
    "parachute": ("parachuting tails", "mark.parachuting"), "saturated": ("saturated plateaus", "mark.saturated"),
    "jump": ("jumps within a line", "mark.jumps"),
}  # fmt: skip
MOST_LINES = 6
ALL_STILL = 90
"""Percent of the area that is smooth: from here on there is no rest that it could be smoother than."""
CHATTER, WAVE = 0.8, 2000
"""From here on an oscillation behind edges, and a peak in the spectrum of time, are told."""
FRINGES = 1.4
"""A third of how much a wave that both directions share must stand out of others, in powers of e, to be told."""
MOST_PERIODS = 20
"""Per scan: faster waves are seldom light."""
NOT_SHARED = -0.5
"""Logarithm of how much weaker a wave is in the other direction: below, it is hum."""
WAVE_PERCENT = 3.0
"""Of the relief: the amplitude, of what the directions do not share, below which waves harm nothing."""

LITTLE = 4
"""Times the noise: less relief than that is worth a word."""
DIFFERS = 4.0
"""In noises: lines that differ by less agree, however little there is in them to agree on."""


def evidence(view: View, found: Detected, numbers: Numbers) -> dict[str, Any]:
    """Gather what was measured, as JSON types: shares in percent, lines counted from 0."""
    wave = _plane_wave(numbers)
    facts: dict[str, Any] = {
        "relief_over_noise": _power(numbers["relief/noise"]),
        "line_steps_over_noise": _power(numbers["steps/noise"]),
        "missing_percent": round(100 * float(np.mean(found.missing)), 3),
        "filled_percent": round(100 * float(np.mean(found.filled)), 3),
        "detectors": {
            name: {
                "percent": round(100 * float(np.mean(found.masks[name])), 4),
                "lines": np.flatnonzero(found.masks[name].any(axis=1)).tolist(),
            }
            for name in NAMES
            if found.masks[name].any()
        },
        "jumps": [int(jump["row"]) for jump in found.facts["jump"]["jumps"]],
        "still_patches_percent": round(100 * numbers["patches texture still"], 1),
        "ghost": round(numbers["ghost bumps narrow"], 3),
        "change_of_sharpness": round(float(np.expm1(numbers["change texture"])), 1),
        "falls_at_one_rate": round(numbers["fall one rate"], 3),
        "wave": _power(numbers["wave peak"]),
        "plane_wave_percent": round(100 * wave[0], 2),
        "plane_wave_periods": round(wave[1], 1),
        "displaced": {str(row): px for row, px in displacements(view).items()},
        "ringing": round(numbers["ringing"], 3) if numbers["falls"] + numbers["rises"] > 0.02 else 0.0,
    }
    if view.straight is not None:
        rows = line_correlation(*view.straight)
        differ = np.std(np.subtract(*view.straight), axis=1) > DIFFERS * view.noise
        facts["trace_retrace_correlation"] = round(float(np.mean(rows)), 3)
        facts["trace_retrace_over_noise"] = _power(numbers["pair rms"])
        facts["wave_percent"] = round(100 * _power(numbers["differing wave size"]), 2)
        if facts["wave_percent"] < WAVE_PERCENT:
            facts["wave"] = 0.0
        facts["lines_that_disagree"] = np.flatnonzero((rows < 0.5) & differ).tolist()
    if view.measured.error is not None:
        facts["error_stuck_percent"] = round(100 * numbers["error stuck"], 2)
    return facts


def _plane_wave(numbers: Numbers) -> tuple[float, float]:
    """Return amplitude over the relief, and periods, of a wave all over the scan; 0 if the other direction lacks it."""
    periods = float(2 ** numbers["fringe cycles"])
    told = numbers["fringe out"] > FRINGES and numbers["fringe shared"] > NOT_SHARED and periods <= MOST_PERIODS
    return (_power(numbers["fringe size"]), periods) if told else (0.0, 0.0)


def _power(exponent: float) -> float:
    return float(f"{10.0**exponent:.3g}")


def line_list(rows: Iterable[int]) -> str:
    """Write line numbers as ranges: ``"12, 40-44, 71"``; long lists end in ``"..."``.

    Examples
    --------
    >>> line_list([3, 4, 5, 9])
    '3-5, 9'
    """
    spans: list[list[int]] = []
    for row in rows:
        if spans and row == spans[-1][1] + 1:
            spans[-1][1] = row
        else:
            spans.append([row, row])
    words = [f"{a}" if a == b else f"{a}-{b}" for a, b in spans]
    return ", ".join(words[:MOST_LINES]) + (" ..." if len(words) > MOST_LINES else "")


def reasons(verdict: str, facts: Mapping[str, Any]) -> tuple[str, ...]:
    """Say in plain words why: first what detectors found and where, then figures.

    Parameters
    ----------
    verdict : str
    facts : mapping
        From `evidence`.
    """
    out = list(_found(facts))
    pair = facts.get("trace_retrace_correlation")
    if pair is not None:
        differ = f"{plain(facts['trace_retrace_over_noise'], 2)} times the noise"
        text = f"trace and retrace correlate to {pair:.2f} and differ by {differ}"
        worst = facts["lines_that_disagree"]
        out.append(text + (f"; not at all alike in lines {line_list(worst)}" if worst else ""))
    if verdict == NOT_TRACKING:
        out += _untracked(facts)
    elif verdict == TIP:
        out += _tip(facts)
    elif verdict == IMAGING:
        out += _imaging(facts)
    elif verdict == GOOD:
        if not facts["detectors"] and not facts["jumps"]:
            out.append("no detector finds an artifact")
        out.append(_relief(facts))
    return tuple(out)


def _found(facts: Mapping[str, Any]) -> Iterable[str]:
    if facts["missing_percent"] > 0:
        yield f"{plain(facts['missing_percent'], 2)} % of the pixels hold no measurement"
    if facts["filled_percent"] > 0:
        share = f"{plain(facts['filled_percent'], 2)} % of the pixels"
        yield f"{share} were never scanned: the file repeats a line or a value there (mark.unfinished)"
    for name, found in facts["detectors"].items():
        words, step = WORDS[name]
        yield f"{words} in lines {line_list(found['lines'])} ({plain(found['percent'], 2)} % of the pixels, {step})"
    if facts["jumps"]:
        yield f"the image jumps at lines {line_list(facts['jumps'])} (mark.jumps)"


def _untracked(facts: Mapping[str, Any]) -> Iterable[str]:
    if facts["still_patches_percent"] > 3:
        share = f"{facts['still_patches_percent']:.0f} % of the area"
        if facts["still_patches_percent"] > ALL_STILL:
            yield f"{share} is smooth: nothing was followed, or the height was held constant"
        else:
            yield f"{share} is much smoother than the rest: flat, or nothing was followed there"
    if facts["falls_at_one_rate"] > 0.85:
        share = f"{100 * facts['falls_at_one_rate']:.0f} % of the steep falls"
        yield f"{share} have one slope: all alike, or a tip that flies"
    if facts.get("error_stuck_percent", 0) > 1:
        yield f"the error signal stands at its end for {facts['error_stuck_percent']:.1f} % of the time"


def _imaging(facts: Mapping[str, Any]) -> Iterable[str]:
    if facts["relief_over_noise"] < LITTLE:
        yield _relief(facts)
    if facts["ringing"] > CHATTER:
        yield "heights oscillate behind edges"
    if facts["wave"] > WAVE:
        size = facts.get("wave_percent")
        size = "how large, one direction does not tell" if size is None else f"{plain(size, 2)} % of the relief"
        yield f"waves at one frequency in time stand out ({size}): hum, or a period of the sample along the lines"
    if facts["plane_wave_percent"] > WAVE_PERCENT:
        share = f"{plain(facts['plane_wave_percent'], 2)} % of the relief"
        count = f"{facts['plane_wave_periods']:.0f} periods per scan"
        yield f"waves of {count} stand out ({share}): a period of the sample, or laser light"
    if facts["displaced"]:
        where = line_list(int(row) for row in facts["displaced"])
        most = max(facts["displaced"].values(), key=abs)
        yield f"lines lie displaced along themselves, by up to {abs(most)} pixels: bands begin or end at lines {where}"


def _relief(facts: Mapping[str, Any]) -> str:
    only = "only " if facts["relief_over_noise"] < LITTLE else ""
    return f"the relief is {only}{plain(facts['relief_over_noise'], 2)} times the noise"


def _tip(facts: Mapping[str, Any]) -> Iterable[str]:
    if facts["ghost"] > 0.05:
        yield f"shapes are repeated at one offset (autocorrelation {facts['ghost']:.2f} over its surroundings)"
    if facts["change_of_sharpness"] > 8:
        yield "the sharpness of the image changes for good within the scan: another tip, or another part of the sample"
