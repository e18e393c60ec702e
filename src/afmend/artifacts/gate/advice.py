"""What to change at the instrument: a table of rules, no more than a colleague would say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from afmend.artifacts.gate.evidence import ALL_STILL, CHATTER, WAVE, WAVE_PERCENT
from afmend.artifacts.gate.verdicts import GOOD, IMAGING, NOT_TRACKING, TIP


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the table: said if the verdict is one of ``verdicts`` and the number lies above ``over``."""

    verdicts: tuple[str, ...]
    number: str
    over: float
    advice: str


BAD = (NOT_TRACKING, TIP, IMAGING)
RULES = (
    Rule((NOT_TRACKING,), "saturated_percent", 0.5,
         "The height signal reaches the end of its range: withdraw and engage again, level the sample, scan less."),
    Rule((NOT_TRACKING,), "parachute_percent", 0.5,
         "The tip flies off steep edges: raise the integral gain, press harder (setpoint), or halve the line rate."),
    Rule((NOT_TRACKING,), "still_patches_percent", 3,
         "If the smooth areas are not flat on the sample: raise the gain, press harder, or scan more slowly."),
    Rule((NOT_TRACKING,), "always", 0,
         "Watch trace and retrace on the screen: change gain, setpoint and line rate until they lie on each other."),
    Rule((TIP,), "change_of_sharpness", 8,
         "The tip changed during the scan: scan the same place again; if it stays changed, take a new tip."),
    Rule((TIP,), "always", 0,
         "Take a new tip, or clean it; to be sure, turn the sample by 90 degrees: what stays as it is, is the tip's."),
    Rule((IMAGING, NOT_TRACKING), "chatter", CHATTER,
         "The loop oscillates: lower the integral gain, or scan more slowly."),
    Rule((IMAGING,), "scar_percent", 0.3,
         "Many scars: the tip pushes or picks up loose matter. Press less, scan more slowly, rinse the sample."),
    Rule((IMAGING,), "parachute_percent", 0.1,
         "Tails behind edges: raise the integral gain or the drive, press a little harder, or scan more slowly."),
    Rule((IMAGING,), "spike_percent", 0.02, "Spikes: look for electrical glitches and loose cables."),
    Rule((IMAGING,), "bad_line_percent", 0.2,
         "Whole lines are wrong: something shook the instrument; check the damping table, doors, pumps."),
    Rule((IMAGING,), "jumps", 2,
         "The image jumps: unless these are edges along the lines, the tip changes. Let it wear in, or take another."),
    Rule((IMAGING,), "wave", WAVE,
         "Waves at one frequency: unless the sample is periodic, look for a ground loop, mains hum, a pump, a fan."),
    Rule((IMAGING,), "plane_wave_percent", WAVE_PERCENT,
         "Waves over the whole scan: unless the sample is periodic, laser light interferes. Move its spot a little."),
    Rule((IMAGING,), "displaced", 0,
         "Lines lie beside their place: the line sync or the scan control fails. Check cables, scan more slowly."),
    Rule(BAD, "noise_over_relief", 0.25,
         "The noise is a quarter of the relief or more: close the hood, use a smaller range, average directions."),
    Rule(BAD, "line_steps_over_noise", 10,
         "Lines are offset by far more than the noise: let the instrument settle before the scan."),
    Rule((GOOD,), "line_steps_over_noise", 30, "Leveling cures the offsets of lines; less drift would be better."),
)  # fmt: skip
MOST = 3


def advice(verdict: str, facts: Mapping[str, Any]) -> tuple[str, ...]:
    """Return at most three things to change before the next scan, the most telling first."""
    known = {
        "always": 1.0, "chatter": facts["ringing"],
        "still_patches_percent": facts["still_patches_percent"], "jumps": len(facts["jumps"]), "wave": facts["wave"],
        "plane_wave_percent": facts["plane_wave_percent"], "displaced": len(facts["displaced"]),
        "change_of_sharpness": facts["change_of_sharpness"],
        "noise_over_relief": 0.0 if facts["still_patches_percent"] > ALL_STILL else 1 / facts["relief_over_noise"],
        "line_steps_over_noise": facts["line_steps_over_noise"],
        **{f"{name}_percent": found["percent"] for name, found in facts["detectors"].items()},
    }  # fmt: skip
    said = [rule.advice for rule in RULES if verdict in rule.verdicts and known.get(rule.number, 0.0) > rule.over]
    return tuple(said[:MOST])
