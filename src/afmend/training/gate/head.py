"""The gate's network: several small perceptrons on features, calibrated, with a measure of strangeness beside."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from afmend.pipeline.params import Knob, Params

FAR = 4.0
"""Features count in robust deviations from their median, squeezed beyond so many."""


class GateTraining(Params):
    """How the gate's network is trained."""

    seed: int = Knob(0, "Chooses first weights and the order of scans.", ge=0)
    members: int = Knob(4, "Perceptrons whose answers are averaged.", ge=1, le=64)
    width: int = Knob(64, "Hidden units of each.", ge=2, le=4096)
    epochs: int = Knob(40, "Times that every scan is seen.", ge=1, le=100_000)
    batch: int = Knob(128, "Scans of a batch.", ge=2, le=100_000)
    rate: float = Knob(3e-3, "Highest learning rate (AdamW, falling along a cosine).", gt=0, le=1)
    decay: float = Knob(0.05, "Weight decay.", ge=0, le=10)
    dropout: float = Knob(0.3, "Share of hidden units left out at a time.", ge=0, lt=1)
    forget: float = Knob(0.1, "Share of features left out at a time.", ge=0, lt=1)
    smooth: float = Knob(0.02, "Label smoothing.", ge=0, lt=1)
    trees: int = Knob(250, "Boosted trees per verdict.", ge=1, le=5000)
    guesses: int = Knob(150, "Boosted trees per guessed size of an effect.", ge=1, le=5000)
    folds: int = Knob(5, "Parts; each is guessed, and calibrates, by what learned from the others.", ge=2, le=100)
    leaves: int = Knob(15, "Leaves of each tree.", ge=2, le=1000)
    fewest: int = Knob(20, "Scans in a leaf, at least.", ge=1, le=100_000)
    asked: float = Knob(0.3, "Share of the features that a tree may ask for at a node.", gt=0, le=1)
    tree_rate: float = Knob(0.07, "How much of what is left each tree takes away.", gt=0, le=1)


def squeezed(features: Tensor, middle: Tensor, size: Tensor) -> Tensor:
    """Return features as robust deviations, squeezed beyond `FAR`."""
    away = (features - middle) / size
    out: Tensor = away / (1 + torch.abs(away) / FAR)
    return out


def usual_of(features: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return median and robust deviation of each feature."""
    middle = np.median(features, axis=0).astype(np.float32)
    low, high = np.quantile(features, (0.1, 0.9), axis=0)
    spread = np.maximum((high - low) / 2.56, 0.2 * features.std(axis=0)).astype(np.float32)
    return middle, np.maximum(spread, 1e-3).astype(np.float32)


class Head(nn.Module):
    """From features to logits.

    Parameters
    ----------
    middle, size : (features,) float32
        Median and robust deviation of each feature.
    classes : int
    config : GateTraining
    """

    middle: Tensor
    size: Tensor

    def __init__(
        self, middle: NDArray[np.float32], size: NDArray[np.float32], classes: int, config: GateTraining
    ) -> None:
        super().__init__()
        self.register_buffer("middle", torch.from_numpy(middle))
        self.register_buffer("size", torch.from_numpy(size))
        count, members, width = middle.size, config.members, config.width
        self.first = nn.Parameter(torch.randn(members, count, width) / count**0.5)
        self.first_bias = nn.Parameter(torch.zeros(members, 1, width))
        self.second = nn.Parameter(torch.randn(members, width, classes) / width**0.5)
        self.second_bias = nn.Parameter(torch.zeros(members, 1, classes))
        self.direct = nn.Parameter(torch.zeros(members, count, classes))
        self.dropout, self.forget = nn.Dropout(config.dropout), nn.Dropout(config.forget)

    def scaled(self, features: Tensor) -> Tensor:
        """Return features as squeezed robust deviations."""
        return squeezed(features, self.middle, self.size)

    def each(self, features: Tensor) -> Tensor:
        """Return the logits of every member, (members, scans, classes)."""
        seen = self.scaled(features)[None].expand(self.first.shape[0], -1, -1)
        seen = self.forget(seen)
        hidden = self.dropout(torch.relu(seen @ self.first + self.first_bias))
        out: Tensor = hidden @ self.second + seen @ self.direct + self.second_bias
        return out

    def forward(self, features: Tensor) -> Tensor:
        """Return the mean logits, (scans, classes)."""
        return self.each(features).mean(dim=0)


def fit(
    features: NDArray[np.float32], labels: NDArray[np.int64], classes: int, config: GateTraining | None = None
) -> Head:
    """Train a head; every class counts alike."""
    config = config or GateTraining()
    torch.manual_seed(config.seed)
    head = Head(*usual_of(features), classes, config)
    counts = np.bincount(labels, minlength=classes)
    weights = torch.tensor(np.where(counts > 0, labels.size / np.maximum(counts, 1) / classes, 0.0) ** 0.5).float()
    x, y = torch.from_numpy(features), torch.from_numpy(labels)
    optimizer = torch.optim.AdamW(head.parameters(), lr=config.rate, weight_decay=config.decay)
    steps = config.epochs * max(1, -(-len(y) // config.batch))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.rate, total_steps=steps + 1, pct_start=0.1)
    order = np.random.default_rng(config.seed)
    head.train()
    for _ in range(config.epochs):
        for rows in np.array_split(order.permutation(len(y)), max(1, -(-len(y) // config.batch))):
            some = torch.from_numpy(rows)
            each = head.each(x[some])
            wanted = y[some].repeat(each.shape[0])
            loss = nn.functional.cross_entropy(
                each.reshape(-1, classes), wanted, weight=weights, label_smoothing=config.smooth
            )
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    return head.eval()


@torch.no_grad()
def logits_of(head: Head, features: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return logits of many scans."""
    out: NDArray[np.float64] = head(torch.from_numpy(features)).double().numpy()
    return out


@dataclass(frozen=True, slots=True, eq=False)
class Usual:
    """What scans usually are: center and inverse covariance of scaled features."""

    center: NDArray[np.float32]
    whitening: NDArray[np.float32]

    @classmethod
    def of(cls, scaled: NDArray[np.float64], shrink: float = 0.1) -> Usual:
        """Estimate from many scans; the covariance is shrunk to its diagonal (Ledoit and Wolf, in spirit)."""
        center = scaled.mean(axis=0)
        cov = np.cov(scaled - center, rowvar=False)
        cov = (1 - shrink) * cov + shrink * np.diag(np.diag(cov)) + 1e-3 * np.eye(cov.shape[0])
        values, vectors = np.linalg.eigh(cov)
        return cls(center.astype(np.float32), (vectors / np.sqrt(values)).astype(np.float32))
