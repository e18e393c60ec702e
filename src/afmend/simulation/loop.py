"""The feedback loop: how the instrument follows the surface, and how it fails to."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from afmend.errors import BadScanError
from afmend.pipeline import Knob, Params
from afmend.scan.arrays import Heights, Mask

UNLIMITED = 1e30
DELAY_SAMPLES = 8
"""Samples in the loop's delay, so that a patch chatters by the delay and not by the sampling."""


class Patch(Params):
    """A part of the scan where the loop's gain differs: adhesion, a soft or slippery spot, a lost setpoint."""

    row: int = Knob(0, "First line.", ge=0, le=10**6)
    rows: int = Knob(8, "Number of lines.", ge=1, le=10**6)
    col: int = Knob(0, "First pixel.", ge=0, le=10**6)
    cols: int = Knob(32, "Number of pixels.", ge=1, le=10**6)
    ragged_px: float = Knob(0.0, "By how much its ends wander from line to line, rms.", unit="px", ge=0, le=1e4)
    seed: int = Knob(0, "Seed of its ragged ends.", ge=0)
    gain: float = Knob(8.0, "Factor on both gains: large = the loop chatters, near 0 = it loses track.", ge=0, le=100)


class Loop(Params):
    """Sensor, incremental PI controller and z piezo."""

    mode: Literal["contact", "amplitude"] = Knob(
        "amplitude", "Contact: the deflection answers at once; amplitude modulation: the cantilever needs time."
    )
    line_rate_hz: float = Knob(1.0, "Lines per second, there and back.", unit="Hz", ge=1e-4, le=1e4)
    overscan: float = Knob(0.04, "Travel beyond the line on each side, as a fraction of it.", ge=0, le=0.5)
    integral_hz: float = Knob(
        2000.0, "Integral gain: how much of an error is corrected per second; larger follows faster, then rings.",
        unit="1/s", ge=1e-3, le=1e7,
    )  # fmt: skip
    proportional: float = Knob(0.0, "Proportional gain of the incremental controller.", ge=0, le=10)
    response_s: float = Knob(
        0.0004, "Response time of the cantilever's amplitude, Q / (pi f0); not used in contact.", unit="s", ge=0, le=1
    )
    free_nm: float = Knob(
        5.0, "Largest error of a free tip (free amplitude minus setpoint; or adhesion in contact): it falls no faster"
        " than the integral gain times this.", unit="nm", gt=0, le=1e6,
    )  # fmt: skip
    pushed_nm: float = Knob(
        20.0, "Largest error of a pushed tip (the setpoint amplitude; or the end of the photodiode).", unit="nm", gt=0,
        le=1e6,
    )  # fmt: skip
    delay_s: float = Knob(
        0.0, "Time that controller and electronics need to answer; a loop with K times this above pi / 2 is unstable.",
        unit="s", ge=0, le=1,
    )  # fmt: skip
    sensor_noise_nm: float = Knob(0.0, "Noise of the sensor, seen through the loop.", unit="nm", ge=0, le=1e4)
    slew_nm_s: float = Knob(0.0, "Fastest motion of the z piezo; 0 = no limit.", unit="nm/s", ge=0, le=1e12)
    resonance_hz: float = Knob(0.0, "Resonance of the z piezo; 0 = infinitely stiff.", unit="Hz", ge=0, le=1e7)
    damping: float = Knob(0.1, "Damping ratio of that resonance.", gt=0, lt=1)
    range_low: float = Knob(0.0, "Share of the scan that lies below the lowest position of the piezo.", ge=0, lt=0.5)
    range_high: float = Knob(0.0, "Share of the scan that lies above the highest position of the piezo.", ge=0, lt=0.5)
    substeps: int = Knob(0, "Samples per pixel; 0 = as many as the loop needs.", ge=0, le=64, advanced=True)
    visible_nm: float = Knob(0.1, "A lag counts as an artifact beyond this.", unit="nm", gt=0, le=1e6)
    patches: tuple[Patch, ...] = Knob((), "Where the gain differs.")
    seed: int = Knob(0, "Seed of the sensor noise.", ge=0)

    def overscan_px(self, cols: int) -> int:
        """Pixels that the tip travels beyond the line on each side."""
        return max(2, round(self.overscan * cols))

    def pixel_s(self, cols: int) -> float:
        """Time for one pixel."""
        return 1 / (self.line_rate_hz * 2 * (cols + 2 * self.overscan_px(cols)))

    def samples_per_pixel(self, cols: int) -> int:
        """Return the samples per pixel: 1.5 in the time 1 / K (3 if the loop rings), 8 in the delay; 2 to 64."""
        if self.substeps:
            return self.substeps
        oscillates = self.mode == "amplitude" and self.integral_hz * self.response_s > 0.1
        fastest = self.integral_hz * max([2.0 if oscillates else 1.0, *(patch.gain for patch in self.patches)])
        wanted = 1.5 * fastest * self.pixel_s(cols)
        if self.delay_s > 0:
            wanted = max(wanted, DELAY_SAMPLES * self.pixel_s(cols) / self.delay_s)
        return min(max(math.ceil(wanted), 2), 64)


