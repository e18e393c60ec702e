"""Lattices: atoms (or colloids, proteins, domains) in a periodic order, with vacancies and adatoms."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from afmend.errors import BadParameterError
from afmend.pipeline.params import Knob, Params
from afmend.scan.arrays import Heights
from afmend.simulation.canvas import Canvas
from afmend.simulation.surfaces.scatter import place_numbers

_FEWEST_PX = 2.5
_SITE = 0.35
"""Standard deviation of a vacancy or an adatom, in lattice constants."""


class Lattice(Params):
    """Cosine corrugation on a triangular or square lattice. For atoms take 0.2 to 0.6 nm and pixels to match."""

    kind: Literal["lattice"] = "lattice"
    constant_nm: float = Knob(60.0, "Distance of neighboring sites.", unit="nm", gt=0, le=1e4)
    corrugation_nm: float = Knob(2.0, "Height of a site over the deepest place.", unit="nm", gt=0, le=1e3)
    symmetry: Literal["triangular", "square"] = Knob("triangular", "Kind of lattice.")
    angle_deg: float = Knob(11.0, "Direction of a row of sites, from the fast axis.", unit="deg", ge=-180, le=180)
    vacancies: float = Knob(0.003, "Share of sites that are empty.", ge=0, le=0.2)
    adatoms: float = Knob(0.002, "Share of sites with one more on top.", ge=0, le=0.2)
    herringbone_nm: float = Knob(0.0, "Height of zigzag ridges under the lattice; 0: none.", unit="nm", ge=0, le=10)
    herringbone_period_nm: float = Knob(400.0, "Distance of pairs of ridges.", unit="nm", gt=0, le=1e5)
    seed: int = Knob(0, "Seed of the vacancies and adatoms.", ge=0)

    @property
    def height_nm(self) -> float:
        """Characteristic height: the corrugation."""
        return self.corrugation_nm


def make_lattice(params: Lattice, canvas: Canvas) -> Heights:
    """Return heights in nm: 0 in the deepest places, ``corrugation_nm`` on the sites, one of them at the first pixel.

    Raises
    ------
    BadParameterError
        If a lattice constant is shorter than 2.5 pixels.
    """
    if params.constant_nm < _FEWEST_PX * max(canvas.pixel_nm):
        raise BadParameterError(
            f"a lattice of {params.constant_nm:.3g} nm cannot be seen with pixels of {max(canvas.pixel_nm):.3g} nm",
            where="surface",
            now=f"Take pixels of at most constant_nm / {_FEWEST_PX}.",
        )
    angle = math.radians(params.angle_deg)
    along = canvas.x_nm * math.cos(angle) + canvas.y_nm * math.sin(angle)
    across = canvas.y_nm * math.cos(angle) - canvas.x_nm * math.sin(angle)
    turns = 2 * math.pi / params.constant_nm
    if params.symmetry == "square":
        waves = 0.5 + 0.25 * (np.cos(turns * along) + np.cos(turns * across))
    else:  # three waves at 60 degrees to each other: their sum lies between -1.5 and 3
        line = turns * across / math.sqrt(3)
        waves = (2 * np.cos(turns * along) * np.cos(line) + np.cos(2 * line) + 1.5) / 4.5
    out = params.corrugation_nm * waves
    if params.herringbone_nm > 0:
        out += params.herringbone_nm * _herringbone(along, across, params.herringbone_period_nm)
    _add_sites(params, canvas, out)
    return out


def _herringbone(along: Heights, across: Heights, period_nm: float) -> Heights:
    """Return pairs of ridges that bend by 120 degrees every three periods, heights 0 to 1."""
    bend = 6 * period_nm
    zigzag = np.abs(across / bend - np.rint(across / bend)) * bend * math.tan(math.pi / 6)
    phase = 2 * math.pi * (along + zigzag) / period_nm
    pair = 0.5 - 0.5 * np.cos(phase)
    ridges: Heights = pair * (1 - 0.75 * pair) * 3
    return ridges


def _add_sites(params: Lattice, canvas: Canvas, out: Heights) -> None:
    """Dig vacancies and put adatoms, as Gaussians one corrugation high, onto ``out``."""
    from afmend.simulation.surfaces.dome_kernels import add_bumps

    a, angle = params.constant_nm, math.radians(params.angle_deg)
    y, x = canvas.y_nm.ravel(), canvas.x_nm.ravel()
    reach = math.hypot(max(abs(y[0]), abs(y[-1])), max(abs(x[0]), abs(x[-1]))) + 2 * a
    line = a if params.symmetry == "square" else a * math.sqrt(0.75)
    lines, sites = math.ceil(reach / line), math.ceil(reach / a) + 1
    i, j = np.arange(-lines, lines + 1)[:, None], np.arange(-sites, sites + 1)[None, :]
    drawn = place_numbers(params.seed, i, j, 1)[0]
    sign = np.where(drawn < params.vacancies, -1.0, np.where(drawn > 1 - params.adatoms, 1.0, 0.0))
    shift = 0.0 if params.symmetry == "square" else 0.5
    u, v = np.broadcast_arrays((j + shift * (i % 2)) * a, i * line)
    at_y, at_x = u * math.sin(angle) + v * math.cos(angle), u * math.cos(angle) - v * math.sin(angle)
    wanted = sign != 0
    bumps = np.column_stack([at_y[wanted], at_x[wanted], params.corrugation_nm * sign[wanted]])
    add_bumps((y, x), bumps, _SITE * a, out)
