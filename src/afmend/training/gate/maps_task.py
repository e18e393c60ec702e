"""The gate's network on pooled maps, as a task of the training loop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from afmend.artifacts.gate.pooled import MAPS
from afmend.artifacts.gate.verdicts import VERDICTS
from afmend.training.gate.head import MapNet
from afmend.training.gate.table import Table, maps_of
from afmend.training.loop import Batch

JUDGED = 300
"""So many views at most are looked at in between."""


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """Where the maps of the scans of a table are; kept in memory once read."""

    folder: Path
    box: str
    _kept: dict[tuple[int, str], NDArray[np.float16]] = field(default_factory=dict)

    def maps(self, table: Table, row: int) -> NDArray[np.float32]:
        """Return the maps of one row."""
        key = (int(table.seeds[row]), str(table.kinds[row]))
        if key not in self._kept:
            self._kept[key] = maps_of(self.folder, self.box, *key).astype(np.float16)
        return self._kept[key].astype(np.float32)


class MapTask:
    """Verdicts from pooled maps."""

    name = "gate"

    def __init__(self, learned: Table, kept: Table, source: Source) -> None:
        self.learned, self.kept, self.source = learned, kept, source
        shapes = [source.maps(learned, k).shape[1:] for k in range(learned.labels.size)]
        names = sorted(set(shapes))
        self.groups = [np.array([k for k, shape in enumerate(shapes) if shape == name]) for name in names]
        counts = np.bincount(learned.labels, minlength=len(VERDICTS))
        self.weights = torch.tensor((learned.labels.size / np.maximum(counts, 1) / len(VERDICTS)) ** 0.5).float()

    def network(self) -> nn.Module:
        """Make the network."""
        return MapNet(len(MAPS), len(VERDICTS))

    def batch(self, seed: int, number: int, size: int) -> Batch:
        """Return (maps, verdicts) of scans of one shape, half of them turned upside down."""
        rng = np.random.default_rng((seed, number))
        share = np.array([group.size for group in self.groups], float)
        group = self.groups[int(rng.choice(len(self.groups), p=share / share.sum()))]
        some = rng.choice(group, min(size, group.size), replace=False)
        maps = [self.source.maps(self.learned, int(k)) for k in some]
        turned = [np.ascontiguousarray(m[:, ::-1]) if rng.random() < 0.5 else m for m in maps]
        return torch.from_numpy(np.stack(turned)), torch.from_numpy(self.learned.labels[some])

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Cross-entropy, rare verdicts weighted up."""
        return nn.functional.cross_entropy(outputs.float(), batch[1], weight=self.weights, label_smoothing=0.05)

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
        network(torch.from_numpy(source.maps(table, k))[None].contiguous()).double().numpy()[0]
        for k in range(table.labels.size)
    ]
    return np.stack(rows) if rows else np.zeros((0, len(VERDICTS)))
