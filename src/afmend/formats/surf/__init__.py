"""Digital Surf files (.sur, .pro): surfaces of 16 or 32-bit integers. Read.

Format: the layout published by Digital Surf for its MountainsMap files, version 1 ("DIGITAL SURF").
Compressed files ("DSCOMPRESSED"), profiles and series are not images that afmend reads.
"""

from __future__ import annotations

import math
import struct
from pathlib import Path

import numpy as np

from afmend.errors import CorruptFileError, NotAnImageError, UnsupportedFileError
from afmend.formats.hostile import FileBytes, pixels
from afmend.formats.kinds import kind_of
from afmend.formats.numbers import scaled
from afmend.formats.register import Verdict
from afmend.scan import Acquisition, Channel, Grid, Scan
from afmend.scan.units import in_memory, is_length

MAGIC = b"DIGITAL SURF"
PACKED_MAGIC = b"DSCOMPRESSED"
HEADER_BYTES = 512
_SURFACE = 2
_BITS = {16: "i2", 32: "i4"}
_LAYOUT = {
    "format": (12, "h"), "objects": (14, "h"), "version": (16, "h"), "type": (18, "h"),
    "object name": (20, "30s"), "operator": (50, "30s"), "material": (80, "h"), "acquisition": (82, "h"),
    "range": (84, "h"), "special points": (86, "h"), "absolute": (88, "h"), "bits": (98, "h"),
    "z min": (100, "i"), "z max": (104, "i"), "points": (108, "i"), "lines": (112, "i"), "total": (116, "i"),
    "x spacing": (120, "f"), "y spacing": (124, "f"), "z spacing": (128, "f"),
    "x name": (132, "16s"), "y name": (148, "16s"), "z name": (164, "16s"),
    "x spacing unit": (180, "16s"), "y spacing unit": (196, "16s"), "z spacing unit": (212, "16s"),
    "x length unit": (228, "16s"), "y length unit": (244, "16s"), "z length unit": (260, "16s"),
    "x unit ratio": (276, "f"), "y unit ratio": (280, "f"), "z unit ratio": (284, "f"),
    "imprint": (288, "h"), "inverted": (290, "h"), "leveled": (292, "h"),
    "second": (306, "h"), "minute": (308, "h"), "hour": (310, "h"), "day": (312, "h"), "month": (314, "h"),
    "year": (316, "h"), "duration": (320, "f"), "comment size": (334, "h"), "private size": (336, "h"),
    "client zone": (338, "128s"), "x offset": (466, "f"), "y offset": (470, "f"), "z offset": (474, "f"),
}  # fmt: skip
"""Field: (byte, struct letter). The format word is 0 for little-endian files, 257 for big-endian ones."""


def recognise(head: bytes, path: Path) -> Verdict:  # noqa: ARG001 (every reader has the same signature)
    """Say YES to Digital Surf's signatures."""
    return Verdict.YES if head.startswith((MAGIC, PACKED_MAGIC)) else Verdict.NO


def read(path: Path) -> list[Scan]:
    """Read the surface. Points that the file marks as not measured (z min - 2) are missing.

    Raises
    ------
    CorruptFileError
        If the file is damaged.
    NotAnImageError
        If it holds a profile or a series.
    UnsupportedFileError
        If it is compressed.
    """
    data = FileBytes(path)
    head = data.take(0, HEADER_BYTES, "the header")
    if head.startswith(PACKED_MAGIC):
        raise UnsupportedFileError("is a compressed Digital Surf file", now="Save it uncompressed in MountainsMap.")
    order = ">" if head[12:14] == b"\x01\x01" else "<"
    fields = {name: struct.unpack_from(order + kind, head, at)[0] for name, (at, kind) in _LAYOUT.items()}
    header = {name: _text(value) if isinstance(value, bytes) else str(value) for name, value in fields.items()}
    if fields["type"] != _SURFACE or fields["objects"] != 1:
        raise NotAnImageError(
            f"holds {fields['objects']} object(s) of type {fields['type']}, not one surface", now="Export one surface."
        )
    return [_scan(data, fields, header, order)]


def _scan(data: FileBytes, fields: dict[str, float], header: dict[str, str], order: str) -> Scan:
    shape = (int(fields["lines"]), int(fields["points"]))
    if pixels(*shape) != fields["total"] or fields["bits"] not in _BITS:
        raise CorruptFileError(
            f"{shape[0]} lines of {shape[1]} points of {header['bits']} bits contradict"
            f" the total of {header['total']} points",
            now="Export it again.",
        )
    skipped = _size(fields["comment size"]) + _size(fields["private size"])
    raw = data.array(HEADER_BYTES + skipped, shape, order + _BITS[int(fields["bits"])])
    missing = raw == fields["z min"] - 2 if fields["special points"] == 1 else np.zeros(shape, np.bool_)
    unit, factor = in_memory(header["z spacing unit"])
    spacing, offset = _finite(fields, "z spacing"), _finite(fields, "z offset")
    values = scaled(raw, spacing * factor, offset * factor)
    name = header["z name"]
    kind = "height" if is_length(unit) else kind_of(name)
    channel = Channel.from_raw(kind, "unknown", values, unit, name=name, calibrated=bool(unit), missing=missing)
    return Scan.of(_grid(fields, header, shape), [channel], header=header, acquisition=_acquisition(fields))


def _grid(fields: dict[str, float], header: dict[str, str], shape: tuple[int, int]) -> Grid:
    spacing = []
    for axis in ("y", "x"):
        unit, factor = in_memory(header[f"{axis} spacing unit"])
        step = _finite(fields, f"{axis} spacing")
        if not is_length(unit) or step <= 0:
            return Grid.uncalibrated(shape)
        spacing.append(step * factor)
    return Grid(*shape, spacing[0], spacing[1])


def _acquisition(fields: dict[str, float]) -> Acquisition:
    when = [int(fields[name]) for name in ("year", "month", "day", "hour", "minute", "second")]
    limits = ((1900, 2200), (1, 12), (1, 31), (0, 23), (0, 59), (0, 59))
    if not all(low <= value <= high for value, (low, high) in zip(when, limits, strict=True)):
        return Acquisition()
    return Acquisition(date="{:04d}-{:02d}-{:02d} {:02d}:{:02d}:{:02d}".format(*when))


def _finite(fields: dict[str, float], name: str) -> float:
    if not math.isfinite(fields[name]):
        raise CorruptFileError(f"{name} is {fields[name]}", now="Export it again.")
    return float(fields[name])


def _size(value: float) -> int:
    # Sizes beyond 32767 bytes wrap around in the 16-bit field.
    return int(value) & 0xFFFF


def _text(raw: bytes) -> str:
    return raw.split(b"\0")[0].decode("latin-1").strip()
