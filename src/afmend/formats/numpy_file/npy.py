"""One array in NumPy's own format, read without NumPy's parser: the header is a literal that may be hostile."""

from __future__ import annotations

import math
import re
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from afmend.errors import CorruptFileError, UnsupportedFileError
from afmend.formats.hostile import MAX_PIXELS

MAGIC = b"\x93NUMPY"
MAX_HEADER_BYTES = 1 << 14
MAX_TEXT = 1 << 20
_DESCR = re.compile(r"'descr':\s*'([<>|=])([fiubU])(\d{1,7})'")
_ORDER = re.compile(r"'fortran_order':\s*(True|False)")
_SHAPE = re.compile(r"'shape':\s*\(([\d,\s]{0,200})\)")


class Layout(NamedTuple):
    """What the header says."""

    dtype: np.dtype[Any]
    fortran: bool
    shape: tuple[int, ...]
    start: int

    @property
    def nbytes(self) -> int:
        """Bytes of the data."""
        return math.prod(self.shape) * self.dtype.itemsize


def layout_of(head: bytes, name: str) -> Layout:
    """Parse the header.

    Raises
    ------
    CorruptFileError
        If it is damaged or promises an absurd array.
    UnsupportedFileError
        If the array holds anything but numbers or text, such as pickled objects.
    """
    wide = head[6:7] != b"\x01"
    start = 12 if wide else 10
    length = int.from_bytes(head[8:start], "little")
    if not head.startswith(MAGIC) or length > MAX_HEADER_BYTES or len(head) < start + length:
        raise CorruptFileError(f"{name} has no sound header", now="Save the array again.")
    text = head[start : start + length].decode("latin-1")
    order, shape = _ORDER.search(text), _SHAPE.search(text)
    if not order or not shape:
        raise CorruptFileError(f"{name} has no sound header", now="Save the array again.")
    kind = _DESCR.search(text)
    size = int(kind[3]) if kind else 0
    if kind is None or (kind[2] != "U" and size not in (1, 2, 4, 8)) or (kind[2] == "f" and size == 1):
        raise UnsupportedFileError(
            f"{name} holds neither integers nor floats", now="Save plain numbers; pickled objects are never loaded."
        )
    numbers = tuple(int(n) for n in shape[1].replace(",", " ").split())
    limit = MAX_TEXT if kind[2] == "U" else MAX_PIXELS
    if math.prod(numbers) * (size if kind[2] == "U" else 1) > limit or len(numbers) > 8:
        raise CorruptFileError(f"{name} promises {' x '.join(map(str, numbers))} values", now="Save it again.")
    return Layout(np.dtype(f"{kind[1]}{kind[2]}{size}"), order[1] == "True", numbers, start + length)


def array_of(data: bytes, layout: Layout, name: str) -> NDArray[Any]:
    """Return the array whose bytes begin ``data``."""
    if len(data) < layout.nbytes:
        raise CorruptFileError(f"{name} promises {layout.nbytes} bytes, {len(data)} are there", now="Save it again.")
    flat = np.frombuffer(data, layout.dtype, math.prod(layout.shape))
    return flat.reshape(layout.shape, order="F" if layout.fortran else "C")
