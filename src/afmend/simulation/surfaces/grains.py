"""Grains: a polycrystalline or columnar film, each grain a dome or a pyramid of its own height."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from afmend.pipeline.params import Knob, Params
from afmend.scan.arrays import Heights
from afmend.simulation.canvas import Canvas
from afmend.simulation.surfaces.rough import gaussian_field
from afmend.simulation.surfaces.scatter import cells, place_numbers


class Grains(Params):
    """Grains that meet in sharp valleys, the picture of most sputtered and evaporated films."""

    kind: Literal["grains"] = "grains"
    size_nm: float = Knob(75.0, "Mean distance of neighboring grains.", unit="nm", gt=0, le=1e5)
    relief_nm: float = Knob(5.0, "How far a grain falls over half that distance.", unit="nm", gt=0, le=1e4)
    spread: float = Knob(0.8, "Range of the heights of the grains, in units of the relief.", ge=0, le=1.5)
    form: Literal["dome", "facet"] = Knob("dome", "Round grains or four-sided pyramids.")
    waviness_nm: float = Knob(1.0, "Roughness of the film over many grains.", unit="nm", ge=0, le=1e4)
    roughness_nm: float = Knob(0.25, "Roughness of each grain.", unit="nm", ge=0, le=1e3)
    seed: int = Knob(0, "Seed of grains and roughness.", ge=0)

    @property
    def height_nm(self) -> float:
        """Characteristic height: the relief."""
        return self.relief_nm


def make_grains(params: Grains, canvas: Canvas) -> Heights:
    """Return the film, (rows, cols) in nm. Grains stay where they are if the margin changes; roughness does not."""
    from afmend.simulation.surfaces.dome_kernels import grow_grains

    size = params.size_nm
    y, x = canvas.y_nm.ravel(), canvas.x_nm.ravel()
    i, j = cells((y[0] - 3.1 * size, x[0] - 3.1 * size), (y[-1] + 3.1 * size, x[-1] + 3.1 * size), size)
    drawn = place_numbers(params.seed, i, j, 4)
    height = params.relief_nm * params.spread * (drawn[2] - 0.5)
    turn = math.pi * drawn[3]
    grains = np.stack([(i + drawn[0]) * size, (j + drawn[1]) * size, height, np.cos(turn), np.sin(turn)], axis=-1)
    out = np.empty(canvas.shape)
    grow_grains((y, x), grains.reshape(-1, 5), (size, params.relief_nm), params.form == "facet", out)
    out += gaussian_field(params.waviness_nm, 3 * size, params.seed, canvas)
    out += gaussian_field(params.roughness_nm, size / 8, params.seed + 1, canvas)
    return out
