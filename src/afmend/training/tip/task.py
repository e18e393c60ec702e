"""The learned correction of the tip as a task of the training loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from afmend.scan.arrays import Heights
from afmend.tip.learned import INPUTS, TASK
from afmend.training.config import Training
from afmend.training.loop import Batch
from afmend.training.tip.examples import Example, load_examples
from afmend.training.tip.networks import TipNet

CONFIG = Training(steps=6000, batch=16, rate=4e-3, average=0.998, judge_every=1000, precision="fp32", workers=0)
HELD_OUT = range(200_000, 200_260)
"""Seeds of the box ``train``; those to learn from follow."""
CROP = 96
TAILS = (0.025, 0.975)
LEAST_SHARE = 0.3
"""What the tip did to a crop counts at least as much of what it did to the whole image."""
WIDTH_WEIGHT = 1.0


@lru_cache(maxsize=4)
def stored(folder: Path, seeds: range, box: str) -> list[Example]:
    """Load examples once."""
    return load_examples(folder, seeds, box)


class TipTask:
    """Saying what is likely below the bound, with an interval.

    Parameters
    ----------
    folder : Path
        Of the examples; see `examples.prepare`.
    seeds, held_out : range
        Images to learn from, and to judge by.
    box : str
    """

    name = TASK

    def __init__(self, folder: Path, seeds: range, held_out: range = HELD_OUT, box: str = "train") -> None:
        self.folder, self.seeds, self.held_out, self.box = folder, seeds, held_out, box

    def network(self) -> nn.Module:
        """Make the network."""
        return TipNet(len(INPUTS))

    def batch(self, seed: int, number: int, size: int) -> Batch:
        """Return (maps, wanted, scale, raw): wanted = surface minus what the answer is added to, raw = error before."""
        rng = np.random.default_rng((seed, number))
        examples = stored(self.folder, self.seeds, self.box)
        items = [_item(examples[int(rng.integers(len(examples)))], rng) for _ in range(size)]
        return tuple(torch.from_numpy(np.stack(part)) for part in zip(*items, strict=True))

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Error after over error before, image by image, and the pinball loss of both limits over the scale."""
        _, wanted, scale, raw = batch
        answer = outputs.float() * scale
        rest = (answer[:, :1] - wanted) / raw[:, None, None, None]
        ratio = torch.sqrt(rest.square().mean(dim=(1, 2, 3)) + 1e-4).mean()
        miss = wanted / scale - outputs[:, 1:].float()
        tails = torch.tensor(TAILS, device=miss.device)[None, :, None, None]
        pinball = torch.maximum(tails * miss, (tails - 1) * miss)
        return ratio + WIDTH_WEIGHT * pinball.mean()

    def judge(self, network: nn.Module) -> Mapping[str, float]:
        """Return the geometric mean of error after over before, and of erosion's, single and double tips apart."""
        return judged(network, stored(self.folder, self.held_out, self.box))


def _item(example: Example, rng: np.random.Generator) -> tuple[NDArray[np.float32], ...]:
    turn = int(rng.integers(len(example.maps)))
    rows, cols = example.image.shape
    top, left = (int(rng.integers(max(1, side - CROP + 1))) for side in (rows, cols))
    part = (slice(top, top + CROP), slice(left, left + CROP))
    maps = example.maps[(turn, slice(None), *part)].astype(np.float32)
    scale = example.scale[(turn, *part)][None]
    wanted = (example.surface[part] - example.expected[(turn, *part)])[None]
    whole = example.image - example.surface
    raw = np.float32(
        max(_rms(whole[part]), LEAST_SHARE * _rms(whole), example.noise_nm) + 1e-3 * float(np.ptp(example.image)) / CROP
    )
    flips = tuple(slice(None, None, -1 if rng.random() < 0.5 else 1) for _ in range(2))
    arrays = [a[(slice(None), *flips)] for a in (maps, wanted, scale)]
    if rng.random() < 0.5:
        arrays = [a.transpose(0, 2, 1) for a in arrays]
    maps, wanted, scale = (np.ascontiguousarray(a, np.float32) for a in arrays)
    return maps, wanted, scale, np.asarray(raw)


def _rms(z: Heights | NDArray[np.float32]) -> float:
    return float(np.sqrt(np.mean(np.square(z, dtype=np.float64))))


@torch.no_grad()
def answered(network: nn.Module, maps: NDArray[np.floating]) -> NDArray[np.float32]:
    """Run a network on the maps of one image; sides that are multiples of 8."""
    network.eval()
    device = next(network.parameters()).device
    seen = torch.from_numpy(np.ascontiguousarray(maps, np.float32))[None].to(device)
    answer: NDArray[np.float32] = network(seen)[0].float().cpu().numpy()
    return answer


def judged(network: nn.Module, examples: Sequence[Example]) -> dict[str, float]:
    """Score a network, without acceptance; see `TipTask.judge`."""
    rows: dict[str, list[float]] = {}
    covered = []
    for one in examples:
        found, kind = answered(network, one.maps[0]), "double" if one.double else "single"
        raw = _rms(one.image - one.surface)
        if raw < 1.5 * one.noise_nm:
            continue
        away = one.surface - one.expected[0]
        rows.setdefault(f"{kind}, erosion", []).append(_rms(away) / raw)
        rows.setdefault(f"{kind}, network", []).append(_rms(away - found[0] * one.scale[0]) / raw)
        inside = (away >= found[1] * one.scale[0]) & (away <= found[2] * one.scale[0])
        covered.append(float(inside.mean()))
    out = {name: float(np.exp(np.mean(np.log(values)))) for name, values in rows.items()}
    return {**out, "inside the interval": float(np.mean(covered)) if covered else 0.0}


def widening(network: nn.Module, examples: Sequence[Example], coverage: float = 0.95) -> float:
    """Return by which factor the limits must go away from the likely height to hold in a share of uncertain pixels."""
    needed: list[Any] = []
    certain = INPUTS.index("certain")
    for one in examples:
        found = answered(network, one.maps[0])
        away = (one.surface - one.expected[0]) / one.scale[0] - found[0]
        room = np.where(away < 0, found[0] - found[1], found[2] - found[0])
        part = (np.abs(away) / (room + 1e-6))[one.maps[0][certain] < 0.5]
        if part.size:
            needed.append(np.quantile(part, np.linspace(0, 1, 401)))
    return float(np.quantile(np.concatenate(needed), coverage)) if needed else 1.0
