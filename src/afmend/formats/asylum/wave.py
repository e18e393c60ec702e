"""The bytes of an Igor binary wave, checked."""

from __future__ import annotations

import itertools
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afmend.errors import CorruptFileError, NotAnImageError
from afmend.formats.hostile import MAX_PIXELS, FileBytes

_HEADER_BYTES = {1: 8 + 110, 2: 16 + 110, 3: 20 + 110, 5: 64 + 320}
"""Version: file header and wave header together; the checksum covers both."""
_TYPE_AT = {1: 8, 2: 16, 3: 20, 5: 64 + 16}
_TYPES = {
    0x02: "f4", 0x04: "f8", 0x08: "i1", 0x10: "i2", 0x20: "i4", 0x48: "u1", 0x50: "u2", 0x60: "u4", 0x80: "i8",
    0xC0: "u8",
}  # fmt: skip
_LABEL_BYTES = 32


@dataclass(frozen=True, slots=True)
class Wave:
    """A wave: layers of numbers, and what is said about them.

    Attributes
    ----------
    version : int
    name : str
    dims : tuple of int
        Points along x, y, layers, chunks; 0 = the dimension is not used.
    layers : (layers, y, x) array
        As stored: y grows upwards. Empty for waves that are no images.
    steps : tuple of float
        Distance of points along each dimension, in ``units``.
    units : tuple of str
        Of each dimension.
    data_unit : str
    columns : list of str
        Names of the points along y; an image has none, the columns of a force curve have.
    labels : list of str
        Names of the layers; empty if there are none.
    note : str
        Text of "name: value" lines, separated by carriage returns.
    """

    version: int
    name: str
    dims: tuple[int, ...]
    layers: NDArray[Any]
    steps: tuple[float, ...]
    units: tuple[str, ...]
    data_unit: str
    columns: list[str]
    labels: list[str]
    note: str


def is_wave(head: bytes) -> bool:
    """Say whether these are the first bytes of an Igor wave."""
    return _version(head) is not None


def _version(head: bytes) -> tuple[int, str] | None:
    """Return version and byte order, or None."""
    for order in "<>":
        version = struct.unpack_from(order + "h", head)[0] if len(head) >= 2 else 0
        size = _HEADER_BYTES.get(version, 0)
        if not size or len(head) < size:
            continue
        total = sum(struct.unpack_from(f"{order}{size // 2}H", head)) & 0xFFFF
        kind = struct.unpack_from(order + "h", head, _TYPE_AT[version])[0]
        if total == 0 and (kind == 0 or kind & ~1 in _TYPES):
            return version, order
    return None


def parse(data: FileBytes) -> Wave:
    """Read a wave.

    Raises
    ------
    CorruptFileError
        If the checksum or a length is wrong.
    NotAnImageError
        If it holds text or complex numbers.
    """
    found = _version(data.data[: max(_HEADER_BYTES.values())])
    if found is None:
        raise CorruptFileError("the checksum of its header is wrong", now="Copy it again from the instrument.")
    version, order = found
    kind = struct.unpack_from(order + "h", data.data, _TYPE_AT[version])[0]
    if kind not in _TYPES:
        raise NotAnImageError("holds text or complex numbers", now="Only images can be mended.")
    if version == 5:
        return _parse_5(data, order, order + _TYPES[kind])
    points_at = _TYPE_AT[version] + 42
    points = struct.unpack_from(order + "i", data.data, points_at)[0]
    return Wave(version, "", (points, 0, 0, 0), np.empty((0, 0, 0)), (), (), "", [], [], "")


def _parse_5(data: FileBytes, order: str, dtype: str) -> Wave:
    head = data.data
    sizes = struct.unpack_from(order + "14i", head, 4)
    if min(sizes) < 0:
        raise CorruptFileError("a length in its header is negative", now="Copy it again from the instrument.")
    wave_bytes, formula_bytes, note_bytes, unit_bytes = sizes[:4]
    dims = struct.unpack_from(order + "4i", head, 64 + 68)
    layers = _layers(data, dims, dtype, wave_bytes)
    note_at = 64 + wave_bytes + formula_bytes
    note = _text(data.take(note_at, note_bytes, "the note"))
    unit_at = note_at + note_bytes
    long_unit = _text(data.take(unit_at, unit_bytes, "the unit"))
    units = _units(data, struct.unpack_from("4s4s4s4s", head, 64 + 152), sizes[4:8], unit_at + unit_bytes)
    labels_at = unit_at + unit_bytes + sum(sizes[4:8]) + sum(sizes[8:10])
    return Wave(
        version=5,
        name=_text(head[64 + 28 : 64 + 60]),
        dims=dims,
        layers=layers,
        steps=struct.unpack_from(order + "4d", head, 64 + 84),
        units=units,
        data_unit=long_unit or _text(head[64 + 148 : 64 + 152]),
        columns=_labels(data.take(labels_at - sizes[9], sizes[9], "the names of columns")),
        labels=_labels(data.take(labels_at, sizes[10], "the channel names")),
        note=note,
    )


def _layers(data: FileBytes, dims: tuple[int, ...], dtype: str, wave_bytes: int) -> NDArray[Any]:
    if min(dims) < 0 or any(after and not before for before, after in itertools.pairwise(dims)):
        raise CorruptFileError(f"its dimensions are {dims}", now="Copy it again from the instrument.")
    shape = (max(dims[2], 1), max(dims[1], 1), max(dims[0], 1))
    count = shape[0] * shape[1] * shape[2] * max(dims[3], 1)
    if count > 8 * MAX_PIXELS or count * np.dtype(dtype).itemsize > wave_bytes - 320:
        raise CorruptFileError(
            f"its header promises {count} points, {max(wave_bytes - 320, 0)} bytes are set aside for them",
            now="Copy it again from the instrument.",
        )
    return data.array(64 + 320, shape, dtype)


def _units(data: FileBytes, short: tuple[bytes, ...], sizes: tuple[int, ...], at: int) -> tuple[str, ...]:
    units = []
    for brief, size in zip(short, sizes, strict=True):
        units.append(_text(data.take(at, size, "a unit")) or _text(brief))
        at += size
    return tuple(units)


def _labels(raw: bytes) -> list[str]:
    """Names of the elements: the first label is that of the dimension itself."""
    return [_text(raw[i : i + _LABEL_BYTES]) for i in range(_LABEL_BYTES, len(raw), _LABEL_BYTES)]


def _text(raw: bytes) -> str:
    """Text up to the first NUL: what follows are stale bytes of a longer text."""
    raw = raw.split(b"\0")[0]
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("mac-roman")
