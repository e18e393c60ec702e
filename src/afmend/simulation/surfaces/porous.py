"""Porous films: pits in a rough film, from a sponge to an ordered array."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from afmend.pipeline.params import Knob, Params
from afmend.scan.arrays import Heights
from afmend.simulation.canvas import Canvas
from afmend.simulation.surfaces.rough import gaussian_field
from afmend.simulation.surfaces.scatter import place_numbers


class Porous(Params):
    """A film with pores on a triangular lattice, more or less disordered; the film is rough and lies at 0."""

    kind: Literal["porous"] = "porous"
    depth_nm: float = Knob(25.0, "Mean depth of a pore.", unit="nm", gt=0, le=1e4)
    radius_nm: float = Knob(24.0, "Median radius of a pore.", unit="nm", gt=0, le=1e4)
    sigma: float = Knob(0.25, "Spread of the logarithm of radius and depth.", ge=0, le=0.8)
    porosity: float = Knob(0.25, "Share of the film that is pores, before they merge.", gt=0.001, le=0.7)
    order: float = Knob(0.3, "1: a perfect lattice; 0: no order.", ge=0, le=1)
    elongation: float = Knob(1.4, "Largest length over width of a pore.", ge=1, le=4)
    steepness: float = Knob(2.0, "Steepness of the walls; above 1 the bottom is flat.", ge=0.5, le=20)
    rim_nm: float = Knob(2.0, "Height of the rim around a pore.", unit="nm", ge=0, le=1e3)
    film_sq_nm: float = Knob(0.9, "Roughness of the film.", unit="nm", ge=0, le=1e3)
    film_correlation_nm: float = Knob(18.0, "Correlation length of the film.", unit="nm", gt=0, le=1e5)
    seed: int = Knob(0, "Seed of pores and film.", ge=0)

    @property
    def height_nm(self) -> float:
        """Characteristic height: the depth."""
        return self.depth_nm


def make_porous(params: Porous, canvas: Canvas) -> Heights:
    """Return the film, (rows, cols) in nm. Pores stay where they are if the margin changes; the roughness does not."""
    from afmend.simulation.surfaces.dome_kernels import sink_pores

    film = gaussian_field(params.film_sq_nm, params.film_correlation_nm, params.seed, canvas)
    pit, ring = np.zeros(canvas.shape), np.zeros(canvas.shape)
    where = (canvas.y_nm.ravel(), canvas.x_nm.ravel())
    sink_pores(where, _pores(params, canvas), (params.rim_nm, params.steepness), (pit, ring))
    smoother = 1 + pit / (2 * max(float(-pit.min()), 1.0))  # half as rough at the bottom of the deepest
    return film * smoother + pit + ring


def _pores(params: Porous, canvas: Canvas) -> Heights:
    pitch = params.radius_nm * math.sqrt(2 * math.pi * math.exp(2 * params.sigma**2) / (math.sqrt(3) * params.porosity))
    line = pitch * math.sqrt(0.75)
    reach = 2 * pitch + 4 * params.radius_nm * math.exp(3 * params.sigma)
    y, x = canvas.y_nm.ravel(), canvas.x_nm.ravel()
    i = np.arange(math.floor((y[0] - reach) / line), math.ceil((y[-1] + reach) / line) + 1)[:, None]
    j = np.arange(math.floor((x[0] - reach) / pitch), math.ceil((x[-1] + reach) / pitch) + 1)[None, :]
    drawn = place_numbers(params.seed, i, j, 7)
    apart = (1 - params.order) * 0.9 * pitch
    at_y = i * line + apart * (drawn[0] - 0.5)
    at_x = (j + 0.5 * (i % 2)) * pitch + apart * (drawn[1] - 0.5)
    # Two uniform numbers make a normal one (Box and Muller), cut at 3 sigma.
    normal = np.minimum(np.sqrt(-2 * np.log1p(-drawn[2])), 3) * np.cos(2 * math.pi * drawn[3])
    scale = np.exp(params.sigma * normal)
    depth = params.depth_nm * scale * (1 + params.sigma * (drawn[4] - 0.5))
    length = 1 + (params.elongation - 1) * drawn[5]
    pores = np.stack([at_y, at_x, params.radius_nm * scale, depth, length, math.pi * drawn[6]], axis=-1)
    return pores.reshape(-1, 6)
