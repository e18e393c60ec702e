"""A user's own classes: a small network trained on a folder of scans, judged by cross-validation without leaks."""

from __future__ import annotations

import platform
import shutil
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from afmend import __version__
from afmend.artifacts.classes import INPUTS, TASK, VERSION, Map, class_inputs
from afmend.evaluation.gate_scores import calibration_error
from afmend.inference.card import Card, write_card
from afmend.pipeline.params import Knob
from afmend.training.classify.folder import Collection
from afmend.training.classify.seed_recipe import scores_of
from afmend.training.config import Training
from afmend.training.export import OPSET, described
from afmend.training.gate.calibrate import softmax, temperature
from afmend.training.loop import Batch, Watch, train

ENOUGH = 50
"""Scans per class from which on the figures mean something."""


class ClassTraining(Training):
    """How a classifier is trained."""

    steps: int = Knob(240, "Batches in all.", ge=1, le=10**7)
    batch: int = Knob(32, "Scans of a batch.", ge=1, le=4096)
    rate: float = Knob(4e-3, "Highest learning rate.", gt=0, le=1)
    decay: float = Knob(0.05, "Weight decay (AdamW).", ge=0, le=1)
    average: float = Knob(0.97, "Memory of the running mean of the weights, which is what is exported.", ge=0, lt=1)
    workers: int = Knob(0, "Processes that prepare items; 0 = none of its own.", ge=0, le=256)
    judge_every: int = Knob(10**6, "Batches between two looks at held-out scans.", ge=1)
    folds: int = Knob(5, "Parts of the cross-validation.", ge=2, le=50)


class ClassNet(nn.Module):
    """Five convolutions, the mean over the map, and one linear layer: activation maps are exact.

    Parameters
    ----------
    classes : int
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for ins, outs, stride in ((len(INPUTS), 16, 2), (16, 32, 1), (32, 32, 2), (32, 64, 1), (64, 64, 2)):
            layers += [nn.Conv2d(ins, outs, 3, stride, 1, bias=False), nn.BatchNorm2d(outs), nn.ReLU(inplace=True)]
        self.body, self.drop = nn.Sequential(*layers), nn.Dropout2d(0.2)
        self.last = nn.Conv2d(64, classes, 1)

    def activation(self, maps: Tensor) -> Tensor:
        """Return the evidence for each class at each place, (batch, classes, rows / 8, cols / 8)."""
        out: Tensor = self.last(self.drop(self.body(maps)))
        return out

    def forward(self, maps: Tensor) -> Tensor:
        """Return logits, (batch, classes)."""
        return self.activation(maps).mean(dim=(2, 3))


class _Shipped(nn.Module):
    def __init__(self, network: ClassNet, heat: float) -> None:
        super().__init__()
        self.network, self.heat = network, heat

    def forward(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        where = self.network.activation(maps)
        return torch.softmax(where.mean(dim=(2, 3)) / self.heat, dim=1), where


class ClassTask:
    """Classes of scans as a task of the training loop."""

    name = TASK

    def __init__(self, heights: Map, labels: NDArray[np.int64], classes: int) -> None:
        self.heights, self.labels, self.classes = heights, labels, classes
        self.scale = usual_relief(heights)

    def network(self) -> nn.Module:
        """Make the network."""
        return ClassNet(self.classes)

    def batch(self, seed: int, number: int, size: int) -> Batch:
        """Return (maps, labels): as many of each class as of any other, turned, mirrored, cut and scaled a little."""
        rng = np.random.default_rng((seed, number))
        items, labels = [], []
        for _ in range(size):
            label = int(rng.integers(self.classes))
            which = int(rng.choice(np.flatnonzero(self.labels == label)))
            items.append(class_inputs(_varied(self.heights[which], rng, self.scale), self.scale))
            labels.append(label)
        return torch.from_numpy(np.stack(items)), torch.tensor(labels)

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Cross-entropy."""
        return nn.functional.cross_entropy(outputs.float(), batch[1], label_smoothing=0.05)

    def judge(self, network: nn.Module) -> Mapping[str, float]:
        """Accuracy on the scans that it learns from; those held out are judged after the training."""
        return {"learned": float(np.mean(logits_of(network, self.heights, self.scale).argmax(1) == self.labels))}


def usual_relief(heights: Map) -> float:
    """Median over scans of half the range that holds 96 % of the heights."""
    low, high = np.percentile(heights, (2, 98), axis=(1, 2))
    return max(float(np.median(high - low)) / 4, 1e-12)


def _varied(heights: Map, rng: np.random.Generator, scale: float) -> Map:
    """Mirror, turn by quarters, cut, and add a little noise: what makes no other sample of it."""
    import cv2

    side = heights.shape[0]
    z: Map = np.rot90(heights, int(rng.integers(4)))
    if rng.random() < 0.5:
        z = z[:, ::-1]
    kept = int(side * rng.uniform(0.75, 1.0))
    top, left = (int(rng.integers(side - kept + 1)) for _ in range(2))
    z = np.asarray(cv2.resize(np.ascontiguousarray(z[top : top + kept, left : left + kept]), (side, side)), np.float32)
    noise = rng.standard_normal(z.shape).astype(np.float32) * np.float32(0.05 * scale * rng.random())
    return np.asarray(z * np.float32(rng.uniform(0.9, 1.1)) + noise, np.float32)


