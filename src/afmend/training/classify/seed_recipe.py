"""The seed's classifier: a pretrained ResNet-18, of which the head and then the last block are trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from afmend.evaluation.gate_scores import confusion, macro_f1, precision_recall_f1, proportion, weighted_f1
from afmend.pipeline.params import Knob, Params
from afmend.training.classify.pictures import jittered
from afmend.training.resnet import ResNet18, freeze, load_weights

SPLIT = (0.75, 0.15, 0.10)
STAGES = (("fc",), ("layer4", "fc"))
"""What learns, one stage after the other."""
Watch = Callable[[int, int], None]


class SeedRecipe(Params):
    """Numbers of the seed's paper; what it does not say (marked) is ours."""

    seed: int = Knob(0, "Chooses the split, first weights and augmentation.", ge=0)
    rate: float = Knob(1e-4, "Learning rate of SGD.", gt=0, le=1)
    momentum: float = Knob(0.9, "Momentum of SGD.", ge=0, lt=1)
    gamma: float = Knob(2.0, "Exponent of the focal loss (not in the paper).", ge=0, le=10)
    epochs: int = Knob(20, "Epochs of each stage (not in the paper).", ge=1, le=10_000)
    batch: int = Knob(32, "Pictures of a batch (not in the paper).", ge=1, le=4096)
    patience: int = Knob(3, "Epochs without progress before the rate falls to a tenth (not in the paper).", ge=0)
    threads: int = Knob(2, "Threads of torch on the CPU.", ge=1, le=256)


@dataclass(frozen=True, slots=True, eq=False)
class SeedResult:
    """The trained network, how pictures are scaled for it, and its scores by part of the split."""

    network: ResNet18
    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]
    scores: Mapping[str, Mapping[str, Any]]

    def scaled(self, pictures: NDArray[np.float32]) -> Tensor:
        """Return z-scores."""
        return torch.from_numpy((pictures - self.mean) / self.deviation)

    @torch.no_grad()
    def say(self, pictures: NDArray[np.float32], batch: int = 64) -> NDArray[np.int64]:
        """Return the most probable class of each picture."""
        self.network.eval()
        parts = [self.network(self.scaled(pictures[k : k + batch])).argmax(1) for k in range(0, len(pictures), batch)]
        return torch.cat(parts).numpy()


