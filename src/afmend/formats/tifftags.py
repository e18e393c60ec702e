"""Reading the directories of a TIFF that may lie: tags, texts, and uncompressed pictures.

Several vendors hide their data in private tags of a TIFF. Every offset and count is checked against the
size of the file, directories that point back at each other are noticed, and nothing is read twice over.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from afmend.errors import AfmendError, CorruptFileError, UnsupportedFileError
from afmend.formats.hostile import pixels

MAX_PAGES = 4096
MAX_VALUES = 1 << 16
MAX_TEXT_BYTES = 1 << 20
_FORMATS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 11: "f", 12: "d", 5: "II", 10: "ii"}
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_KINDS = {1: "u", 2: "i", 3: "f"}

WIDTH, LENGTH, BITS, COMPRESSION, PHOTOMETRIC, DESCRIPTION = 256, 257, 258, 259, 262, 270
STRIPS, SAMPLES, ROWS_PER_STRIP, X_RESOLUTION, Y_RESOLUTION, PLANAR = 273, 277, 278, 282, 283, 284
SAMPLE_FORMAT = 339


class Bytes(Protocol):
    """What can hand out a piece of a file."""

    size: int

    def take(self, offset: int, count: int, what: str = ...) -> bytes:
        """Return ``count`` bytes at ``offset`` or raise `CorruptFileError`."""
        ...


class Window:
    """Pieces of a file without reading the whole of it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.size = path.stat().st_size

    def take(self, offset: int, count: int, what: str = "data") -> bytes:
        """Return ``count`` bytes at ``offset``, or raise `CorruptFileError`."""
        with self._path.open("rb") as file:
            file.seek(offset)
            piece = file.read(min(count, 1 << 24))
        if len(piece) != count:
            raise CorruptFileError(f"{what} lies outside the file", now="Copy it again from the instrument.")
        return piece


@dataclass(frozen=True, slots=True)
class Tag:
    """One entry of a directory: its TIFF type, number of values, and where they stand."""

    kind: int
    count: int
    offset: int

    @property
    def nbytes(self) -> int:
        """Bytes its values occupy."""
        return self.count * _SIZES.get(self.kind, 1)


