"""How blunt the tip may be, as a task of the training loop: numbers of an image in, quantiles of the radius out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from afmend.errors import BadScanError
from afmend.evaluation.bench.tip_cases import tip_case
from afmend.pipeline.workers import for_each
from afmend.simulation.twin import VERSION as TWIN_VERSION
from afmend.tip.bluntness import INPUTS, LEVELS, SMALLEST_PX, TASK, bluntness_inputs
from afmend.tip.bluntness import VERSION as INPUTS_VERSION
from afmend.training.config import Training
from afmend.training.kept import whole
from afmend.training.loop import Batch
from afmend.training.tip.examples import order_of

VERSION = 1
CONFIG = Training(
    steps=8000, batch=64, rate=3e-3, decay=3e-2, average=0.998, judge_every=2000, precision="fp32", workers=0
)
HELD_OUT = range(300_000, 300_260)
"""Seeds of the box ``train``; those to learn from follow."""
SIDES = (112, 128, 160)
SHARP_PX, BLUNT_PX, SHARP_SHARE = (0.05, 0.8), (0.8, 9.0), 0.2
"""Radii that pixels do not show, others, and how many are of the first kind."""
TIPS = 2
"""Images of one surface by different tips; each once more with more noise."""
MORE_NOISE = (-2.3, -0.7)
"""Its logarithm (10), over the side of a pixel."""
WIDTH, DROPPED, JITTER, FAR = 64, 0.1, 0.05, 4.0
Rows = NDArray[np.float32]


def make_rows(box: str, seed: int, sides: tuple[int, ...] = SIDES) -> tuple[Rows, Rows]:
    """Return the inputs (images, inputs) and the logarithm of the radius in pixels (images,) of one surface."""
    family, double = order_of(seed)
    rng = np.random.default_rng([seed, 13])
    side = int(rng.choice(sides))
    rows, radii = [], []
    for _ in range(TIPS):
        radius = math.exp(rng.uniform(*np.log(SHARP_PX if rng.random() < SHARP_SHARE else BLUNT_PX)))
        case = tip_case(box, seed, family, shape=(side, side), double=double, radii_px=(radius, radius))
        if case is None:
            break
        noise = math.sqrt(math.prod(case.pixel_nm)) * 10 ** rng.uniform(*MORE_NOISE)
        for image in (case.image, case.image + noise * rng.standard_normal(case.image.shape)):
            rows.append(bluntness_inputs(image, case.pixel_nm))
            radii.append(math.log(max(radius, SMALLEST_PX)))
    return np.asarray(rows, np.float32).reshape(-1, len(INPUTS)), np.asarray(radii, np.float32)


def prepare_rows(
    folder: Path, seeds: range, *, box: str = "train", sides: tuple[int, ...] = SIDES, workers: int = 1,
    watch: Callable[[int, int], None] | None = None,
) -> None:  # fmt: skip
    """Make the rows of these seeds into a folder, one file each; what is there already is kept."""
    folder.mkdir(parents=True, exist_ok=True)
    orders = [(str(folder), box, seed, sides) for seed in seeds if not rows_path(folder, box, seed).exists()]
    for_each(_prepare_one, orders, workers, watch)


def rows_path(folder: Path, box: str, seed: int) -> Path:
    """Where the rows of a seed are kept; the name holds the versions of everything that made them."""
    return folder / f"bluntness-{box}-v{TWIN_VERSION}-{VERSION}-{INPUTS_VERSION}-{seed}.npz"


def _prepare_one(order: tuple[str, str, int, tuple[int, ...]]) -> None:
    folder, box, seed, sides = order
    rows, radii = make_rows(box, seed, sides)
    path = rows_path(Path(folder), box, seed)
    with whole(path) as partial:
        np.savez(partial, rows=rows, radii=radii)


@lru_cache(maxsize=4)
def rows_of(folder: Path, seeds: range, box: str) -> tuple[Rows, Rows]:
    """Load the rows of many seeds, once.

    Raises
    ------
    BadScanError
        If none of them has any.
    """
    rows, radii = [], []
    for seed in seeds:
        with np.load(rows_path(folder, box, seed)) as kept:
            rows.append(kept["rows"])
            radii.append(kept["radii"])
    joined = np.concatenate([np.zeros((0, len(INPUTS)), np.float32), *rows])
    if not len(joined):
        raise BadScanError("no images to learn from", where=str(folder), now="Ask for more scans.")
    return joined, np.concatenate(radii)


class BluntNet(nn.Module):
    """A small network from numbers to quantiles that do not fall; its inputs are standardized, and cut off far away.

    Parameters
    ----------
    mean, spread : (inputs,) float32
    """

    def __init__(self, mean: Rows, spread: Rows) -> None:
        super().__init__()
        self.mean, self.spread = (nn.Buffer(torch.from_numpy(np.array(part, np.float32))) for part in (mean, spread))
        self.net = nn.Sequential(
            nn.Linear(len(mean), WIDTH), nn.SiLU(), nn.Dropout(DROPPED), nn.Linear(WIDTH, WIDTH), nn.SiLU(),
            nn.Dropout(DROPPED), nn.Linear(WIDTH, len(LEVELS)),
        )  # fmt: skip

    def forward(self, rows: Tensor) -> Tensor:
        """Return the logarithm of the radius in pixels at `LEVELS`, (images, levels)."""
        near = torch.clamp((rows - self.mean) / self.spread, -FAR, FAR)
        if self.training:
            near = near + JITTER * torch.randn_like(near)
        first, steps = self.net(near).split([1, len(LEVELS) - 1], dim=1)
        return torch.cat([first, first + torch.cumsum(functional.softplus(steps), dim=1)], dim=1)


class BluntnessTask:
    """Saying how blunt a tip may be.

    Parameters
    ----------
    folder : Path
        Of the rows; see `prepare_rows`.
    seeds, held_out : range
    box : str
    """

    name = TASK

    def __init__(self, folder: Path, seeds: range, held_out: range = HELD_OUT, box: str = "train") -> None:
        self.folder, self.seeds, self.held_out, self.box = folder, seeds, held_out, box

    def network(self) -> nn.Module:
        """Make the network."""
        rows, _ = rows_of(self.folder, self.seeds, self.box)
        return BluntNet(rows.mean(axis=0), rows.std(axis=0) + np.float32(1e-3))

    def batch(self, seed: int, number: int, size: int) -> Batch:
        """Return (inputs, logarithms of the radius)."""
        rows, radii = rows_of(self.folder, self.seeds, self.box)
        chosen = np.random.default_rng((seed, number)).integers(len(rows), size=size)
        return torch.from_numpy(rows[chosen]), torch.from_numpy(radii[chosen])

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Pinball loss of all quantiles."""
        miss = batch[1][:, None] - outputs.float()
        levels = torch.tensor(LEVELS, device=miss.device)
        return torch.maximum(levels * miss, (levels - 1) * miss).mean()

    def judge(self, network: nn.Module) -> Mapping[str, float]:
        """Return how often the radius is below each quantile, and the median error of the middle one (factor)."""
        said, radii = self.answers(network)
        below = {f"below {level:g}": float(np.mean(radii <= said[:, k])) for k, level in enumerate(LEVELS)}
        off = np.abs(said[:, LEVELS.index(0.5)] - radii)[radii > math.log(SHARP_PX[1])]
        return {**below, "factor off": float(np.exp(np.median(off))) if off.size else 1.0}

    @torch.no_grad()
    def answers(self, network: nn.Module) -> tuple[Rows, Rows]:
        """Return what a network says of the images held out, and the truth."""
        rows, radii = rows_of(self.folder, self.held_out, self.box)
        device = next(network.parameters()).device
        said: Rows = network.eval()(torch.from_numpy(rows).to(device)).float().cpu().numpy()
        return said, radii

    def moves(self, network: nn.Module) -> dict[str, float]:
        """Return by how much each quantile has to be moved to hold on the images held out (conformal: Romano 2019)."""
        said, radii = self.answers(network)
        return {f"{level:g}": round(float(np.quantile(radii - said[:, k], level)), 4) for k, level in enumerate(LEVELS)}
