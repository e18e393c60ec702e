"""The learned masks as a task of the training loop."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from afmend.artifacts.learned_inputs import INPUTS, KINDS, Map, model_inputs
from afmend.scan.arrays import Mask
from afmend.training.config import Training
from afmend.training.loop import Batch
from afmend.training.masks.examples import Bits, Example, load_pair
from afmend.training.masks.vary import make_item, unpacked
from afmend.training.networks import LineUNet

CONFIG = Training(steps=6000, batch=8, rate=4e-3, average=0.998, judge_every=500)
HELD_OUT, TRAINED_ON = range(1000, 1150), range(1150, 3400)
"""Seeds of the box ``train``: for calibration and looks, and for learning."""
WEIGHTS = {"scar": 1.0, "line": 1.0, "jump": 0.5, "spike": 0.7, "parachute": 0.7, "chatter": 1.0, "lost": 1.0}
BESIDE = 0.3
"""Weight of a pixel one line beside an artifact, where a line more or less is no matter."""
ELSEWHERE = 0.3
"""Weight of the other kinds on an artifact: which kind it is matters less than that it is one."""
POSITIVE = 2.0


class MaskTask:
    """Marking what is wrong, one map of probabilities per kind.

    Parameters
    ----------
    folder : Path
        Of the examples; see `examples.prepare`.
    seeds, held_out : range
        Scans to learn from, and to judge by.
    box : str
    """

    name = "masks"

    def __init__(self, folder: Path, seeds: range = TRAINED_ON, held_out: range = HELD_OUT, box: str = "train") -> None:
        self.folder, self.seeds, self.held_out, self.box = folder, seeds, held_out, box

    def network(self) -> nn.Module:
        """Make the network."""
        return LineUNet(len(INPUTS), len(KINDS))

    def batch(self, seed: int, number: int, size: int) -> Batch:
        """Return (inputs, wrong, weights): the last two (batch, kinds, rows, cols), uint8 and float32."""
        items = []
        for k in range(size):
            rng = np.random.default_rng((seed, number, k))
            which = self.seeds[int(rng.integers(len(self.seeds)))]
            inputs, wrong, unsure = make_item(load_pair(self.folder, self.box, which)[int(rng.integers(2))], rng)
            items.append((inputs, wrong, pixel_weights(wrong, unsure)))
        return tuple(torch.from_numpy(np.stack(part)) for part in zip(*items, strict=True))

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Weighted cross-entropy of every kind, and soft Dice of every kind and of all kinds together."""
        logits, wrong, weight = outputs.float(), batch[1].float(), batch[2]
        kinds = torch.tensor([WEIGHTS[kind] for kind in KINDS], device=logits.device)
        # Written out, so that the softplus serves three times: -log(1 - p) of a kind, and of all kinds together.
        unlikely = nn.functional.softplus(logits)
        entropy = ((unlikely - logits * wrong) * (weight * (1 + (POSITIVE - 1) * wrong))).mean(dim=(0, 2, 3))
        dice = _soft_dice(torch.exp(logits - unlikely), wrong, weight)
        any_shown = 1 - torch.exp(-unlikely.sum(dim=1, keepdim=True))
        any_wrong = wrong.amax(dim=1, keepdim=True)
        any_dice = _soft_dice(any_shown, any_wrong, weight.amax(dim=1, keepdim=True))
        return 10 * (entropy * kinds).sum() + 0.2 * (dice * kinds).sum() + any_dice.sum()

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
    weight[(unsure > 0) & (wrong == 0)] = 0
    return weight


def _soft_dice(shown: Tensor, wrong: Tensor, weight: Tensor) -> Tensor:
    """Soft Dice loss over the whole batch, per kind."""
    both = (shown * wrong * weight).sum(dim=(0, 2, 3))
    each = ((shown + wrong) * weight).sum(dim=(0, 2, 3))
    return 1 - (2 * both + 200) / (each + 200)


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
