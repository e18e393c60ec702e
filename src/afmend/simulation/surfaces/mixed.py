"""Mixtures: two or three families on top of each other."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from afmend.pipeline.params import Knob, Params
from afmend.scan.arrays import Heights
from afmend.simulation.canvas import Canvas
from afmend.simulation.surfaces.families import Family
from afmend.simulation.surfaces.particles import Particles
from afmend.simulation.surfaces.register import make_surface
from afmend.simulation.surfaces.terraces import Terraces


class Mixed(Params):
    """The sum of two or three families, or the highest of them at each place."""

    kind: Literal["mixed"] = "mixed"
    parts: tuple[Family, ...] = Field(
        (Terraces(), Particles(radius_nm=2.5, shape="cap", coverage=0.005, ground_sq_nm=0.03)),
        min_length=2,
        max_length=3,
        description="The families; mixtures in mixtures are refused.",
    )
    rule: Literal["sum", "max"] = Knob("sum", "Add the heights, or keep the highest.")

    @property
    def height_nm(self) -> float:
        """Characteristic height: that of the highest part."""
        return max(part.height_nm for part in self.parts)


def make_mixed(params: Mixed, canvas: Canvas) -> Heights:
    """Return the mixture, (rows, cols) in nm."""
    first, *others = (make_surface(part, canvas) for part in params.parts)
    for other in others:
        (np.add if params.rule == "sum" else np.maximum)(first, other, out=first)
    return first
