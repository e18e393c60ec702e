"""The learned masks as a task of the training loop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from afmend.artifacts.learned_inputs import INPUTS, KINDS, Map, model_inputs
from afmend.scan.arrays import Mask
from afmend.training.config import Training
from afmend.training.loop import Batch, has_bf16
from afmend.training.masks.augment import unlike
from afmend.training.masks.examples import Bits, Example, load_pair
from afmend.training.masks.items import EACH, Data, Planes, packed
from afmend.training.masks.vary import make_item, unpacked
from afmend.training.networks import LineUNet

CONFIG = Training(steps=3500, batch=8, rate=4e-3, average=0.998, save_every=500, judge_every=3500)
HELD_OUT, HELD_OUT_HARD, FIRST = range(1000, 1300), range(9000, 9120), 100_000
"""Seeds of scans for calibration and looks, also on surfaces that look like artifacts; the first to learn from."""
BOXES = ("train", "wide")
WEIGHTS = {"scar": 1.5, "line": 1.0, "jump": 0.3, "spike": 0.8, "parachute": 0.5, "chatter": 0.7, "lost": 1.0}
GROUPS = tuple(
    [KINDS.index(kind) for kind in group] for group in (("scar", "line"), ("scar", "line", "chatter", "lost"))
)
"""Kinds whose masks may end up in one fill: which of them it is matters less than that it is one."""
BESIDE = 0.3
"""Weight of a pixel one line beside an artifact, where a line more or less is no matter."""
ELSEWHERE = 0.3
"""Weight of the other kinds on an artifact: which kind it is matters less than that it is one."""
SHARE_OF_MEMORY = 0.6
"""So much of the free memory of a GPU may be filled with items."""
A_BATCH = 2
"""While items are still being made, so many scans at most are taken in with every batch."""
OWN = 1 / 3
POSITIVE = 1.5
"""Weight of what is wrong: to miss it is worse than to mark too much."""
TOLD = 0.5
"""Weight of what teachers say, if there are any; the rest is the truth's."""
BESIDE_DICE = 10.0
"""Weight of cross-entropy, of which artifacts are a small part of a mean, beside the Dice losses."""


