"""Leveling by facets: the plane that makes the most common local slope zero."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from afmend.errors import StepError
from afmend.leveling.plane import subtract_tilt
from afmend.pipeline import Field, Knob, Leveled, Params, step


class Facet(Params):
    """Make the most common facet horizontal."""

    sharpness: float = Knob(
        20.0, "How much facets count that are not the most common ones; larger = less.", ge=1, le=500, step=1,
        recommended=(10, 50), advanced=True,
    )  # fmt: skip
    iterations: int = Knob(100, "Most iterations; rough surfaces settle slowly.", ge=1, le=1000, step=1, advanced=True)
    convention: Literal["afmend", "gwyddion"] = Knob(
        "afmend",
        "'gwyddion': the constant and the stop of that program; else the mean of the usable pixels becomes zero, and"
        " iteration stops relative to the slopes there are.",
        advanced=True,
    )


@step("level.facet", Facet, version="1")
def facet(field: Field, params: Facet) -> Leveled:
    """Subtract the plane of the most common facet: right for terraces, which a fitted plane would tilt.

    Facets are squares of 2 x 2 usable pixels; the slope is their mean with weights exp(-|v|^2 / s),
    s = mean |v|^2 / sharpness, found by iteration. Not for rough or noisy surfaces: there every slope is about as
    common as the next, the iteration hardly moves, and a second leveling goes on where the first one stopped.

    Raises
    ------
    StepError
        If no facet is usable.
    """
    from afmend.leveling import facet_kernels

    gwyddion = params.convention == "gwyddion"
    down, right = _slopes(field)
    if not down.size:
        raise StepError("no square of 2 x 2 usable pixels to take a slope from", now="Shrink the masks.")
    # Gwyddion stops at a squared slope of 1e-9, in height per length.
    limit = 1e-9 if gwyddion else 1e-12 * float(np.mean(np.square(down) + np.square(right)))
    found = facet_kernels.common_slope(down, right, params.sharpness, params.iterations, limit)
    slow, fast = found[0] * field.pixel_nm[0], found[1] * field.pixel_nm[1]
    heights = subtract_tilt(field.heights, slow, fast)
    if not gwyddion:
        heights -= np.mean(heights[field.usable])
    return Leveled(heights, facts={"slope_fast_per_px": fast, "slope_slow_per_px": slow, "iterations": found[2]})


def _slopes(field: Field) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Slopes along the slow and the fast axis of every facet of four usable pixels."""
    z, usable = field.heights, field.usable
    whole = usable[1:, 1:] & usable[1:, :-1] & usable[:-1, 1:] & usable[:-1, :-1]
    across, along = z[1:] - z[:-1], z[:, 1:] - z[:, :-1]
    down = (across[:, 1:] + across[:, :-1])[whole] / (2 * field.pixel_nm[0])
    right = (along[1:] + along[:-1])[whole] / (2 * field.pixel_nm[1])
    return down, right
