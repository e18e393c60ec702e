"""The gate's network: several small perceptrons on features, calibrated, with a measure of strangeness beside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from afmend.artifacts.gate.maps import MAPS
from afmend.pipeline.params import Knob, Params
from afmend.training.config import Training
from afmend.training.gate.effects import TARGETS
from afmend.training.gate.labels import ASKED

STEP = MAPS.index("step to the line above")
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
    leaves: int = Knob(15, "Leaves of each.", ge=2, le=1000)
    tree_rate: float = Knob(0.06, "How much of what is left each tree takes away.", gt=0, le=1)
    map_steps: int = Knob(1500, "Batches for the network on maps and features.", ge=1, le=10**7)
    map_batch: int = Knob(96, "Scans of such a batch.", ge=2, le=4096)
    map_rate: float = Knob(4e-3, "Its highest learning rate.", gt=0, le=1)
    widths: tuple[int, int, int, int, int] = Knob((32, 40, 56, 80, 96), "Channels of its five levels.")
    map_forget: float = Knob(0.4, "Share of features that it does not see at a time.", ge=0, lt=1)
    blind: float = Knob(0.3, "Share of scans that it sees without any.", ge=0, lt=1)
    average: float = Knob(0.998, "Memory of the running mean of its weights.", ge=0, lt=1)
    threads: int = Knob(2, "Threads of torch on the CPU.", ge=1, le=256)
    device: Literal["auto", "cpu", "cuda"] = Knob("auto", "Where to train; auto = a GPU if there is one.")

    def loop(self) -> Training:
        """Return what the training loop is told."""
        return Training(
            seed=self.seed, steps=self.map_steps, batch=self.map_batch, rate=self.map_rate, decay=self.decay,
            average=self.average, judge_every=min(500, self.map_steps), save_every=min(500, self.map_steps), workers=0,
            threads=self.threads, device=self.device, precision="auto",
        )  # fmt: skip


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
    features: NDArray[np.float32], labels: NDArray[np.int64], classes: int, config: GateTraining | None = None,
    device: torch.device | str = "cpu",
) -> Head:  # fmt: skip
    """Train a head; every class counts alike."""
    config = config or GateTraining()
    torch.manual_seed(config.seed)
    head = Head(*usual_of(features), classes, config).to(device)
    counts = np.bincount(labels, minlength=classes)
    weights = torch.tensor(np.where(counts > 0, labels.size / np.maximum(counts, 1) / classes, 0.0) ** 0.5).float()
    weights, x, y = (part.to(device) for part in (weights, torch.from_numpy(features), torch.from_numpy(labels)))
    optimizer = torch.optim.AdamW(head.parameters(), lr=config.rate, weight_decay=config.decay)
    steps = config.epochs * max(1, -(-len(y) // config.batch))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.rate, total_steps=steps + 1, pct_start=0.1)
    order = np.random.default_rng(config.seed)
    head.train()
    for _ in range(config.epochs):
        for rows in np.array_split(order.permutation(len(y)), max(1, -(-len(y) // config.batch))):
            some = torch.from_numpy(rows).to(device)
            each = head.each(x[some])
            wanted = y[some].repeat(each.shape[0])
            loss = nn.functional.cross_entropy(
                each.reshape(-1, classes), wanted, weight=weights, label_smoothing=config.smooth
            )
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    return head.cpu().eval()


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


class _Again(nn.Module):
    """Two convolutions whose result is added to what they saw."""

    def __init__(self, width: int, spread: int = 1) -> None:
        super().__init__()
        self.both = nn.Sequential(
            *_layer(width, width, (3, 3), (1, 1), (spread, spread), spread),
            nn.Conv2d(width, width, 3, padding=spread, dilation=spread, bias=False), nn.BatchNorm2d(width),
        )  # fmt: skip

    def forward(self, seen: Tensor) -> Tensor:
        """Keep what was seen, changed."""
        return torch.relu(seen + self.both(seen))


def _layer(
    ins: int, outs: int, kernel: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int], spread: int = 1
) -> list[nn.Module]:
    conv = nn.Conv2d(ins, outs, kernel, stride, padding, dilation=spread, bias=False)
    return [conv, nn.BatchNorm2d(outs), nn.ReLU(inplace=True)]


def upside_down(maps: Tensor) -> Tensor:
    """Return the maps of the same scan recorded from its last line to its first."""
    turned = maps.flip(2)
    step = -torch.cat((turned[:, STEP : STEP + 1, -1:], turned[:, STEP : STEP + 1, :-1]), dim=2)
    return torch.cat((turned[:, :STEP], step, turned[:, STEP + 1 :]), dim=1)


class JointNet(nn.Module):
    """Convolutions that tell what is wrong in every cell of the scan, and a perceptron on that and on the features.

    Lines stay apart in the first layers, while four pixels of a line are packed into channels: within so few pixels
    of a line nothing happens.

    Parameters
    ----------
    ins : int
        Maps.
    middle, size : (features,) float32
        Median and robust deviation of each feature.
    classes : int
    config : GateTraining
    """

    SEES = 2
    middle: Tensor
    size: Tensor

    def __init__(
        self, ins: int, middle: NDArray[np.float32], size: NDArray[np.float32], classes: int, config: GateTraining
    ) -> None:
        super().__init__()
        self.register_buffer("middle", torch.from_numpy(middle))
        self.register_buffer("size", torch.from_numpy(size))
        a, b, c, d, e = config.widths
        self.body = nn.Sequential(
            *_layer(ins, a, (1, 4), (1, 4), (0, 0)), *_layer(a, b, (3, 3), (2, 1), (1, 1)),
            *_layer(b, c, (3, 3), (2, 2), (1, 1)), _Again(c), *_layer(c, d, (3, 3), (2, 2), (1, 1)), _Again(d),
            *_layer(d, e, (3, 3), (2, 1), (1, 1)), _Again(e), _Again(e, 2),
        )  # fmt: skip
        self.drop = nn.Dropout2d(0.15)
        self.cells = nn.Conv2d(e, len(TARGETS), 1)
        nn.init.constant_(self.cells.bias, -3.0)  # type: ignore[arg-type]  # damage is rare
        self.forget, self.dropout, self.blind = nn.Dropout(config.map_forget), nn.Dropout(config.dropout), config.blind
        self.first = nn.Linear(middle.size + 2 * e + 3 * len(TARGETS), 2 * config.width)
        self.asked = nn.Linear(2 * config.width, len(ASKED))
        self.last = nn.Linear(2 * config.width + len(ASKED), classes)

    def forward(self, maps: Tensor, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits of verdicts, of what is wrong in every cell of 16 x 16 pixels, and of the questions asked.

        Rows of features that are 0 throughout count as unknown; in training some are made so.
        """
        body = self.drop(self.body(maps))
        cells = self.cells(body)
        shares = torch.sigmoid(cells)
        known = torch.any(features != 0, dim=1, keepdim=True).to(maps.dtype)
        if self.training:
            known = known * (torch.rand_like(known) >= self.blind)
        numbers = squeezed(features, self.middle, self.size) * known
        seen = torch.cat(
            (
                self.forget(numbers), body.mean(dim=(2, 3)), body.amax(dim=(2, 3)),
                torch.log(shares.mean(dim=(2, 3)) + 1e-4), cells.amax(dim=(2, 3)) / 4, 4 * shares.mean(dim=(2, 3)),
            ), dim=1,
        )  # fmt: skip
        hidden = self.dropout(torch.relu(self.first(seen)))
        asked = self.asked(hidden)
        return self.last(torch.cat((hidden, asked / 4), dim=1)), cells, asked
