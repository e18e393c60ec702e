"""The union of all families that are not made of others."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field

from afmend.simulation.surfaces.cells import Cells
from afmend.simulation.surfaces.dna import Dna
from afmend.simulation.surfaces.fibers import Fibers
from afmend.simulation.surfaces.grains import Grains
from afmend.simulation.surfaces.grating import Grating
from afmend.simulation.surfaces.lattice import Lattice
from afmend.simulation.surfaces.measured import Measured
from afmend.simulation.surfaces.particles import Particles
from afmend.simulation.surfaces.porous import Porous
from afmend.simulation.surfaces.rough import Exponential, Fractal, Gaussian
from afmend.simulation.surfaces.terraces import Terraces

Family: TypeAlias = Annotated[
    Gaussian
    | Exponential
    | Fractal
    | Terraces
    | Grating
    | Particles
    | Fibers
    | Dna
    | Cells
    | Porous
    | Grains
    | Lattice
    | Measured,
    Field(discriminator="kind"),
]
"""Parameters of any family but `Mixed`."""
