"""Recognising and reading matrices of numbers."""

from __future__ import annotations

import io
import math
import re
from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from afmend.errors import CorruptFileError, NotAnImageError, UnsupportedFileError
from afmend.formats.hostile import MAX_PIXELS, FileBytes, pixels
from afmend.formats.kinds import kind_of, split_direction
from afmend.formats.register import HEAD_BYTES, Verdict
from afmend.formats.scaling import positive, scaled
from afmend.scan import Channel, Direction, Grid, Scan
from afmend.scan.channel import DIRECTIONS
from afmend.scan.units import in_memory

MAX_BYTES = 1 << 29
_COMMENT = b"#%"
_BINARY = bytes(range(9)) + bytes(range(14, 32))
_QUANTITY = re.compile(r"\s*([-+.\deE]+)\s*(\S*)\s*$")
_BOM = b"\xef\xbb\xbf"
KNOWN = ("channel", "width", "height", "value units")
"""Header lines that make a matrix a scan."""
LIST_ROWS = 16
"""A headerless table of three columns and more rows than this is a list of points."""


def recognise(head: bytes, path: Path) -> Verdict:  # noqa: ARG001 (the contract of recognise)
    """Accept a file whose lines are all comments or numbers; never more than MAYBE."""
    head = head.removeprefix(_BOM)
    if not head or head.translate(None, _BINARY) != head:
        return Verdict.NO
    lines = head.splitlines()
    if len(head) >= HEAD_BYTES - len(_BOM) and lines:
        # The last line may be cut in the middle of a number.
        last = lines.pop()
        if not lines:
            lines = [re.split(rb"[\s,;]+", last.rstrip(), maxsplit=64)[0]]
    data = [line for line in lines if line.strip() and line.lstrip()[:1] not in (b"#", b"%")]
    return Verdict.MAYBE if data and all(_numbers(line, _separator(data[0])) for line in data) else Verdict.NO


def read(path: Path) -> list[Scan]:
    """Read the matrix.

    Raises
    ------
    CorruptFileError
        If a line is not numbers, or lines differ in length.
    NotAnImageError
        If it is a curve: fewer than three columns without a header.
    UnsupportedFileError
        If it looks like a list of points x, y, z.
    """
    file = FileBytes(path, MAX_BYTES)
    header, values, cols = _parse(file.data.removeprefix(_BOM))
    rows = len(values) // cols
    pixels(rows, cols)
    matrix = np.frombuffer(values, np.float64).reshape(rows, cols)
    facts = {key.lower(): value for key, value in header.items()}
    if not any(key in facts for key in KNOWN):
        _check_matrix(rows, cols)
    unit, factor = in_memory(facts.get("value units", ""))
    name, direction = split_direction(facts.get("channel", ""))
    stated = facts.get("direction", direction)
    channel = Channel.from_raw(
        facts.get("kind") or (kind_of(name) if name else "height"),
        _direction(stated),
        scaled(matrix, factor, 0.0, "the matrix"),
        unit,
        name=facts.get("channel", ""),
        calibrated=bool(unit),
    )
    return [Scan.of(_grid(facts, (rows, cols)), [channel], header=header)]


def _direction(word: str) -> Direction:
    return next((known for known in DIRECTIONS if known == word), "unknown")


def _check_matrix(rows: int, cols: int) -> None:
    if cols < 3 and rows > LIST_ROWS:
        raise NotAnImageError(
            f"{cols} columns of {rows} numbers are a curve", now="An image has one line of text per scan line."
        )
    if cols == 3 and rows > LIST_ROWS:
        raise UnsupportedFileError(
            f"3 columns of {rows} numbers look like points x, y, z", now="Export a matrix of heights."
        )


def _grid(facts: dict[str, str], shape: tuple[int, int]) -> Grid:
    slow, fast = (_length_nm(facts.get(key, "")) for key in ("pixel slow", "pixel fast"))
    if positive(slow, fast):
        return Grid(*shape, slow, fast)
    slow, fast = (_length_nm(facts.get(key, "")) for key in ("height", "width"))
    return Grid.from_size(shape, (slow, fast)) if positive(slow, fast) else Grid.uncalibrated(shape)


def _length_nm(text: str) -> float:
    found = _QUANTITY.match(text)
    unit, factor = in_memory(found[2]) if found else ("", 1.0)
    try:
        value = float(found[1]) if found else math.nan
    except ValueError:
        value = math.nan
    return value * factor if unit == "nm" else math.nan


def _parse(data: bytes) -> tuple[dict[str, str], array[float], int]:
    header: dict[str, str] = {}
    values = array("d")
    cols = 0
    separator: bytes | None = None
    for number, line in _lines(data):
        if line[:1] in (b"#", b"%"):
            _note(header, line[1:])
            continue
        if not cols:
            separator = _separator(line)
        found = _numbers(line, separator)
        if not found:
            raise CorruptFileError(f"line {number} is not a row of numbers", now="Export the matrix again.")
        cols = cols or len(found)
        if len(found) != cols:
            raise CorruptFileError(
                f"line {number} holds {len(found)} numbers, the first one {cols}", now="Export the matrix again."
            )
        values.extend(found)
        if len(values) > MAX_PIXELS:
            raise CorruptFileError(f"more than {MAX_PIXELS} numbers are no image", now="Export a smaller matrix.")
    if not cols:
        raise CorruptFileError("it holds no numbers", now="Export the matrix again.")
    return header, values, cols


def _lines(data: bytes) -> Iterator[tuple[int, bytes]]:
    for number, line in enumerate(io.BytesIO(data), 1):
        stripped = line.strip()
        if stripped:
            yield number, stripped


def _note(header: dict[str, str], line: bytes) -> None:
    try:
        text = line.decode("utf-8").strip()
    except UnicodeDecodeError:
        text = line.decode("latin-1").strip()
    key, colon, value = text.partition(":")
    if colon and len(header) < 1000:
        header[key.strip()] = value.strip()


def _separator(line: bytes) -> bytes | None:
    """Return what stands between the numbers of a line; None for blanks."""
    for mark in (b";", b"\t"):
        if mark in line:
            return mark
    return b"," if b"," in line and _numbers(line, b",") else None


def _numbers(line: bytes, separator: bytes | None) -> list[float]:
    """Return the numbers of a line, [] if it holds anything else. Decimal commas are understood."""
    line = line.strip()
    if separator:
        line = line.removesuffix(separator)
    if separator != b",":
        line = line.replace(b",", b".")
    try:
        return [float(field) for field in line.split(separator)]
    except ValueError:
        return []
