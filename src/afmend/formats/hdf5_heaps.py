"""A look at the global heaps of an HDF5 file before libhdf5 does: a damaged one can hang it for ever.

Texts of variable length stand in such heaps ("GCOL"), a chain of objects each of which tells its size. A free
object of size zero makes libhdf5 (seen in 2.0) go round in circles, where no time limit reaches it.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

from afmend.errors import CorruptFileError

_MARK = b"GCOL\x01\0\0\0"
_HEADER = struct.Struct("<8xQ")
_OBJECT = struct.Struct("<HH4xQ")


def check_heaps(path: Path) -> None:
    """Raise `CorruptFileError` if a global heap's chain of objects does not reach its end.

    Assumes sizes of 8 bytes, which every HDF5 library writes unless told otherwise.
    """
    with path.open("rb") as file:
        if not path.stat().st_size:
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            at = data.find(_MARK)
            while at >= 0:
                if not _sound(data, at):
                    raise CorruptFileError("a heap of texts is damaged", now="Copy it again, or re-export it.")
                at = data.find(_MARK, at + 8)


def _sound(data: mmap.mmap, start: int) -> bool:
    if start + _HEADER.size > len(data):
        return False
    end = start + _HEADER.unpack_from(data, start)[0]
    at = start + _HEADER.size
    if end > len(data):
        return False
    while at + _OBJECT.size <= end:
        index, _, size = _OBJECT.unpack_from(data, at)
        if index == 0:
            # Free space: its size counts its own header, and nothing stands behind it.
            return bool(size >= _OBJECT.size and at + size <= end)
        at += _OBJECT.size + (size + 7) // 8 * 8
    return bool(at <= end)
