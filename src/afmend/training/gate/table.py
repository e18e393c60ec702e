"""Features of many simulated scans, with what each scan deserves: what the gate's network learns from."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from afmend.artifacts.gate.detectors import detect
from afmend.artifacts.gate.features import VERSION, as_vector, features
from afmend.artifacts.gate.maps import MAPS, line_maps, packed
from afmend.artifacts.gate.verdicts import VERDICTS
from afmend.artifacts.gate.view import Measured, View
from afmend.pipeline.workers import for_each
from afmend.training.gate.examples import BLOCK, Example, early_lines, make_example, path_of
from afmend.training.gate.grafts import donors_of, grafted
from afmend.training.gate.labels import ASKED, answers_of, label_of
from afmend.training.kept import whole

KINDS = ("full", "alone", "early")
"""Both directions and the error signal; of every second scan, one direction alone; of every third, its first lines,
half of them alone."""
BACK = "back"
"""The retrace of a scan as another scan that was recorded from right to left: its maps only, to learn from."""
GRAFT = "graft"
"""A scan with damage of another (`grafts.grafted`): its maps only, to learn from."""
UNSURE = -1
PAIR = [k for k, name in enumerate(MAPS) if name.startswith(("pair", "error"))]
"""Maps that are 0 where only one direction was recorded, and no error signal."""


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Scans as rows.

    Attributes
    ----------
    features : (scans, features) float32
        0 for the rows of kinds `BACK` and `GRAFT`.
    labels : (scans,) int64
        Places in `VERDICTS`; -1 where nobody could say.
    answers : (scans, 8) int8
        To the questions of `labels.ASKED`: 1, 0, or -1 where nobody could say.
    seeds : (scans,) int64
    kinds, mixes, families : (scans,) str
        How the scan was shown (`KINDS`, `BACK`, `GRAFT`), what it was drawn from (`scenes.MIXES`), kind of surface.
    names : tuple of str
        What the features are.
    """

    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    answers: NDArray[np.int8]
    seeds: NDArray[np.int64]
    kinds: NDArray[np.str_]
    mixes: NDArray[np.str_]
    families: NDArray[np.str_]
    names: tuple[str, ...]

    def part(self, chosen: NDArray[np.bool_]) -> Table:
        """Return some of the rows."""
        return Table(
            self.features[chosen], self.labels[chosen], self.answers[chosen], self.seeds[chosen], self.kinds[chosen],
            self.mixes[chosen], self.families[chosen], self.names,
        )  # fmt: skip

    @property
    def shown(self) -> Table:
        """The rows that the gate may meet: with features."""
        return self.part(np.isin(self.kinds, KINDS))

    @property
    def sure(self) -> Table:
        """The rows that the gate may meet and that have a label."""
        return self.part((self.labels != UNSURE) & np.isin(self.kinds, KINDS))


def views_of(example: Example) -> Mapping[str, Measured]:
    """Return a scan as the gate may meet it."""
    lines = early_lines(example.heights.shape[0])
    whole = (example.heights, example.missing, example.opposite, None, example.error)
    views = {"full": Measured(*whole)}
    if example.seed % 2 == 0:
        views["alone"] = Measured(example.heights, example.missing)
    if example.seed % 3 == 0:
        early = [None if part is None else part[:lines] for part in whole]
        if example.seed % 2 == 0:
            early[2] = early[4] = None
        views["early"] = Measured(*early)  # type: ignore[arg-type]  # the first two are never None
    return views


def back_of(example: Example) -> Measured:
    """Return the retrace as a scan of its own, turned around: time runs from left to right."""
    back = example.back
    heights, opposite, error = (part[:, ::-1].copy() for part in (example.opposite, example.heights, back.error))
    return Measured(heights, back.missing[:, ::-1].copy(), opposite, example.missing[:, ::-1].copy(), error)


Order: TypeAlias = tuple[str, str, tuple[int, ...], bool, bool]
"""Folder, box, seeds; whether the scans are to be learned from, and whether by their maps as well."""


