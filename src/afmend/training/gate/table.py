"""Features of many simulated scans, with what each scan deserves: what the gate's network learns from."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afmend.artifacts.gate.detectors import detect
from afmend.artifacts.gate.features import VERSION, as_vector, features
from afmend.artifacts.gate.maps import MAPS, line_maps, packed
from afmend.artifacts.gate.verdicts import VERDICTS
from afmend.artifacts.gate.view import Measured, View
from afmend.training.gate.examples import Example, early_lines, load_example, path_of, prepare
from afmend.training.gate.labels import label_of

KINDS = ("full", "alone", "early")
"""Both directions and the error signal; one direction alone; first lines (of every third scan, half of them alone)."""
UNSURE = -1
PAIR = [k for k, name in enumerate(MAPS) if name.startswith(("pair", "error"))]
"""Maps that are 0 where only one direction was recorded, and no error signal."""


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Scans as rows.

    Attributes
    ----------
    features : (scans, features) float32
    labels : (scans,) int64
        Places in `VERDICTS`; -1 where nobody could say.
    seeds : (scans,) int64
    kinds, mixes, families : (scans,) str
        How the scan was shown (`KINDS`), what it was drawn from (`scenes.MIXES`), kind of surface.
    names : tuple of str
        What the features are.
    """

    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    seeds: NDArray[np.int64]
    kinds: NDArray[np.str_]
    mixes: NDArray[np.str_]
    families: NDArray[np.str_]
    names: tuple[str, ...]

    def part(self, chosen: NDArray[np.bool_]) -> Table:
        """Return some of the rows."""
        return Table(
            self.features[chosen], self.labels[chosen], self.seeds[chosen], self.kinds[chosen], self.mixes[chosen],
            self.families[chosen], self.names,
        )  # fmt: skip

    @property
    def sure(self) -> Table:
        """The rows with a label."""
        return self.part(self.labels != UNSURE)


def views_of(example: Example) -> Mapping[str, Measured]:
    """Return a scan as the gate may meet it."""
    lines = early_lines(example.heights.shape[0])
    whole = (example.heights, example.missing, example.opposite, None, example.error)
    views = {"full": Measured(*whole), "alone": Measured(example.heights, example.missing)}
    if example.seed % 3 == 0:
        early = [None if part is None else part[:lines] for part in whole]
        if example.seed % 2 == 0:
            early[2] = early[4] = None
        views["early"] = Measured(*early)  # type: ignore[arg-type]  # the first two are never None
    return views


def measure(folder: Path, box: str, seed: int) -> dict[str, NDArray[np.float32]]:
    """Return the features of a simulated scan, by kind of view; kept beside it."""
    path = _path(folder, box, seed)
    if not path.exists():
        example = load_example(folder, box, seed)
        found: dict[str, NDArray[Any]] = {}
        for kind, measured in views_of(example).items():
            view = View(measured)
            values = features(view, detect(measured))
            found[kind] = as_vector(values)
            if kind != "alone":
                found[f"maps {kind}"] = packed(line_maps(view))
        facts = json.dumps({
            "effects": dict(example.effects), "early": dict(example.early), "family": example.family,
            "mix": example.mix, "draws": example.draws, "names": list(values),
        })  # fmt: skip
        partial = path.with_name(f".{os.getpid()}-{path.name}")
        found |= {"cells": example.cells, "early_cells": example.early_cells}
        np.savez(partial, facts=facts, **found)  # type: ignore[arg-type]  # the stub knows one keyword
        partial.replace(path)
    with np.load(path) as kept:
        return {kind: kept[kind] for kind in KINDS if kind in kept}


def maps_of(folder: Path, box: str, seed: int, kind: str) -> NDArray[np.int8]:
    """Return the maps of a measured scan in one view, packed."""
    with np.load(_path(folder, box, seed)) as kept:
        maps: NDArray[np.int8] = kept["maps early" if kind == "early" else "maps full"]
    return maps


def cells_of(folder: Path, box: str, seed: int, kind: str) -> NDArray[np.float32]:
    """Return how much of each cell of a measured scan is wrong, (4, rows / 16, cols / 16)."""
    with np.load(_path(folder, box, seed)) as kept:
        return np.asarray(kept["early_cells" if kind == "early" else "cells"], np.float32)


def _path(folder: Path, box: str, seed: int) -> Path:
    return folder / f"features-{VERSION}-{path_of(folder, box, seed).name}"


def make_table(
    folder: Path, box: str, seeds: Iterable[int], *, workers: int = 1, watch: Callable[[int, int], None] | None = None
) -> Table:
    """Simulate what is missing, measure it, and label it."""
    seeds = list(seeds)
    prepare(
        folder, box, [seed for seed in seeds if not _path(folder, box, seed).exists()], workers=workers, watch=watch
    )
    rows, labels, kinds, kept_seeds, mixes, families = [], [], [], [], [], []
    names: tuple[str, ...] = ()
    for seed in seeds:
        vectors = measure(folder, box, seed)
        with np.load(_path(folder, box, seed)) as kept:
            facts = json.loads(str(kept["facts"]))
        names = tuple(facts["names"])
        for kind in vectors:
            label = label_of(facts["early" if kind == "early" else "effects"])
            rows.append(vectors[kind])
            labels.append(UNSURE if label is None else VERDICTS.index(label))
            kinds.append(kind)
            kept_seeds.append(seed)
            mixes.append(facts["mix"])
            families.append(facts["family"])
    return Table(
        np.stack(rows), np.array(labels, np.int64), np.array(kept_seeds, np.int64), np.array(kinds), np.array(mixes),
        np.array(families), names,
    )  # fmt: skip
