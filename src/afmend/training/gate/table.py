"""Features of many simulated scans, with what each scan deserves: what the gate learns from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afmend.artifacts.gate.detectors import detect
from afmend.artifacts.gate.features import VERSION, as_vector, features
from afmend.artifacts.gate.sight import sight_digest
from afmend.artifacts.gate.view import Measured, View
from afmend.pipeline.workers import for_each
from afmend.training.gate.examples import Example, early_lines, make_example, path_of
from afmend.training.gate.labels import UNSURE, numbered, sizes_of
from afmend.training.kept import whole

KINDS = ("full", "alone", "early")
"""Both directions and the error signal; of every second scan, one direction alone; of every third, its first lines,
half of them alone."""


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Scans as rows.

    Attributes
    ----------
    features : (scans, features) float32
    labels : (scans,) int64
        Places in `VERDICTS`; -1 where nobody could say.
    sizes : (scans, effects) float32
        `labels.sizes_of`.
    seeds : (scans,) int64
    kinds, mixes, families : (scans,) str
        How the scan was shown (`KINDS`), what it was drawn from (`scenes.MIXES`), kind of surface.
    odd : (scans,) bool
        Whether it has fringes or displaced lines, which no box that is learned from knows (`scenes.is_odd`).
    names : tuple of str
        What the features are.
    """

    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    sizes: NDArray[np.float32]
    seeds: NDArray[np.int64]
    kinds: NDArray[np.str_]
    mixes: NDArray[np.str_]
    families: NDArray[np.str_]
    odd: NDArray[np.bool_]
    names: tuple[str, ...]

    def part(self, chosen: NDArray[np.bool_]) -> Table:
        """Return some of the rows."""
        return Table(
            self.features[chosen], self.labels[chosen], self.sizes[chosen], self.seeds[chosen], self.kinds[chosen],
            self.mixes[chosen], self.families[chosen], self.odd[chosen], self.names,
        )  # fmt: skip

    @property
    def sure(self) -> Table:
        """The rows that have a label."""
        return self.part(self.labels != UNSURE)


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


def _measure(order: tuple[str, str, int]) -> None:
    """Simulate a scan and keep its features."""
    path, box, seed = order
    example = make_example(box, seed)
    found: dict[str, NDArray[Any]] = {}
    for kind, measured in views_of(example).items():
        values = features(View(measured), detect(measured))
        found[kind] = as_vector(values)
    facts = {
        "effects": dict(example.effects), "early": dict(example.early), "family": example.family,
        "mix": example.mix, "draws": example.draws, "names": list(values),
    }  # fmt: skip
    with whole(Path(path)) as partial:
        np.savez(partial, facts=json.dumps(facts), **found)  # type: ignore[arg-type]  # the stub knows one keyword


def _path(folder: Path, box: str, seed: int) -> Path:
    """Where the features of a scan are kept; the name holds what they were measured by, networks included."""
    networks = hashlib.sha256(sight_digest().encode()).hexdigest()[:8]
    return folder / f"features-{VERSION}-{networks}-{path_of(folder, box, seed).name}"


def make_table(
    folder: Path, box: str, seeds: Iterable[int], *, workers: int = 1,
    watch: Callable[[int, int], None] | None = None,
) -> Table:  # fmt: skip
    """Simulate what is missing, measure it, and label it; the same rows whatever the number of ``workers``.

    Parameters
    ----------
    folder, box, seeds : Path, str, iterable of int
    workers, watch : optional
        See `afmend.pipeline.workers.for_each`.
    """
    paths = {seed: _path(folder, box, seed) for seed in seeds}
    folder.mkdir(parents=True, exist_ok=True)
    for_each(_measure, [(str(path), box, seed) for seed, path in paths.items() if not path.exists()], workers, watch)
    rows: list[tuple[Any, ...]] = []
    names: tuple[str, ...] = ()
    for seed, path in paths.items():
        with np.load(path) as kept:
            facts = json.loads(str(kept["facts"]))
            names = tuple(facts["names"])
            vectors = {kind: kept[kind] for kind in KINDS if kind in kept}
        for kind, vector in vectors.items():
            effects = facts["early" if kind == "early" else "effects"]
            label, _ = numbered(effects)
            odd = effects["fringes"] > 0 or "clear line_shift" in effects
            rows.append((vector, label, sizes_of(effects), seed, kind, facts["mix"], facts["family"], odd))
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    return Table(
        columns[0], columns[1].astype(np.int64), columns[2].astype(np.float32), columns[3].astype(np.int64),
        columns[4], columns[5], columns[6], columns[7], names,
    )  # fmt: skip
