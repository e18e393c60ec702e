"""The electronics: noise of the height signal, hum in true time, range and steps of the converter.

Noise comes from one time series that runs through the whole scan, trace, retrace, next line: offsets of lines and
wander within a line are the slow and the fast end of the same 1/f noise. It is made as by Timmer and König (Astronomy
and Astrophysics 300, 707, 1995): normal real and imaginary parts at each frequency, scaled by the law, one transform.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from afmend.pipeline.params import Knob, Params
from afmend.scan.arrays import Heights
from afmend.simulation.recording import WAYS, Recording

Series = NDArray[np.float64]
"""One number per pixel time, from the start of the scan to its end, turnarounds included."""

_WHITE, _FLICKER = 1, 2
"""Each kind of noise draws from a stream of its own: switching one off leaves the other as it is."""


class Tone(Params):
    """Hum: a sine in the height signal, steady in time, so that its pattern in the image depends on the line rate."""

    frequency_hz: float = Knob(50.0, "Frequency; aliases if above half the pixel rate.", unit="Hz", gt=0, le=1e7)
    amplitude_nm: float = Knob(0.1, "Amplitude (half of peak to peak) without modulation.", unit="nm", ge=0, le=1e6)
    phase_rad: float = Knob(0.0, "Phase at the start of the scan.", unit="rad", ge=-7, le=7)
    am_depth: float = Knob(0.0, "How deeply the amplitude swells and fades: 0 = never, 1 = to nothing.", ge=0, le=1)
    am_hz: float = Knob(0.1, "How often the amplitude swells.", unit="Hz", ge=0, le=1e6)


class Electronics(Params):
    """Noise, hum and conversion of the height signal."""

    white_nm: float = Knob(0.05, "Noise without memory, rms.", unit="nm", ge=0, le=1e6)
    flicker_nm: float = Knob(0.0, "1/f noise, rms over all times of the scan.", unit="nm", ge=0, le=1e6)
    flicker_alpha: float = Knob(
        1.0, "Its power falls as 1/f^alpha; larger = slower wander, larger offsets of lines.", ge=0.5, le=2, step=0.1
    )
    hum: tuple[Tone, ...] = Knob((), "Tones in the height signal.")
    adc_step_nm: float = Knob(0.0, "Step of the converter; 0 = none.", unit="nm", ge=0, le=1e6)
    range_nm: tuple[float, float] | None = Knob(
        None, "Lowest and highest height that the electronics can say; none = no limit.", unit="nm"
    )
    clip_low: float = Knob(0.0, "Share of the pixels that lie below the lowest height it can say.", ge=0, lt=0.5)
    clip_high: float = Knob(0.0, "Share of the pixels that lie above the highest height it can say.", ge=0, lt=0.5)
    seed: int = Knob(0, "Seed of the noise.", ge=0, le=2**63 - 1)

    @model_validator(mode="after")
    def _range_is_open(self) -> Self:
        if self.range_nm is not None and not self.range_nm[0] < self.range_nm[1]:
            raise ValueError("range_nm must be (low, high) with low < high")
        return self


def add_noise(params: Electronics, recording: Recording) -> None:
    """Add white noise, 1/f noise and hum to the heights of both directions, in place.

    Nothing is marked: noise and hum are everywhere in the scan, a mask would say nothing.

    Parameters
    ----------
    params : Electronics
    recording : Recording
        Changed in place; heights in nm. Trace and retrace get different stretches of the same time series.
    """
    series = flicker(params, recording)
    rng = np.random.default_rng((params.seed, _WHITE))
    for way in WAYS:
        heights = recording.heights[way]
        if params.white_nm > 0:
            noise = rng.standard_normal(heights.shape)
            noise *= params.white_nm
            heights += noise
        if series is not None:
            heights += in_pixels(series, recording, way == "retrace")
        if params.hum:
            times = _line_and_column_times_s(recording, way == "retrace")
            heights += hum_of(params.hum, *times, recording.pixel_s)


def digitize(params: Electronics, recording: Recording) -> None:
    """Clip to the range and round to the converter's steps, in place: the last thing that happens to the signal.

    The mask "saturation" holds exactly the recorded pixels that lay below or above the range; they all hold the same
    lowest or highest value afterwards. Rounding marks nothing: it errs by at most half a step everywhere.
    """
    limits = _limits(params, recording)
    for way in WAYS:
        heights = recording.heights[way]
        if limits is not None:
            low, high = limits
            recording.mark(way, "saturation", ((heights < low) | (heights > high)) & ~recording.missing[way])
            np.clip(heights, low, high, out=heights)
        if params.adc_step_nm > 0:
            heights *= 1 / params.adc_step_nm
            np.rint(heights, out=heights)
            heights *= params.adc_step_nm


def _limits(params: Electronics, recording: Recording) -> tuple[float, float] | None:
    """Return the range: as given, narrowed until the wanted shares of the trace lie outside; None = no limit."""
    if params.range_nm is None and params.clip_low == 0 and params.clip_high == 0:
        return None
    low, high = params.range_nm or (-np.inf, np.inf)
    trace = recording.heights["trace"]
    if params.clip_low > 0:
        low = max(low, float(np.quantile(trace, params.clip_low)))
    if params.clip_high > 0:
        high = min(high, float(np.quantile(trace, 1 - params.clip_high)))
    return low, high


def flicker(params: Electronics, recording: Recording) -> Series | None:
    """Return the 1/f noise of the whole scan in nm, one number per pixel time; None if there is none.

    The series repeats after the last line, and nothing in it is slower than the scan: its lowest frequency is 1/(length
    of the scan). Averaged over seeds, its rms is ``flicker_nm`` (a single series differs, the more so for large alpha).
    """
    if params.flicker_nm == 0:
        return None
    from scipy.fft import irfft, next_fast_len

    rows, _ = recording.shape
    count = max(next_fast_len(math.ceil(rows * recording.line_s / recording.pixel_s) + 1, real=True), 4)
    law = _flicker_law(count, params.flicker_alpha)
    rng = np.random.default_rng((params.seed, _FLICKER))
    parts = rng.standard_normal((law.size, 2), dtype=np.float32)
    parts *= law[:, None]
    series: Series = irfft(parts.view(np.complex64)[:, 0], count).astype(np.float64)
    series *= params.flicker_nm
    return series


@lru_cache(maxsize=2)
def _flicker_law(count: int, alpha: float) -> NDArray[np.float32]:
    """Amplitude of the real and the imaginary part at each frequency, so that the series has rms 1."""
    k = np.arange(count // 2 + 1, dtype=np.float32)
    k[0] = 1
    law = np.exp((-alpha / 2) * np.log(k))
    law[0] = 0
    if count % 2 == 0:
        law[-1] = 0
    # irfft divides by count; each frequency counts twice, with two parts.
    law *= count / math.sqrt(4 * float(np.sum(np.square(law), dtype=np.float64)))
    law.flags.writeable = False
    return law


def in_pixels(series: Series, recording: Recording, backwards: bool) -> Heights:
    """Return (rows, cols): the series at the times of the pixels of one direction."""
    rows, cols = recording.shape
    per_line = recording.line_s / recording.pixel_s
    begin = per_line - cols - recording.overscan_px if backwards else float(recording.overscan_px)
    first = np.floor(np.arange(rows) * per_line + begin + 0.25).astype(np.intp)
    lines = np.lib.stride_tricks.sliding_window_view(series, cols)[first]
    in_place_order: Heights = lines[:, ::-1] if backwards else lines
    return in_place_order


def hum_of(tones: tuple[Tone, ...], line_times_s: Series, column_times_s: Series, pixel_s: float = 0.0) -> Heights:
    """Return (lines, columns) heights in nm of all tones at line time + column time, averaged over ``pixel_s``.

    An amplitude that swells is three steady tones, and a steady tone of a sum of times is two products.
    """
    frequency, amplitude, phase = (np.array(values) for values in zip(*map(_steady, tones), strict=True))
    frequency, amplitude, phase = frequency.ravel(), amplitude.ravel(), phase.ravel()
    amplitude = amplitude * np.sinc(frequency * pixel_s)
    a = 2 * np.pi * line_times_s[:, None] * frequency + phase
    b = 2 * np.pi * column_times_s * frequency[:, None]
    heights: Heights = (amplitude * np.sin(a)) @ np.cos(b)
    heights += (amplitude * np.cos(a)) @ np.sin(b)
    return heights


def _steady(tone: Tone) -> tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]:
    """(1 + depth sin(Ω t)) sin(ω t + φ) = sin(ω t + φ) + depth/2 (cos((ω - Ω) t + φ) - cos((ω + Ω) t + φ))."""
    side = tone.amplitude_nm * tone.am_depth / 2
    quarter = tone.phase_rad + np.pi / 2
    return (
        (tone.frequency_hz, tone.frequency_hz - tone.am_hz, tone.frequency_hz + tone.am_hz),
        (tone.amplitude_nm, side, -side),
        (tone.phase_rad, quarter, quarter),
    )


def _line_and_column_times_s(recording: Recording, backwards: bool) -> tuple[Series, Series]:
    rows, _ = recording.shape
    lines: Series = np.arange(rows, dtype=np.float64)
    lines *= recording.line_s
    return lines, recording.pixel_times_s("retrace" if backwards else "trace")[0]
