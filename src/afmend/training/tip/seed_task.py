"""The seed's three autoencoders as tasks of the training loop: pictures between 0 and 1, image in, surface out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from afmend.evaluation.bench.seed_models import scale_of, seed_answer
from afmend.training.config import Training
from afmend.training.loop import Batch
from afmend.training.tip.examples import Example
from afmend.training.tip.networks import SeedOne, SeedThree, SeedTwo, gradient_loss, ssim_loss
from afmend.training.tip.task import HELD_OUT, answered, stored

Recipe: TypeAlias = Literal["seed-1", "seed-2", "seed-3"]
Blunting: TypeAlias = Literal["dilation", "gaussian"]
NETWORKS: dict[str, Callable[[], nn.Module]] = {"seed-1": SeedOne, "seed-2": SeedTwo, "seed-3": SeedThree}
CONFIGS = {
    "seed-1": Training(
        steps=3000, batch=16, rate=1e-4, decay=0.0, average=0.99, judge_every=1000, precision="fp32", workers=0
    ),
    "seed-2": Training(
        steps=3000, batch=16, rate=1e-3, decay=0.0, average=0.99, judge_every=1000, precision="fp32", workers=0
    ),
    "seed-3": Training(
        steps=2000, batch=16, rate=1e-3, decay=0.0, average=0.99, judge_every=1000, precision="fp32", workers=0
    ),
}
"""The rate of the first model is the seed's; it does not tell the others'."""
CROP = 128


class SeedTask:
    """One of the seed's models, for one way of blunting.

    Parameters
    ----------
    recipe : "seed-1", "seed-2" or "seed-3"
    blunting : "dilation" or "gaussian"
    folder, seeds, held_out, box
        As for `task.TipTask`.
    """

    def __init__(
        self, recipe: Recipe, blunting: Blunting, folder: Path, seeds: range, held_out: range = HELD_OUT,
        box: str = "train",
    ) -> None:  # fmt: skip
        self.name = f"tip {recipe} {blunting}"
        self.recipe, self.blunting = recipe, blunting
        self.folder, self.seeds, self.held_out, self.box = folder, seeds, held_out, box

    def network(self) -> nn.Module:
        """Make the network."""
        return NETWORKS[self.recipe]()

    def batch(self, seed: int, number: int, size: int) -> Batch:
        """Return (image, surface), both on the scale on which the image lies between 0 and 1."""
        rng = np.random.default_rng((seed, number))
        examples = [one for one in stored(self.folder, self.seeds, self.box) if not one.double]
        items = [self._item(examples[int(rng.integers(len(examples)))], rng) for _ in range(size)]
        return tuple(torch.from_numpy(np.stack(part)) for part in zip(*items, strict=True))

    def _item(self, example: Example, rng: np.random.Generator) -> tuple[NDArray[np.float32], ...]:
        top, left = (int(rng.integers(max(1, side - CROP + 1))) for side in example.image.shape)
        part = (slice(top, top + CROP), slice(left, left + CROP))
        image = example.image if self.blunting == "dilation" else example.blurs[int(rng.integers(len(example.blurs)))]
        low, span = scale_of(image[part])
        return tuple(np.asarray((z[part] - low) / span, np.float32)[None] for z in (image, example.surface))

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Mean absolute error; with structural similarity (1, 3) and slopes (3)."""
        image, surface = batch
        answer = image - outputs.float() if self.recipe == "seed-1" else outputs.float()
        loss = (answer - surface).abs().mean()
        if self.recipe != "seed-2":
            loss = loss + ssim_loss(answer, surface)
        return loss + gradient_loss(answer, surface) if self.recipe == "seed-3" else loss

    def judge(self, network: nn.Module) -> Mapping[str, float]:
        """Return the median of the PSNR gained over the image."""
        gains = []
        for one in stored(self.folder, self.held_out, self.box):
            image = (one.image if self.blunting == "dilation" else one.blurs[0]).astype(np.float64)
            if not one.double:
                answer = seed_answer(partial(answered, network), image, difference=self.recipe == "seed-1")
                after = answer - one.surface
                before = image - one.surface
                gains.append(10 * np.log10(np.mean(before**2) / np.mean(after**2)))
        return {"gain, dB": float(np.median(gains)) if gains else 0.0}


def parameters(network: nn.Module) -> int:
    """Count what is learned."""
    return sum(p.numel() for p in network.parameters())
