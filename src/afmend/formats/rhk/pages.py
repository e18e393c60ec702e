"""The object tree of an .sm4 file: file header -> page index -> pages -> page header, strings, data.

After RHK's "SM4 Data File Format". Every object is found by (type, offset, size).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from afmend.errors import CorruptFileError
from afmend.formats.hostile import FileBytes

IMAGE = 0
MAX_PAGES = 1024
MAX_OBJECTS = 64
_INDEX_HEADER, _INDEX_ARRAY, _PAGE_HEADER, _PAGE_DATA, _STRINGS = 1, 2, 3, 4, 10
_INTEGERS = (
    "page_type", "data_sub_source", "line_type", "x_corner", "y_corner", "width", "height", "image_type",
    "scan_direction", "group", "data_size", "min_z", "max_z",
)  # fmt: skip
_FLOATS = (
    "x_scale", "y_scale", "z_scale", "xy_scale", "x_offset", "y_offset", "z_offset", "period", "bias", "current",
    "angle",
)  # fmt: skip
_TEXTS = (
    "label", "system", "session", "user", "path", "date", "time", "x_unit", "y_unit", "z_unit", "x_label", "y_label",
    "status", "completed_lines", "oversampling", "sliced_voltage", "pll_pro_status",
)  # fmt: skip
_PAGE = struct.Struct("<2H13i11f4i")

Objects = dict[int, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Page:
    """One page: ``kind`` 0 is an image; names of ``numbers`` and ``strings`` are those of the format's description."""

    kind: int
    numbers: dict[str, float]
    strings: dict[str, str]
    data_at: int

    def flattened(self) -> dict[str, str]:
        """Return every number and text of the page's header as text."""
        return {key: str(value) for key, value in self.numbers.items()} | self.strings


def pages(file: FileBytes) -> Iterator[Page]:
    """Walk the pages of a file; `CorruptFileError` if one points out of it."""
    # 2 bytes of size, 36 of signature, then: number of pages, of objects, their size, and two reserved numbers.
    count = _unpack(file, "<I", 42)[0]
    top = _objects(file, 58, count, (_INDEX_HEADER,))
    at = top[_INDEX_HEADER][0]
    page_count, object_count = _unpack(file, "<2I", at)
    where = _objects(file, at + 16, object_count, (_INDEX_ARRAY,))[_INDEX_ARRAY][0]
    if page_count > MAX_PAGES:
        raise CorruptFileError(f"the header promises {page_count} pages", now="Re-export the file.")
    for _ in range(page_count):
        kind, _, object_count, _ = _unpack(file, "<4I", where + 16)
        yield _page(file, kind, _objects(file, where + 32, object_count, (_PAGE_HEADER, _PAGE_DATA)))
        where += 32 + 12 * object_count


def _unpack(file: FileBytes, layout: str, at: int) -> tuple[int, ...]:
    return struct.unpack(layout, file.take(at, struct.calcsize(layout), "an object"))


def _objects(file: FileBytes, at: int, count: int, needed: tuple[int, ...]) -> Objects:
    """Read a list of objects as type -> (offset, size); the first of a type counts."""
    if count > MAX_OBJECTS:
        raise CorruptFileError(f"a list promises {count} objects", now="Re-export the file.")
    found: Objects = {}
    for n in range(count):
        kind, offset, size = _unpack(file, "<3I", at + 12 * n)
        found.setdefault(kind, (offset, size))
    for kind in needed:
        if kind not in found:
            raise CorruptFileError(f"an object of type {kind} is missing", now="Re-export the file.")
    return found


def _page(file: FileBytes, kind: int, objects: Objects) -> Page:
    at = objects[_PAGE_HEADER][0]
    size, string_count, *rest = _PAGE.unpack(file.take(at, _PAGE.size, "a page header"))
    numbers = dict(zip((*_INTEGERS, *_FLOATS), rest[: len(_INTEGERS) + len(_FLOATS)], strict=True))
    for name, value in numbers.items():
        if not math.isfinite(value):
            raise CorruptFileError(f"a page says that {name} is {value}", now="Re-export the file.")
    below = _objects(file, at + size, max(rest[-1], 0), ())
    strings = _strings(file, below.get(_STRINGS), string_count)
    return Page(kind, numbers, strings, objects[_PAGE_DATA][0])


def _strings(file: FileBytes, where: tuple[int, int] | None, count: int) -> dict[str, str]:
    if where is None:
        return {}
    at, size = where
    end = at + size
    texts: list[str] = []
    while len(texts) < min(count, len(_TEXTS)) and at + 2 <= end:
        length = 2 * _unpack(file, "<H", at)[0]
        texts.append(file.take(at + 2, length, "a text").decode("utf-16-le", "replace").strip("\0 "))
        at += 2 + length
    return dict(zip(_TEXTS, texts, strict=False))
