"""Reading bytes from a file that may lie: every offset, count and size is checked before memory is taken."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from afmend.errors import CorruptFileError

MAX_PIXELS = 1 << 25
"""Largest image afmend opens (32 M pixels, 256 MB as float64); a header that promises more lies."""


class FileBytes:
    """The bytes of one file, with bounds checked on every access.

    Parameters
    ----------
    path : Path
    limit : int
        Refuse larger files outright.
    """

    def __init__(self, path: Path, limit: int = 1 << 30) -> None:
        try:
            self.size = path.stat().st_size
            if self.size > limit:
                raise CorruptFileError(f"{self.size} bytes are more than afmend opens ({limit})", now="Split the file.")
            self.data = path.read_bytes()
        except OSError as error:
            raise CorruptFileError(f"cannot be read ({error.strerror})", now="Check path and rights.") from error
        self.size = len(self.data)

    def take(self, offset: int, count: int, what: str = "data") -> bytes:
        """Return ``count`` bytes at ``offset``, or raise `CorruptFileError`."""
        if offset < 0 or count < 0 or offset + count > self.size:
            raise CorruptFileError(
                f"{what} should stand at bytes {offset} to {offset + count}, the file has {self.size}",
                now="Copy it again from the instrument, or re-export it.",
            )
        return self.data[offset : offset + count]

    def array(self, offset: int, shape: tuple[int, ...], dtype: DTypeLike, what: str = "image data") -> NDArray[Any]:
        """Return an array of ``shape`` at ``offset`` (a read-only view of the file), or raise `CorruptFileError`."""
        kind = np.dtype(dtype)
        count = pixels(*shape) if len(shape) <= 2 else math.prod(shape)
        self.take(offset, count * kind.itemsize, what)
        return np.frombuffer(self.data, kind, count, offset).reshape(shape)


def pixels(*shape: int) -> int:
    """Return rows x cols, or raise `CorruptFileError` if that is nothing or absurd."""
    count = math.prod(shape)
    if any(n < 1 for n in shape) or count > MAX_PIXELS:
        raise CorruptFileError(
            f"the header promises an image of {' x '.join(map(str, shape))} pixels", now="Re-export it."
        )
    return count


def number(text: str | bytes, what: str) -> float:
    """Parse a finite number, or raise `CorruptFileError` naming ``what``."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise CorruptFileError(f"{what} is {text!r}, not a number", now="Re-export the file.")
    return value


def whole(text: str | bytes, what: str) -> int:
    """Parse an integer, or raise `CorruptFileError` naming ``what``."""
    value = number(text, what)
    if value != int(value):
        raise CorruptFileError(f"{what} is {text!r}, not a whole number", now="Re-export the file.")
    return int(value)
