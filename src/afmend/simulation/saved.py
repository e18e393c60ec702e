"""Saving: what the instrument's own program did to the heights before anybody else saw them."""

from __future__ import annotations

from contextlib import suppress
from typing import Literal

import numpy as np

from afmend.errors import StepError
from afmend.leveling.moments import line_fits, without_curves, without_surface
from afmend.leveling.plane import fit_plane
from afmend.pipeline.params import Knob, Params
from afmend.scan.arrays import Heights, Mask
from afmend.simulation.recording import WAYS, Recording


class Saved(Params):
    """Leveling and rounding by the program that saved the scan."""

    plane: bool = Knob(default=False, help="Subtract a fitted plane from the whole scan.")
    line_flatten: Literal["none", 0, 1, 2, 3] = Knob(
        "none", "Subtract from each line a fitted polynomial of this order; takes away part of the surface too."
    )
    quantize_bits: Literal["none", 8, 12, 14, 16] = Knob(
        "none", "Round to this many bits between the lowest and the highest height."
    )


def apply_saved(params: Saved, recording: Recording) -> None:
    """Subtract plane and lines, then round, in both directions, each on its own, in place.

    Missing pixels do not count and stay as they are. Nothing is marked: this happens to every pixel. Plateaux of
    saturated pixels turn into exact planes or polynomials, as in files of instruments that save leveled data.
    """
    for way in WAYS:
        heights, known = recording.heights[way], ~recording.missing[way]
        if params.plane:
            _subtract_plane(heights, known)
        if params.line_flatten != "none":
            _flatten_lines(heights, known, params.line_flatten)
        if params.quantize_bits != "none":
            _quantize(heights, known, params.quantize_bits)


def _subtract_plane(heights: Heights, known: Mask) -> None:
    """Subtract the plane of the known pixels; where they lie on one line, no program can, and nothing happens."""
    with suppress(StepError):
        np.copyto(heights, without_surface(heights, fit_plane(heights, known, robust=False)), where=known)


def _flatten_lines(heights: Heights, known: Mask, order: int) -> None:
    """Subtract from each line the polynomial through its known pixels."""
    found, _, _, _ = line_fits(heights, known, min(order, heights.shape[1] - 1))
    np.copyto(heights, without_curves(heights, found), where=known)


def _quantize(heights: Heights, known: Mask, bits: int) -> None:
    if not known.any():
        return
    low, high = heights[known].min(), heights[known].max()
    step = (high - low) / (2**bits - 1)
    if step > 0:
        np.copyto(heights, low + step * np.rint((heights - low) / step), where=known)
