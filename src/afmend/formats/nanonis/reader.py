"""Nanonis .sxm: a text header of ``:KEY:`` blocks, then one float image per channel and direction.

Retrace images stand in the file in the order of time and are mirrored here; a scan that went up is flipped, so that
row 0 is the top. Lines that were never recorded hold NaN.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afmend.errors import CorruptFileError, UnsupportedFileError
from afmend.formats.assemble import Claims, measured, scans_of
from afmend.formats.hostile import FileBytes, number, whole
from afmend.formats.kinds import kind_of
from afmend.formats.nanonis.lost_bytes import leading_whole_images
from afmend.formats.quantity import fact, fact_with_unit, iso_date
from afmend.formats.register import Verdict
from afmend.scan import Acquisition, Channel, Direction, Grid, Scan
from afmend.scan.units import in_memory

MAX_HEADER = 1 << 22
_KEY = re.compile(r":(.+):\s*")
_DTYPES = {("FLOAT", "MSBFIRST"): ">f4", ("FLOAT", "LSBFIRST"): "<f4", ("DOUBLE", "MSBFIRST"): ">f8"}
_DIRECTIONS: dict[str, tuple[Direction, ...]] = {
    "both": ("trace", "retrace"),
    "forward": ("trace",),
    "backward": ("retrace",),
}


def recognise(head: bytes, path: Path) -> Verdict:  # noqa: ARG001 (the content decides)
    """Say whether these are the first bytes of a Nanonis scan."""
    return Verdict.YES if head.startswith(b":NANONIS_VERSION:") else Verdict.NO


def read(path: Path) -> list[Scan]:
    """Read a Nanonis scan, finished or not.

    Raises
    ------
    CorruptFileError
        If the header contradicts itself or promises more lines than the file holds.
    UnsupportedFileError
        If the numbers are neither float nor double.
    """
    file = FileBytes(path)
    header, start = _header(file)
    cols, rows = (whole(word, "SCAN_PIXELS") for word in _words(header, "SCAN_PIXELS", 2))
    dtype = _dtype(header)
    upwards = header.get("SCAN_DIR", "").strip().lower() == "up"
    wanted = list(_channels(header))
    found, note = _images(file, start, (rows, cols), dtype, [f"{w[0]} ({w[2]})" for w in wanted])
    grid = _grid(header, (rows, cols))
    pairs = []
    for (name, unit, direction), raw in zip(wanted, found, strict=False):
        unit_kept, factor = in_memory(unit)
        values = measured(raw, factor)
        values = values[:: -1 if upwards else 1, :: -1 if direction == "retrace" else 1]
        channel = Channel.from_raw(
            kind_of(name), direction, np.ascontiguousarray(values), unit_kept, name=name, calibrated=bool(unit_kept)
        )
        pairs.append((grid, channel))
    return scans_of(pairs, _acquisition(header), header | note)


def _header(file: FileBytes) -> tuple[dict[str, str], int]:
    head = file.data[:MAX_HEADER]
    end = head.find(b":SCANIT_END:")
    start = head.find(b"\x1a\x04", max(end, 0))
    if end < 0 or not 0 <= start - end <= 64:
        raise CorruptFileError("the header has no end", now="Copy it again from the instrument.")
    blocks: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in head[:end].decode("latin-1").splitlines():
        key = _KEY.fullmatch(line)
        if key:
            lines = blocks.setdefault(key[1], [])
        else:
            lines.append(line)
    return {key: "\n".join(lines).strip("\n") for key, lines in blocks.items()}, start + 2


def _words(header: dict[str, str], key: str, count: int) -> list[str]:
    words = header.get(key, "").split()
    if len(words) < count:
        raise CorruptFileError(f"{key} is {header.get(key)!r}", now="Re-export the file.")
    return words[:count]


def _dtype(header: dict[str, str]) -> str:
    kind, order = (word.upper() for word in _words(header, "SCANIT_TYPE", 2))
    if (kind, order) not in _DTYPES:
        raise UnsupportedFileError(f"numbers of type {kind} {order} are unknown", now="Export floats.")
    return _DTYPES[kind, order]


def _table(text: str) -> list[dict[str, str]]:
    lines = [line.strip("\t\r ").split("\t") for line in text.splitlines() if line.strip()]
    return [dict(zip(lines[0], line, strict=False)) for line in lines[1:]]


def _channels(header: dict[str, str]) -> Iterator[tuple[str, str, Direction]]:
    table = _table(header.get("DATA_INFO", ""))
    if not table:
        raise CorruptFileError("the header lists no channels", now="Re-export the file.")
    for row in table:
        directions = _DIRECTIONS.get(row.get("Direction", "").strip().lower())
        if directions is None or "Name" not in row:
            raise CorruptFileError(f"a channel is listed as {row}", now="Re-export the file.")
        for direction in directions:
            yield row["Name"], row.get("Unit", ""), direction


def _images(
    file: FileBytes, start: int, shape: tuple[int, int], dtype: str, names: list[str]
) -> tuple[list[NDArray[Any]], dict[str, str]]:
    """Return the images, and a remark for the header if bytes were lost on the way and not all are whole."""
    saved = leading_whole_images(file, start, shape, dtype, len(names))
    if saved:
        note = f"bytes were lost in a transfer as text; left out: {', '.join(names[len(saved) :])}"
        return saved, {"afmend/lost": note}
    claims = Claims(file)
    size = shape[0] * shape[1] * np.dtype(dtype).itemsize
    return [claims.image(start + n * size, shape, dtype, name) for n, name in enumerate(names)], {}


def _grid(header: dict[str, str], shape: tuple[int, int]) -> Grid:
    fast, slow = (number(word, "SCAN_RANGE") * 1e9 for word in _words(header, "SCAN_RANGE", 2))
    offsets = [fact(word) or 0.0 for word in header.get("SCAN_OFFSET", "").split()] + [0.0, 0.0]
    return Grid.from_size(
        shape,
        (slow, fast),
        angle_deg=fact(header.get("SCAN_ANGLE")) or 0.0,
        offset_fast_nm=offsets[0] * 1e9,
        offset_slow_nm=offsets[1] * 1e9,
    )


def _acquisition(header: dict[str, str]) -> Acquisition:
    loop = next(iter(_table(header.get("Z-CONTROLLER", ""))), {})
    setpoint, unit = fact_with_unit(loop.get("Setpoint"))
    seconds = [fact(word) or 0.0 for word in header.get("SCAN_TIME", "").split()]
    direction = header.get("SCAN_DIR", "").strip().lower()
    when = f"{header.get('REC_DATE', '')} {header.get('REC_TIME', '')}"
    return Acquisition(
        instrument="Nanonis",
        date=iso_date(when, "%d.%m.%Y %H:%M:%S"),
        scan_direction=direction if direction in ("up", "down") else None,
        line_rate_hz=1 / sum(seconds) if sum(seconds) > 1e-9 else None,
        setpoint=setpoint,
        setpoint_unit=unit,
        integral_gain=fact(loop.get("I-gain")),
        proportional_gain=fact(loop.get("P-gain")),
        bias_v=fact(header.get("BIAS")),
        frame_time_s=fact(header.get("ACQ_TIME")),
    )
