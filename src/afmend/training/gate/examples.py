"""Examples for the gate: scans of the twin, with the size of every effect as far as anybody could see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from afmend.artifacts.gate.verdicts import GOOD, IMAGING, NOT_TRACKING
from afmend.artifacts.gate.verdicts import TIP as TIP_VERDICT
from afmend.errors import BadParameterError, BadScanError
from afmend.scan import Scan
from afmend.scan.arrays import Heights, Mask
from afmend.simulation.access import ideal_of
from afmend.simulation.box import Box, load_box
from afmend.simulation.params import Twin
from afmend.simulation.recording import WAYS
from afmend.simulation.twin import VERSION, simulate
from afmend.training.gate.damage import damage_of, relief_of
from afmend.training.gate.effects import any_of, damage_masks, effects_of, judged
from afmend.training.gate.labels import label_of
from afmend.training.gate.scenes import TIP, is_odd, mix_of, regular_of, scene, shape_of, without_tip

MOVABLE = ("scar", "bad_line", "burst", "line_jump", "streak", "spike", "chatter")
"""Kinds of damage that would be the same on another sample."""
ANOTHER = 10_000_019
"""Added to the seed for another draw."""
DRAWS = 3
BLOCK = 35
"""So many scans are made together, a whole number of rounds through mixes and shapes; grafts stay within them."""
SCENES = 9
"""Raised with every change of mixes, effects, and what is kept."""
WANTED = {"good": GOOD, "tracking": NOT_TRACKING, "tip": TIP_VERDICT, "imaging": IMAGING}
"""What the mixes are made for."""
Map = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """One scan: both directions as measured, and how large what is wrong with the trace is.

    Attributes
    ----------
    heights, opposite, error : (rows, cols) float32
        Trace, retrace and the error signal of the trace, nm.
    missing : (rows, cols) bool
        Of the trace.
    effects, early : mapping of str to float
        See `effects_of`: of the whole scan, and of its first lines.
    wrong, early_wrong : (4, rows, cols) bool
        Where it is (`artifacts.gate.sight.TARGETS`).
    back : Back
        What is needed to show the retrace as a scan of its own.
    family, mix : str
        Kind of surface; which mix of problems the scan was drawn from.
    seed, draws : int
        How many draws it took.
    spare : Spare or None
        What grafts need (`grafts.grafted`).
    """

    heights: Map
    opposite: Map
    error: Map
    missing: Mask
    effects: Mapping[str, float]
    early: Mapping[str, float]
    wrong: Mask
    early_wrong: Mask
    back: Back
    family: str
    mix: str
    seed: int
    draws: int
    spare: Spare | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Back:
    """The retrace of a scan, columns in the order of the trace: its error signal, what is missing and what is wrong."""

    error: Map
    missing: Mask
    effects: Mapping[str, float]
    wrong: Mask


@dataclass(frozen=True, slots=True, eq=False)
class Spare:
    """The truth about the trace, and damage that can be moved to another scan.

    Attributes
    ----------
    ideal : (rows, cols) float64
        nm.
    bad : (rows, cols) bool
        Where the twin did something to the heights, or nothing was measured.
    copied : (rows,) bool
        Lines that repeat another one.
    hidden : (rows, cols) bool
        Damage by the loop that nobody can see (`effects.judged`).
    relief_nm : float
    wounds : (3, rows, cols) float32
        Movable damage of trace and retrace, and the error signal of the trace there; over the relief.
    """

    ideal: Heights
    bad: Mask
    copied: Mask
    hidden: Mask
    relief_nm: float
    wounds: Map

    @property
    def is_hurt(self) -> bool:
        """Whether there is any."""
        return bool(self.wounds[0].any())


def early_lines(rows: int) -> int:
    """How many lines a running scan is judged by."""
    return max(24, rows // 10)


def box_of(boxes: str, seed: int) -> str:
    """Say from which of some boxes, separated by commas, a scan is drawn: block by block from the next."""
    names = boxes.split(",")
    return names[seed // BLOCK % len(names)]


def make_example(box: str, seed: int, shape: tuple[int, int] | None = None, mix: str | None = None) -> Example:
    """Simulate one scan; of a mix made for a verdict, the first of up to `DRAWS` draws that deserves it.

    Otherwise the last draw with any verdict is taken: bad tips that nobody can see, lost areas where nothing is. Scans
    of the mix "box" are taken as they come.
    """
    box = box_of(box, seed)
    mix = mix or mix_of(seed)
    shape = shape or shape_of(seed)
    wanted = WANTED.get(mix)
    kept: _Draw | None = None
    for draw in range(DRAWS if wanted else 1):
        one = _drawn(box, seed + draw * ANOTHER, shape, mix, draw + 1, regular_of(seed), odd=is_odd(seed))
        label = label_of(one.effects)
        if kept is None or label is not None:
            kept = one
        if label == wanted:
            break
    return _example_of(cast("_Draw", kept), seed, mix)


@dataclass(frozen=True, slots=True, eq=False)
class _Draw:
    """One simulated scan, the same with a clean tip if something happened to its tip, and what is wrong with it."""

    twin: Twin
    scan: Scan
    clean: Scan | None
    effects: Mapping[str, float]
    wrong: Mask
    draws: int


def _drawn(
    box: str, drawn: int, shape: tuple[int, int], mix: str, draws: int, surface: str | None, *, odd: bool
) -> _Draw:
    """Simulate one draw and measure what is wrong with its trace."""
    chance = _box(box)
    while True:
        twin = scene(chance, drawn, shape, mix, surface, odd=odd)
        try:
            scan = simulate(twin)
            clean = None
            if set(twin.artifacts) & set(TIP):
                clean = simulate(without_tip(chance, twin, drawn))
            break
        except (BadParameterError, BadScanError):  # too large a tip, too slow a loop: another draw, always the same one
            drawn += DRAWS * ANOTHER
    return _Draw(twin, scan, clean, *effects_of(scan, twin, clean), draws)


def _example_of(one: _Draw, seed: int, mix: str) -> Example:
    """Measure the first lines and the retrace as well."""
    twin, scan = one.twin, one.scan
    heights, opposite, error, error_back = (
        np.asarray(scan.channels[scan.find(name)].values, np.float32)
        for name in ("height/trace", "height/retrace", "error/trace", "error/retrace")
    )
    missing, missing_back = (scan.channels[scan.find(f"height/{way}")].missing for way in ("trace", "retrace"))
    early, early_wrong = effects_of(scan, twin, one.clean, lines=early_lines(twin.shape[0]))
    back = Back(error_back, missing_back, *effects_of(scan, twin, one.clean, "retrace"))
    return Example(
        heights, opposite, error, missing, one.effects, early, one.wrong, early_wrong, back, twin.surface.kind, mix,
        seed, one.draws, _spare(scan, error),
    )  # fmt: skip


def _spare(scan: Scan, error: Map) -> Spare:
    ideal = np.asarray(ideal_of(scan).values, np.float64)
    wounds = np.zeros((3, *ideal.shape), np.float32)
    relief = relief_of(ideal)
    none = np.zeros(ideal.shape, np.bool_)
    bads = []
    for k, way in enumerate(WAYS):
        channel, masks = scan.channels[scan.find(f"height/{way}")], damage_masks(scan, way)
        bads.append(channel.missing | any_of(masks, masks, none))
        movable = any_of(masks, MOVABLE, none) & ~channel.missing
        if movable.any():
            heights, truth = (np.asarray(part.values, np.float64) for part in (channel, ideal_of(scan, way)))
            wounds[k] = np.where(movable, damage_of(heights, truth, bads[k], channel.missing).left / relief, 0)
            if k == 0:
                wounds[2] = np.where(movable, (error - np.median(error)) / relief, 0)
    judgment = judged(scan, "trace")
    copied = np.asarray(judgment.masks.get("unfinished", none).all(axis=1))
    return Spare(ideal, bads[0], copied, judgment.found.clear & ~judgment.clear, relief, wounds)


@lru_cache(maxsize=4)
def _box(name: str) -> Box:
    """Read a box once: parsing its YAML takes longer than a scan."""
    return load_box(name)


def path_of(folder: Path, box: str, seed: int) -> Path:
    """Where something of the scan of a seed is kept; the name holds the versions of the twin and of the mixes."""
    return folder / f"{box}-v{VERSION}.{SCENES}-{seed}.npz"
