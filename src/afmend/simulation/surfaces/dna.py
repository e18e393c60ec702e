"""DNA: plasmids and linear molecules adsorbed on a nearly flat ground."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from afmend.pipeline.params import Knob, Params
from afmend.scan.arrays import Heights
from afmend.simulation.canvas import Canvas
from afmend.simulation.surfaces.chains import Chain, lay, walk
from afmend.simulation.surfaces.rough import gaussian_field


class Dna(Params):
    """Closed and linear molecules, a nanometer high; places depend on the canvas."""

    kind: Literal["dna"] = "dna"
    count_per_um2: float = Knob(6.0, "Molecules in a square micrometer.", unit="1/um2", ge=0, le=1000)
    contour_nm: float = Knob(900.0, "Contour length; 0.34 nm for a base pair.", unit="nm", ge=10, le=1e5)
    contour_spread: float = Knob(0.03, "Spread of the logarithm of the contour length.", ge=0, le=1)
    closed_share: float = Knob(0.6, "Share of plasmids (closed molecules).", ge=0, le=1)
    persistence_nm: float = Knob(50.0, "Persistence length.", unit="nm", gt=0, le=1e4)
    width_nm: float = Knob(5.0, "Width; 2 nm is that of the bare helix.", unit="nm", gt=0, le=100)
    height_nm: float = Knob(1.2, "Height over the ground; in air about half of the helix.", unit="nm", gt=0, le=10)
    height_spread: float = Knob(0.06, "Unevenness of the height along a molecule, as a share of it.", ge=0, le=0.5)
    crossing: float = Knob(0.8, "Share of the lower strand that adds at a crossing.", ge=0, le=1)
    ground_sq_nm: float = Knob(0.09, "Roughness of the ground.", unit="nm", ge=0, le=10)
    ground_correlation_nm: float = Knob(10.0, "Correlation length of the ground.", unit="nm", gt=0, le=1e4)
    seed: int = Knob(0, "Seed of molecules and ground.", ge=0)


def make_dna(params: Dna, canvas: Canvas) -> Heights:
    """Return ground and molecules, (rows, cols) in nm; the mean ground is at 0."""
    ground = gaussian_field(params.ground_sq_nm, params.ground_correlation_nm, params.seed, canvas)
    return ground + lay(molecule_list(params, canvas), params.width_nm, params.crossing, canvas)


def molecule_list(params: Dna, canvas: Canvas) -> list[Chain]:
    """Return the molecules as paths."""
    rng = np.random.default_rng([params.seed, 4])
    step = max(min(params.width_nm, params.persistence_nm) / 3, 0.25 * min(canvas.pixel_nm))
    chains = []
    for _ in range(round(params.count_per_um2 * math.prod(canvas.size_nm) * 1e-6)):
        closed = bool(rng.random() < params.closed_share)
        length = params.contour_nm * math.exp(params.contour_spread * rng.standard_normal())
        y, x = walk(length, params.persistence_nm, step, closed, rng)
        uneven = np.convolve(rng.standard_normal(y.size + 8), np.full(9, 1 / 3), mode="valid")  # over nine steps
        height = params.height_nm * np.exp(params.height_spread * uneven)
        y, x = (
            y + canvas.y_nm[0, 0] + rng.random() * canvas.size_nm[0],
            x + canvas.x_nm[0, 0] + rng.random() * canvas.size_nm[1],
        )
        chains.append(Chain(y, x, height, closed))
    return chains