def split_of(count: int, groups: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Split 75 / 15 / 10 into 0, 1, 2 before any augmentation; what belongs together (``groups``) stays together."""
    names = np.unique(groups)
    order = np.random.default_rng(seed).permutation(names.size)
    ends = np.round(np.cumsum(SPLIT) * names.size)
    part = np.searchsorted(ends, order, side="right")
    where = np.searchsorted(names, groups)
    out: NDArray[np.int64] = np.minimum(part, 2)[where].astype(np.int64)
    if out.size != count:
        raise ValueError("one group per picture")
    return out


def focal_loss(logits: Tensor, labels: Tensor, weights: Tensor, gamma: float) -> Tensor:
    """Return the mean of -w (1 - p)^gamma log p (Lin 2017, doi:10.1109/ICCV.2017.324)."""
    log_p = torch.log_softmax(logits, dim=1)[torch.arange(len(labels)), labels]
    return (-weights[labels] * (1 - log_p.exp()) ** gamma * log_p).mean()


def train_seed(
    pictures: NDArray[np.float32], labels: NDArray[np.int64], names: Sequence[str], *,
    groups: NDArray[np.int64] | None = None, config: SeedRecipe | None = None, weights: Path | None = None,
    watch: Watch | None = None,
) -> SeedResult:  # fmt: skip
    """Train as the seed's paper says.

    Parameters
    ----------
    pictures : (n, 3, rows, cols) float32
        From `pictures.picture_of`.
    labels : (n,) int64
    names : sequence of str
        Of the classes.
    groups : (n,) int64, optional
        What belongs together; each picture alone if not given.
    config : SeedRecipe, optional
    weights : Path, optional
        ImageNet weights; random ones if not given (then freezing most of the network makes little sense: the result
        is a lower bound of what the recipe can do).
    watch : callable, optional
        Called after each epoch with (done, of).
    """
    config = config or SeedRecipe()
    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    part = split_of(len(labels), np.arange(len(labels)) if groups is None else groups, config.seed)
    learn = part == 0
    mean = pictures[learn].mean(axis=(0, 2, 3), keepdims=True)[0]
    deviation = pictures[learn].std(axis=(0, 2, 3), keepdims=True)[0] + np.float32(1e-6)
    network = ResNet18(len(names))
    if weights is not None:
        load_weights(network, weights)
    counts = np.bincount(labels[learn], minlength=len(names))
    balance = torch.tensor(learn.sum() / np.maximum(counts, 1) / len(names)).float()
    result = SeedResult(network, mean, deviation, {})
    best, state = -1.0, network.state_dict()
    done = 0
    for stage in STAGES:
        optimizer = torch.optim.SGD(network.parameters(), lr=config.rate, momentum=config.momentum)
        schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, mode="max", patience=config.patience)
        for _ in range(config.epochs):
            freeze(network, stage)
            _epoch(result, optimizer, pictures[learn], labels[learn], balance, config, done)
            accuracy = (
                float(np.mean(result.say(pictures[part == 1]) == labels[part == 1])) if (part == 1).any() else 0.0
            )
            schedule.step(accuracy)
            if accuracy > best:
                best, state = accuracy, {key: value.clone() for key, value in network.state_dict().items()}
            done += 1
            if watch is not None:
                watch(done, config.epochs * len(STAGES))
    network.load_state_dict(state)
    network.eval()
    scores = {
        name: scores_of(result.say(pictures[part == k]), labels[part == k], names)
        for k, name in enumerate(("training", "validation", "test"))
        if (part == k).any()
    }
    return SeedResult(network, mean, deviation, scores)


def _epoch(
    result: SeedResult, optimizer: torch.optim.Optimizer, pictures: NDArray[np.float32], labels: NDArray[np.int64],
    balance: Tensor, config: SeedRecipe, number: int,
) -> None:  # fmt: skip
    rng = np.random.default_rng([config.seed, number])
    for some in np.array_split(rng.permutation(len(labels)), max(1, len(labels) // config.batch)):
        seen = (jittered(torch.from_numpy(pictures[some]), rng) - torch.from_numpy(result.mean)) / torch.from_numpy(
            result.deviation
        )
        loss = focal_loss(result.network(seen), torch.from_numpy(labels[some]), balance, config.gamma)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()


def scores_of(said: NDArray[np.int64], true: NDArray[np.int64], names: Sequence[str]) -> dict[str, Any]:
    """Return accuracy with its 95 % interval, precision, recall, F1 per class, macro, weighted, and confusions."""
    count = len(names)
    table = precision_recall_f1(confusion(said, true, count))
    return {
        "scans": int(true.size), "accuracy": proportion(int(np.count_nonzero(said == true)), int(true.size)),
        "macro_f1": round(macro_f1(said, true, count), 4), "weighted_f1": round(weighted_f1(said, true, count), 4),
        "classes": {name: [round(float(x), 3) for x in table[k]] for k, name in enumerate(names)},
        "confusion": confusion(said, true, count).tolist(),
    }  # fmt: skip


def radar_svg(parts: Mapping[str, Mapping[str, Any]], names: Sequence[str], side: int = 360) -> str:
    """Draw the F1 of every class, training against validation and test, as the paper's radar plot, in SVG."""
    middle, radius = side / 2, side * 0.34
    angles = 2 * np.pi * np.arange(len(names)) / len(names) - np.pi / 2

    def polygon(values: Sequence[float]) -> str:
        return " ".join(
            f"{middle + radius * v * np.cos(a):.1f},{middle + radius * v * np.sin(a):.1f}"
            for v, a in zip(values, angles, strict=True)
        )

    rings = "".join(
        f'<polygon points="{polygon([r] * len(names))}" fill="none" stroke="#bbb"/>' for r in (0.25, 0.5, 0.75, 1)
    )
    colors = ("#1b7837", "#e08214", "#542788")
    shapes = ""
    for k, ((name, part), color) in enumerate(zip(parts.items(), colors, strict=False)):
        corners = polygon([part["classes"][n][2] for n in names])
        shapes += f'<polygon points="{corners}" fill="{color}" fill-opacity="0.12" stroke="{color}" stroke-width="2"/>'
        shapes += f'<text x="8" y="{16 + 16 * k}" fill="{color}">{name}</text>'
    words = "".join(
        f'<text x="{middle + 1.15 * radius * np.cos(a):.0f}" y="{middle + 1.15 * radius * np.sin(a) + 4:.0f}" '
        f'text-anchor="middle">{name}</text>'
        for name, a in zip(names, angles, strict=True)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}" font-family="sans-serif" font-size="12">'
        f"{rings}{shapes}{words}</svg>\n"
    )
