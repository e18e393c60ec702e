"""The gate's sight as a task of the training loop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from afmend.artifacts.gate.sight import INPUTS, TARGETS
from afmend.artifacts.gate.verdicts import ASKED, VERDICTS
from afmend.errors import ModelError
from afmend.training.config import Training
from afmend.training.gate.labels import UNSURE
from afmend.training.gate.sight_items import SCALE, Data, Item
from afmend.training.gate.sight_net import SightNet
from afmend.training.loop import Batch
from afmend.training.networks import LineUNet

CONFIG = Training(steps=8000, batch=16, rate=3e-3, decay=0.05, save_every=500, judge_every=2000)
HELD_OUT = 20
"""Every so-many-th group of five scans (one of each mix) is judged by, and not learned from."""
STEPS = [INPUTS.index(name) for name in ("step to the line above", "offset of the line")]
"""Differences to the line before: with the lines in the other order they belong to the line after, with other signs."""
PAIR = [k for k, name in enumerate(INPUTS) if name.startswith(("other direction", "difference", "error"))]
"""Not there where only one direction was recorded, and no error signal."""
THERE = [INPUTS.index(name) for name in ("other direction: there", "measured")]
ERROR = INPUTS.index("error")
ALONE, ERRORLESS, LINES_TURNED = 0.35, 0.25, 0.5
"""How often only one direction is shown, no error signal, and lines are put in the other order."""
GAIN, LEFT_OUT = 0.08, 0.015
"""Inputs are this much too large or small, and left out: what is usual in a scan is never known exactly."""
FEW_LINES, MORE_OF_FEW = 64, 4
"""Of scans of fewer lines, so many times more make a batch; they are drawn half as often as others."""
BORDERLINE, POSITIVE = 0.3, 2.0
"""Weights of pixels that are faint when asked for what is clear, and of all that is wrong."""
WORTH = {"pixels": 5.0, "dice": 0.3, "answers": 2.0}
"""Weights of the losses beside that of the verdict."""
SMOOTH = 0.03
SATELLITES = ASKED.index("satellites")
CLEAR, FAINT, GHOSTS = (TARGETS.index(name) for name in ("clear", "faint", "ghosts"))
JUDGE_BATCH = 16


class SightTask:
    """What is wrong pixel by pixel, the answers that verdicts are made of, and verdicts.

    Parameters
    ----------
    data : Data
        Prepared; see `sight_items.prepare`.
    """

    name = "sight"

    def __init__(self, data: Data) -> None:
        self.data = data
        every = data.items()
        self.learned = [item for item in every if not is_held_out(item)]
        self.kept = [item for item in every if is_held_out(item)]
        self.groups = list(_by_shape(self.learned).values())
        sizes = np.array([len(group) * (0.5 if group[0].shape[0] < FEW_LINES else 1) for group in self.groups])
        self.chances = sizes / sizes.sum()
        labels = np.array([item.label for item in self.learned])
        counts = np.bincount(labels[labels != UNSURE], minlength=len(VERDICTS))
        self.weights = torch.tensor((counts.sum() / np.maximum(counts, 1) / len(VERDICTS)) ** 0.5).float()

    @property
    def identity(self) -> dict[str, Any]:
        """What a resumed run must learn from as before."""
        return self.data.identity

    def network(self) -> nn.Module:
        """Make the network."""
        return SightNet(len(INPUTS))

    def batch(self, seed: int, number: int, size: int) -> Batch:
        """Return (planes, verdicts, answers) of items of one shape, and what chooses their changes."""
        rng = np.random.default_rng((seed, number))
        group = self.groups[int(rng.choice(len(self.groups), p=self.chances))]
        count = size * (MORE_OF_FEW if group[0].shape[0] < FEW_LINES else 1)
        chosen = rng.choice(len(group), min(count, len(group)), replace=False)
        return (*_loaded(self.data, [group[k] for k in chosen]), torch.tensor(int(rng.integers(2**62))))

    def ready(self, batch: Batch) -> Batch:
        """Return (inputs, wrong, verdicts, answers), changed by chance."""
        planes, labels, answers, chance = batch
        return (*unlike(planes, int(chance)), labels, answers)

    def loss(self, outputs: tuple[Tensor, Tensor, Tensor], batch: Batch) -> Tensor:
        """Cross-entropies of pixels, answers and verdicts, and soft Dice; not where nobody could say."""
        logits, asked, verdicts = (part.float() for part in outputs)
        wrong, labels, answers = batch[1].float(), batch[2], batch[3]
        weight = torch.where(wrong > 0, POSITIVE, 1.0)
        borderline = (wrong[:, FAINT] > 0) & (wrong[:, CLEAR] == 0)
        weight[:, CLEAR] = torch.where(borderline, BORDERLINE, weight[:, CLEAR])
        weight[:, GHOSTS] *= (answers[:, SATELLITES] != UNSURE)[:, None, None]
        pixels = functional.binary_cross_entropy_with_logits(logits, wrong, weight, reduction="none")
        known = (answers != UNSURE).float()
        told = functional.binary_cross_entropy_with_logits(asked, answers.clamp(min=0).float(), reduction="none")
        loss = (
            WORTH["pixels"] * pixels.mean(dim=(0, 2, 3)).sum() + WORTH["dice"] * _soft_dice(logits, wrong, weight)
            + WORTH["answers"] * (told * known).sum() / known.sum().clamp(min=1)
        )  # fmt: skip
        sure = (labels != UNSURE).float()
        each = functional.cross_entropy(
            verdicts, labels.clamp(min=0), self.weights.to(verdicts), label_smoothing=SMOOTH, reduction="none"
        )
        weights = self.weights.to(verdicts)[labels.clamp(min=0)] * sure
        return loss + (each * sure).sum() / weights.sum().clamp(min=1e-6)

    def judge(self, network: nn.Module) -> Mapping[str, float]:
        """Score on held-out scans as recorded: verdicts, answers, and Dice of every target."""
        return scored(self.answers(network), self.full())

    def full(self) -> list[Item]:
        """Return the held-out scans as recorded, in the order of `answers`."""
        whole = [item for item in self.kept if item.kind == "full"]
        return [item for group in _by_shape(whole).values() for item in group]

    @torch.no_grad()
    def answers(self, network: nn.Module) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32], Tensor]]:
        """Return logits of pixels, of answers and verdicts, and what is wrong, of the scans of `full`."""
        network.eval()
        device = next(network.parameters()).device
        for group in _by_shape(self.full()).values():
            for start in range(0, len(group), JUDGE_BATCH):
                planes, _, _ = _loaded(self.data, group[start : start + JUDGE_BATCH])
                inputs, wrong = _unpacked(planes.to(device), torch.ones((len(planes), len(INPUTS))))
                logits, asked, verdicts = network(inputs.contiguous(memory_format=torch.channels_last))
                said = torch.cat((asked, verdicts), dim=1).float().cpu().numpy()
                for k, one in enumerate(logits.float().cpu().numpy()):
                    yield one, said[k], wrong[k]


def is_held_out(item: Item) -> bool:
    """Say whether an item is judged by: all of one scan together."""
    return item.seed // 5 % HELD_OUT == 0


def scored(
    answers: Iterator[tuple[NDArray[np.float32], NDArray[np.float32], Tensor]], items: Sequence[Item]
) -> dict[str, float]:
    """Score logits; see `SightTask.judge`."""
    sums, right, known = np.zeros((len(TARGETS), 3)), np.zeros(len(ASKED)), np.zeros(len(ASKED))
    hits = sure = 0
    for (logits, said, wrong), item in zip(answers, items, strict=True):
        if not np.isfinite(said).all():
            raise ModelError("the network says something that is no number", where=item.name, now="Export it anew.")
        found, truth = logits > 0, wrong.cpu().numpy() > 0
        sums += np.stack([(found & truth).sum((1, 2)), found.sum((1, 2)), truth.sum((1, 2))], axis=1)
        asked = np.array(item.answers)
        known += asked != UNSURE
        right += (asked != UNSURE) & ((said[: len(ASKED)] > 0) == (asked == 1))
        if item.label != UNSURE:
            sure += 1
            hits += int(said[len(ASKED) :].argmax()) == item.label
    dice = {f"dice {name}": 2 * both / max(a + b, 1) for name, (both, a, b) in zip(TARGETS, sums, strict=True)}
    told = {f"right {name}": a / max(b, 1) for name, a, b in zip(ASKED, right, known, strict=True)}
    return {"accuracy": hits / max(sure, 1), **{name: float(x) for name, x in (dice | told).items()}}


def _by_shape(items: Sequence[Item]) -> dict[tuple[int, int], list[Item]]:
    groups: dict[tuple[int, int], list[Item]] = {}
    for item in items:
        groups.setdefault(item.shape, []).append(item)
    return groups


def _loaded(data: Data, items: Sequence[Item]) -> tuple[Tensor, Tensor, Tensor]:
    planes = torch.from_numpy(np.stack([data.load(item) for item in items]))
    return planes, torch.tensor([item.label for item in items]), torch.tensor([item.answers for item in items])


def unlike(planes: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Unpack a batch and change it by chance: order of the lines, size of the inputs, what was recorded.

    Parameters
    ----------
    planes : (batch, 24, rows, cols) uint8
    seed : int

    Returns
    -------
    inputs : (batch, 23, rows, cols) float32
        Padded to multiples of what the network takes.
    wrong : (batch, 4, rows, cols) uint8
    """
    chance = torch.Generator().manual_seed(seed)
    count, maps = len(planes), len(INPUTS)
    gain = 1 + GAIN * torch.randn((count, maps), generator=chance)
    gain[torch.rand(gain.shape, generator=chance) < LEFT_OUT] = 0
    gain[:, THERE] = 1
    happens = torch.rand((3, count), generator=chance)
    gain[(happens[0] < ALONE)[:, None] & torch.tensor([k in PAIR for k in range(maps)])] = 0
    gain[happens[1] < ERRORLESS, ERROR] = 0
    turned = happens[2] < LINES_TURNED
    gain[turned[:, None] & torch.tensor([k in STEPS for k in range(maps)])] *= -1
    for item in torch.nonzero(turned)[:, 0].tolist():
        planes[item] = planes[item].flip(1)
        for k in STEPS:
            planes[item, k] = planes[item, k].roll(1, dims=0)
            planes[item, k, 0] = 0
    return _unpacked(planes, gain)


def _unpacked(planes: Tensor, gain: Tensor) -> tuple[Tensor, Tensor]:
    more = [-n % m for n, m in zip(planes.shape[2:], LineUNet.MULTIPLE, strict=True)]
    planes = functional.pad(planes, (0, more[1], 0, more[0]))
    inputs = planes[:, :-1].view(torch.int8).float() * (gain / SCALE).to(planes.device)[:, :, None, None]
    bits = torch.arange(len(TARGETS), dtype=torch.uint8, device=planes.device)[:, None, None]
    return inputs, (planes[:, -1, None] >> bits) & 1


def _soft_dice(logits: Tensor, wrong: Tensor, weight: Tensor) -> Tensor:
    shown, real = torch.sigmoid(logits) * weight, wrong * weight
    both = (shown * wrong).sum(dim=(0, 2, 3))
    return (1 - (2 * both + 200) / (shown.sum(dim=(0, 2, 3)) + real.sum(dim=(0, 2, 3)) + 200)).sum()
