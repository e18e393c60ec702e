"""Letting the loop follow the scenes along the path of the tip."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from afmend.scan.arrays import Heights
from afmend.simulation.canvas import Canvas
from afmend.simulation.loop import UNLIMITED, Loop, controller, gain_map
from afmend.simulation.scanner import Path, Scanner, bowed, ground_px
from afmend.simulation.scenes import Scenes


@dataclass(frozen=True, slots=True, eq=False)
class Tracked:
    """What the loop did: index 0 = trace, 1 = retrace; same column = same place.

    Attributes
    ----------
    heights : (2, rows, cols) float64
        Position of the piezo, nm.
    errors : (2, rows, cols) float64
        What the sensor reported, nm.
    ideals : (2, rows, cols) float64
        The dilated surface under the tip, averaged over the time of a pixel, one integral time 1 / K earlier, without
        tilt, bow and drift.
    lags : (2, rows, cols) float64
        How far the piezo was above that surface.
    states : (2, rows, cols) uint8
        See `loop_kernels.FREE`, `loop_kernels.RAILED`.
    """

    heights: Heights
    errors: Heights
    ideals: Heights
    lags: Heights
    states: NDArray[np.uint8]


def track(scenes: Scenes, path: Path, canvas: Canvas, loop: Loop, scanner: Scanner) -> Tracked:
    """Let the loop follow a surface, line by line, there and back."""
    from afmend.simulation.loop_kernels import follow

    rows, cols = canvas.scan_shape
    overscan, substeps = loop.overscan_px(cols), loop.samples_per_pixel(cols)
    noise = np.zeros((rows, 2 * (cols + 2 * overscan)))
    if loop.sensor_noise_nm > 0:
        noise = np.random.default_rng(loop.seed).standard_normal(noise.shape) * loop.sensor_noise_nm
    steps = path.x_px.size
    found = follow(
        scenes.maps, scenes.starts(overscan, substeps, steps, rows), np.array(scenes.offsets_nm),
        path.x_px, path.y_px, path.x_drift_px, path.y_drift_px, path.z_nm,
        ground_px(scanner, canvas.scan_shape),
        np.array([rows, cols, *canvas.margin, overscan, substeps], dtype=np.int64), noise,
        gain_map(loop, canvas.scan_shape), controller(loop, cols, _range(loop, scanner, canvas, scenes, path)),
    )  # fmt: skip
    return Tracked(*found)


def _range(loop: Loop, scanner: Scanner, canvas: Canvas, scenes: Scenes, path: Path) -> tuple[float, float]:
    """Return the ends of the piezo's range, so that the wanted share of the scan lies beyond them."""
    if loop.range_low == 0 and loop.range_high == 0:
        return (-UNLIMITED, UNLIMITED)
    seen = canvas.scan_part(scenes.maps[0]) + bowed(scanner, canvas.scan_shape) + path.z_nm[:-1, None]
    low, high = np.quantile(seen, (loop.range_low, 1 - loop.range_high))
    return (float(low) if loop.range_low else -UNLIMITED, float(high) if loop.range_high else UNLIMITED)
