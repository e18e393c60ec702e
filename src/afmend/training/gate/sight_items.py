"""What the gate's sight learns from: simulated scans with the truth about every pixel, made once, drawn many times.

Every scan is used up to four times. Its retrace, turned around, is another scan with its own truth. Of every third
scan the first lines are one, as a running scan is judged by them. And a graft is the scan with damage of another one
(`grafts`). Further scans, and their retraces, are all drawn for bad tips, every third of them for good ones of the
same surfaces: few scans have satellites, and few that have none look as if. Others are of surfaces of edges and
periods, or have what no box knows.

An item is a file of whole numbers, (24, rows, cols): the inputs in steps of 1 / `SCALE`, and the bits of `TARGETS`.
The facts of a block of scans lie beside them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from afmend.artifacts.gate.sight import VERSION, sight_inputs
from afmend.artifacts.gate.view import Measured, View
from afmend.errors import BadParameterError
from afmend.pipeline.workers import for_each
from afmend.scan.arrays import Mask
from afmend.simulation.twin import VERSION as TWIN_VERSION
from afmend.training.gate.examples import BLOCK, SCENES, Example, early_lines, make_example
from afmend.training.gate.grafts import donors_of, grafted
from afmend.training.gate.labels import numbered
from afmend.training.gate.scenes import LAST_ODD, LAST_REGULAR
from afmend.training.kept import whole

SEEDS = {
    "scans": (1_000_020, 2_000_005), "tips": (2_000_005, 3_000_025),
    "regular": (25_025, LAST_REGULAR), "odd": (85_015, LAST_ODD),
}  # fmt: skip
"""Seeds of the first scan and of what is beyond the last: of all mixes, drawn for bad tips, of surfaces of edges and
periods, and with what no box knows (`scenes`); far from those of the gate."""
SCALE = 12.5
Planes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Item:
    """One item and what is known of it.

    Attributes
    ----------
    name : str
        Of the file.
    shape : (rows, cols)
    label : int
        Place in `VERDICTS`; -1 where nobody could say.
    answers : tuple of int
        To `ASKED`: 1, 0, or -1.
    seed : int
    kind, mix, family : str
        How it was made of the scan: "full", "back", "early" or "graft"; what the scan was drawn from; its surface.
    """

    name: str
    shape: tuple[int, int]
    label: int
    answers: tuple[int, ...]
    seed: int
    kind: str
    mix: str
    family: str


@dataclass(frozen=True, slots=True)
class Data:
    """Where items lie, and of which scans they are.

    Attributes
    ----------
    folder : Path
    boxes : str
        Of the twin, separated by commas.
    scans, tips, regular, odd : int
        How many of each kind (`SEEDS`).
    part : int
        Of which seeds: 0 of the first, 1 of as many further ones, and so on.
    """

    folder: Path
    boxes: str
    scans: int
    tips: int
    regular: int = 0
    odd: int = 0
    part: int = 0

    @property
    def home(self) -> Path:
        """The folder of the items; its name holds the versions of all that they were made by."""
        return self.folder / f"sight-{self.boxes}-v{TWIN_VERSION}.{SCENES}-{VERSION}"

    @property
    def counts(self) -> dict[str, int]:
        """How many scans of each kind."""
        return {"scans": self.scans, "tips": self.tips, "regular": self.regular, "odd": self.odd}

    def blocks(self) -> Iterator[tuple[int, str]]:
        """Return the first seed of every block, and the kind of its scans."""
        for kind, count in self.counts.items():
            seeds = -(-count // BLOCK) * BLOCK
            start = SEEDS[kind][0] + self.part * seeds
            yield from ((seed, kind) for seed in range(start, start + seeds, BLOCK))

    @property
    def identity(self) -> dict[str, Any]:
        """What a resumed run must learn from as before."""
        further = {"part": self.part} if self.part else {}
        return {"boxes": self.boxes, **self.counts, **further}

    def facts(self, first: int) -> Path:
        """Where the facts of a block are."""
        return self.home / f"{first}.json"

    def items(self) -> list[Item]:
        """Return all items; those of the last blocks may be of a few more scans than were asked for."""
        read = (json.loads(self.facts(first).read_text(encoding="utf-8")) for first, _ in self.blocks())
        return [
            Item(**{**item, "shape": tuple(item["shape"]), "answers": tuple(item["answers"])})
            for items in read
            for item in items
        ]

    def load(self, item: Item) -> Planes:
        """Return the numbers of an item, (24, rows, cols) uint8."""
        planes: Planes = np.load(self.home / f"{item.name}.npy")
        return planes


Order: TypeAlias = tuple[Data, int, str]


def prepare(data: Data, *, workers: int = 1, watch: Callable[[int, int], None] | None = None) -> None:
    """Make the items; blocks that are there already are kept.

    Parameters
    ----------
    data : Data
    workers, watch : optional
        See `afmend.pipeline.workers.for_each`; it counts blocks of scans.
    """
    for kind, (start, end) in SEEDS.items():
        if any(first + BLOCK > end for first, other in data.blocks() if other == kind):
            raise BadParameterError(
                f"there are no {data.part + 1} times {data.counts[kind]} scans ({kind})", where=f"--{kind}, --part",
                now=f"At most {end - start} are simulated, all parts together.",
            )  # fmt: skip
    data.home.mkdir(parents=True, exist_ok=True)
    orders: list[Order] = [(data, first, kind) for first, kind in data.blocks() if not data.facts(first).exists()]
    for_each(_make, orders, workers, watch)


def _make(order: Order) -> None:
    data, first, made = order
    tips = made == "tips"
    seeds = range(first, first + BLOCK)
    examples = [
        make_example(data.boxes, seed, mix=("good" if seed % 3 == 0 else "tip") if tips else None) for seed in seeds
    ]
    items: list[dict[str, Any]] = []
    for example in examples:
        for kind, measured, masks, effects in _shown(example, () if tips else examples):
            items.append(_kept(data, example, kind, measured, masks, effects))
    with whole(data.facts(first)) as partial:
        partial.write_text(json.dumps(items), encoding="utf-8")


def _shown(
    example: Example, others: tuple[()] | list[Example]
) -> Iterator[tuple[str, Measured, Mask, Mapping[str, float]]]:
    """Return what is made of a scan: kind, what was measured, masks, effects."""
    both = (example.heights, example.missing, example.opposite, None, example.error)
    yield "full", Measured(*both), example.wrong, example.effects
    yield "back", back_of(example), example.back.wrong[:, :, ::-1], example.back.effects
    if not others:
        return
    if example.seed % 3 == 0:
        lines = early_lines(example.heights.shape[0])
        first = [None if part is None else part[:lines] for part in both]
        yield "early", Measured(*first), example.early_wrong, example.early  # type: ignore[arg-type]  # two are never None
    donors = donors_of(others, example)
    if donors:
        rng = np.random.default_rng([example.seed, BLOCK])
        measured, effects, masks = grafted(example, donors[int(rng.integers(len(donors)))], rng)
        yield "graft", measured, masks, effects


def back_of(example: Example) -> Measured:
    """Return the retrace as a scan of its own, turned around: time runs from left to right."""
    back = example.back
    heights, opposite, error = (part[:, ::-1].copy() for part in (example.opposite, example.heights, back.error))
    return Measured(heights, back.missing[:, ::-1].copy(), opposite, example.missing[:, ::-1].copy(), error)


def _kept(
    data: Data, example: Example, kind: str, measured: Measured, masks: Mask, effects: Mapping[str, float]
) -> dict[str, Any]:
    inputs = np.clip(np.rint(sight_inputs(View(measured)) * SCALE), -127, 127).astype(np.int8)
    bits = np.zeros(inputs.shape[1:], np.uint8)
    for k, mask in enumerate(masks):
        bits |= mask.astype(np.uint8) << np.uint8(k)
    name = f"{example.seed}-{kind}"
    with whole(data.home / f"{name}.npy") as partial, partial.open("wb") as stream:
        np.save(stream, np.concatenate((inputs.view(np.uint8), bits[None])))
    label, answers = numbered(effects)
    return {
        "name": name, "shape": list(bits.shape), "label": label, "answers": answers, "seed": example.seed, "kind": kind,
        "mix": example.mix, "family": example.family,
    }  # fmt: skip
