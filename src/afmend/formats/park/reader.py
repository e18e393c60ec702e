"""Recognising and reading Park images."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from afmend.errors import CorruptFileError, NotAnImageError, UnsupportedFileError
from afmend.formats.hostile import FileBytes, pixels
from afmend.formats.kinds import kind_of
from afmend.formats.register import Verdict
from afmend.formats.scaling import finite, positive, scaled
from afmend.formats.tifftags import Page, first_page, pages
from afmend.scan import Acquisition, Channel, Direction, Grid, Scan
from afmend.scan.units import in_memory

MAGIC, VERSION, DATA, HEADER, COMMENT = 50432, 50433, 50434, 50435, 50436
MAGIC_NUMBER = 0x0E031301
FIRST_VERSION, SECOND_VERSION = 0x01000001, 0x01000002
_FIRST = [
    ("image_type", "<i4"), ("source_name", "S64"), ("image_mode", "S16"), ("low_pass", "<f8"),
    ("auto_flatten", "<i4"), ("ac_track", "<i4"), ("cols", "<i4"), ("rows", "<i4"), ("angle_deg", "<f8"),
    ("sine_scan", "<i4"), ("overscan_percent", "<f8"), ("forward", "<i4"), ("scan_up", "<i4"),
    ("swap_xy", "<i4"), ("x_size_um", "<f8"), ("y_size_um", "<f8"), ("x_offset_um", "<f8"),
    ("y_offset_um", "<f8"), ("scan_rate_hz", "<f8"), ("setpoint", "<f8"), ("setpoint_unit", "S16"),
    ("tip_bias_v", "<f8"), ("sample_bias_v", "<f8"), ("data_gain", "<f8"), ("z_scale", "<f8"),
    ("z_offset", "<f8"), ("z_unit", "S16"), ("data_min", "<i4"), ("data_max", "<i4"), ("data_average", "<i4"),
    ("compression", "<i4"), ("log_scale", "<i4"), ("square", "<i4"),
]  # fmt: skip
_MORE = [
    ("z_servo_gain", "<f8"), ("z_scanner_range", "<f8"), ("xy_voltage_mode", "S16"), ("z_voltage_mode", "S16"),
    ("xy_servo_mode", "S16"), ("data_type", "<i4"), ("reserved_1", "<i4"), ("reserved_2", "<i4"),
    ("ncm_amplitude", "<f8"), ("ncm_frequency", "<f8"), ("head_angle_deg", "<f8"), ("cantilever", "S32"),
]  # fmt: skip
HEADERS = {FIRST_VERSION: np.dtype(_FIRST), SECOND_VERSION: np.dtype(_FIRST + _MORE)}
_TYPES = {0: "<i2", 1: "<i4", 2: "<f4"}


def recognise(head: bytes, path: Path) -> Verdict:
    """Look for Park's magic tag."""
    page = first_page(head, path)
    return Verdict.YES if page is not None and {MAGIC, HEADER} <= page.tags.keys() else Verdict.NO


def read(path: Path) -> list[Scan]:
    """Read the one channel of a Park file.

    Raises
    ------
    NotAnImageError
        If it holds a line profile.
    CorruptFileError, UnsupportedFileError
        If header or data are damaged or of an unknown kind.
    """
    file = FileBytes(path)
    page = next(pages(file))
    facts = _facts(page)
    if facts["image_type"] == 1:
        raise NotAnImageError("it holds a line profile", now="Open the image it was taken from.")
    if facts["compression"] or facts.get("data_type", 0) not in _TYPES:
        raise UnsupportedFileError(
            f"data type {facts.get('data_type', 0)}, compression {facts['compression']}", now="Re-export the file."
        )
    shape = (int(facts["rows"]), int(facts["cols"]))
    pixels(*shape)
    dtype = np.dtype(_TYPES[int(facts.get("data_type", 0))])
    data = page.tags.get(DATA)
    if data is None or data.nbytes < shape[0] * shape[1] * dtype.itemsize:
        raise CorruptFileError(
            f"the header promises {shape[0]} x {shape[1]} pixels, the data have {data.nbytes if data else 0} bytes",
            now="Copy it again from the instrument.",
        )
    raw = file.array(data.offset, shape, dtype)[::-1]
    unit, factor = in_memory(str(facts["z_unit"]) or "um")
    gain, scale = float(facts["data_gain"]) * factor, float(facts["z_scale"]) or 1.0
    name = str(facts["source_name"])
    values = scaled(raw, gain * scale, gain * float(facts["z_offset"]), f"channel {name!r}")
    direction: Direction = "trace" if facts["forward"] else "retrace"
    channel = Channel.from_raw(_kind(name), direction, values, unit, name=name)
    comment = page.text(COMMENT)
    header = {key: str(value) for key, value in facts.items()} | ({"comment": comment} if comment else {})
    date = page.text(306)
    return [Scan.of(_grid(facts, shape), [channel], acquisition=_acquisition(facts, date), header=header)]


def _kind(name: str) -> str:
    # Park calls the sensor of the z scanner its detector.
    return "height_sensor" if name.lower().replace(" ", "") == "zdetector" else kind_of(name)


def _facts(page: Page) -> dict[str, float | str]:
    if page.whole(MAGIC, 0) != MAGIC_NUMBER:
        raise CorruptFileError("its magic number is wrong", now="Copy it again from the instrument.")
    layout = HEADERS.get(page.whole(VERSION, FIRST_VERSION))
    if layout is None:
        raise UnsupportedFileError(
            f"version {page.whole(VERSION, 0):#x} of Park's TIFF", now="Please report this file."
        )
    raw = page.blob(HEADER) or b""
    if len(raw) < layout.itemsize:
        raise CorruptFileError(
            f"its header has {len(raw)} bytes instead of {layout.itemsize}", now="Copy it again from the instrument."
        )
    record = np.frombuffer(raw, layout, 1)[0]
    return {name: _plain(record[name]) for name in layout.names or ()}


def _plain(value: bytes | np.floating[Any] | np.integer[Any]) -> float | str:
    if isinstance(value, bytes):
        padded = value + b"\0" * (len(value) % 2)
        return padded.decode("utf-16-le", "replace").split("\0", 1)[0].strip()
    return float(value) if isinstance(value, np.floating) else int(value)


def _grid(facts: dict[str, float | str], shape: tuple[int, int]) -> Grid:
    slow, fast = float(facts["y_size_um"]), float(facts["x_size_um"])
    if not positive(slow, fast):
        return Grid.uncalibrated(shape)
    places = {
        "angle_deg": finite(float(facts["angle_deg"])) or 0.0,
        "offset_slow_nm": (finite(float(facts["y_offset_um"])) or 0.0) * 1e3,
        "offset_fast_nm": (finite(float(facts["x_offset_um"])) or 0.0) * 1e3,
    }
    return Grid.from_size(shape, (slow * 1e3, fast * 1e3), **places)


def _acquisition(facts: dict[str, float | str], date: str | None) -> Acquisition:
    gain = finite(float(facts.get("z_servo_gain", math.nan)))
    return Acquisition(
        instrument="Park",
        mode=str(facts["image_mode"]) or None,
        date=date,
        scan_direction="up" if facts["scan_up"] else "down",
        line_rate_hz=finite(float(facts["scan_rate_hz"])),
        setpoint=finite(float(facts["setpoint"])),
        setpoint_unit=str(facts["setpoint_unit"]) or None,
        proportional_gain=gain,
        bias_v=finite(float(facts["sample_bias_v"])),
    )
