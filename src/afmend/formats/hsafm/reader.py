"""Recognising and reading high-speed AFM movies."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afmend.errors import CorruptFileError, UnsupportedFileError
from afmend.formats.hostile import FileBytes, pixels
from afmend.formats.hsafm.header import CHANNELS, FRAME_HEADER_BYTES, Facts, header_of, plausible
from afmend.formats.register import Verdict
from afmend.formats.scaling import finite, positive, scaled
from afmend.scan import Acquisition, Channel, Direction, Grid, Scan

MAX_VALUES = 1 << 28
"""Most values of a movie that afmend opens at once (2 GB in memory)."""
_UNIPOLAR_V = {1: 1.0, 2: 2.5, 3: 9.99, 4: 5.0}
_BIPOLAR_V = {0x10000: 1.0, 0x20000: 2.5, 0x40000: 5.0}
_KINDS = {"TP": ("height", "nm", "Topography"), "ER": ("error", "nm", "Error"), "PH": ("phase", "deg", "Phase")}
_DIRECTIONS: Mapping[int, Direction] = {1: "trace", 2: "retrace"}
_FRAME = np.dtype([
    ("number", "<i4"), ("max", "<i2"), ("min", "<i2"), ("x_offset_nm", "<i2"), ("y_offset_nm", "<i2"),
    ("x_tilt", "<f4"), ("y_tilt", "<f4"), ("laser", "u1"), ("booked", "V11"),
])  # fmt: skip


def recognise(head: bytes, path: Path) -> Verdict:  # noqa: ARG001 (the contract of recognise)
    """Look for a version, channel codes and the size of a frame's header."""
    return Verdict.YES if plausible(head) else Verdict.NO


def read(path: Path) -> list[Scan]:
    """Read all frames.

    Raises
    ------
    CorruptFileError
        If the header contradicts itself or the file is shorter than the header promises.
    UnsupportedFileError
        If version, channel or converter are unknown, or the movie is too long to be opened at once.
    """
    file = FileBytes(path)
    facts = header_of(file)
    shape = (int(facts["rows"]), int(facts["cols"]))
    frame_bytes = FRAME_HEADER_BYTES + 2 * pixels(*shape)
    if facts["frame_header_size"] != FRAME_HEADER_BYTES:
        raise UnsupportedFileError(f"frame headers of {facts['frame_header_size']} bytes", now="Please report it.")
    codes = [str(facts[name]) for name in ("channel_1", "channel_2") if facts[name]]
    if not codes or not set(codes) <= set(CHANNELS):
        raise UnsupportedFileError(f"channels {codes!r}", now="afmend knows TP, ER and PH.")
    count, start = int(facts["frames"]), int(facts["header_size"])
    if count < 1 or start + len(codes) * count * frame_bytes > file.size:
        raise CorruptFileError(
            f"the header promises {count} frames of {len(codes)} channels, the file has {file.size} bytes",
            now="Copy it again from the instrument.",
        )
    if len(codes) * count * shape[0] * shape[1] > MAX_VALUES:
        raise UnsupportedFileError(f"{count} frames are too many to open at once", now="Cut the movie.")
    header = {key: str(value) for key, value in facts.items()}
    acquisition = _acquisition(facts)
    scans = []
    for frame in range(count):
        places = [start + (channel * count + frame) * frame_bytes for channel in range(len(codes))]
        channels = [_channel(file, at, shape, code, facts) for at, code in zip(places, codes, strict=True)]
        record = np.frombuffer(file.data, _FRAME, 1, places[0])[0]
        own = {f"frame.{name}": str(record[name]) for name in (_FRAME.names or ())[:-1]}
        scans.append(Scan.of(_grid(facts, shape), channels, acquisition=acquisition, header=header | own))
    return scans


def _grid(facts: Facts, shape: tuple[int, int]) -> Grid:
    slow, fast = float(facts["y_size_nm"]), float(facts["x_size_nm"])
    return Grid.from_size(shape, (slow, fast)) if positive(slow, fast) else Grid.uncalibrated(shape)


def _channel(file: FileBytes, at: int, shape: tuple[int, int], code: str, facts: Facts) -> Channel:
    raw = file.array(at + FRAME_HEADER_BYTES, shape, "<i2")[::-1]
    kind, unit, name = _KINDS[code]
    direction = _DIRECTIONS.get(int(facts["scan_direction"]), "unknown")
    return Channel.from_raw(kind, direction, _calibrated(raw, code, facts), unit, name=name)


def _calibrated(raw: NDArray[Any], code: str, facts: Facts) -> NDArray[np.float64]:
    per_volt = {
        "TP": float(facts["z_gain"]) * float(facts["z_extension_nm_per_v"]),
        "ER": -float(facts["sensor_nm_per_v"]),
        "PH": -float(facts["phase_deg_per_v"]),
    }[code]
    bits, span = int(facts["adc_bits"]), int(facts["adc_range"])
    if not 1 <= bits <= 16:
        raise CorruptFileError(f"its converter has {bits} bits", now="Copy it again from the instrument.")
    levels = 1 << bits
    if span in _UNIPOLAR_V:
        return scaled(raw, -_UNIPOLAR_V[span] / levels * per_volt, 0.0, f"channel {code}")
    if span in _BIPOLAR_V:
        volts = _BIPOLAR_V[span]
        return scaled(raw, -2 * volts / levels * per_volt, volts * per_volt, f"channel {code}")
    raise UnsupportedFileError(f"the converter's range has code {span:#x}", now="Please report this file.")


def _acquisition(facts: Facts) -> Acquisition:
    seconds = (finite(float(facts["frame_time_ms"])) or 0.0) / 1e3
    day = [int(facts[name]) for name in ("year", "month", "day", "hour", "minute", "second")]
    timed = math.isfinite(seconds) and seconds > 0
    return Acquisition(
        instrument="high-speed AFM",
        scan_direction="up",
        date="{:04d}-{:02d}-{:02d} {:02d}:{:02d}:{:02d}".format(*day),
        line_rate_hz=int(facts["rows"]) / seconds if timed else None,
        frame_time_s=seconds if timed else None,
    )
