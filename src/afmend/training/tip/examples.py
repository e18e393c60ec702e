"""Examples for the learned correction: surfaces of the twin, imaged by tips that are drawn, and corrected by erosion.

The tip that erosion is given is not quite the true one, as in life. For the seed's experiment each surface comes with
images by its "blunt tip", an off-center Gaussian, too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afmend.errors import BadScanError
from afmend.evaluation.bench.seed_tip import blurred
from afmend.evaluation.bench.tip_cases import TipCase, tip_case
from afmend.pipeline.workers import for_each
from afmend.scan.arrays import Heights
from afmend.simulation.twin import VERSION as TWIN_VERSION
from afmend.tip.correct import correct
from afmend.tip.double import First, Ghost, without_ghost
from afmend.tip.estimate import FLANK_DEG
from afmend.tip.features import noise_nm
from afmend.tip.learned import VERSION as INPUTS_VERSION
from afmend.tip.learned import Seen, model_inputs
from afmend.tip.shapes import Multiple, SphereCone, largest_tip_array
from afmend.training.kept import whole

VERSION = 1
FAMILIES = (
    "particles", "fractal", "porous", "grains", "cells", "mixed", "grating", "exponential", "fibers", "dna", "gaussian",
    "terraces", "lattice",
)  # fmt: skip
SHAPE = (160, 160)
RADII_PX = (1.2, 8.0)
RADIUS_ERROR = 0.2
"""Standard deviation of the logarithm of the radius that erosion is given, over the true one."""
KNOWN = 0.25
"""Share of corrections by the true tip, and of those with the true noise: somebody measured them."""
TRIES = 2
"""Corrections of one image, with tips that are wrong in other ways."""
BLURS = 2
Small = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """One image and its corrections.

    Attributes
    ----------
    surface, image : (rows, cols) float32, nm
    noise_nm : float
        The true sigma.
    maps : (tries, inputs, rows, cols) float16
        What the network sees.
    expected, scale : (tries, rows, cols) float32, nm
        What its answers are added to, and multiplied by before.
    blurs : (blurs, rows, cols) float32, nm
        Images by the seed's blunt tip.
    family : str
    double : bool
    """

    surface: Small
    image: Small
    noise_nm: float
    maps: NDArray[np.float16]
    expected: Small
    scale: Small
    blurs: Small
    family: str
    double: bool


def order_of(seed: int) -> tuple[str, bool]:
    """Return the family of a seed's surface, and whether its tip is double: every third of them."""
    return FAMILIES[seed % len(FAMILIES)], (seed // len(FAMILIES)) % 3 == 2


def make_example(box: str, seed: int, shape: tuple[int, int] = SHAPE) -> Example | None:
    """Make one example; None if the surface does not fit its pixels, or the second apex touches next to nothing."""
    family, double = order_of(seed)
    case = tip_case(box, seed, family, shape=shape, double=double, radii_px=RADII_PX)
    if case is None or (double and not case.shows_ghosts):
        return None
    rng = np.random.default_rng([seed, 11])
    ghosts = _split(case) if double else None
    tries = [_corrected(case, ghosts, rng) for _ in range(TRIES)]
    return Example(
        case.surface.astype(np.float32), case.image.astype(np.float32), case.noise_nm,
        np.stack([seen.maps for _, seen in tries]).astype(np.float16),
        np.stack([expected for expected, _ in tries]).astype(np.float32),
        np.stack([seen.scale for _, seen in tries]).astype(np.float32),
        np.stack([blurred(case.surface, rng) for _ in range(BLURS)]).astype(np.float32), family, double,
    )  # fmt: skip


def _split(case: TipCase) -> First:
    if case.ghost_px is None or not isinstance(case.shape, Multiple):
        raise BadScanError("no double tip", where=case.kind)
    row, col = case.ghost_px
    step = (row * case.pixel_nm[0], col * case.pixel_nm[1])
    ghost = Ghost(True, 1.0, (row, col), step, case.shape.others[0].drop_nm, 0)
    return without_ghost(case.image, ghost)


def _corrected(case: TipCase, ghosts: First | None, rng: np.random.Generator) -> tuple[Heights, Seen]:
    radius = case.radius_nm * math.exp(RADIUS_ERROR * float(rng.standard_normal()))
    flank = FLANK_DEG
    if rng.random() < KNOWN:
        one = case.shape.first if isinstance(case.shape, Multiple) else case.shape
        radius, flank = case.radius_nm, getattr(one, "half_angle_deg", FLANK_DEG)
    noise = case.noise_nm if rng.random() < KNOWN else noise_nm(case.image)
    tip = largest_tip_array(
        SphereCone(radius_nm=radius, half_angle_deg=flank), case.pixel_nm, float(np.ptp(case.image))
    )
    done = correct(case.image, tip, case.pixel_nm, noise=noise, ghosts=ghosts, sunk=0.0)
    return done.expected, model_inputs(case.image, done, tip, case.pixel_nm, noise, ghosts)


def prepare(
    folder: Path, seeds: range, *, box: str = "train", shape: tuple[int, int] = SHAPE, workers: int = 1,
    watch: Callable[[int, int], None] | None = None,
) -> None:  # fmt: skip
    """Make the examples of these seeds into a folder, one file each; what is there already is kept."""
    folder.mkdir(parents=True, exist_ok=True)
    orders = [(str(folder), box, seed, shape) for seed in seeds if not path_of(folder, box, seed).exists()]
    for_each(_prepare_one, orders, workers, watch)


def path_of(folder: Path, box: str, seed: int) -> Path:
    """Where the example of a seed is kept; the name holds the versions of everything that made it."""
    return folder / f"{box}-v{TWIN_VERSION}-{VERSION}-{INPUTS_VERSION}-{seed}.npz"


def _prepare_one(order: tuple[str, str, int, tuple[int, int]]) -> None:
    folder, box, seed, shape = order
    made = make_example(box, seed, shape)
    arrays: dict[str, Any] = {} if made is None else {name: getattr(made, name) for name in Example.__slots__}
    path = path_of(Path(folder), box, seed)
    with whole(path) as partial:
        np.savez(partial, **arrays)


def load_example(folder: Path, box: str, seed: int) -> Example | None:
    """Read what `prepare` wrote."""
    with np.load(path_of(folder, box, seed)) as kept:
        if not kept.files:
            return None
        arrays = {name: kept[name] for name in Example.__slots__ if kept[name].ndim}
        return Example(
            noise_nm=float(kept["noise_nm"]), family=str(kept["family"]), double=bool(kept["double"]), **arrays
        )


def load_examples(folder: Path, seeds: range, box: str = "train") -> list[Example]:
    """Read the examples of many seeds.

    Raises
    ------
    BadScanError
        If none of them has any.
    """
    found = [load_example(folder, box, seed) for seed in seeds]
    some = [one for one in found if one is not None]
    if not some:
        raise BadScanError("no examples to learn from", where=str(folder), now="Ask for more scans.")
    return some
