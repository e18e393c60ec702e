"""Recognising and reading .npy and .npz files."""

from __future__ import annotations

import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afmend.errors import CorruptFileError, NotAnImageError, UnsupportedFileError
from afmend.formats.hostile import FileBytes, pixels
from afmend.formats.kinds import kind_of, split_direction
from afmend.formats.numpy_file.npy import MAGIC, MAX_HEADER_BYTES, Layout, array_of, layout_of
from afmend.formats.register import Verdict
from afmend.formats.scaling import positive, scaled
from afmend.scan import Channel, Direction, Grid, Scan
from afmend.scan.channel import DIRECTIONS
from afmend.scan.units import in_memory

FACTS = "afmend"
MAX_ENTRIES = 1024
MAX_TOTAL_BYTES = 1 << 29
_ZIP = b"PK\x03\x04"
_ZIP_RAISES = (
    zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError, RuntimeError, LookupError,
    OverflowError,
)  # fmt: skip
"""What zipfile is known to raise on damaged archives."""


def recognise(head: bytes, path: Path) -> Verdict:  # noqa: ARG001 (the contract of recognise)
    """Look for NumPy's magic, or for a zip archive whose first entry is an array."""
    if head.startswith(MAGIC):
        return Verdict.YES
    first = head[30 : 30 + int.from_bytes(head[26:28], "little")]
    return Verdict.YES if head.startswith(_ZIP) and first.endswith(b".npy") else Verdict.NO


def read(path: Path) -> list[Scan]:
    """Read the matrix, or every matrix of an archive as one channel.

    Raises
    ------
    NotAnImageError
        If there is no matrix.
    CorruptFileError, UnsupportedFileError
        If it is damaged, absurdly large, or holds anything but numbers.
    """
    file = FileBytes(path)
    if file.data.startswith(MAGIC):
        layout = layout_of(file.data[: MAX_HEADER_BYTES + 12], "the file")
        _check_matrix(layout, "the array")
        values = array_of(file.take(layout.start, layout.nbytes), layout, "the file")
        return [_bare(values)]
    arrays = _archive(path)
    matrices = {name: values for name, values in arrays.items() if values.ndim == 2 and values.dtype.kind != "U"}
    matrices = {name: values for name, values in matrices.items() if name not in ("pixel_nm", "size_nm")}
    if not matrices:
        raise NotAnImageError(f"among {', '.join(arrays) or 'its entries'} is no matrix", now="Save a 2-D array.")
    shapes = {values.shape for values in matrices.values()}
    if len(shapes) > 1:
        raise UnsupportedFileError(f"its matrices have the shapes {sorted(shapes)}", now="Save them one by one.")
    rows, cols = shapes.pop()
    pixels(rows, cols)
    return [_scan(matrices, arrays, (rows, cols))]


def _check_matrix(layout: Layout, name: str) -> None:
    if len(layout.shape) != 2 or layout.dtype.kind == "U":
        raise NotAnImageError(f"{name} has the shape {layout.shape}", now="Save a 2-D array of numbers.")
    pixels(*layout.shape)


def _bare(values: NDArray[Any]) -> Scan:
    channel = Channel.from_raw("height", "unknown", scaled(values, 1.0, 0.0, "the array"), "", calibrated=False)
    return Scan.of(Grid.uncalibrated((values.shape[0], values.shape[1])), [channel])


def _archive(path: Path) -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {}
    left = MAX_TOTAL_BYTES
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if len(entries) > MAX_ENTRIES:
                raise CorruptFileError(f"it has {len(entries)} entries", now="Save it again.")
            for entry in entries:
                name = entry.filename.removesuffix(".npy")
                if entry.filename == name:
                    continue
                if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or entry.flag_bits & 1:
                    raise UnsupportedFileError(f"{name} is packed in an unusual way", now="Use numpy.savez.")
                with archive.open(entry) as stream:
                    head = stream.read(MAX_HEADER_BYTES + 12)
                    layout = layout_of(head, name)
                    left -= layout.nbytes
                    if left < 0:
                        raise CorruptFileError("it promises more than an archive of images", now="Save it again.")
                    begun = head[layout.start : layout.start + layout.nbytes]
                    arrays[name] = array_of(begun + stream.read(layout.nbytes - len(begun)), layout, name)
    except _ZIP_RAISES as error:
        raise CorruptFileError(f"the archive is damaged ({error})"[:200], now="Save it again.") from error
    return arrays


def _scan(matrices: dict[str, NDArray[Any]], arrays: dict[str, NDArray[Any]], shape: tuple[int, int]) -> Scan:
    facts = _facts(_text(arrays.get(FACTS)))
    common = _text(arrays.get("unit"))
    channels = [_channel(name, values, facts.get(name), common) for name, values in matrices.items()]
    loose = [name for name, values in arrays.items() if name not in matrices and values.size == 1]
    header = {name: str(arrays[name].reshape(-1)[0])[:10_000] for name in loose}
    return Scan.of(_grid(arrays, shape), channels, header=header)


def _channel(name: str, values: NDArray[Any], facts: Any, common: str) -> Channel:
    facts = facts if isinstance(facts, dict) else {}
    plain, direction = split_direction(name)
    unit, factor = in_memory(str(facts.get("unit", common)))
    stated = facts.get("direction", direction)
    chosen: Direction = next((known for known in DIRECTIONS if known == stated), "unknown")
    return Channel.from_raw(
        str(facts.get("kind", kind_of(plain))),
        chosen,
        scaled(values, factor, 0.0, f"channel {name!r}"),
        unit,
        name=str(facts.get("name", name)),
        calibrated=bool(facts.get("calibrated", bool(unit))),
    )


def _facts(text: str) -> dict[str, Any]:
    try:
        facts = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return {}
    return facts if isinstance(facts, dict) else {}


def _text(values: NDArray[Any] | None) -> str:
    if values is None or values.dtype.kind != "U" or values.size != 1:
        return ""
    return str(values.reshape(-1)[0])


def _grid(arrays: dict[str, NDArray[Any]], shape: tuple[int, int]) -> Grid:
    pixel = _lengths(arrays.get("pixel_nm"))
    if pixel:
        return Grid(*shape, *pixel)
    size = _lengths(arrays.get("size_nm"))
    return Grid.from_size(shape, size) if size else Grid.uncalibrated(shape)


def _lengths(values: NDArray[Any] | None) -> tuple[float, float] | None:
    """Return (slow, fast) from one number or two, None if they are no lengths."""
    if values is None or values.dtype.kind not in "fiu" or values.size not in (1, 2):
        return None
    slow, fast = (float(v) for v in np.broadcast_to(values.reshape(-1), 2))
    return (slow, fast) if positive(slow, fast) else None