def controller(loop: Loop, cols: int, limits: tuple[float, float]) -> NDArray[np.float64]:
    """Return the numbers of the loop per sample, as `loop_kernels.follow` wants them.

    A loop that is faster than its samples corrects the whole error at each: sampling makes no instability of its own.

    Parameters
    ----------
    loop : Loop
    cols : int
    limits : (lowest, highest)
        Ends of the piezo's range, nm.

    Raises
    ------
    BadScanError
        If the loop is slower than a line.
    """
    step_s = loop.pixel_s(cols) / loop.samples_per_pixel(cols)
    lag = loop.response_s if loop.mode == "amplitude" else 0.0
    line_samples = 2 * (cols + 2 * loop.overscan_px(cols)) * loop.samples_per_pixel(cols)
    if not loop.integral_hz * step_s * line_samples > 1 or loop.delay_s > line_samples * step_s:
        raise BadScanError(
            f"the loop needs longer than a line to answer (integral gain {loop.integral_hz:g} 1/s, delay "
            f"{loop.delay_s:g} s, line {line_samples * step_s:g} s)",
            now="Raise the gain, or lower the line rate or the delay.",
        )
    share = -math.expm1(-step_s / lag) if lag > 0 else 1.0
    slew = loop.slew_nm_s * step_s or UNLIMITED
    return np.array(
        [
            round(loop.delay_s / step_s), min(loop.integral_hz * step_s, 1.0), loop.proportional, share,
            loop.free_nm, loop.pushed_nm, slew, *limits,
            *_propagator(loop.resonance_hz, loop.damping, step_s),
        ]
    )  # fmt: skip


def _propagator(resonance_hz: float, damping: float, step_s: float) -> tuple[float, float, float, float]:
    """Exact motion of a damped oscillator over one sample: from (position, speed) to (position, speed)."""
    if resonance_hz == 0:
        return (0.0, 0.0, 0.0, 0.0)
    omega = 2 * math.pi * resonance_hz
    decay, swing = damping * omega, omega * math.sqrt(1 - damping**2)
    e, c, s = math.exp(-decay * step_s), math.cos(swing * step_s), math.sin(swing * step_s)
    return (
        e * (c + decay / swing * s),
        e * s / swing,
        -e * omega**2 / swing * s,
        e * (c - decay / swing * s),
    )


def gain_map(loop: Loop, shape: tuple[int, int]) -> Heights:
    """Return the factor on the gains, (rows, cols), or (1, 1) where it is 1 everywhere."""
    if not loop.patches:
        return np.ones((1, 1))
    gain = np.ones(shape)
    for patch in loop.patches:
        rng = np.random.default_rng(patch.seed)
        ends = np.cumsum(rng.standard_normal((min(patch.rows, shape[0]), 2)), axis=0) * 0.5 + rng.standard_normal(2)
        for line, (left, right) in enumerate(np.rint(ends * patch.ragged_px).astype(int)):
            if patch.row + line < shape[0]:
                start = max(patch.col + left, 0)
                gain[patch.row + line, start : max(patch.col + patch.cols + right, start)] = patch.gain
    return gain


def faults(loop: Loop, lag: Heights, states: NDArray[np.uint8]) -> dict[str, Mask]:
    """Name what is wrong where the loop lags visibly behind the surface.

    A run of pixels (along the line) with a lag beyond ``loop.visible_nm`` is "lost_tracking" if, anywhere in it, the
    piezo stood at an end of its range or the gain was low; else "chatter" if the gain was high; else "parachute" if the
    tip flew free; else "ringing" if the loop is underdamped, and "lag" otherwise.

    Parameters
    ----------
    loop : Loop
    lag : (rows, cols) float64
        How far the piezo was above the surface that it had to follow, one integral time earlier, nm.
    states : (rows, cols) uint8
        From `loop_kernels.follow`.
    """
    from afmend.simulation.loop_kernels import FREE, HIGH_GAIN, LOW_GAIN, RAILED, runs_of

    factor = np.broadcast_to(gain_map(loop, (lag.shape[0], lag.shape[1])), lag.shape)
    known = states | np.where(factor < 0.5, LOW_GAIN, 0).astype(np.uint8)
    known |= np.where(factor > 1, HIGH_GAIN, 0).astype(np.uint8)
    runs = np.zeros(lag.shape, np.uint8)
    runs_of(lag, known, loop.visible_nm, runs, 3)
    wrong = runs > 0
    lost = wrong & ((runs & (RAILED | LOW_GAIN)) > 0)
    chatter = wrong & ~lost & ((runs & HIGH_GAIN) > 0)
    parachuting = wrong & ~lost & ~chatter & ((runs & FREE) > 0)
    other = wrong & ~lost & ~chatter & ~parachuting
    rings = loop.mode == "amplitude" and 4 * loop.integral_hz * loop.response_s > 1
    found = {
        "lost_tracking": lost,
        "chatter": chatter,
        "parachute": parachuting,
        "ringing" if rings else "lag": other,
    }
    return {name: mask for name, mask in found.items() if mask.any()}
