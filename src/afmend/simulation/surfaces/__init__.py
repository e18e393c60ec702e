"""Surfaces with exact truth, one file per family: parameters, and a function that makes heights on a canvas.

Belongs here: what the sample looks like. Does not belong here: the tip, the scanner, noise, artifacts.
"""

from typing import Annotated, TypeAlias

from pydantic import Field

from afmend.simulation.surfaces.families import Family
from afmend.simulation.surfaces.mixed import Mixed
from afmend.simulation.surfaces.register import SURFACES, make_surface, surface_params

Surface: TypeAlias = Annotated[Family | Mixed, Field(discriminator="kind")]
"""Parameters of any family; the field ``kind`` says which."""

__all__ = ["SURFACES", "Surface", "make_surface", "surface_params"]