@dataclass(frozen=True, slots=True)
class Page:
    """One directory of a TIFF; values are read when asked for."""

    file: Bytes
    order: str
    tags: dict[int, Tag]

    def numbers(self, code: int) -> tuple[float, ...]:
        """Return all values of a numeric tag (rationals as quotients, NaN for x/0); () if it is absent."""
        tag = self.tags.get(code)
        if tag is None:
            return ()
        letters = _FORMATS.get(tag.kind)
        if letters is None or not 0 < tag.count <= MAX_VALUES:
            raise CorruptFileError(f"TIFF tag {code} holds {tag.count} values of type {tag.kind}", now="Re-export it.")
        raw = self.file.take(tag.offset, tag.nbytes, f"TIFF tag {code}")
        values = struct.unpack(f"{self.order}{tag.count * len(letters)}{letters[0]}", raw)
        if len(letters) == 2:
            return tuple(a / b if b else math.nan for a, b in zip(values[::2], values[1::2], strict=True))
        return tuple(values)

    def number(self, code: int) -> float | None:
        """Return the first value of a numeric tag, or None if it is absent."""
        values = self.numbers(code)
        return values[0] if values else None

    def whole(self, code: int, default: int) -> int:
        """Return a tag that counts something."""
        value = self.number(code)
        if value is None:
            return default
        if not math.isfinite(value) or value != int(value):
            raise CorruptFileError(f"TIFF tag {code} is {value}, not a whole number", now="Re-export it.")
        return int(value)

    def blob(self, code: int, limit: int = MAX_TEXT_BYTES) -> bytes | None:
        """Return the bytes of a tag, or None if it is absent; more than ``limit`` bytes are refused."""
        tag = self.tags.get(code)
        if tag is None:
            return None
        if tag.nbytes > limit:
            raise CorruptFileError(f"TIFF tag {code} promises {tag.nbytes} bytes", now="Re-export it.")
        return self.file.take(tag.offset, tag.nbytes, f"TIFF tag {code}")

    def text(self, code: int) -> str | None:
        """Return a text tag up to its first NUL, or None if it is absent or no text."""
        tag = self.tags.get(code)
        if tag is None or tag.kind not in (2, 7):
            return None
        raw = (self.blob(code) or b"").split(b"\0", 1)[0]
        return raw.decode("utf-8", "replace")

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, cols), checked."""
        rows, cols = self.whole(LENGTH, 0), self.whole(WIDTH, 0)
        pixels(rows, cols)
        return rows, cols

    def raster(self) -> NDArray[Any]:
        """Return the uncompressed picture: (rows, cols), or (rows, cols, samples) if interleaved.

        Raises
        ------
        UnsupportedFileError
            If it is compressed, tiled, or of an unusual type.
        CorruptFileError
            If its strips do not fit into the file.
        """
        rows, cols = self.shape
        samples = self.whole(SAMPLES, 1)
        dtype = self._dtype(samples)
        wanted = rows * cols * samples * dtype.itemsize
        if wanted > self.file.size:
            raise CorruptFileError(f"{rows} x {cols} pixels do not fit into the file", now="Copy it again.")
        line = cols * samples * dtype.itemsize
        step = min(max(self.whole(ROWS_PER_STRIP, rows), 1), rows)
        offsets = self.numbers(STRIPS)
        if len(offsets) != -(-rows // step):
            raise CorruptFileError(f"{rows} lines stand in {len(offsets)} strips of {step}", now="Re-export it.")
        parts = [
            self.file.take(int(offset), min(step, rows - i * step) * line, "a strip of the picture")
            for i, offset in enumerate(offsets)
        ]
        flat = np.frombuffer(b"".join(parts), dtype)
        return flat.reshape((rows, cols) if samples == 1 else (rows, cols, samples))

    def _dtype(self, samples: int) -> np.dtype[Any]:
        bits = set(self.numbers(BITS)) or {1.0}
        kind = _KINDS.get(self.whole(SAMPLE_FORMAT, 1))
        plain = self.whole(COMPRESSION, 1) == 1 and STRIPS in self.tags
        packed = samples == 1 or (samples in (2, 3, 4) and self.whole(PLANAR, 1) == 1)
        sizes = {8, 16, 32, 64} if kind != "f" else {32, 64}
        if not (plain and packed and kind and len(bits) == 1 and bits <= sizes):
            raise UnsupportedFileError(
                f"a TIFF of {sorted(bits)} bits, {samples} samples, compression {self.whole(COMPRESSION, 1)}",
                now="Save it uncompressed, 8, 16 or 32 bit.",
            )
        return np.dtype(f"{self.order}{kind}{int(bits.pop()) // 8}")


def is_tiff(head: bytes) -> bool:
    """Say whether ``head`` begins a classic TIFF."""
    return head[:4] in (b"II*\0", b"MM\0*")


def pages(file: Bytes) -> Iterator[Page]:
    """Walk over the directories of a classic TIFF.

    Raises
    ------
    CorruptFileError
        If a directory lies outside the file, the chain is circular or absurdly long.
    """
    head = file.take(0, 8, "the TIFF header")
    if not is_tiff(head):
        raise CorruptFileError("it is not a TIFF", now="Copy it again from the instrument.")
    order = "<" if head[:2] == b"II" else ">"
    offset = struct.unpack(f"{order}I", head[4:8])[0]
    seen: set[int] = set()
    while offset:
        if offset in seen or len(seen) >= MAX_PAGES:
            raise CorruptFileError("its TIFF directories run in a circle", now="Copy it again from the instrument.")
        seen.add(offset)
        page, offset = _page(file, order, offset)
        yield page
    if not seen:
        raise CorruptFileError("the TIFF holds no picture", now="Copy it again from the instrument.")


def _page(file: Bytes, order: str, offset: int) -> tuple[Page, int]:
    count = struct.unpack(f"{order}H", file.take(offset, 2, "a TIFF directory"))[0]
    raw = file.take(offset + 2, count * 12 + 4, "a TIFF directory")
    tags: dict[int, Tag] = {}
    for i in range(count):
        code, kind, number, _ = struct.unpack_from(f"{order}HHII", raw, 12 * i)
        inline = number * _SIZES.get(kind, 1) <= 4
        where = offset + 2 + 12 * i + 8 if inline else struct.unpack_from(f"{order}I", raw, 12 * i + 8)[0]
        tags[code] = Tag(kind, number, where)
    return Page(file, order, tags), struct.unpack_from(f"{order}I", raw, 12 * count)[0]


def first_page(head: bytes, path: Path) -> Page | None:
    """Return the first directory for recognising a file, wherever it stands; None if there is none. Never raises."""
    if not is_tiff(head):
        return None
    try:
        return next(pages(Window(path)), None)
    except (AfmendError, OSError):
        return None
