"""Saving: what the instrument's own program did to the heights before anybody else saw them."""

from __future__ import annotations

from typing import Literal

import numpy as np

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
    rows, cols = heights.shape
    y, x = np.linspace(-1, 1, rows), np.linspace(-1, 1, cols)
    weight = known.astype(np.float64)
    there = heights * weight
    per_line, per_column = weight.sum(axis=1), weight.sum(axis=0)
    cross = float(y @ weight @ x)
    normal = np.array(
        [
            [per_line.sum(), per_column @ x, per_line @ y],
            [per_column @ x, per_column @ x**2, cross],
            [per_line @ y, cross, per_line @ y**2],
        ]
    )
    right = np.array([there.sum(), there.sum(axis=0) @ x, there.sum(axis=1) @ y])
    # The pseudo-inverse, because a scan of one line has no slope along the slow axis.
    offset, along, down = np.linalg.pinv(normal) @ right
    plane = offset + along * x[None, :] + down * y[:, None]
    np.subtract(heights, plane, out=heights, where=known)


def _flatten_lines(heights: Heights, known: Mask, order: int) -> None:
    """Subtract the polynomial of each line; lines that miss pixels are fitted to the others."""
    cols = heights.shape[1]
    powers = np.linspace(-1, 1, cols)[:, None] ** np.arange(min(order + 1, cols))
    whole = known.all(axis=1)
    basis, _ = np.linalg.qr(powers)
    fitted = (heights @ basis) @ basis.T
    for row in np.flatnonzero(~whole & known.any(axis=1)):
        part = known[row]
        fitted[row] = powers @ np.linalg.lstsq(powers[part], heights[row, part], rcond=None)[0]
    np.subtract(heights, fitted, out=heights, where=known)


def _quantize(heights: Heights, known: Mask, bits: int) -> None:
    if not known.any():
        return
    low, high = heights[known].min(), heights[known].max()
    step = (high - low) / (2**bits - 1)
    if step > 0:
        np.copyto(heights, low + step * np.rint((heights - low) / step), where=known)
