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
def _see(
    surface: Floats, x_px: Floats, y_px: float, drifts: Floats, ground: Floats, margins: NDArray[np.int64],
    seen: Floats, first: int, last: int, lead: int,
) -> None:  # fmt: skip
    """Write what lies under the tip at the samples ``first`` to ``last`` of a line into ``seen`` from ``lead`` on.

    ``seen[0]`` gets the surface alone (bilinear), ``seen[1]`` what the loop has to follow. ``drifts`` holds x, y and z
    at the start of the line and how much they grow along it.
    """
    per_sample = 1 / x_px.size
    for step in range(first, last):
        part = step * per_sample
        x = x_px[step] + drifts[0] + drifts[3] * part
        y = y_px + drifts[1] + drifts[4] * part
        base = ground[0] + x * (ground[1] + ground[3] * x + ground[5] * y) + y * (ground[2] + ground[4] * y)
        x, y = x + margins[1], y + margins[0]
        ix, iy = int(x), int(y)
        fx, fy = x - ix, y - iy
        above = surface[iy, ix] * (1 - fx) + surface[iy, ix + 1] * fx
        below = surface[iy + 1, ix] * (1 - fx) + surface[iy + 1, ix + 1] * fx
        ideal = above * (1 - fy) + below * fy
        seen[0, lead + step] = ideal
        seen[1, lead + step] = ideal + base + drifts[2] + drifts[5] * part


@njit(cache=True, error_model="numpy")
def _feed(
    target: Floats, noise: Floats, gain: Floats, scan: NDArray[np.int64], loop: Floats, reports: Floats, state: Floats,
    moved: Floats, flags: Bytes,
) -> None:  # fmt: skip
    """Let the loop run through the samples of a line: piezo into ``moved[0]``, sensor into ``moved[1]``.

    ``state`` holds piezo, command, error of the sensor, last report, speed of the piezo and place in the delay line
    ``reports``, and is carried from line to line.
    """
    overscan, substeps = scan[4], scan[5]
    ki, kp, share, down, up, slew, lowest, highest = loop[1:9]
    rigid, prompt = loop[9] == 0.0, reports.size <= 2
    z, command, error, last, speed = state[0], state[1], state[2], state[3], state[4]
    place = int(state[5])
    pixels = noise.size
    for at in range(pixels):
        pixel = (pixels - 1 - at if 2 * at >= pixels else at) - overscan
        factor = gain[0] if gain.size == 1 else gain[min(max(pixel, 0), gain.size - 1)]
        pull, push = factor * ki, factor * kp
        for step in range(at * substeps, (at + 1) * substeps):
            distance = target[step] - z
            error += (min(max(distance, -down), up) - error) * share
            measured = error + noise[at]
            if not prompt:
                measured, place = _delayed(reports, place, measured)
            command += min(max(pull * measured + push * (measured - last), -slew), slew)
            last = measured
            flags[step] = FREE if distance < -down else 0
            if command <= lowest or command >= highest:
                command = min(max(command, lowest), highest)
                flags[step] |= RAILED
            if rigid:
                z = command
            else:
                rest = z - command
                z = command + loop[9] * rest + loop[10] * speed
                speed = loop[11] * rest + loop[12] * speed
            moved[0, step] = z
            moved[1, step] = measured
    state[0], state[1], state[2], state[3], state[4], state[5] = z, command, error, last, speed, place


@njit(cache=True, error_model="numpy")
def _delayed(line: Floats, place: int, value: float) -> tuple[float, int]:
    """Put a value into a delay line of n places; return what is n - 2 samples old, and the next place."""
    line[place] = value
    oldest = place + 1 if place < line.size - 1 else 0
    return float(line[oldest + 1 if oldest < line.size - 1 else 0]), oldest


@njit(cache=True, error_model="numpy")
def _record(
    moved: Floats, flags: Bytes, seen: Floats, late: tuple[int, float], scan: NDArray[np.int64], row: int, out: Floats,
    states: Bytes,
) -> None:  # fmt: skip
    """Average the samples of a line into its pixels; what was ``seen`` is read ``late`` (whole, part) samples back."""
    cols, overscan, substeps = scan[1], scan[4], scan[5]
    pixels = moved.shape[1] // substeps
    lead = seen.shape[1] - moved.shape[1] - late[0]
    for at in range(pixels):
        way = 2 * at // pixels
        pixel = (pixels - 1 - at if way else at) - overscan
        if not 0 <= pixel < cols:
            continue
        heights = errors = ideals = targets = 0.0
        state = np.uint8(0)
        for step in range(at * substeps, (at + 1) * substeps):
            heights += moved[0, step]
            errors += moved[1, step]
            place = lead + step
            ideals += seen[0, place] * (1 - late[1]) + seen[0, place - 1] * late[1]
            targets += seen[1, place] * (1 - late[1]) + seen[1, place - 1] * late[1]
            state |= flags[step]
        out[0, way, row, pixel] = heights / substeps
        out[1, way, row, pixel] = errors / substeps
        out[2, way, row, pixel] = ideals / substeps
        out[3, way, row, pixel] = (heights - targets) / substeps
        states[way, row, pixel] = state


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
    rows, cols = scan[0], scan[1]
    out = np.zeros((4, 2, rows, cols))
    states = np.zeros((2, rows, cols), np.uint8)
    # On a ramp, a sum of ki times the error is 1 / ki - 1 samples late.
    behind = 1 / loop[1] - 1
    late = (int(behind), behind - int(behind))
    steps, lead = x_px.size, late[0] + 1
    seen = np.empty((2, lead + steps))
    moved, flags = np.empty((2, steps)), np.empty(steps, np.uint8)
    reports = np.zeros(int(loop[0]) + 2)
    state = np.zeros(6)
    scene = 0
    # The first line is scanned once before recording starts, so that the loop has settled.
    for line in range(-1, rows):
        row = max(line, 0)
        drifts = np.array(
            (x_drift[row], y_drift[row], z_drift[row], x_drift[row + 1] - x_drift[row], y_drift[row + 1] - y_drift[row],
             z_drift[row + 1] - z_drift[row])
        )  # fmt: skip
        seen[:, :lead] = seen[:, steps:]
        first = 0
        while first < steps:
            last = steps if line < 0 else min(steps, max(first, scene_start[scene + 1] - line * steps))
            _see(maps[scene], x_px, y_px[row], drifts, ground, scan[2:4], seen, first, last, lead)
            seen[1, lead + first : lead + last] += scene_offset[scene]
            scene += last < steps
            first = last
        if line < 0:
            seen[0, :lead], seen[1, :lead] = seen[0, lead], seen[1, lead]
            state[0] = state[1] = min(max(seen[1, lead], loop[7]), loop[8])
        _feed(seen[1, lead:], noise[row], gain[min(row, gain.shape[0] - 1)], scan, loop, reports, state, moved, flags)
        if line >= 0:
            _record(moved, flags, seen, late, scan, row, out, states)
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
