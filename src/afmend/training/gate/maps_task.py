"""The gate's network on maps of the lines and features, as a task of the training loop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from afmend.artifacts.gate.maps import MAPS, unpacked
from afmend.artifacts.gate.verdicts import VERDICTS
from afmend.training.gate.damage import CELL_PX
from afmend.training.gate.head import GateTraining, JointNet, usual_of
from afmend.training.gate.table import PAIR, Table, cells_of, maps_of
from afmend.training.loop import Batch

JUDGED = 300
"""So many views at most are looked at in between."""


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """Where the maps of the scans of a table are; kept in memory once read."""

    folder: Path
    box: str
    _kept: dict[tuple[int, str], NDArray[np.int8]] = field(default_factory=dict)
    _cells: dict[tuple[int, str], NDArray[np.float32]] = field(default_factory=dict)

    def maps(self, table: Table, row: int) -> NDArray[np.float32]:
        """Return the maps of one row."""
        kind = "early" if table.kinds[row] == "early" else "full"
        key = (int(table.seeds[row]), kind)
        if key not in self._kept:
            self._kept[key] = maps_of(self.folder, self.box, *key)
        maps = unpacked(self._kept[key])
        if table.kinds[row] == "alone":
            maps[PAIR] = 0
        return maps

    def cells(self, table: Table, row: int) -> NDArray[np.float32]:
        """Return how much of each cell of one row is wrong, in the order of `examples.TARGETS`."""
        key = (int(table.seeds[row]), "early" if table.kinds[row] == "early" else "full")
        if key not in self._cells:
            self._cells[key] = cells_of(self.folder, self.box, *key)
        return self._cells[key]


class MapTask:
    """Verdicts from maps and features, and what is wrong where."""

    name = "gate"

    def __init__(self, learned: Table, kept: Table, source: Source, config: GateTraining) -> None:
        self.learned, self.kept, self.source, self.config = learned, kept, source, config
        shapes = [source.maps(learned, k).shape[1:] for k in range(learned.labels.size)]
        names = sorted(set(shapes))
        self.groups = [np.array([k for k, shape in enumerate(shapes) if shape == name]) for name in names]
        counts = np.bincount(learned.labels, minlength=len(VERDICTS))
        self.weights = torch.tensor((learned.labels.size / np.maximum(counts, 1) / len(VERDICTS)) ** 0.5).float()

    def network(self) -> nn.Module:
        """Make the network."""
        return JointNet(len(MAPS), *usual_of(self.learned.features), len(VERDICTS), self.config)

    def batch(self, seed: int, number: int, size: int) -> Batch:
        """Return (maps, features, verdicts, cells) of scans of one shape, half of them turned upside down."""
        rng = np.random.default_rng((seed, number))
        share = np.array([group.size for group in self.groups], float)
        group = self.groups[int(rng.choice(len(self.groups), p=share / share.sum()))]
        some = rng.choice(group, min(size, group.size), replace=False)
        maps, cells = [], []
        for k in some:
            turn = slice(None, None, -1 if rng.random() < 0.5 else 1)
            maps.append(np.ascontiguousarray(self.source.maps(self.learned, int(k))[:, turn]))
            cells.append(np.ascontiguousarray(self.source.cells(self.learned, int(k))[:, turn]))
        return (
            torch.from_numpy(np.stack(maps)), torch.from_numpy(self.learned.features[some]),
            torch.from_numpy(self.learned.labels[some]), torch.from_numpy(np.stack(cells)),
        )  # fmt: skip

    def loss(self, outputs: tuple[Tensor, Tensor], batch: Batch) -> Tensor:
        """Cross-entropy of verdicts, rare ones weighted up, and of what is wrong in every cell (a line is enough)."""
        logits, cells = outputs
        verdict = nn.functional.cross_entropy(logits.float(), batch[2], weight=self.weights, label_smoothing=0.05)
        rows, cols = (min(a, b) for a, b in zip(cells.shape[2:], batch[3].shape[2:], strict=True))
        if rows == 0:
            return verdict
        wanted = torch.clamp(batch[3][:, :, :rows, :cols] * CELL_PX, 0, 1)
        where = nn.functional.binary_cross_entropy_with_logits(cells[:, :, :rows, :cols].float(), wanted)
        return verdict + where

    def judge(self, network: nn.Module) -> Mapping[str, float]:
        """Accuracy on some of the held-out views."""
        count = self.kept.labels.size
        some = self.kept.part(np.isin(np.arange(count), np.arange(0, count, max(1, count // JUDGED))))
        said = map_logits(network, some, self.source).argmax(axis=1)
        return {"accuracy": float(np.mean(said == some.labels)) if some.labels.size else 0.0}


@torch.no_grad()
def map_logits(network: nn.Module, table: Table, source: Source) -> NDArray[np.float64]:
    """Return the logits of every row."""
    network.eval()
    rows = [
        network(torch.from_numpy(source.maps(table, k))[None], torch.from_numpy(table.features[k : k + 1]))[0]
        .double()
        .numpy()[0]
        for k in range(table.labels.size)
    ]
    return np.stack(rows) if rows else np.zeros((0, len(VERDICTS)))
