"""Gratings: lines, pillars, holes and dots, exact at any angle."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from afmend.pipeline.params import Knob, Params
from afmend.scan.arrays import Heights
from afmend.simulation.canvas import Canvas


class Grating(Params):
    """A calibration grating; the middle of a ridge passes through the first pixel of the scan, shifted by ``phase``."""

    kind: Literal["grating"] = "grating"
    pitch_nm: float = Knob(300.0, "Distance from ridge to ridge.", unit="nm", gt=0, le=1e5)
    depth_nm: float = Knob(20.0, "Height of the ridges over the grooves.", unit="nm", gt=0, le=1e4)
    duty: float = Knob(0.5, "Width of a ridge at half height, in pitches (box profile).", ge=0.05, le=0.95)
    angle_deg: float = Knob(8.0, "Direction across the ridges, from the fast axis.", unit="deg", ge=-180, le=180)
    profile: Literal["box", "sine", "triangle"] = Knob("box", "Shape of a ridge.")
    form: Literal["lines", "pillars", "holes", "dots"] = Knob(
        "lines", "Lines, square pillars, square holes or round dots on a square lattice."
    )
    wall_deg: float = Knob(80.0, "Angle of the walls of a box; 90: upright.", unit="deg", ge=10, le=90)
    edge_nm: float = Knob(4.0, "Width of the ramp of an upright wall.", unit="nm", ge=0, le=1e3)
    phase: tuple[float, float] = Knob((0.25, 0.25), "Shift along and across ``angle``.", unit="pitches")

    @property
    def height_nm(self) -> float:
        """Characteristic height: the depth."""
        return self.depth_nm


def make_grating(params: Grating, canvas: Canvas) -> Heights:
    """Return heights in nm: 0 in the grooves, ``depth_nm`` on the ridges."""
    angle = math.radians(params.angle_deg)
    x, y = canvas.x_nm, canvas.y_nm
    across = _from_ridge(x * math.cos(angle) + y * math.sin(angle), params, 0)
    if params.form == "lines":
        return params.depth_nm * _profile(across, params)
    along = _from_ridge(y * math.cos(angle) - x * math.sin(angle), params, 1)
    if params.form == "dots":
        return params.depth_nm * _profile(np.hypot(across, along), params)
    if params.profile == "sine":
        both = _profile(across, params) * _profile(along, params)
    else:
        both = _profile(np.maximum(across, along), params)
    return params.depth_nm * (1 - both if params.form == "holes" else both)


def _from_ridge(u_nm: Heights, params: Grating, axis: int) -> Heights:
    """Return the distance to the middle of the nearest ridge, in nm."""
    turns = u_nm / params.pitch_nm - params.phase[axis]
    distance: Heights = np.abs(turns - np.rint(turns)) * params.pitch_nm
    return distance


def _profile(distance_nm: Heights, params: Grating) -> Heights:
    """Return heights from 0 to 1 as a function of the distance to the middle of a ridge."""
    if params.profile == "box":
        ramp = params.edge_nm + params.depth_nm / math.tan(math.radians(params.wall_deg))
        inside = params.duty * params.pitch_nm / 2 - distance_nm
        # An upright wall of no width: the pixel center decides.
        return np.clip(inside / ramp + 0.5, 0.0, 1.0) if ramp > 1e-9 else (inside >= 0).astype(np.float64)
    phase = np.minimum(distance_nm / params.pitch_nm, 0.5)  # round dots: flat beyond half a pitch
    return 0.5 + 0.5 * np.cos(2 * math.pi * phase) if params.profile == "sine" else 1 - 2 * phase
