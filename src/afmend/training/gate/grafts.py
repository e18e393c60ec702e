"""Damage of one simulated scan put onto another: more scans to learn from, at a twentieth of the time of a new one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from afmend.artifacts.gate.sight import TARGETS
from afmend.artifacts.gate.view import Measured
from afmend.scan.arrays import Mask
from afmend.training.gate.damage import damage_of
from afmend.training.gate.examples import Example

LARGER = 2.0
"""Damage becomes larger or smaller against the relief, by such a factor at most."""
WHOLE = 0.5
"""Share of the grafts that take all damage; the others that of some adjacent lines."""


def donors_of(examples: Sequence[Example], base: Example) -> list[Example]:
    """Return the scans of the same shape with damage that can be moved."""
    return [
        one
        for one in examples
        if one is not base and one.heights.shape == base.heights.shape and one.spare is not None and one.spare.is_hurt
    ]


def grafted(base: Example, donor: Example, rng: np.random.Generator) -> tuple[Measured, Mapping[str, float], Mask]:
    """Put what mishaps did to the lines of one scan onto another.

    Only damage that does not depend on the sample is moved (`examples.MOVABLE`). How much of it is clear or faint is
    measured again, on the new sample and in its noise, by the rule for every other scan.

    Parameters
    ----------
    base, donor : Example
        Of one shape, with `Example.spare`.
    rng : numpy.random.Generator

    Returns
    -------
    measured, effects, wrong
        As of a simulated scan.
    """
    ground, hurt = base.spare, donor.spare
    if ground is None or hurt is None:
        raise ValueError("grafts need scans that were just simulated")
    rows = base.heights.shape[0]
    size = ground.relief_nm * float(np.exp(rng.uniform(-1, 1) * np.log(LARGER)))
    wounds = np.roll(hurt.wounds, int(rng.integers(rows)), axis=1)
    if rng.random() >= WHOLE:
        height = int(rng.integers(1, rows))
        top = int(rng.integers(0, rows - height))
        wounds[:, :top] = 0
        wounds[:, top + height :] = 0
    heights, opposite, error = (
        np.asarray(old + size * new, np.float32)
        for old, new in zip((base.heights, base.opposite, base.error), wounds, strict=True)
    )
    bad = ground.bad | (wounds[0] != 0)
    found = damage_of(heights.astype(np.float64), ground.ideal, bad, base.missing, ground.copied)
    clear = found.clear & ~(ground.hidden & (wounds[0] == 0))
    effects = {
        **base.effects, "clear": float(np.mean(clear)), "faint": float(np.mean(found.faint)),
        "noise": found.noise, "random": found.random, "recorded": found.recorded,
    }  # fmt: skip
    wrong = base.wrong.copy()
    wrong[[TARGETS.index("clear"), TARGETS.index("faint")]] = clear, found.faint
    return Measured(heights, base.missing, opposite, None, error), effects, wrong
