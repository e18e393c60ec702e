"""The learned masks as a task of the training loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from afmend.artifacts.learned_inputs import INPUTS, KINDS, Map, model_inputs
from afmend.artifacts.learned_inputs import VERSION as INPUTS_VERSION
from afmend.scan.arrays import Mask
from afmend.training.config import Training
from afmend.training.loop import Batch
from afmend.training.masks.bank import Bank, Item
from afmend.training.masks.examples import LABELS, Bits, Example, load_pair
from afmend.training.masks.inject import VERSION as INJECTED
from afmend.training.masks.vary import make_item, unpacked
from afmend.training.networks import LineUNet

CONFIG = Training(steps=3500, batch=8, rate=4e-3, average=0.998, judge_every=700)
HELD_OUT, TRAINED_ON = range(1000, 1150), range(1150, 1900)
"""Seeds of the box ``train``: for calibration and looks, and for learning."""
WEIGHTS = {"scar": 1.5, "line": 1.0, "jump": 0.2, "spike": 0.3, "parachute": 0.3, "chatter": 0.7, "lost": 1.0}
TOGETHER = [KINDS.index(kind) for kind in ("scar", "line", "chatter", "lost")]
"""Kinds whose masks may end up in one fill: which of them it is matters less than that it is one."""
BESIDE = 0.3
"""Weight of a pixel one line beside an artifact, where a line more or less is no matter."""
ELSEWHERE = 0.3
"""Weight of the other kinds on an artifact: which kind it is matters less than that it is one."""
OWN = 1 / 3
ITEMS = 10_000
"""Different items that are made; see `bank`."""
POSITIVE = 1.5
"""Weight of what is wrong: to miss it is worse than to mark too much."""


class MaskTask:
    """Marking what is wrong, one map of probabilities per kind.

    Parameters
    ----------
    folder : Path
        Of the examples; see `examples.prepare`.
    seeds, held_out : range
        Scans to learn from, and to judge by.
    box : str
    own : sequence of Example
        Scans with masks that a person corrected; see `own.own_examples`. A third of all items come from them.
    """

    name = "masks"

    def __init__(
        self, folder: Path, seeds: range = TRAINED_ON, held_out: range = HELD_OUT, box: str = "train",
        own: Sequence[Example] = (),
    ) -> None:  # fmt: skip
        self.folder, self.seeds, self.held_out, self.box, self.own = folder, seeds, held_out, box, tuple(own)

    def network(self) -> nn.Module:
        """Make the network."""
        return LineUNet(len(INPUTS), len(KINDS))

    def batch(self, seed: int, number: int, size: int) -> Batch:
        """Return (inputs, wrong, weights): the last two (batch, kinds, rows, cols), uint8 and float32."""
        items = []
        name = f"items-{INPUTS_VERSION}-{LABELS}-{INJECTED}-{self.seeds.stop}-{seed}"
        bank = Bank(self.folder / name, partial(self._make, seed))
        for k in range(size):
            rng = np.random.default_rng((seed, number, k))
            if self.own and rng.random() < OWN:
                inputs, wrong, unsure = make_item(self.own[int(rng.integers(len(self.own)))], rng)
            else:
                inputs, wrong, unsure = bank.item(int(rng.integers(ITEMS)))
            items.append((inputs, wrong, pixel_weights(wrong, unsure)))
        return tuple(torch.from_numpy(np.stack(part)) for part in zip(*items, strict=True))

    def _make(self, seed: int, number: int) -> Item:
        rng = np.random.default_rng((seed, number))
        scan = self.seeds[int(rng.integers(len(self.seeds)))]
        return make_item(load_pair(self.folder, self.box, scan)[int(rng.integers(2))], rng)

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Weighted cross-entropy of every kind, and soft Dice of every kind and of `TOGETHER`."""
        logits, wrong, weight = outputs.float(), batch[1].float(), batch[2]
        entropy = functional.binary_cross_entropy_with_logits(logits, wrong, weight, reduction="sum")
        shown = torch.sigmoid(logits) * weight
        dice = _soft_dice(shown, wrong, weight).mean()
        any_shown, any_wrong, any_weight = (
            part[:, TOGETHER].amax(dim=1, keepdim=True) for part in (shown, wrong, weight)
        )
        any_dice = _soft_dice(any_shown, any_wrong, any_weight).mean()
        return 10 * entropy / (weight.numel() / len(KINDS)) + dice + any_dice

    def judge(self, network: nn.Module) -> Mapping[str, float]:
        """Dice per kind and IoU of all kinds at 0.5 on held-out scans, and the falsely marked share of clean ones."""
        return scored(self.held_out_maps(network), threshold=0.5)

    def held_out_maps(self, network: nn.Module) -> list[tuple[Map, NDArray[np.uint8], NDArray[np.uint8], Example]]:
        """Return (logits, wrong, unsure, example) of held-out scans, one direction each."""
        answers = []
        for seed in self.held_out:
            example = _held_out(self.folder, self.box, seed)
            opposite = example.opposite if seed % 3 else None
            maps = model_inputs(example.heights, None, opposite)
            answers.append((logits_of(network, maps), unpacked(example.wrong), unpacked(example.unsure), example))
        return answers


