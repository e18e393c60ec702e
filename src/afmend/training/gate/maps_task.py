"""The gate's network on maps of the lines and features, as a task of the training loop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from afmend.artifacts.gate.maps import MAPS
from afmend.artifacts.gate.verdicts import VERDICTS
from afmend.training.gate.damage import CELL_PX
from afmend.training.gate.head import GateTraining, JointNet, upside_down, usual_of
from afmend.training.gate.maps_source import Source
from afmend.training.gate.splices import spliced
from afmend.training.gate.table import KINDS, PAIR, UNSURE, Table
from afmend.training.loop import Batch

JUDGE_BATCH = 64
LOUDER = 0.1
"""Scatter of the factors (in powers of e) by which maps are made larger or smaller."""
GONE = 0.05
"""Share of the maps that are left out."""


class MapTask:
    """Verdicts from maps and features, what is wrong where, and the answers that verdicts are made of."""

    name = "gate"

    def __init__(self, learned: Table, kept: Table, source: Source, config: GateTraining) -> None:
        self.learned, self.kept, self.source, self.config = learned, kept, source, config
        self.groups = source.groups(learned)
        counts = np.bincount(learned.labels[learned.labels != UNSURE], minlength=len(VERDICTS))
        self.weights = torch.tensor((counts.sum() / np.maximum(counts, 1) / len(VERDICTS)) ** 0.5).float()
        self.weights = self.weights.to(source.device)

    def network(self) -> nn.Module:
        """Make the network."""
        return JointNet(len(MAPS), *usual_of(self.learned.shown.features), len(VERDICTS), self.config)

    def batch(self, seed: int, number: int, size: int) -> Batch:
        """Return (maps, features, verdicts, cells, answers) of scans of one shape, changed as scans differ."""
        rng = np.random.default_rng((seed, number))
        share = np.array([group.size for group in self.groups], float)
        group = self.groups[int(rng.choice(len(self.groups), p=share / share.sum()))]
        rows = rng.choice(group, min(size, group.size), replace=False)
        rows = rows[np.argsort(self.learned.kinds[rows] == "alone", kind="stable")]  # only like are spliced
        maps, cells = self.source.seen(self.learned, rows)
        others = (self.learned.features[rows], self.learned.labels[rows], self.learned.answers[rows])
        features, labels, answers = (torch.from_numpy(part).to(maps.device) for part in others)
        maps, features, labels, cells, answers = spliced((maps, features, labels, cells, answers), rng)
        maps, cells = _changed(maps, cells, np.isin(self.learned.kinds[rows], KINDS), rng)
        return maps, features, labels, cells, answers

    def loss(self, outputs: tuple[Tensor, Tensor, Tensor], batch: Batch) -> Tensor:
        """Cross-entropy of verdicts, rare ones weighted up, of answers, and of what is wrong in every cell.

        A line is enough for a cell. Scans without a verdict teach cells and answers.
        """
        logits, cells, asked = (part.float() for part in outputs)
        sure, known = (batch[2] != UNSURE).float(), (batch[4] != UNSURE).float()
        verdicts = nn.functional.cross_entropy(
            logits, batch[2].clamp(min=0), weight=self.weights, label_smoothing=0.03, reduction="none"
        )
        answers = nn.functional.binary_cross_entropy_with_logits(asked, batch[4].clamp(min=0).float(), reduction="none")
        loss = (verdicts * sure).sum() / sure.sum().clamp(min=1) + (answers * known).sum() / known.sum().clamp(min=1)
        rows, cols = (min(a, b) for a, b in zip(cells.shape[2:], batch[3].shape[2:], strict=True))
        if rows == 0:
            return loss
        wanted = torch.clamp(batch[3][:, :, :rows, :cols] * CELL_PX, 0, 1)
        return loss + nn.functional.binary_cross_entropy_with_logits(cells[:, :, :rows, :cols], wanted)

    def judge(self, network: nn.Module) -> Mapping[str, float]:
        """Accuracy on the held-out scans, shown with both directions."""
        full = self.kept.part(self.kept.kinds == "full")
        said = map_logits(cast("JointNet", network), full, self.source).argmax(axis=1)
        return {"accuracy": float(np.mean(said == full.labels)) if full.labels.size else 0.0}


def _changed(maps: Tensor, cells: Tensor, shown: NDArray[np.bool_], rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Turn half of the scans upside down; move each along its lines; maps louder, quieter, or gone.

    Half of the retraces and grafts lose their pair, as one direction of every other scan is shown alone.
    """
    rows = len(maps)
    turned = torch.from_numpy(rng.random(rows) < 0.5).to(maps.device)
    maps = torch.where(turned[:, None, None, None], upside_down(maps), maps)
    cells = torch.where(turned[:, None, None, None], cells.flip(2), cells)
    moved = rng.integers(0, cells.shape[3])  # whole cells, the end of a line after its start
    maps, cells = maps.roll(int(moved) * CELL_PX, dims=3), cells.roll(int(moved), dims=3)
    loud = np.exp(LOUDER * rng.standard_normal((rows, maps.shape[1]))) * (rng.random((rows, maps.shape[1])) >= GONE)
    alone = ~shown & (rng.random(rows) < 0.5)
    loud[alone[:, None] & np.isin(np.arange(maps.shape[1]), PAIR)] = 0
    return maps * torch.from_numpy(loud).to(maps)[:, :, None, None], cells


@torch.no_grad()
def map_logits(network: JointNet, table: Table, source: Source) -> NDArray[np.float64]:
    """Return the logits of every row."""
    network.eval()
    said = np.zeros((table.labels.size, len(VERDICTS)))
    for rows in source.batches(table, JUDGE_BATCH):
        maps, _ = source.seen(table, rows)
        device = next(network.parameters()).device
        features = torch.from_numpy(table.features[rows])
        said[rows] = network(maps.to(device), features.to(device))[0].double().cpu().numpy()
    return said
