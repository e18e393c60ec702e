"""Compiled kernels of the scanner and of the feedback loop."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from afmend.compiled import njit

Floats: TypeAlias = NDArray[np.float64]
Bytes: TypeAlias = NDArray[np.uint8]

FREE, RAILED, LOW_GAIN, HIGH_GAIN = 1, 2, 4, 8
"""Bits of the state of a pixel: the sensor saw nothing but a free tip; the piezo stood at an end of its range; a patch
of low gain; one of high gain."""


@njit(cache=True)
def play(signal: Floats, threshold: float) -> Floats:
    """Response of a play (backlash) operator, starting from rest at 0."""
    out = np.empty_like(signal)
    state = 0.0
    for k in range(signal.size):
        state = max(signal[k] - threshold, min(signal[k] + threshold, state))
        out[k] = state
    return out


@njit(cache=True, error_model="numpy")
def _height_at(maps: Floats, scene: int, y: float, x: float, scan: NDArray[np.int64]) -> float:
    """Bilinear height at a place in pixels of the scan."""
    y, x = y + scan[2], x + scan[3]
    iy, ix = int(y), int(x)
    fy, fx = y - iy, x - ix
    above = maps[scene, iy, ix] * (1 - fx) + maps[scene, iy, ix + 1] * fx
    below = maps[scene, iy + 1, ix] * (1 - fx) + maps[scene, iy + 1, ix + 1] * fx
    return float(above * (1 - fy) + below * fy)


@njit(cache=True, error_model="numpy")
def _bowed(ground: Floats, y: float, x: float) -> float:
    """Tilt and bow at a place in pixels of the scan."""
    return float(ground[0] + x * (ground[1] + ground[3] * x + ground[5] * y) + y * (ground[2] + ground[4] * y))


@njit(cache=True, error_model="numpy")
def _swing(loop: Floats, rest: float, speed: float, command: float) -> tuple[float, float]:
    """Let the resonant piezo move for one sample: its position and speed."""
    return command + loop[9] * rest + loop[10] * speed, loop[11] * rest + loop[12] * speed


@njit(cache=True, error_model="numpy")
def _delayed(line: Floats, place: int, value: float, part: float) -> tuple[float, int]:
    """Put a value into a delay line of n places; return what is n - 2 + ``part`` samples old, and the next place."""
    line[place] = value
    oldest = place + 1 if place < line.size - 1 else 0
    younger = oldest + 1 if oldest < line.size - 1 else 0
    return float(line[oldest] * part + line[younger] * (1 - part)), oldest


@njit(cache=True, error_model="numpy")
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
    ground : (6,)
        Coefficients of tilt and bow in pixels: of 1, x, y, x^2, y^2, x y.
    scan : (rows, cols, margin slow, margin fast, overscan, substeps)
    noise : (rows, pixels of a line there and back)
        Sensor noise, nm.
    gain : (rows, cols) or (1, 1)
        Factor on both gains.
    loop : (13,)
        Delay in samples, integral gain per sample, proportional gain, sensor share per sample, largest error down,
        largest error up, largest step per sample, lowest z, highest z, four numbers of the piezo's propagator (all 0 =
        rigid).

    Returns
    -------
    heights, errors, ideals, lags : (2, rows, cols) float64
        Trace and retrace, same column = same place: the piezo, the loop's error, the dilated surface alone, and how far
        the piezo was above the surface with its tilt and drift; both as they were when a ramp would have been where the
        piezo is now (an integrating loop follows everything that much later).
    states : (2, rows, cols) uint8
    """
    rows, cols, _, _, overscan, substeps = scan
    out = np.zeros((4, 2, rows, cols))
    states = np.zeros((2, rows, cols), np.uint8)
    ki, kp, share, down, up, slew, lowest, highest = loop[1:9]
    rigid = loop[9] == 0.0
    steps, pixels = x_px.size, x_px.size // substeps
    scene = 0
    error = seen = speed = 0.0
    y, x = y_px[0] + y_drift[0], x_px[0] + x_drift[0]
    start = _height_at(maps, 0, y, x, scan) + scene_offset[0] + _bowed(ground, y, x) + z_drift[0]
    z = command = min(max(start, lowest), highest)
    # On a ramp, a sum of ki times the error is 1 / ki - 1 samples late.
    late = int(1 / ki - 1)
    targets, ideals = np.full(late + 2, start), np.full(late + 2, start)
    reports = np.zeros(int(loop[0]) + 2)
    now = report = 0
    # The first line is scanned once before recording starts, so that the loop has settled.
    for line in range(-1, rows):
        row = max(line, 0)
        for at in range(pixels):
            way = 2 * at // pixels
            pixel = (pixels - 1 - at if way else at) - overscan
            factor = gain[0, 0] if gain.size == 1 else gain[row, min(max(pixel, 0), cols - 1)]
            sums = (0.0, 0.0, 0.0, 0.0)
            state = 0
            for step in range(at * substeps, (at + 1) * substeps):
                while line >= 0 and line * steps + step >= scene_start[scene + 1]:
                    scene += 1
                part = step / steps
                x = x_px[step] + x_drift[row] + (x_drift[row + 1] - x_drift[row]) * part
                y = y_px[row] + y_drift[row] + (y_drift[row + 1] - y_drift[row]) * part
                ideal = _height_at(maps, scene, y, x, scan)
                target = ideal + scene_offset[scene] + _bowed(ground, y, x)
                target += z_drift[row] + (z_drift[row + 1] - z_drift[row]) * part
                distance = target - z
                error += (min(max(distance, -down), up) - error) * share
                measured, report = _delayed(reports, report, error + noise[row, at], 0.0)
                command += min(max(factor * (ki * measured + kp * (measured - seen)), -slew), slew)
                seen = measured
                if distance < -down:
                    state |= FREE
                if command <= lowest or command >= highest:
                    command = min(max(command, lowest), highest)
                    state |= RAILED
                if rigid:
                    z = command
                else:
                    z, speed = _swing(loop, z - command, speed, command)
                target, _ = _delayed(targets, now, target, 1 / ki - 1 - late)
                ideal, now = _delayed(ideals, now, ideal, 1 / ki - 1 - late)
                sums = (sums[0] + z, sums[1] + measured, sums[2] + ideal, sums[3] + (z - target))
            if line >= 0 and 0 <= pixel < cols:
                for k in range(4):
                    out[k, way, row, pixel] = sums[k] / substeps
                states[way, row, pixel] = state
    return out[0], out[1], out[2], out[3], states


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