def _measure(order: Order) -> None:
    """Simulate the scans of a block and keep their features and maps; grafts as well if they are to be learned from."""
    folder, box, seeds, learned, mapped = order
    examples = [make_example(box, seed) for seed in seeds]
    for example in examples:
        found: dict[str, NDArray[Any]] = {
            "cells": example.cells, "early_cells": example.early_cells,
            "back_cells": example.back.cells[:, :, ::-1],
        }  # fmt: skip
        views = {kind: View(measured) for kind, measured in views_of(example).items()}
        if "alone" in views:
            views["alone"].sight = views["full"].sight
        for kind, view in views.items():
            values = features(view, detect(view.measured))
            found[kind] = as_vector(values)
            if mapped and kind != "alone":
                found[f"maps {kind}"] = packed(line_maps(view))
        facts = {
            "effects": dict(example.effects), "early": dict(example.early), "family": example.family,
            "mix": example.mix, "draws": example.draws, "names": list(values),
        }  # fmt: skip
        if learned and mapped:
            facts[BACK], found["maps back"] = dict(example.back.effects), packed(line_maps(View(back_of(example))))
            rng = np.random.default_rng([example.seed, BLOCK])
            donors = donors_of(examples, example)
            if donors:
                measured, effects, cells = grafted(example, donors[int(rng.integers(len(donors)))], rng)
                facts[GRAFT], found["graft_cells"] = dict(effects), cells
                found["maps graft"] = packed(line_maps(View(measured)))
        path = _path(Path(folder), box, example.seed, mapped=mapped)
        with whole(path) as partial:
            np.savez(partial, facts=json.dumps(facts), **found)  # type: ignore[arg-type]  # the stub knows one keyword


def maps_of(folder: Path, box: str, seed: int, kind: str) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return the maps of a measured scan in one view, packed, and how much of each cell of 16 x 16 pixels is wrong.

    Parameters
    ----------
    folder, box, seed : Path, str, int
    kind : "full", "early", "back" or "graft"
    """
    with np.load(_path(folder, box, seed)) as kept:
        cells = kept["cells" if kind == "full" else f"{kind}_cells"]
        return kept[f"maps {kind}"], np.asarray(cells, np.float32)


def _path(folder: Path, box: str, seed: int, *, mapped: bool = True) -> Path:
    return folder / f"{'features' if mapped else 'numbers'}-{VERSION}-{path_of(folder, box, seed).name}"


def orders_of(folder: Path, box: str, seeds: Sequence[int], *, learned: bool, mapped: bool = True) -> list[Order]:
    """Return what is to be simulated, block by block; a block is made anew if any of its scans is missing."""
    blocks: dict[int, list[int]] = {}
    for seed in seeds:
        blocks.setdefault(seed // BLOCK, []).append(seed)
    return [
        (str(folder), box, tuple(block), learned, mapped)
        for block in blocks.values()
        if not all(_path(folder, box, seed, mapped=mapped).exists() for seed in block)
    ]


def make_table(
    folder: Path, box: str, seeds: Iterable[int], *, learned: bool = True, mapped: bool = True, workers: int = 1,
    watch: Callable[[int, int], None] | None = None,
) -> Table:  # fmt: skip
    """Simulate what is missing, measure it, and label it; the same rows whatever the number of ``workers``.

    Parameters
    ----------
    folder, box, seeds : Path, str, iterable of int
    learned : bool
        Whether the scans are to be learned from: with rows of kinds `BACK` and `GRAFT`.
    mapped : bool
        Whether maps are needed: without, features alone take three quarters of the time and a hundredth of the room.
    workers, watch : optional
        See `afmend.pipeline.workers.for_each`; it counts blocks of scans.
    """
    seeds = list(seeds)
    folder.mkdir(parents=True, exist_ok=True)
    for_each(_measure, orders_of(folder, box, seeds, learned=learned, mapped=mapped), workers, watch)
    rows: list[tuple[Any, ...]] = []
    names: tuple[str, ...] = ()
    for seed in seeds:
        with np.load(_path(folder, box, seed, mapped=mapped)) as kept:
            facts = json.loads(str(kept["facts"]))
            names = tuple(facts["names"])
            vectors = {kind: kept[kind] for kind in KINDS if kind in kept}
        vectors |= {kind: np.zeros(len(names), np.float32) for kind in (BACK, GRAFT) if learned and kind in facts}
        for kind, vector in vectors.items():
            effects = facts[kind if kind in ("early", BACK, GRAFT) else "effects"]
            label, said = label_of(effects), answers_of(effects)
            answers = [UNSURE if said[question] is None else int(bool(said[question])) for question in ASKED]
            place = UNSURE if label is None else VERDICTS.index(label)
            rows.append((vector, place, answers, seed, kind, facts["mix"], facts["family"]))
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    return Table(
        columns[0], columns[1].astype(np.int64), columns[2].astype(np.int8), columns[3].astype(np.int64), columns[4],
        columns[5], columns[6], names,
    )  # fmt: skip
