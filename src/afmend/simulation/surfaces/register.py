"""Which families of surfaces there are, where their code is, and how to make one."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from afmend.errors import BadParameterError
from afmend.pipeline.params import Params
from afmend.scan.arrays import Heights
from afmend.simulation.canvas import Canvas

_HERE = "afmend.simulation.surfaces"
SURFACES: dict[str, str] = {
    "gaussian": f"{_HERE}.rough:Gaussian:make_gaussian",
    "exponential": f"{_HERE}.rough:Exponential:make_exponential",
    "fractal": f"{_HERE}.rough:Fractal:make_fractal",
    "terraces": f"{_HERE}.terraces:Terraces:make_terraces",
    "grating": f"{_HERE}.grating:Grating:make_grating",
    "particles": f"{_HERE}.particles:Particles:make_particles",
    "fibers": f"{_HERE}.fibers:Fibers:make_fibers",
    "dna": f"{_HERE}.dna:Dna:make_dna",
    "cells": f"{_HERE}.cells:Cells:make_cells",
    "porous": f"{_HERE}.porous:Porous:make_porous",
    "grains": f"{_HERE}.grains:Grains:make_grains",
    "lattice": f"{_HERE}.lattice:Lattice:make_lattice",
    "measured": f"{_HERE}.measured:Measured:make_measured",
    "mixed": f"{_HERE}.mixed:Mixed:make_mixed",
}
"""Kind to "module:parameters:function"."""
SMALLEST_PX = 0.25
"""Features smaller than this fraction of a pixel are refused: millions of them would be drawn for nobody to see."""
_SIZES: dict[str, tuple[str, ...]] = {
    "terraces": ("width_nm", "island_nm"),
    "grating": ("pitch_nm",),
    "particles": ("radius_nm",),
    "cells": ("radius_nm",),
    "porous": ("radius_nm",),
    "grains": ("size_nm",),
}


def surface_params(kind: str) -> type[Params]:
    """Return the parameter class of a family.

    Raises
    ------
    BadParameterError
        If there is no such family.
    """
    found: type[Params] = _found(kind)[0]
    return found


def make_surface(params: Params, canvas: Canvas) -> Heights:
    """Make a surface.

    Parameters
    ----------
    params : Params
        One of the classes in `SURFACES`; its field ``kind`` says which.
    canvas : Canvas

    Returns
    -------
    (rows, cols) float64
        Heights in nm at the pixel centers, margins included.

    Raises
    ------
    BadParameterError
        If there is no such family, or it cannot be drawn on these pixels.
    """
    kind = str(getattr(params, "kind", ""))
    make = _found(kind)[1]
    smallest = SMALLEST_PX * min(canvas.pixel_nm)
    for name in _SIZES.get(kind, ()):
        if getattr(params, name) < smallest:
            raise BadParameterError(
                f"{name} of {getattr(params, name):.3g} nm is lost on pixels of {min(canvas.pixel_nm):.3g} nm",
                where=f"surface {kind}", now=f"Take at least {SMALLEST_PX} of a pixel.",
            )  # fmt: skip
    heights: Heights = make(params, canvas)
    return heights


def _found(kind: str) -> tuple[Any, Any]:
    if kind not in SURFACES:
        raise BadParameterError(f"no surface {kind!r}", where="surface", now=f"Known: {', '.join(SURFACES)}.")
    module, params, function = SURFACES[kind].split(":")
    loaded = import_module(module)
    return getattr(loaded, params), getattr(loaded, function)
