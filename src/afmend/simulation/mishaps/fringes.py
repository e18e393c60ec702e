"""Fringes: laser light reflected by the sample interferes with that from the cantilever; the height shows waves."""

from __future__ import annotations

from typing import Literal

import numpy as np

from afmend.pipeline.params import Knob, Params
from afmend.scan.arrays import Heights
from afmend.simulation.recording import WAYS, Recording


class Fringes(Params):
    """Fringes: slowly curved waves across the whole image, the same in both directions."""

    kind: Literal["fringes"] = "fringes"
    height_nm: float = Knob(1.0, "Amplitude (half of peak to peak).", unit="nm", ge=0, le=1e6)
    period_nm: float = Knob(1500.0, "Distance from crest to crest at the first pixel.", unit="nm", gt=0, le=1e9)
    angle_deg: float = Knob(20.0, "Where the waves go; 0 = along the fast axis.", unit="deg", ge=-360, le=360)
    phase_rad: float = Knob(0.0, "Phase at the first pixel.", unit="rad", ge=-7, le=7)
    chirp: float = Knob(0.0, "Relative change of the spatial frequency across the diagonal.", ge=-1, le=10, step=0.1)
    curvature: float = Knob(
        0.0, "Bend of the crests: twice the lead, in diagonals, of a crest one diagonal to its side.", ge=-10, le=10
    )


def apply_fringes(params: Fringes, recording: Recording) -> None:
    """Add waves to both directions, in place.

    With s along and c across the waves, both in nm from the first pixel, and D the diagonal of the scan, they are
    height sin(2π (s + chirp s²/2D + curvature c²/2D)/period + phase).

    Nothing is marked: fringes are everywhere in the scan, a mask would say nothing. To be applied before the noise.
    """
    waves = waves_of(params, recording.shape, recording.pixel_nm)
    for way in WAYS:
        recording.heights[way] += waves


def waves_of(params: Fringes, shape: tuple[int, int], pixel_nm: tuple[float, float]) -> Heights:
    """Return what is added to a scan of some shape (rows, cols) and pixel size (slow, fast): nm."""
    (rows, cols), (slow_nm, fast_nm) = shape, pixel_nm
    y = np.arange(rows)[:, None] * slow_nm
    x = np.arange(cols)[None, :] * fast_nm
    angle = np.deg2rad(params.angle_deg)
    along = x * np.cos(angle) + y * np.sin(angle)
    across = y * np.cos(angle) - x * np.sin(angle)
    bend = (params.chirp * along**2 + params.curvature * across**2) / (2 * np.hypot(rows * slow_nm, cols * fast_nm))
    return np.asarray(
        params.height_nm * np.sin(2 * np.pi / params.period_nm * (along + bend) + params.phase_rad), np.float64
    )
