"""Cells: few large smooth domes with a nucleus and a ruffled membrane."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from afmend.pipeline.params import Knob, Params
from afmend.scan.arrays import Heights
from afmend.simulation.canvas import Canvas
from afmend.simulation.surfaces.rough import Fractal, gaussian_field, make_fractal

_TRIES = 60
_LOBES = 4


class Cells(Params):
    """Spread cells; from bacteria and platelets (the default) to tissue cells of 20 um. Places depend on the canvas."""

    kind: Literal["cells"] = "cells"
    radius_nm: float = Knob(450.0, "Mean radius.", unit="nm", gt=0, le=1e5)
    height_nm: float = Knob(320.0, "Height of a cell.", unit="nm", gt=0, le=2e4)
    size_spread: float = Knob(0.15, "Spread of the logarithm of radius and height.", ge=0, le=0.5)
    coverage: float = Knob(0.55, "Share of the ground under cells; at least one cell is there.", ge=0, le=0.6)
    elongation: float = Knob(1.5, "Length over width.", ge=1, le=4)
    lobes: float = Knob(0.1, "How uneven the outline is.", ge=0, le=0.3)
    nucleus: float = Knob(0.3, "Share of the height that belongs to the nucleus.", ge=0, le=0.9)
    ruffle_nm: float = Knob(9.0, "Roughness of the membrane.", unit="nm", ge=0, le=1e3)
    ruffle_length_nm: float = Knob(160.0, "Longest wave of the membrane's roughness.", unit="nm", gt=0, le=1e5)
    ground_sq_nm: float = Knob(1.5, "Roughness of the ground.", unit="nm", ge=0, le=1e3)
    ground_correlation_nm: float = Knob(30.0, "Correlation length of the ground.", unit="nm", gt=0, le=1e5)
    seed: int = Knob(0, "Seed of cells, membrane and ground.", ge=0)


def make_cells(params: Cells, canvas: Canvas) -> Heights:
    """Return ground and cells, (rows, cols) in nm; the mean ground is at 0."""
    from afmend.simulation.surfaces.dome_kernels import raise_cells
    from afmend.simulation.surfaces.particle_kernels import place

    ground = gaussian_field(params.ground_sq_nm, params.ground_correlation_nm, params.seed, canvas)
    rng = np.random.default_rng([params.seed, 5])
    count = max(round(params.coverage * math.prod(canvas.size_nm) / (math.pi * params.radius_nm**2)), 1)
    scale = np.sort(np.exp(params.size_spread * rng.standard_normal(count)))[::-1]
    reach = 0.9 * params.radius_nm * math.sqrt(params.elongation) * scale  # neighbors may press on each other
    y, x = place(reach, rng.random((count, _TRIES, 3)), np.zeros(count, np.bool_), False, canvas.size_nm)
    angle, phases = rng.random(count) * math.pi, rng.random((count, _LOBES)) * 2 * math.pi
    lobes = params.lobes * rng.standard_normal((count, _LOBES)) / np.arange(1, _LOBES + 1)
    kept = np.isfinite(x)
    y = y + canvas.y_nm[0, 0] - canvas.pixel_nm[0] / 2
    x = x + canvas.x_nm[0, 0] - canvas.pixel_nm[1] / 2
    numbers = np.column_stack([y, x, scale, angle, np.clip(lobes, -0.15, 0.15), phases])[kept]
    domes = np.zeros(canvas.shape)
    where = (canvas.y_nm.ravel(), canvas.x_nm.ravel())
    raise_cells(where, numbers, (params.radius_nm, params.height_nm, params.elongation, params.nucleus), domes)
    if params.ruffle_nm > 0:
        ruffles = Fractal(sq_nm=params.ruffle_nm, hurst=0.8, rolloff_nm=params.ruffle_length_nm, seed=params.seed)
        domes += make_fractal(ruffles, canvas) * np.sqrt(np.minimum(domes / (0.3 * params.height_nm), 1.0))
    return ground + np.maximum(domes, 0.0)
