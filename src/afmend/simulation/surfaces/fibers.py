"""Fibers: semiflexible rods (amyloid, collagen, nanotubes) that cross each other."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from afmend.pipeline.params import Knob, Params
from afmend.scan.arrays import Heights
from afmend.simulation.canvas import Canvas
from afmend.simulation.surfaces.chains import Chain, lay, walk
from afmend.simulation.surfaces.rough import gaussian_field


class Fibers(Params):
    """Worm-like chains on rough ground, with an optional twist along them; places depend on the canvas."""

    kind: Literal["fibers"] = "fibers"
    count_per_um2: float = Knob(7.0, "Fibers in a square micrometer.", unit="1/um2", ge=0, le=1000)
    length_nm: float = Knob(800.0, "Median contour length.", unit="nm", gt=0, le=1e6)
    length_spread: float = Knob(0.5, "Spread of the logarithm of the length.", ge=0, le=1.5)
    persistence_nm: float = Knob(1500.0, "Persistence length; longer is straighter.", unit="nm", gt=0, le=1e10)
    width_nm: float = Knob(12.0, "Width.", unit="nm", gt=0, le=1e4)
    height_nm: float = Knob(6.0, "Median thickness.", unit="nm", gt=0, le=1e4)
    height_spread: float = Knob(0.15, "Spread of the logarithm of the thickness from fiber to fiber.", ge=0, le=1)
    twist: float = Knob(0.08, "Modulation of the thickness along a fiber, as a share of it.", ge=0, le=0.5)
    twist_period_nm: float = Knob(90.0, "Period of the modulation.", unit="nm", gt=0, le=1e5)
    crossing: float = Knob(0.7, "Share of the lower fiber that adds where two cross.", ge=0, le=1)
    ground_sq_nm: float = Knob(0.25, "Roughness of the ground.", unit="nm", ge=0, le=1e3)
    ground_correlation_nm: float = Knob(20.0, "Correlation length of the ground.", unit="nm", gt=0, le=1e5)
    direction_deg: float = Knob(180.0, "Where fibers start to, from the fast axis.", unit="deg", ge=-360, le=360)
    direction_spread_deg: float = Knob(
        180.0, "Up to so far off on both sides; 180: anywhere.", unit="deg", ge=0, le=180
    )
    seed: int = Knob(0, "Seed of fibers and ground.", ge=0)


def make_fibers(params: Fibers, canvas: Canvas) -> Heights:
    """Return ground and fibers, (rows, cols) in nm; the mean ground is at 0."""
    ground = gaussian_field(params.ground_sq_nm, params.ground_correlation_nm, params.seed, canvas)
    return ground + lay(fiber_list(params, canvas), params.width_nm, params.crossing, canvas)


def fiber_list(params: Fibers, canvas: Canvas) -> list[Chain]:
    """Return the fibers as paths."""
    rng = np.random.default_rng([params.seed, 3])
    step = max(min(params.width_nm, params.persistence_nm) / 3, 0.25 * min(canvas.pixel_nm))
    middle, spread = math.radians(params.direction_deg), math.radians(params.direction_spread_deg)
    chains = []
    for _ in range(round(params.count_per_um2 * math.prod(canvas.size_nm) * 1e-6)):
        length = params.length_nm * math.exp(params.length_spread * rng.standard_normal())
        y, x = walk(length, params.persistence_nm, step, False, rng, (middle - spread, middle + spread))
        thick = params.height_nm * math.exp(params.height_spread * rng.standard_normal())
        phase = np.arange(y.size) * (2 * math.pi * length / y.size / params.twist_period_nm)
        height = thick * (1 + params.twist * np.cos(phase + rng.uniform(0, 2 * math.pi)))
        y, x = (
            y + canvas.y_nm[0, 0] + rng.random() * canvas.size_nm[0],
            x + canvas.x_nm[0, 0] + rng.random() * canvas.size_nm[1],
        )
        chains.append(Chain(y, x, height))
    return chains