@lru_cache(maxsize=512)
def _held_out(folder: Path, box: str, seed: int) -> Example:
    return load_pair(folder, box, seed)[seed % 2]


def pixel_weights(wrong: NDArray[np.uint8], unsure: NDArray[np.uint8]) -> Map:
    """Weight every pixel of every kind: nothing where nobody could tell, little beside and on other artifacts."""
    near = wrong.copy()
    near[:, 1:] |= wrong[:, :-1]
    near[:, :-1] |= wrong[:, 1:]
    weight = np.where((near > 0) & (wrong == 0), np.float32(BESIDE), np.float32(1))
    weight[(wrong == 0) & (wrong.max(axis=0) > 0)] *= np.float32(ELSEWHERE)
    weight[wrong > 0] = POSITIVE
    weight[(unsure > 0) & (wrong == 0)] = 0
    weight *= np.array([WEIGHTS[kind] for kind in KINDS], np.float32)[:, None, None]
    return weight


def _soft_dice(shown: Tensor, wrong: Tensor, weight: Tensor) -> Tensor:
    """Soft Dice loss over the whole batch, per kind; ``shown`` = probability times weight."""
    real = wrong * weight
    both = (shown * wrong).sum(dim=(0, 2, 3))
    return 1 - (2 * both + 200) / (shown.sum(dim=(0, 2, 3)) + real.sum(dim=(0, 2, 3)) + 200)


@torch.no_grad()
def logits_of(network: nn.Module, maps: Map) -> Map:
    """Run a network on the maps of one scan of any size."""
    network.eval()
    rows, cols = maps.shape[1:]
    more = [-n % m for n, m in zip((rows, cols), LineUNet.MULTIPLE, strict=True)]
    padded = np.pad(maps, ((0, 0), (0, more[0]), (0, more[1])))
    device = next(network.parameters()).device
    seen = torch.from_numpy(padded)[None].to(device).contiguous(memory_format=torch.channels_last)
    answer: Map = network(seen)[0, :, :rows, :cols].float().cpu().numpy()
    return answer


def scored(
    answers: list[tuple[Map, NDArray[np.uint8], NDArray[np.uint8], Example]], threshold: float
) -> dict[str, float]:
    """Score logits; see `MaskTask.judge`."""
    level = np.log(threshold / (1 - threshold))
    sums = np.zeros((len(KINDS) + 1, 3))
    false: list[float] = []
    for logits, wrong, unsure, example in answers:
        found, counts = logits > level, unsure == 0
        near = wrong.copy()
        near[:, 1:] |= wrong[:, :-1]
        near[:, :-1] |= wrong[:, 1:]
        for k in range(len(KINDS)):
            sums[k] += _counts(found[k], wrong[k], near[k], counts[k])
        sums[-1] += _counts(found.any(axis=0), wrong.max(axis=0), near.max(axis=0), counts.all(axis=0))
        if example.clean:
            false.append(float(found.any(axis=0).mean()))
    names = [*(f"dice {kind}" for kind in KINDS), "dice all"]
    answer = {
        name: float(2 * hit / max(2 * hit + over + missed, 1))
        for name, (hit, over, missed) in zip(names, sums, strict=True)
    }
    return {**answer, "false on clean, %": 100 * float(np.mean(false)) if false else 0.0}


def _counts(found: Mask, wrong: Bits, near: Bits, counts: Mask) -> NDArray[np.float64]:
    """Count what was hit, marked in vain (not beside an artifact), and missed."""
    real = wrong > 0
    hit = np.count_nonzero(found & real & counts)
    return np.array(
        [hit, np.count_nonzero(found & (near == 0) & counts), np.count_nonzero(real & ~found & counts)], float
    )
