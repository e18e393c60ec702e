"""From an Igor wave with Asylum Research's note to a scan."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from afmend.errors import CorruptFileError
from afmend.formats.asylum.wave import Wave
from afmend.formats.kinds import kind_of, split_direction
from afmend.formats.numbers import scaled
from afmend.scan import Acquisition, Channel, Grid, Scan
from afmend.scan.units import in_memory, is_length

_UNITS = (
    ("height", "m"), ("zsensor", "m"), ("deflection", "m"), ("amplitude", "m"), ("indentation", "m"),
    ("phase", "deg"), ("current", "A"), ("frequency", "Hz"), ("capacitance", "F"), ("potential", "V"),
    ("userin", "V"), ("lateral", "V"), ("backpackin", "V"), ("bias", "V"), ("raw", "V"),
    ("modulus", "Pa"), ("young", "Pa"), ("adhesion", "N"), ("force", "N"), ("dissipation", "W"),
)  # fmt: skip
"""The instrument stores SI values without naming their units; the channel's name decides. First hit wins."""


def scan_of(wave: Wave) -> Scan:
    """Make a scan of a wave that is an image."""
    header = parse_note(wave.note)
    shape = (wave.layers.shape[1], wave.layers.shape[2])
    grid = _grid(wave, header, shape)
    channels = []
    for index, layer in enumerate(wave.layers):
        name = wave.labels[index] if index < len(wave.labels) else ""
        channels.append(_channel(name, np.flipud(layer), wave, header))
    return Scan.of(grid, channels, acquisition=_acquisition(header), header=header)


def parse_note(note: str) -> dict[str, str]:
    """Return the note's "name: value" lines; a name that comes again keeps its first value and adds " (2)"."""
    header: dict[str, str] = {}
    for line in note.replace("\r\n", "\r").replace("\n", "\r").split("\r"):
        name, colon, value = line.partition(":")
        name = name.strip()
        if not colon or not name:
            continue
        key, n = name, 1
        while key in header:
            n += 1
            key = f"{name} ({n})"
            if n > 100:
                break
        header[key] = value.strip()
    return header


def _channel(name: str, layer: np.ndarray, wave: Wave, header: dict[str, str]) -> Channel:  # type: ignore[type-arg]
    bare, direction = split_direction(name)
    said = _said_unit(bare, wave, header)
    unit, factor = in_memory(said)
    values = scaled(layer, factor)
    return Channel.from_raw(kind_of(bare), direction, values, unit, name=name, calibrated=bool(unit))


def _said_unit(bare: str, wave: Wave, header: dict[str, str]) -> str:
    """Find the unit of a channel: from the note, from the name, from the wave; "" if nothing says it."""
    noted = header.get(f"{bare}Unit")
    if noted is not None:
        return noted
    squeezed = bare.lower().replace(" ", "")
    for word, unit in _UNITS:
        if word in squeezed:
            return unit
    return wave.data_unit


def _grid(wave: Wave, header: dict[str, str], shape: tuple[int, int]) -> Grid:
    spacing = []
    for axis, name in ((1, "SlowScanSize"), (0, "FastScanSize")):
        unit, factor = in_memory(wave.units[axis])
        step = wave.steps[axis] * factor
        if not is_length(unit):
            size = _number(header, name)
            if size is None:
                return Grid.uncalibrated(shape)
            step = size * 1e9 / shape[0 if axis else 1]
        if not (math.isfinite(step) and step > 0):
            raise CorruptFileError(f"the distance of its points is {step} nm", now="Save it again in Igor.")
        spacing.append(step)
    return Grid(
        *shape,
        spacing[0],
        spacing[1],
        angle_deg=_number(header, "ScanAngle") or 0.0,
        offset_slow_nm=(_number(header, "YOffset") or 0.0) * 1e9,
        offset_fast_nm=(_number(header, "XOffset") or 0.0) * 1e9,
    )


def _number(header: dict[str, str], name: str) -> float | None:
    try:
        value = float(header[name])
    except (KeyError, ValueError):
        return None
    return value if math.isfinite(value) else None


def _acquisition(header: dict[str, str]) -> Acquisition:
    down = _number(header, "ScanDown")
    facts = Acquisition(
        instrument=header.get("MicroscopeModel"),
        mode=header.get("ImagingMode"),
        date=" ".join(header[name] for name in ("Date", "Time") if name in header) or None,
        scan_direction=None if down is None else ("down" if down else "up"),
        line_rate_hz=_number(header, "ScanRate"),
        integral_gain=_number(header, "IntegralGain"),
        proportional_gain=_number(header, "ProportionalGain"),
        bias_v=_number(header, "TipVoltage"),
    )
    setpoint = {"AC Mode": "AmplitudeSetpointVolts", "Contact": "DeflectionSetpointVolts",
                "PFM Mode": "DeflectionSetpointVolts"}.get(facts.mode or "", "")  # fmt: skip
    value = _number(header, setpoint)
    return facts if value is None else replace(facts, setpoint=value, setpoint_unit="V")
