"""Whether a bad tip set satellites, as a task of the training loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from afmend.artifacts.gate.doubles import INPUTS, smaller
from afmend.artifacts.gate.sight import INPUTS as SIGHT_INPUTS
from afmend.artifacts.gate.verdicts import ASKED
from afmend.training.config import Training
from afmend.training.gate.doubles_net import DoublesNet
from afmend.training.gate.labels import UNSURE
from afmend.training.gate.sight_items import SCALE, Data, Item
from afmend.training.gate.sight_task import is_held_out
from afmend.training.loop import Batch

CONFIG = Training(steps=3000, batch=32, rate=3e-3, decay=0.05, save_every=500, judge_every=1000)
PLANES = [SIGHT_INPUTS.index(name) for name in INPUTS]
ALONG = [k for k, name in enumerate(INPUTS) if "slope" in name]
"""Maps that change their sign where lines are mirrored."""
POSITIVE = 0.375
"""Share of scans with satellites in a batch."""
GAIN, SMOOTH, ZOOM = 0.08, 0.04, 0.25
"""Changes of a batch: of the size of maps; of the answers; of the magnification, in powers of e at most."""
SATELLITES = ASKED.index("satellites")


class DoublesTask:
    """Telling scans with satellites from others.

    Parameters
    ----------
    data : sight_items.Data
        Prepared.
    """

    name = "doubles"

    def __init__(self, data: Data) -> None:
        self.data = data
        asked = [item for item in data.items() if item.kind != "early" and item.answers[SATELLITES] != UNSURE]
        self.kept = [item for item in asked if is_held_out(item) and item.kind == "full"]
        groups: dict[tuple[tuple[int, int], int], list[Item]] = {}
        for item in asked:
            if not is_held_out(item):
                groups.setdefault((item.shape, item.answers[SATELLITES]), []).append(item)
        self.groups = {shape: (groups.get((shape, 0), []), with_) for (shape, said), with_ in groups.items() if said}
        self.shapes = sorted(self.groups)
        sizes = np.array([len(self.groups[shape][1]) for shape in self.shapes], float)
        self.chances = sizes / sizes.sum()

    @property
    def identity(self) -> dict[str, Any]:
        """What a resumed run must learn from as before."""
        return self.data.identity

    def network(self) -> nn.Module:
        """Make the network."""
        return DoublesNet()

    def batch(self, seed: int, number: int, size: int) -> Batch:
        """Return (maps, answers) of items of one shape, mirrored and made larger or smaller by chance."""
        rng = np.random.default_rng((seed, number))
        without, with_ = self.groups[self.shapes[int(rng.choice(len(self.shapes), p=self.chances))]]
        some = min(round(POSITIVE * size), len(with_))
        chosen = [with_[k] for k in rng.choice(len(with_), some, replace=False)]
        chosen += [without[k] for k in rng.choice(len(without), min(size - some, len(without)), replace=False)]
        maps = np.stack([self.maps(item) for item in chosen])
        maps *= 1 + GAIN * rng.standard_normal((*maps.shape[:2], 1, 1)).astype(np.float32)
        if rng.random() < 0.5:
            maps = maps[:, :, ::-1]
        if rng.random() < 0.5:
            maps = maps[..., ::-1].copy()
            maps[:, ALONG] *= -1
        answers = torch.tensor([float(item.answers[SATELLITES]) for item in chosen])
        return magnified(torch.from_numpy(np.ascontiguousarray(maps)), rng), answers

    def maps(self, item: Item) -> NDArray[np.float32]:
        """Return what the network sees of an item, (6, rows, cols)."""
        planes = self.data.load(item)[PLANES].view(np.int8).astype(np.float32)
        return smaller(planes / np.float32(SCALE))

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Cross-entropy, with labels made a little unsure."""
        wanted = batch[1] * (1 - SMOOTH) + SMOOTH / 2
        return functional.binary_cross_entropy_with_logits(outputs.float(), wanted)

    def judge(self, network: nn.Module) -> Mapping[str, float]:
        """Area under the curve on held-out scans as recorded, and how many doubles are found where 2 % others are."""
        return scored(self.logits(network), [item.answers[SATELLITES] for item in self.kept])

    @torch.no_grad()
    def logits(self, network: nn.Module) -> list[float]:
        """Return what the network says of the held-out scans."""
        network.eval()
        device = next(network.parameters()).device
        return [float(network(torch.from_numpy(self.maps(item))[None].to(device))[0]) for item in self.kept]


def magnified(maps: Tensor, rng: np.random.Generator) -> Tensor:
    """Magnify by chance; what does not fit any more is cut off."""
    rows, cols = maps.shape[2:]
    factor = float(np.exp(rng.uniform(-ZOOM, ZOOM)))
    size = (round(rows * factor), round(cols * factor))
    larger = functional.interpolate(maps, size, mode="bilinear", antialias=factor < 1)
    top, left = (int(rng.integers(max(n - m, 0) + 1)) for n, m in zip(size, (rows, cols), strict=True))
    return larger[:, :, top : top + rows, left : left + cols].contiguous()


def scored(logits: Sequence[float], answers: Sequence[int]) -> dict[str, float]:
    """Score logits; see `DoublesTask.judge`."""
    said, true = np.array(logits), np.array(answers) == 1
    if not (true.any() and (~true).any()):
        return {}
    above = said[true][:, None] - said[~true][None]
    found = float(np.mean(said[true] > np.quantile(said[~true], 0.98)))
    return {"area under the curve": float(np.mean((above > 0) + 0.5 * (above == 0))), "found beside 2 % false": found}
