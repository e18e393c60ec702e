"""What the gate's network sees: a scan line by line, free of unit and height scale."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from afmend.artifacts.gate.sight import NAMES, sight_maps
from afmend.artifacts.gate.view import Floats, Map, View, sampled, spread

MAPS = (
    "step to the line above", "bend across", "stretch of bend across", "long stretch of bend across", "over 9 lines",
    "height", "height over the surroundings", "slope along", "bend along", "unrest along", "equal along",
    "bend of the relief", "pair: difference", "pair: of the relief", "pair: stretch of bend", "error", "measured",
    *NAMES,
)  # fmt: skip
"""In the order of the network's inputs; the pair and the error are 0 where they were not recorded."""
PLAIN = 0.1
"""Of the relief: what is plain to see."""
MOST = 8.0
"""Values are squeezed so as never to exceed this."""


def line_maps(view: View) -> Map:
    """Return the maps, (24, rows, cols) float32."""
    import cv2

    z, noise = view.flat, view.noise
    bend, curl = np.zeros_like(z), np.zeros_like(z)
    bend[1:-1], curl[:, 1:-1] = view.bend, view.curl
    step, slope, equal = np.zeros_like(z), np.zeros_like(z), np.zeros_like(z)
    step[1:], slope[:, 1:] = z[1:] - z[:-1], z[:, 1:] - z[:, :-1]
    raw = np.asarray(view.measured.heights)
    equal[:, 1:] = raw[:, 1:] == raw[:, :-1]
    stretch, long, unrest = (
        np.asarray(cv2.blur(m, (side, 1)), np.float32) for m, side in ((bend, 9), (bend, 33), (np.abs(curl), 9))
    )
    wide = z - np.asarray(cv2.blur(z, (1, 9)), np.float32)
    size = spread(curl) + 1e-12
    usual = float(np.median(sampled(unrest))) + 1e-12
    out = np.zeros((len(MAPS), *z.shape), np.float32)
    scaled: list[tuple[Map, float]] = [
        (step, noise), (bend, noise), (stretch, spread(stretch)), (long, spread(long)),
        (np.asarray(cv2.blur(wide, (9, 1)), np.float32), noise), (z, view.relief / 2),
        (z - np.asarray(cv2.blur(z, (33, 33)), np.float32), noise), (slope, size), (curl, size),
        (np.log2(np.clip(unrest / usual, 1 / 64, 64)), 1.0), (equal, 1.0), (bend, PLAIN * view.half_range),
    ]  # fmt: skip
    away = view.disagreement
    if view.other is not None and away is not None:
        turned = np.zeros_like(z)
        turned[1:-1] = view.other[1:-1] - 0.5 * (view.other[:-2] + view.other[2:])
        turned = np.asarray(cv2.blur(turned, (9, 1)), np.float32)
        scaled += [(away, noise), (away, PLAIN * view.half_range), (turned, spread(stretch))]
    else:
        scaled += [(np.zeros_like(z), 1.0)] * 3
    error = view.measured.error
    some = np.zeros_like(z) if error is None else np.asarray(error, np.float32) - np.float32(np.median(sampled(error)))
    scaled += [(some, spread(some)), (np.asarray(~view.measured.missing, np.float32), 1.0)]
    for k, (values, unit) in enumerate(scaled):
        out[k] = _squeezed(values, unit)
    out[len(scaled) :] = sight_maps(view.sight)
    return out


def _squeezed(values: Floats, unit: float) -> Map:
    x = values * np.float32(1 / max(unit, 1e-12))
    return np.asarray(x / (1 + np.abs(x) / np.float32(MOST)), np.float32)


def packed(maps: Map) -> NDArray[np.int8]:
    """Return maps as bytes, to be kept."""
    return np.asarray(np.rint(maps * (127 / MOST)), np.int8)


def unpacked(kept: NDArray[np.int8]) -> Map:
    """Return kept maps as numbers."""
    return np.asarray(kept, np.float32) * np.float32(MOST / 127)
