"""What the classical detectors find in a scan: shares for the gate, and lines to name in its reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from afmend.artifacts.gate.view import Measured
from afmend.artifacts.jumps import Jumps, jumps
from afmend.artifacts.lines import Lines, lines
from afmend.artifacts.parachuting import Parachuting, parachuting
from afmend.artifacts.saturated import Saturated, saturated
from afmend.artifacts.scars import Scars, scars
from afmend.artifacts.spikes import Spikes, spikes
from afmend.artifacts.unfinished import Unfinished, unfinished
from afmend.pipeline import Field, Found, Params
from afmend.scan.arrays import Mask

NAMES = ("bad_line", "scar", "spike", "parachute", "saturated", "jump")


@dataclass(frozen=True, slots=True, eq=False)
class Detected:
    """What was found.

    Attributes
    ----------
    masks : mapping of str to (rows, cols) bool
        By the names of `NAMES`, each without what the earlier ones found.
    missing, filled : (rows, cols) bool
        Never measured: known beforehand, or found; and what of it holds a repeated line or value all the same.
    facts : mapping of str to mapping
        What the detectors say of their finds.
    """

    masks: Mapping[str, Mask]
    missing: Mask
    filled: Mask
    facts: Mapping[str, Mapping[str, Any]]


def detect(measured: Measured) -> Detected:
    """Run the detectors, in the order of the recipe "auto"."""
    heights = np.asarray(measured.heights, np.float64)
    opposite = None if measured.opposite is None else np.asarray(measured.opposite, np.float64)
    first = Field(heights, measured.missing)
    missing = _found(unfinished, first, Unfinished()).mask
    excluded = missing | measured.missing
    masks: dict[str, Mask] = {}
    facts: dict[str, Mapping[str, Any]] = {}
    steps: tuple[tuple[str, Any, Params], ...] = (
        ("bad_line", lines, Lines()), ("scar", scars, Scars()), ("spike", spikes, Spikes()),
        ("parachute", parachuting, Parachuting()), ("saturated", saturated, Saturated()), ("jump", jumps, Jumps()),
    )  # fmt: skip
    for name, step, params in steps:
        field = Field(
            heights, excluded, direction="trace", opposite=opposite, opposite_excluded=measured.opposite_missing,  # type: ignore[arg-type]
        )  # fmt: skip
        found = _found(step, field, params)
        masks[name], facts[name] = found.mask & ~excluded, found.facts
        excluded = excluded | found.mask
    return Detected(masks, missing | measured.missing, missing & ~measured.missing, facts)


def _found(step: Any, field: Field, params: Params) -> Found:
    found: Found = step.step.kernel(field, params)
    return found


def detector_features(found: Detected) -> dict[str, float]:
    """Return shares of pixels and lines, as powers of ten."""
    values = {f"share {name}": _log(float(np.mean(found.masks[name]))) for name in NAMES}
    values |= {f"lines {name}": _log(float(np.mean(found.masks[name].any(axis=1)))) for name in NAMES}
    values["jumps"] = float(np.log1p(len(found.facts["jump"]["jumps"])))
    part = scanned_lines(found.missing)
    values["unscanned"] = 1 - float(part.stop - part.start) / found.missing.shape[0]
    values["filled"] = _log(float(np.mean(found.filled)))
    values["missing"] = _log(np.count_nonzero(found.missing[part]) / found.missing.size)
    return values


def scanned_lines(missing: Mask) -> slice:
    """Return the lines from the first to the last of which something was measured."""
    there = np.flatnonzero(~missing.all(axis=1))
    return slice(int(there[0]), int(there[-1]) + 1) if there.size else slice(0, 0)


def _log(share: float) -> float:
    return float(np.log10(1e-5 + share)) + 5
