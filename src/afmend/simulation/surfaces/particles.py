"""Particles on a rough ground, with the list of what lies where."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from afmend.errors import BadParameterError
from afmend.pipeline.params import Knob, Params
from afmend.scan.arrays import Heights
from afmend.simulation.canvas import Canvas
from afmend.simulation.surfaces.rough import gaussian_field

SHAPES = ("sphere", "cap", "ellipsoid", "rod")
_TRIES = 40
MOST = 50_000
"""Most particles on one canvas."""


class Particles(Params):
    """Particles of one size or of log-normal sizes, lying on a rough ground; positions depend on the canvas."""

    kind: Literal["particles"] = "particles"
    radius_nm: float = Knob(18.0, "Median radius.", unit="nm", gt=0, le=1e4)
    sigma: float = Knob(0.12, "Spread of the logarithm of the radius; 0: all the same.", ge=0, le=1)
    coverage: float = Knob(
        0.08, "Share of the ground under particles; without overlap at most about half.", ge=0, le=0.9
    )
    shape: Literal["sphere", "cap", "ellipsoid", "rod"] = Knob(
        "sphere", "Sphere, droplet, flattened grain or lying rod."
    )
    flatness: float = Knob(0.5, "Cap: height over radius. Ellipsoid: half height over radius.", gt=0, le=1)
    elongation: float = Knob(1.3, "Ellipsoid and rod: length over width.", ge=1, le=20)
    clustering: float = Knob(0.1, "Share of particles that touch an earlier one.", ge=0, le=1)
    overlap: bool = Knob(False, "Let particles overlap, as in a thick deposit.")
    ground_sq_nm: float = Knob(0.4, "Roughness of the ground.", unit="nm", ge=0, le=1e3)
    ground_correlation_nm: float = Knob(30.0, "Correlation length of the ground.", unit="nm", gt=0, le=1e5)
    seed: int = Knob(0, "Seed of places, sizes and ground.", ge=0)

    @property
    def height_nm(self) -> float:
        """Characteristic height: that of the median particle."""
        match self.shape:
            case "cap":
                return self.flatness * self.radius_nm
            case "ellipsoid":
                return 2 * self.flatness * self.radius_nm
            case _:
                return 2 * self.radius_nm


@dataclass(frozen=True, slots=True)
class ParticleList:
    """The truth about the particles of a surface.

    Attributes
    ----------
    y_nm, x_nm : (n,) float64
        Centers; 0 is the first pixel of the scan, as in `Canvas`. Some lie in the margin or reach over the edge.
    radius_nm, height_nm : (n,) float64
        Radius of each particle (of a circle of the same area, for ellipsoids; half the thickness, for rods) and its
        height above the ground under its center.
    angle_rad : (n,) float64
        Direction of the long axis, from the fast axis.
    base_nm : (n,) float64
        Height of the ground under the center.
    labels : (rows, cols) int32
        Which particle is seen from above at each pixel of the canvas: 0 the ground, i + 1 particle i.
    """

    y_nm: NDArray[np.float64]
    x_nm: NDArray[np.float64]
    radius_nm: NDArray[np.float64]
    height_nm: NDArray[np.float64]
    angle_rad: NDArray[np.float64]
    base_nm: NDArray[np.float64]
    labels: NDArray[np.int32]


def make_particles(params: Particles, canvas: Canvas) -> Heights:
    """Return ground and particles, (rows, cols) in nm; the mean ground is at 0."""
    return _made(params, canvas)[0]


def particle_list(params: Particles, canvas: Canvas) -> ParticleList:
    """Return where the particles of `make_particles` are, how large, and which is seen at each pixel."""
    return _made(params, canvas)[1]


def _made(params: Particles, canvas: Canvas) -> tuple[Heights, ParticleList]:
    from afmend.simulation.surfaces.particle_kernels import place, stamp

    places, sizes = (np.random.default_rng([params.seed, stream]) for stream in (1, 2))
    ground = gaussian_field(params.ground_sq_nm, params.ground_correlation_nm, params.seed, canvas)
    width, height = canvas.size_nm[::-1]
    radius = np.sort(params.radius_nm * np.exp(params.sigma * sizes.standard_normal(_count(params, canvas))))[::-1]
    reach = radius * {"ellipsoid": math.sqrt(params.elongation), "rod": params.elongation}.get(params.shape, 1.0)
    draws = places.random((radius.size, _TRIES, 3))
    touching = places.random(radius.size) < params.clustering
    y, x = place(reach, draws, touching, params.overlap, (height, width))
    kept = np.isfinite(x)
    y, x, radius = y[kept], x[kept], radius[kept].copy()
    angle = math.pi * sizes.random(kept.size)[kept]
    row, col = y / canvas.pixel_nm[0], x / canvas.pixel_nm[1]  # pixel centers at half-integers here
    base = ground[row.astype(np.int64), col.astype(np.int64)]
    heights, labels = ground, np.zeros(canvas.shape, np.int32)
    shape = SHAPES.index(params.shape)
    stamp((y, x, radius, angle, base), shape, (params.flatness, params.elongation), canvas.pixel_nm, (heights, labels))
    # From the corner of the canvas to the coordinates of the scan.
    y = y + canvas.y_nm[0, 0] - canvas.pixel_nm[0] / 2
    x = x + canvas.x_nm[0, 0] - canvas.pixel_nm[1] / 2
    tall = radius * (params.height_nm / params.radius_nm)
    return heights, ParticleList(y, x, radius, tall, angle, base, labels)


def _count(params: Particles, canvas: Canvas) -> int:
    """Return how many particles cover the asked share of the canvas on average.

    Raises
    ------
    BadParameterError
        If that is more than `MOST`.
    """
    mean_square = params.radius_nm**2 * math.exp(2 * params.sigma**2)
    area = math.pi * mean_square
    if params.shape == "rod":
        area += 4 * mean_square * (params.elongation - 1)
    count = round(params.coverage * math.prod(canvas.size_nm) / area)
    if count > MOST:
        raise BadParameterError(
            f"{count} particles of {params.radius_nm:.3g} nm", where="surface particles",
            now=f"Take larger ones, or fewer: {MOST} at most.",
        )  # fmt: skip
    return count
