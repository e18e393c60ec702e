"""Nanosurf .nid: an INI header, the mark ``#!``, then the data sets in the order of the groups, bottom line first.

The smallest count stands for "Dim2Min", the largest for "Dim2Min" + "Dim2Range".
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from afmend.errors import CorruptFileError, NotAnImageError, UnsupportedFileError
from afmend.formats.assemble import Claims, calibrated, scans_of
from afmend.formats.hostile import FileBytes, number, pixels, whole
from afmend.formats.kinds import kind_of
from afmend.formats.quantity import fact, fact_with_unit, iso_date
from afmend.formats.register import Verdict
from afmend.scan import Acquisition, Channel, Direction, Grid, Scan
from afmend.scan.units import in_memory

MAX_HEADER = 1 << 23
MAX_SETS = 4096
_MARK = b"\n#!"
Header = dict[str, dict[str, str]]


def recognise(head: bytes, path: Path) -> Verdict:  # noqa: ARG001 (the content decides)
    """Say whether these are the first bytes of a Nanosurf file."""
    known = head.startswith(b"[DataSet]") and b"GroupCount=" in head[:400]
    return Verdict.YES if known else Verdict.NO


def read(path: Path) -> list[Scan]:
    """Read every image of a Nanosurf file.

    Raises
    ------
    NotAnImageError
        If it holds spectra only.
    CorruptFileError, UnsupportedFileError
        If the header contradicts itself, promises more than the file holds, or names an unknown encoding.
    """
    file = FileBytes(path)
    end = file.data.find(_MARK, 0, MAX_HEADER)
    if end < 0:
        raise CorruptFileError("the header has no end", now="Copy it again from the instrument.")
    header = _header(_text(file.data[:end]))
    pairs = list(_images(Claims(file), end + len(_MARK), header))
    if not pairs:
        raise NotAnImageError("holds spectra, not an image", now="afmend repairs images only.")
    flat = {f"{section}/{key}": value for section, entries in header.items() for key, value in entries.items()}
    return scans_of(pairs, _acquisition(header), flat)


def _text(data: bytes) -> str:
    """Decode UTF-8 of newer files, Latin-1 of older ones."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _header(text: str) -> Header:
    header: Header = {}
    entries: dict[str, str] = {}
    for line in text.splitlines():
        if line.startswith("[") and line.rstrip().endswith("]"):
            entries = header.setdefault(line.strip()[1:-1], {})
        elif "=" in line:
            key, _, value = line.partition("=")
            entries[key.strip()] = value.strip()
    return header


def _sets(header: Header) -> Iterator[tuple[str, dict[str, str]]]:
    """List the data sets as (group's name, entries), in the order of the data."""
    index = header["DataSet"]
    left = MAX_SETS
    for group in range(min(whole(index.get("GroupCount", "0"), "GroupCount"), MAX_SETS)):
        for channel in range(min(whole(index.get(f"Gr{group}-Count", "0"), f"Gr{group}-Count"), left)):
            left -= 1
            section = index.get(f"Gr{group}-Ch{channel}")
            if section is None:
                continue
            if section not in header:
                raise CorruptFileError(f"the header has no section {section!r}", now="Re-export the file.")
            yield index.get(f"Gr{group}-Name", ""), header[section]


def _images(claims: Claims, start: int, header: Header) -> Iterator[tuple[Grid, Channel]]:
    for group, entries in _sets(header):
        rows, cols = (whole(_need(entries, key), key) for key in ("Lines", "Points"))
        dtype = _dtype(entries)
        name, frame = entries.get("Dim2Name", ""), entries.get("Frame") or group
        here, start = start, start + pixels(rows, cols) * dtype.itemsize
        if "spec" in frame.lower():
            continue
        raw = claims.image(here, (rows, cols), dtype, f"{name} ({frame})")
        unit, factor = in_memory(entries.get("Dim2Unit", ""))
        low, span = (number(_need(entries, key), key) * factor for key in ("Dim2Min", "Dim2Range"))
        bits = 8 * dtype.itemsize
        zero = low + span / 2 if dtype.kind == "i" else low
        values = calibrated(raw[::-1], span / 2.0**bits, zero)
        channel = Channel.from_raw(
            kind_of(name), _direction(frame), values, unit, name=name, calibrated=bool(unit)
        )  # fmt: skip
        yield _grid(entries, header, (rows, cols)), channel


def _need(entries: dict[str, str], key: str) -> str:
    if key not in entries:
        raise CorruptFileError(f"a data set has no {key!r}", now="Re-export the file.")
    return entries[key]


def _dtype(entries: dict[str, str]) -> np.dtype[np.integer]:
    mode, bits = entries.get("SaveMode", "Binary").lower(), entries.get("SaveBits", "16")
    if mode != "binary" or bits not in ("8", "16", "32"):
        raise UnsupportedFileError(f"data saved as {mode} with {bits} bits are unknown", now="Save them as binary.")
    order = ">" if entries.get("SaveOrder", "Intel").lower() == "motorola" else "<"
    sign = "u" if entries.get("SaveSign", "Signed").lower() == "unsigned" else "i"
    return np.dtype(f"{order}{sign}{int(bits) // 8}")


def _direction(frame: str) -> Direction:
    frame = frame.lower()
    return "trace" if "forward" in frame else "retrace" if "backward" in frame else "unknown"


def _grid(entries: dict[str, str], header: Header, shape: tuple[int, int]) -> Grid:
    sizes = []
    for axis in ("Dim1", "Dim0"):
        unit, factor = in_memory(entries.get(f"{axis}Unit", ""))
        if unit != "nm":
            return Grid.uncalibrated(shape)
        sizes.append(number(_need(entries, f"{axis}Range"), f"{axis}Range") * factor)
    info = header.get("DataSet-Info", {})
    return Grid.from_size(
        shape,
        (sizes[0], sizes[1]),
        angle_deg=fact(info.get("Rotation")) or 0.0,
        offset_fast_nm=(fact(info.get("X-Pos")) or 0.0) * 1e9,
        offset_slow_nm=(fact(info.get("Y-Pos")) or 0.0) * 1e9,
    )


def _acquisition(header: Header) -> Acquisition:
    info = header.get("DataSet-Info", {})
    setpoint, unit = fact_with_unit(info.get("Setpoint"))
    seconds = fact(info.get("Time/Line"))
    direction = info.get("Scan direction", "").lower()
    return Acquisition(
        instrument=info.get("Head type") or "Nanosurf",
        mode=info.get("Op. mode"),
        date=iso_date(f"{info.get('Date', '')} {info.get('Time', '')}", "%d-%m-%Y %H:%M:%S"),
        scan_direction=direction if direction in ("up", "down") else None,
        line_rate_hz=1 / (2 * seconds) if seconds and seconds > 1e-9 else None,
        setpoint=setpoint,
        setpoint_unit=unit,
        integral_gain=fact(info.get("I-Gain")),
        proportional_gain=fact(info.get("P-Gain")),
        bias_v=fact(info.get("Tip voltage")),
    )