@torch.no_grad()
def logits_of(network: nn.Module, heights: Map, scale: float) -> NDArray[np.float64]:
    """Return the logits of many scans."""
    network.eval()
    device = next(network.parameters()).device
    parts = [
        network(torch.from_numpy(np.stack([class_inputs(z, scale) for z in heights[k : k + 64]])).to(device))
        .double()
        .cpu()
        for k in range(0, len(heights), 64)
    ]
    return torch.cat(parts).numpy()


def folds_of(labels: NDArray[np.int64], groups: NDArray[np.int64], count: int, seed: int) -> NDArray[np.int64]:
    """Deal groups of scans to folds so that each class is spread evenly: what belongs together stays together."""
    rng = np.random.default_rng(seed)
    fold = np.zeros(labels.size, np.int64)
    held = np.zeros((count, int(labels.max()) + 1))
    names, sizes = np.unique(groups, return_counts=True)
    for name in names[np.lexsort((rng.random(names.size), -sizes))]:
        members = groups == name
        added = np.bincount(labels[members], minlength=held.shape[1])
        cost = [float(np.square(held[k] + added).sum() - np.square(held[k]).sum()) for k in range(count)]
        best = int(rng.choice(np.flatnonzero(np.array(cost) <= min(cost) + 1e-9)))
        held[best] += added
        fold[members] = best
    return fold


@dataclass(frozen=True, slots=True, eq=False)
class Validated:
    """What cross-validation says: logits of every scan by the network that never saw its group."""

    logits: NDArray[np.float64]
    folds: NDArray[np.int64]


def validate(
    found: Collection, config: ClassTraining, folder: Path, *, minutes: float | None = None,
    watch: Callable[[int, int], Watch | None] = lambda _k, _n: None,
) -> Validated:  # fmt: skip
    """Train once per fold, and let each network judge the scans it never saw."""
    folds = folds_of(found.labels, found.groups, config.folds, config.seed)
    logits = np.zeros((found.labels.size, len(found.classes)))
    for k in range(config.folds):
        away = folds == k
        task = ClassTask(found.heights[~away], found.labels[~away], len(found.classes))
        run = train(task, config, folder / f"fold-{k}", minutes=minutes, watch=watch(k, config.folds), resume=True)
        logits[away] = logits_of(run.average, found.heights[away], task.scale)
    return Validated(logits, folds)


def finish(
    found: Collection, checked: Validated, config: ClassTraining, folder: Path, *, name: str, command: str = "",
    minutes: float | None = None, watch: Watch | None = None,
) -> Path:  # fmt: skip
    """Train on all scans, export, and write the card with the figures of the cross-validation.

    Returns
    -------
    Path
        Of the card.
    """
    task = ClassTask(found.heights, found.labels, len(found.classes))
    run = train(task, config, folder / "all", minutes=minutes, watch=watch, resume=True)
    heat = temperature(checked.logits, found.labels)
    network = cast("ClassNet", run.average.cpu().eval().to(memory_format=torch.contiguous_format))  # type: ignore[call-overload]
    file = folder / f"{name}.onnx"
    axes = {"maps": {0: "scans"}, "probability": {0: "scans"}, "activation": {0: "scans"}}
    sample = torch.from_numpy(class_inputs(found.heights[0], task.scale))[None]
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _Shipped(network, heat), (sample,), str(file), dynamo=False, opset_version=OPSET, input_names=["maps"],
            output_names=["probability", "activation"], dynamic_axes=axes,
        )  # fmt: skip
    card = Card(
        name=name, task=TASK, version="1", files={"fp32": described(file)}, inputs=INPUTS, inputs_version=VERSION,
        outputs=tuple(found.classes), calibration={"scale": task.scale, "unit": found.unit, "temperature": heat},
        parameters=sum(p.numel() for p in network.parameters()), made_with=_made_with(found, config, command),
        scores=cross_scores(found, checked, heat), known_failures=failures_of(found), license="of whoever trained it",
    )  # fmt: skip
    path = folder / f"{name}.json"
    write_card(card, path)
    for k in range(config.folds):
        shutil.rmtree(folder / f"fold-{k}", ignore_errors=True)
    return path


def cross_scores(found: Collection, checked: Validated, heat: float) -> dict[str, Any]:
    """Return the figures of the cross-validation, with 95 % intervals."""
    return {
        "cross-validation": {
            **scores_of(checked.logits.argmax(axis=1), found.labels, found.classes),
            "calibration_error": round(calibration_error(softmax(checked.logits / heat), found.labels), 4),
            "folds": int(checked.folds.max()) + 1, "groups": int(np.unique(found.groups).size),
        }
    }  # fmt: skip


def failures_of(found: Collection) -> tuple[str, ...]:
    """Say what the model cannot know, and that it has too few scans where it has."""
    said = ["It has no class for anything else than what it was trained on, and gives every scan one of its classes."]
    for name, count in zip(found.classes, np.bincount(found.labels, minlength=len(found.classes)), strict=True):
        if count < ENOUGH:
            said.append(f"Only {count} scans of class {name!r}: below {ENOUGH} per class the figures mean little.")
    return tuple(said)


def _made_with(found: Collection, config: ClassTraining, command: str) -> dict[str, Any]:
    counts = np.bincount(found.labels, minlength=len(found.classes)).tolist()
    return {
        "command": command, "afmend": __version__, "torch": torch.__version__, "onnxruntime": onnxruntime.__version__,
        "python": platform.python_version(), "scans": dict(zip(found.classes, counts, strict=True)),
        "config": config.to_json(),
    }  # fmt: skip
