"""Features of a double tip: everything high stands there once more, aside and lower by one and the same drop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from afmend.artifacts.gate.view import Map, View, sampled

LARGEST = 256
"""Larger scans are looked at smaller, by a whole number."""
REACH_PX, NEAREST_PX = 40, 4
PIXELS, FEWEST = 600, 16
STANDS, SATELLITE = 0.3, 0.12
"""Of the height over the ground that 99.5 % of the pixels stay below: what counts as high, and as there."""
RIDGE = 0.03
"""Tops may lie so far below the highest of 5 x 5 pixels."""
WIDTH, BINS = 0.025, 24
"""Of the drops that are counted, in the same height."""
KINDS = ("double", "satellite")
"""With what contradicts elsewhere counted, and without: where no satellite stands, shifts do not differ."""
NAMES = ("best", "score", "equal", "drop", "far", "across", "narrow", "second", "back")


def double_features(view: View) -> dict[str, float]:
    """Look for the shift and the drop at which most high pixels have a satellite.

    Of a surface scanned with two apexes ``image(x + shift) >= image(x) - drop`` everywhere, with equality where the
    second apex touches (the larger of two dilations). For every shift the drops ``image(x) - image(x + shift)`` of high
    pixels are counted: ``equal`` is the share within the fullest window, where something stands at the other place;
    ``score`` is less by the share that contradicts. Flat tops and grains score at the shift turned by 90 degrees as
    well, periods at the opposite one: ``best`` is less by either. Of two kinds (`KINDS`).
    """
    from afmend.artifacts.gate.double_kernels import best_drops

    scene = _standing(view.flat)
    if scene is None:
        names = [f"{kind} {side}{name}" for kind in KINDS for side in ("", "one-sided ") for name in NAMES]
        return dict.fromkeys([*names, "satellite high"], 0.0)
    width = max(WIDTH, float(view.noise) / 2 / scene.height)
    score, equal, drop = best_drops(scene.z, scene.rows, scene.cols, REACH_PX, width, BINS, SATELLITE)
    found: dict[str, float] = {}
    for kind, shown in zip(KINDS, (score, np.maximum(score, 0)), strict=True):
        alone = shown - np.maximum(np.rot90(shown), np.rot90(shown, -1))
        back = shown[::-1, ::-1]
        found |= {f"{kind} {name}": value for name, value in _best(alone, score, equal, drop).items()}
        found |= {f"{kind} one-sided {name}": value for name, value in _best(shown - back, score, equal, drop).items()}
    found["satellite high"] = scene.share
    return found


def _best(by: Map, score: Map, equal: Map, drop: Map) -> dict[str, float]:
    """Describe the shift where ``by`` is largest, and how large it is elsewhere."""
    reach = np.arange(-REACH_PX, REACH_PX + 1)
    far = np.hypot(reach[:, None], reach[None, :])
    where = np.where(far >= NEAREST_PX, by, -1.0)
    y, x = np.unravel_index(int(np.argmax(where)), where.shape)
    away = np.hypot(reach[:, None] - reach[y], reach[None, :] - reach[x])
    opposite = np.hypot(reach[:, None] + reach[y], reach[None, :] + reach[x])
    ring = (away > 4) & (away < 9) & (far >= NEAREST_PX)
    values = (
        by[y, x], score[y, x], equal[y, x], drop[y, x], far[y, x] / REACH_PX, abs(reach[y]) / far[y, x],
        score[y, x] - score[ring].mean(), where[(away > 9) & (opposite > 9)].max(),
        score[2 * REACH_PX - y, 2 * REACH_PX - x],
    )  # fmt: skip
    return {name: float(value) for name, value in zip(NAMES, values, strict=True)}


@dataclass(frozen=True, slots=True, eq=False)
class _Scene:
    z: Map
    rows: NDArray[np.int64]
    cols: NDArray[np.int64]
    height: float
    share: float


def _standing(z: Map) -> _Scene | None:
    """Heights over the ground of their lines, 1 = high, and some of what is high; None where nothing is."""
    import cv2

    scale = -(-max(z.shape) // LARGEST)
    z = np.asarray(cv2.blur(np.ascontiguousarray(z), (3, 3)), np.float32)
    if scale > 1:
        size = (max(8, z.shape[1] // scale), max(8, z.shape[0] // scale))
        z = np.asarray(cv2.resize(z, size, interpolation=cv2.INTER_AREA), np.float32)
    ground = np.quantile(z[:, :: max(1, z.shape[1] // 128)], 0.3, axis=1, keepdims=True).astype(np.float32)
    z = z - ground
    height = float(np.quantile(sampled(z), 0.995))
    if height <= 0:
        return None
    z = z / np.float32(height)
    # Two apexes differ in sharpness: flanks do, tops differ by the drop alone.
    tops = np.asarray(cv2.dilate(z, np.ones((3, 3), np.uint8)), np.float32)
    ridge = z >= np.asarray(cv2.dilate(z, np.ones((5, 5), np.uint8))) - RIDGE
    share = float(np.mean(z > STANDS))
    high = np.flatnonzero(ridge & (z > STANDS))
    if high.size < FEWEST:
        return None
    some = high[np.linspace(0, high.size - 1, min(PIXELS, high.size)).astype(np.int64)]
    return _Scene(tops, some // z.shape[1], some % z.shape[1], height, share)
