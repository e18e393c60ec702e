"""Compiled kernels of the scanner and of the feedback loop."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from afmend.compiled import njit

Floats: TypeAlias = NDArray[np.float64]
Bytes: TypeAlias = NDArray[np.uint8]

FREE, RAILED = 1, 2
"""Bits of the state of a pixel: the sensor saw nothing but a free tip; the piezo stood at an end of its range."""


@njit(cache=True)
def play(signal: Floats, threshold: float) -> Floats:
    """Response of a play (backlash) operator, starting from rest at 0."""
    out = np.empty_like(signal)
    state = 0.0
    for k in range(signal.size):
        state = max(signal[k] - threshold, min(signal[k] + threshold, state))
        out[k] = state
    return out


@njit(cache=True)
def follow(
    maps: Floats, scene_start: NDArray[np.int64], scene_offset: Floats,
    x_px: Floats, y_px: Floats, x_drift: Floats, y_drift: Floats, z_drift: Floats,
    ground: Floats, scan: NDArray[np.int64], noise: Floats, gain: Floats, loop: Floats,
) -> tuple[Floats, Floats, Floats, Floats, Bytes]:  # fmt: skip
    """Let the loop follow a surface, line by line, there and back.

    Parameters
    ----------
    maps : (scenes, rows, cols)
        Dilated surfaces, nm, with margins.
    scene_start : (scenes + 1,)
        Sample at which each scene begins, and one beyond the last sample.
    scene_offset : (scenes,)
        Height added to everything in a scene (a longer or shorter tip).
    x_px, y_px, x_drift, y_drift, z_drift
        See `scanner.Path`.
    ground : (5,)
        Coefficients of tilt and bow, see `scanner.ground`.
    scan : (rows, cols, margin slow, margin fast, overscan, substeps)
    noise : (rows, pixels of a line there and back)
        Sensor noise, nm.
    gain : (rows, cols) or (1, 1)
        Factor on both gains.
    loop : (integral gain per sample, proportional gain, sensor share per sample, largest error down, largest error up,
        largest step per sample, lowest z, highest z, four numbers of the piezo's propagator; the first of them 0 = rigid)

    Returns
    -------
    heights, errors, ideals, lags : (2, rows, cols) float64
        Trace and retrace, same column = same place: the piezo, the loop's error, the dilated surface alone, and how far
        the piezo was above the surface with its tilt and drift.
    states : (2, rows, cols) uint8
    """
    rows, cols, margin_slow, margin_fast, overscan, substeps = scan
    heights = np.zeros((2, rows, cols))
    errors = np.zeros((2, rows, cols))
    ideals = np.zeros((2, rows, cols))
    lags = np.zeros((2, rows, cols))
    states = np.zeros((2, rows, cols), np.uint8)
    ki, kp, share, down, up, slew, lowest, highest = loop[:8]
    steps = x_px.size
    half = steps // 2
    even = gain.size == 1
    scene = 0
    z = command = error = seen = speed = 0.0
    for warm_up in range(2):
        # The first line is scanned once before recording starts, so that the loop has settled.
        for line in range(rows if warm_up else 1):
            for step in range(steps):
                now = line * steps + step
                while warm_up and now >= scene_start[scene + 1]:
                    scene += 1
                part = step / steps
                x = x_px[step] + x_drift[line] + (x_drift[line + 1] - x_drift[line]) * part
                y = y_px[line] + y_drift[line] + (y_drift[line + 1] - y_drift[line]) * part
                u, v = (x + 0.5) / cols - 0.5, (y + 0.5) / rows - 0.5
                x, y = x + margin_fast, y + margin_slow
                ix, iy = int(x), int(y)
                fx, fy = x - ix, y - iy
                above = maps[scene, iy, ix] * (1 - fx) + maps[scene, iy, ix + 1] * fx
                below = maps[scene, iy + 1, ix] * (1 - fx) + maps[scene, iy + 1, ix + 1] * fx
                ideal = above * (1 - fy) + below * fy
                target = (
                    ideal + scene_offset[scene] + z_drift[line] + (z_drift[line + 1] - z_drift[line]) * part
                    + ground[0] * u + ground[1] * v + ground[2] * u * u + ground[3] * v * v + ground[4] * u * v
                )  # fmt: skip
                if warm_up == 0 and step == 0:
                    z = command = min(max(target, lowest), highest)
                back = step >= half
                pixel = (steps - 1 - step if back else step) // substeps - overscan
                inside = 0 <= pixel < cols
                factor = 1.0
                if not even:
                    factor = gain[line, min(max(pixel, 0), cols - 1)]
                distance = target - z
                free = distance < -down
                error += (min(max(distance, -down), up) - error) * share
                measured = error + noise[line, step // substeps]
                move = factor * (ki * measured + kp * (measured - seen))
                seen = measured
                command += min(max(move, -slew), slew)
                railed = command <= lowest or command >= highest
                command = min(max(command, lowest), highest)
                if loop[8] == 0.0:
                    z = command
                else:
                    rest = z - command
                    z = command + loop[8] * rest + loop[9] * speed
                    speed = loop[10] * rest + loop[11] * speed
                if inside and warm_up:
                    way = 1 if back else 0
                    heights[way, line, pixel] += z
                    errors[way, line, pixel] += measured
                    ideals[way, line, pixel] += ideal
                    lags[way, line, pixel] += z - target
                    if free:
                        states[way, line, pixel] |= FREE
                    if railed:
                        states[way, line, pixel] |= RAILED
    heights /= substeps
    errors /= substeps
    ideals /= substeps
    lags /= substeps
    return heights, errors, ideals, lags, states


@njit(cache=True)
def runs_of(lag: Floats, states: Bytes, visible: float, out: Bytes, most_gap: int) -> None:
    """Give every pixel of a run of visible lag the union of the states in that run, plus 128; see `loop.faults`.

    A run may be interrupted by up to ``most_gap`` pixels of invisible lag (a ringing loop crosses zero).
    """
    rows, cols = lag.shape
    for line in range(rows):
        start = -1
        last = -1
        union = 0
        for col in range(cols + 1):
            if col < cols and abs(lag[line, col]) > visible:
                if start < 0:
                    start = col
                    union = 0
                last = col
                union |= states[line, col]
            elif start >= 0 and (col == cols or col - last > most_gap):
                for k in range(start, last + 1):
                    out[line, k] = union | 128
                start = -1
