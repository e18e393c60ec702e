"""WSxM: a text header of ``[Sections]``, then one image of shorts or doubles, turned by 180 degrees.

The header gives the height of the whole image ("Z Amplitude"), not of a count; the numbers are scaled so that they
span it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afmend.errors import CorruptFileError, UnsupportedFileError
from afmend.formats.assemble import Claims, measured, scans_of
from afmend.formats.hostile import FileBytes, whole
from afmend.formats.kinds import kind_of
from afmend.formats.quantity import fact, fact_with_unit, iso_date, length_nm, offset_nm, quantity
from afmend.formats.register import Verdict
from afmend.scan import Acquisition, Channel, Direction, Grid, Scan
from afmend.scan.units import in_memory

MAX_HEADER = 1 << 20
_END = re.compile(rb"\[Header end\]\r?\n")
_DTYPES = {"short": "<i2", "short int": "<i2", "integer": "<i4", "float": "<f4", "double": "<f8"}
_DIRECTIONS: dict[str, Direction] = {"forward": "trace", "backward": "retrace"}


def recognise(head: bytes, path: Path) -> Verdict:  # noqa: ARG001 (the content decides)
    """Say whether these are the first bytes of a WSxM image."""
    lines = head[:400].lower().splitlines()[:2]
    named = bool(lines) and lines[0].startswith(b"wsxm file copyright")
    return Verdict.YES if named and len(lines) > 1 and b"image file" in lines[1] else Verdict.NO


def read(path: Path) -> list[Scan]:
    """Read a WSxM image.

    Raises
    ------
    CorruptFileError
        If the header contradicts itself or promises more lines than the file holds.
    UnsupportedFileError
        If the type of the numbers is unknown.
    """
    file = FileBytes(path)
    end = _END.search(file.data[:MAX_HEADER])
    if not end:
        raise CorruptFileError("the header has no end", now="Copy it again from the instrument.")
    header = _header(file.data[: end.start()].decode("latin-1"))
    start = whole(header.get("Image header size", str(end.end())), "Image header size")
    if start < end.end():
        raise CorruptFileError(f"the image cannot begin at byte {start}, within the header", now="Re-export it.")
    shape = tuple(whole(_need(header, f"General Info/Number of {what}"), what) for what in ("rows", "columns"))
    dtype = _DTYPES.get(header.get("General Info/Image Data Type", "short").strip().lower())
    if dtype is None:
        raise UnsupportedFileError("the type of the numbers is unknown", now="Save it in WSxM as double or short.")
    name = header.get("General Info/Acquisition channel", "Topography")
    raw = Claims(file).image(start, (shape[0], shape[1]), dtype, name)
    values, unit = _heights(raw[::-1, ::-1], _need(header, "General Info/Z Amplitude"))
    direction = _DIRECTIONS.get(header.get("General Info/X scanning direction", "").strip().lower(), "unknown")
    channel = Channel.from_raw(kind_of(name), direction, values, unit, name=name, calibrated=bool(unit))
    return scans_of([(_grid(header, (shape[0], shape[1])), channel)], _acquisition(header), header)


def _header(text: str) -> dict[str, str]:
    section, header = "", {}
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("[") and stripped.endswith("]"):
            section = stripped[1:-1] + "/"
        elif ":" in stripped:
            key, _, value = stripped.partition(":")
            header[section + key.strip()] = value.strip()
    return header


def _need(header: dict[str, str], key: str) -> str:
    if key not in header:
        raise CorruptFileError(f"the header has no {key!r}", now="Re-export the file.")
    return header[key]


def _heights(raw: NDArray[Any], amplitude: str) -> tuple[NDArray[np.float64], str]:
    found = quantity(amplitude)
    if found is None or found[0] < 0:
        raise CorruptFileError(f"Z Amplitude is {amplitude!r}", now="Re-export the file.")
    unit, factor = in_memory(found[1])
    values = measured(raw)
    known = values[np.isfinite(values)]
    span = float(known.max() - known.min()) if known.size else 0.0
    if span == 0 or found[0] == 0:
        return np.where(np.isfinite(values), 0.0, values), unit
    return measured(values, found[0] * factor / span), unit


def _grid(header: dict[str, str], shape: tuple[int, int]) -> Grid:
    fast = length_nm(_need(header, "Control/X Amplitude"), "X Amplitude")
    slow = length_nm(_need(header, "Control/Y Amplitude"), "Y Amplitude")
    return Grid.from_size(
        shape,
        (slow, fast),
        angle_deg=fact(header.get("Control/Angle")) or 0.0,
        offset_fast_nm=offset_nm(header.get("Control/X Offset")),
        offset_slow_nm=offset_nm(header.get("Control/Y Offset")),
    )


def _acquisition(header: dict[str, str]) -> Acquisition:
    setpoint, unit = fact_with_unit(header.get("Control/Set Point"))
    direction = header.get("General Info/Y scanning direction", "").lower()
    when = header.get("General Info/Acquisition time")
    return Acquisition(
        instrument=header.get("Head Settings/Head Name") or "WSxM",
        mode=header.get("General Info/Head type"),
        date=iso_date(when, "%d/%m/%Y, %H:%M:%S.%f", "%d/%m/%Y, %H:%M:%S"),
        scan_direction=direction if direction in ("up", "down") else None,
        line_rate_hz=fact(header.get("Control/X-Frequency")),
        setpoint=setpoint,
        setpoint_unit=unit,
        integral_gain=fact(header.get("Feedback settings/Integral")),
        proportional_gain=fact(header.get("Feedback settings/Proportional")),
        bias_v=fact(header.get("Control/Topography Bias")),
    )
