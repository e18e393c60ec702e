"""Making the cases of a task: with the twin, or from a folder of files."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from afmend.errors import AfmendError, BadParameterError, BadScanError
from afmend.evaluation.bench.cases import Case, UnfitScanError, case_of, cases_in, check_fit, scans_of
from afmend.evaluation.bench.holes import HOLE_KINDS, make_holes
from afmend.evaluation.bench.methods import TaskName
from afmend.evaluation.bench.plan import Settings, Unit
from afmend.evaluation.bench.tasks.clean import ALONG_LINES, AS_DRAWN
from afmend.scan import Channel, Scan
from afmend.scan.arrays import adopted

if TYPE_CHECKING:
    from afmend.simulation.box import Box
    from afmend.simulation.params import Twin

FILL_NOISE = 0.05
"""Noise of the surfaces with holes, in Sq of the surface."""
MEASURABLE = ("terraces", "grating", "particles", "mixed")
"""Surfaces with steps or particles."""
ALONG = ("grating", "terraces", "fibers")
"""Surfaces that are turned along the lines."""
EVERY_OTHER: dict[TaskName, tuple[str, ...]] = {"metrology": MEASURABLE, "clean": ALONG}
"""Every other scan of these tasks has one of these surfaces."""
CLEAN: tuple[TaskName, ...] = ("harm", "clean")
"""Tasks on scans with nothing but tilt, bow and noise."""
FEWEST_FIBERS = 8
"""Fibers along the lines in a scan, or more."""
STRAIGHT_NM = 1e10
"""Persistence length at which no fiber of a scan bends."""
_WILD = 10.0
"""What stands under the holes lies this many Sq above everything: a method that peeks is punished."""


def make_cases(settings: Settings, unit: Unit) -> list[Case]:
    """Make the cases of one unit: one scan, or for filling the same scan with every kind of hole.

    Nothing but the settings and the unit decides: not the order, not the process.

    Raises
    ------
    UnfitScanError
        If the task cannot use the scan: ``what`` says why, ``where`` which it is.
    """
    if settings.data is None:
        name = f"{settings.box}-{settings.seed_of(unit.index)}"
        case = case_of(simulated(settings, unit), name=name)
    else:
        case = _from_file(Path(settings.data), unit)
    if unit.task == "clean":
        along = settings.data is None and unit.index % 2 and case.family in ALONG
        case = replace(case, groups={**case.groups, "direction": ALONG_LINES if along else AS_DRAWN})
    try:
        return _fit(case, unit, settings.seed_of(unit.index))
    except UnfitScanError as error:
        raise UnfitScanError(error.what, where=case.name) from error


def _fit(case: Case, unit: Unit, seed: int) -> list[Case]:
    if unit.task == "fill":
        # The measured heights are not used: what is wrong with them does not matter.
        case = replace(case, masks={}, missing=None)
        check_fit(case)
        return with_holes(case, seed)
    check_fit(case)
    if unit.task in CLEAN and not case.clean:
        raise UnfitScanError("it is not clean")
    if unit.task == "harm" and not case.noise_nm > 0:
        raise UnfitScanError("it has no noise")
    return [case]


def with_holes(case: Case, seed: int) -> list[Case]:
    """Make noisy scans of the ideal surface, each with holes of another kind."""
    rng = np.random.default_rng([seed, 5])
    noisy = case.ideal + FILL_NOISE * case.sq_nm * rng.standard_normal(case.ideal.shape)
    wild = float(noisy.max()) + _WILD * case.sq_nm
    made = []
    for kind in HOLE_KINDS:
        holes = make_holes(kind, case.ideal.shape, seed)
        channel = Channel("height", "trace", adopted(np.where(holes, wild, noisy)), "nm", "Height")
        measured = Scan.of(case.measured.grid, [channel])
        made.append(replace(case, measured=measured, holes=holes, masks={}, missing=None,
                            groups={**case.groups, "hole": kind}))  # fmt: skip
    return made


def _from_file(folder: Path, unit: Unit) -> Case:
    path, number, count = cases_in(folder)[unit.index]
    name = path.relative_to(folder).as_posix() + ("" if count == 1 else f"[{number}]")
    try:
        return case_of(scans_of(path)[number], name=name)
    except AfmendError as error:
        raise UnfitScanError(error.what, where=name) from error


def simulated(settings: Settings, unit: Unit, *, like: Sequence[str] = ()) -> Scan:
    """Let the twin make the scan of a unit; surfaces are taken in turn, of the names in ``like`` if the box has any.

    Raises
    ------
    UnfitScanError
        If the numbers that the box drew contradict each other (a tip too wide for its pixels).
    """
    from afmend.simulation.drawing import draw
    from afmend.simulation.twin import simulate

    box = _box(settings.box)
    kinds, turn = [kind for kind in box.surfaces if kind in like] or list(box.surfaces), unit.index
    if unit.task in EVERY_OTHER and not like:
        wanted = [kind for kind in box.surfaces if kind in EVERY_OTHER[unit.task]] or kinds
        kinds, turn = (kinds if turn % 2 == 0 else wanted), turn // 2
    artifacts = () if unit.task in (*CLEAN, "fill") else None
    twin = draw(box, settings.seed_of(unit.index), shape=settings.shape(unit.index),
                surface=kinds[turn % len(kinds)], artifacts=artifacts)  # fmt: skip
    if unit.task == "clean" and unit.index % 2:
        twin = along_lines(twin, settings.seed_of(unit.index))
    try:
        return simulate(only_noise(twin) if unit.task in CLEAN else twin)
    except (BadParameterError, BadScanError) as error:
        raise UnfitScanError(f"the twin refuses it: {error.what}", where=twin.name) from error


def along_lines(twin: Twin, seed: int) -> Twin:
    """Turn a grating, steps or fibers until they lie within a degree of the fast axis; other surfaces stay."""
    off = float(np.random.default_rng([seed, 7]).uniform(-1, 1))
    area_um2 = math.prod(twin.shape) * math.prod(twin.pixel_nm) * 1e-6
    surface = twin.surface
    changes: dict[str, dict[str, float]] = {
        "grating": {"angle_deg": 90 + off},
        "terraces": {"direction_deg": 90 + off},
        "fibers": {
            "direction_deg": off, "direction_spread_deg": 0.0, "persistence_nm": STRAIGHT_NM,
            "count_per_um2": max(getattr(surface, "count_per_um2", 0.0), FEWEST_FIBERS / area_um2),
        },
    }  # fmt: skip
    changed = surface.model_copy(update=changes.get(surface.kind, {}))
    return twin.model_copy(update={"surface": changed})


def only_noise(twin: Twin) -> Twin:
    """Return the twin with tilt, bow and white noise as its only troubles; its loop stays as it is."""
    from afmend.simulation.electronics import Electronics
    from afmend.simulation.saved import Saved
    from afmend.simulation.scanner import Scanner

    kept = ("tilt_slow_nm", "tilt_fast_nm", "bow_slow_nm", "bow_fast_nm", "bow_cross_nm")
    scanner = Scanner(**{name: getattr(twin.scanner, name) for name in kept})
    electronics = Electronics(white_nm=twin.electronics.white_nm, seed=twin.electronics.seed)
    return twin.model_copy(
        update={"scanner": scanner, "electronics": electronics, "saved": Saved(), "mishaps": (), "tip_changes": (),
                "drags": ()}
    )  # fmt: skip


@lru_cache(maxsize=4)
def _box(name: str) -> Box:
    from afmend.simulation.box import load_box

    return load_box(name)