class MaskTask:
    """Marking what is wrong, one map of probabilities per kind.

    Parameters
    ----------
    data : Data
        Prepared; see `items.prepare`.
    own : sequence of Example
        Scans with masks that a person corrected; see `own.own_examples`. A third of all items come from them.
    growing : bool
        Items are still being made: learn from those that are there. `items.Making` makes them.
    teachers : sequence of (torch.nn.Module, dict)
        From `loop.network_of`. Their mean answer is learned beside the truth, where one is known: the mean of several
        networks errs less than each (doi:10.48550/arXiv.1503.02531).
    """

    name = "masks"

    def __init__(
        self, data: Data, own: Sequence[Example] = (), *, growing: bool = False,
        teachers: Sequence[tuple[nn.Module, Mapping[str, Any]]] = (),
    ) -> None:  # fmt: skip
        self.data, self.own = data, tuple(own)
        self.taught_by = [dict(facts) for _, facts in teachers]
        self._teachers = [network for network, _ in teachers]
        self._room = len(data.scans)
        self._ready = 0 if growing else self._room
        self._resident: Tensor | None = None

    def network(self) -> nn.Module:
        """Make the network."""
        return LineUNet(len(INPUTS), len(KINDS))

    @property
    def identity(self) -> dict[str, Any]:
        """What a resumed run must learn from as before; what is as usual is not told, for the sake of earlier runs."""
        first = self.data.scans.start
        taught = sorted(facts["weights"] for facts in self.taught_by)
        return {**({"first": first} if first != FIRST else {}), **({"teachers": taught} if taught else {})}

    @property
    def scans(self) -> range:
        """The scans learned from so far."""
        return self.data.scans[: self._ready]

    def move_to(self, device: torch.device) -> None:
        """Take all items into the memory of a device, so that it need not wait for them; what has no room is left."""
        self._teachers = [network.to(device) for network in self._teachers]
        first = self._file(self.data.scans[0])
        if device.type == "cuda":
            free, _ = torch.cuda.mem_get_info(device)
            self._room = max(1, min(self._room, int(SHARE_OF_MEMORY * free / (EACH * first[0].nbytes))))
        self._resident = torch.empty((self._room * EACH, *first.shape[1:]), dtype=torch.uint8, device=device)
        self._ready = 0
        self._grow(self._room)

    def _grow(self, most: int) -> None:
        """Take in so many scans at most that have become ready."""
        for k in range(self._ready, min(self._ready + most, self._room)):
            scan = self.data.scans[k]
            if not self.data.items(scan).exists():
                return
            if self._resident is not None:
                self._resident[k * EACH : (k + 1) * EACH] = torch.from_numpy(np.array(self._file(scan)))
            self._ready = k + 1

    def _file(self, scan: int) -> Planes:
        return _opened(self.data.items(scan))

    def batch(self, seed: int, number: int, size: int) -> Batch:
        """Return items as `items` keeps them (batch, planes, rows, cols), and what chooses their changes."""
        rng = np.random.default_rng((seed, number))
        chance = torch.tensor(int(rng.integers(2**62)))
        self._grow(A_BATCH)
        chosen = rng.integers(self._ready * EACH, size=size)
        from_own = np.flatnonzero(rng.random(size) < OWN).tolist() if self.own else []
        if self._resident is not None:
            planes = self._resident[torch.from_numpy(chosen).to(self._resident.device)]
        else:
            parts = [self._file(self.data.scans[item // EACH])[item % EACH] for item in chosen.tolist()]
            planes = torch.from_numpy(np.stack(parts))
        for k in from_own:
            example = self.own[int(rng.integers(len(self.own)))]
            planes[k] = torch.from_numpy(packed(make_item(example, rng))).to(planes.device)
        return (planes, chance)

    def ready(self, batch: Batch) -> Batch:
        """Return (inputs, wrong, weights), changed by chance: the last two (batch, kinds, rows, cols).

        With teachers also what they say: the probabilities of their mean logits.
        """
        inputs, wrong, unsure = unlike(batch[0], int(batch[1]))
        told = (_mean_answer(self._teachers, inputs),) if self._teachers else ()
        return (inputs, wrong, pixel_weights(wrong, unsure), *told)

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Weighted cross-entropy of every kind, and soft Dice of every kind and of the kinds of `GROUPS` together.

        With teachers, that is `TOLD` less, and cross-entropy with what they say is the rest, by the same weights:
        where nobody could tell, they are not asked either.
        """
        logits, wrong, weight = outputs.float(), batch[1].float(), batch[2]
        shown = torch.sigmoid(logits) * weight
        dice = _soft_dice(shown, wrong, weight).mean()
        for group in GROUPS:
            joint = [part[:, group].amax(dim=1, keepdim=True) for part in (shown, wrong, weight)]
            dice = dice + _soft_dice(*joint).mean()
        by_truth = _entropy(logits, wrong, weight) + dice
        return by_truth if len(batch) == 3 else torch.lerp(by_truth, _entropy(logits, batch[3], weight), TOLD)

    def judge(self, network: nn.Module) -> Mapping[str, float]:
        """Dice per kind and IoU of all kinds at 0.5 on held-out scans, and the falsely marked share of clean ones."""
        return scored(self.held_out_maps(network), threshold=0.5)

    def held_out_maps(self, network: nn.Module) -> list[tuple[Map, NDArray[np.uint8], NDArray[np.uint8], Example]]:
        """Return (logits, wrong, unsure, example) of held-out scans, one direction each."""
        return list(self._answers(network, self.data.held_out, hard=False))

    def hard_maps(self, network: nn.Module) -> list[tuple[Map, NDArray[np.uint8], NDArray[np.uint8], Example]]:
        """Return the same of held-out scans without artifacts that look as if they had some."""
        return list(self._answers(network, self.data.hard, hard=True))

    def _answers(
        self, network: nn.Module, seeds: range, *, hard: bool
    ) -> Iterator[tuple[Map, NDArray[np.uint8], NDArray[np.uint8], Example]]:
        for seed in seeds:
            example = _held_out(self.data.folder, self.data.box(seed), seed, hard)
            opposite = example.opposite if seed % 3 else None
            maps = model_inputs(example.heights, None, opposite)
            yield (logits_of(network, maps), unpacked(example.wrong), unpacked(example.unsure), example)


@lru_cache(maxsize=512)
def _held_out(folder: Path, box: str, seed: int, hard: bool) -> Example:
    return load_pair(folder, box, seed, hard=hard)[seed % 2]


@lru_cache(maxsize=4096)
def _opened(path: Path) -> Planes:
    items: Planes = np.load(path, mmap_mode="r")
    return items


def _entropy(logits: Tensor, wanted: Tensor, weight: Tensor) -> Tensor:
    """Weighted cross-entropy of a pixel, all kinds together, on the scale of the Dice losses."""
    return BESIDE_DICE * len(KINDS) * functional.binary_cross_entropy_with_logits(logits, wanted, weight)


@torch.no_grad()
def _mean_answer(networks: Sequence[nn.Module], inputs: Tensor) -> Tensor:
    """Ask them, in bf16 where the hardware is made for it, whatever precision the training has."""
    seen = inputs.contiguous(memory_format=torch.channels_last)
    with torch.autocast(seen.device.type, dtype=torch.bfloat16, enabled=has_bf16(seen.device)):
        return torch.sigmoid(torch.stack([network(seen) for network in networks]).float().mean(dim=0))


def pixel_weights(wrong: Tensor, unsure: Tensor) -> Tensor:
    """Weight every pixel of every kind: nothing where nobody could tell, little beside and on other artifacts.

    Both (batch, kinds, rows, cols) uint8 of 0 and 1.
    """
    near = wrong.clone()
    near[:, :, 1:] |= wrong[:, :, :-1]
    near[:, :, :-1] |= wrong[:, :, 1:]
    weight = torch.where((near > wrong), BESIDE, 1.0)
    weight = torch.where((wrong.amax(dim=1, keepdim=True) > wrong), weight * ELSEWHERE, weight)
    weight = torch.where(wrong > 0, POSITIVE, weight)
    weight = torch.where(unsure > wrong, 0.0, weight)
    kinds = torch.tensor([WEIGHTS[kind] for kind in KINDS], device=weight.device)
    return weight * kinds[:, None, None]


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
