"""PicoView .mi: a text header with keys of 14 characters, then one image per "bufferLabel", bottom line first.

Counts are signed; the largest stands for "bufferRange". They are binary (16 or 32 bits) or text.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afmend.errors import CorruptFileError, NotAnImageError, UnsupportedFileError
from afmend.formats.assemble import Claims, calibrated, scans_of
from afmend.formats.hostile import FileBytes, number, pixels, whole
from afmend.formats.kinds import kind_of
from afmend.formats.quantity import fact, iso_date
from afmend.formats.register import Verdict
from afmend.scan import Acquisition, Channel, Direction, Grid, Scan
from afmend.scan.units import in_memory

MAX_HEADER = 1 << 20
MAX_TEXT = 1 << 26
KEY_WIDTH = 14
_DATA = re.compile(rb"^data(?: {10}| *)([A-Z_0-9]*) *\r?\n", re.MULTILINE)
_DTYPES = {"BINARY": "<i2", "": "<i2", "BINARY_32": "<i4"}
_DIRECTIONS: dict[str, Direction] = {"trace": "trace", "retrace": "retrace"}


def recognise(head: bytes, path: Path) -> Verdict:  # noqa: ARG001 (the content decides)
    """Say whether these are the first bytes of a PicoView file."""
    return Verdict.YES if head.startswith(b"fileType  ") else Verdict.NO


def read(path: Path) -> list[Scan]:
    """Read every image of a PicoView file.

    Raises
    ------
    NotAnImageError
        If it holds spectra.
    CorruptFileError, UnsupportedFileError
        If the header contradicts itself, promises more than the file holds, or names an unknown encoding.
    """
    file = FileBytes(path)
    end = _DATA.search(file.data[:MAX_HEADER])
    if not end:
        raise CorruptFileError("the header has no end", now="Copy it again from the instrument.")
    main, buffers = _header(file.data[: end.start()].decode("latin-1"))
    if main.get("fileType", "").strip().lower() != "image":
        raise NotAnImageError(f"holds {main.get('fileType')}, not an image", now="afmend repairs images only.")
    cols, rows = (whole(_need(main, key), key) for key in ("xPixels", "yPixels"))
    raws = _raws(file, end.end(), end[1].decode("ascii"), (rows, cols), len(buffers))
    grid = _grid(main, (rows, cols))
    pairs = [(grid, _channel(raw, buffer)) for raw, buffer in zip(raws, buffers, strict=True)]
    return scans_of(pairs, _acquisition(main), _flattened(main, buffers))


def _header(text: str) -> tuple[dict[str, str], list[dict[str, str]]]:
    main: dict[str, str] = {}
    buffers: list[dict[str, str]] = []
    for line in text.splitlines():
        key, value = line[:KEY_WIDTH].strip(), line[KEY_WIDTH:].strip()
        if key == "bufferLabel":
            buffers.append({})
        if key:
            (buffers[-1] if buffers else main)[key] = value
    return main, buffers


def _flattened(main: dict[str, str], buffers: list[dict[str, str]]) -> dict[str, str]:
    return main | {f"buffer {n}/{key}": value for n, b in enumerate(buffers, 1) for key, value in b.items()}


def _need(entries: dict[str, str], key: str) -> str:
    if key not in entries:
        raise CorruptFileError(f"the header has no {key!r}", now="Re-export the file.")
    return entries[key]


def _raws(file: FileBytes, start: int, encoding: str, shape: tuple[int, int], count: int) -> list[NDArray[Any]]:
    size = pixels(*shape)
    if encoding.startswith("ASCII"):
        return _text(file, start, shape, count)
    if encoding not in _DTYPES:
        raise UnsupportedFileError(f"data encoded as {encoding} are unknown", now="Save them as BINARY in PicoView.")
    dtype = np.dtype(_DTYPES[encoding])
    claims = Claims(file)
    return [claims.image(start + n * size * dtype.itemsize, shape, dtype, f"image {n + 1}") for n in range(count)]


def _text(file: FileBytes, start: int, shape: tuple[int, int], count: int) -> list[NDArray[Any]]:
    """Parse counts written as text. A number takes two bytes at least, so memory stays in proportion to the file."""
    size = pixels(*shape)
    if file.size > MAX_TEXT:
        raise UnsupportedFileError(f"{file.size} bytes of text are too many", now="Save it as BINARY in PicoView.")
    words = file.data[start:].split(None, size * count)[: size * count]
    if len(words) < size * count:
        image, line = divmod(len(words) // shape[1], shape[0])
        raise CorruptFileError(
            f"image {image + 1}: the header promises {shape[0]} lines, the file holds {line}",
            now="Copy it again from the instrument, or re-export it.",
        )
    try:
        values = np.array([int(word) for word in words], dtype=np.int16)
    except (ValueError, OverflowError) as error:
        raise UnsupportedFileError("the text data are not 16-bit counts", now="Save them as BINARY.") from error
    return list(values.reshape(count, *shape))


def _channel(raw: NDArray[Any], buffer: dict[str, str]) -> Channel:
    name = buffer["bufferLabel"]
    unit, factor = in_memory(buffer.get("bufferUnit", ""))
    span = number(_need(buffer, "bufferRange"), "bufferRange")
    values = calibrated(raw[::-1], span * factor / 2.0 ** (8 * raw.dtype.itemsize - 1))
    direction = (buffer.get("trace") or buffer.get("direction") or "").lower()
    return Channel.from_raw(
        kind_of(name), _DIRECTIONS.get(direction, "unknown"), values, unit, name=name, calibrated=bool(unit)
    )


def _grid(main: dict[str, str], shape: tuple[int, int]) -> Grid:
    if "xLength" not in main or "yLength" not in main:
        return Grid.uncalibrated(shape)
    fast, slow = (number(main[key], key) * 1e9 for key in ("xLength", "yLength"))
    return Grid.from_size(
        shape,
        (slow, fast),
        angle_deg=fact(main.get("scanAngle")) or 0.0,
        offset_fast_nm=(fact(main.get("xOffset")) or 0.0) * 1e9,
        offset_slow_nm=(fact(main.get("yOffset")) or 0.0) * 1e9,
    )


def _acquisition(main: dict[str, str]) -> Acquisition:
    setpoint = fact(main.get("servoSetpoint"))
    upwards = {"TRUE": "up", "FALSE": "down"}.get(main.get("scanUp", "").upper())
    return Acquisition(
        instrument=main.get("version") or None,
        mode=main.get("mode") or None,
        date=iso_date(main.get("dateAcquired"), "%a %b %d %H:%M:%S %Y"),
        scan_direction=upwards,
        line_rate_hz=fact(main.get("scanSpeed")),
        setpoint=setpoint,
        setpoint_unit=None if setpoint is None else "V",
        integral_gain=fact(main.get("servoIGain")),
        proportional_gain=fact(main.get("servoPGain")),
        bias_v=fact(main.get("bias")),
    )
