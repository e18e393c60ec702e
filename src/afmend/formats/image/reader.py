"""Recognising and reading plain pictures."""

from __future__ import annotations

import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afmend.errors import CorruptFileError, UnsupportedFileError
from afmend.formats.hostile import FileBytes, pixels
from afmend.formats.register import Verdict
from afmend.formats.scaling import scaled
from afmend.formats.tifftags import PHOTOMETRIC, SAMPLES, is_tiff, pages
from afmend.scan import Channel, Grid, Scan

_MAGIC = {b"\x89PNG\r\n\x1a\n": "PNG", b"\xff\xd8\xff": "JPEG"}
_TIFFS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_LUMINANCE = (0.299, 0.587, 0.114)
"""Weights of red, green and blue (ITU-R BT.601)."""
MAX_FRAMES = 4096
MAX_VALUES = 1 << 27
_PILLOW_RAISES = (
    OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, EOFError, AttributeError, RuntimeError,
    struct.error, zlib.error, MemoryError,
)  # fmt: skip
"""What Pillow is known to raise on damaged pictures."""


def recognise(head: bytes, path: Path) -> Verdict:  # noqa: ARG001 (the contract of recognise)
    """Look for a picture's magic; never more than MAYBE, so that calibrated formats go first."""
    return Verdict.MAYBE if _format(head) else Verdict.NO


def _format(head: bytes) -> str | None:
    for magic, name in _MAGIC.items():
        if head.startswith(magic):
            return name
    if head.startswith(_TIFFS):
        return "TIFF"
    # A bitmap's magic is two letters; the size of its information header must be one of the known ones.
    bitmap = head.startswith(b"BM") and head[14:18] in {struct.pack("<I", n) for n in (12, 40, 52, 56, 64, 108, 124)}
    return "BMP" if bitmap else None


def read(path: Path) -> list[Scan]:
    """Read every frame of the picture as one uncalibrated scan.

    Raises
    ------
    CorruptFileError
        If it is damaged, or promises an absurd size.
    UnsupportedFileError
        If its pixels are of an unusual type.
    """
    file = FileBytes(path)
    name = _format(file.data[:64]) or "TIFF"
    frames = None
    if is_tiff(file.data[:4]):
        frames = _plain_frames(file)
    frames = frames if frames is not None else _pillow_frames(path, name)
    return [_scan(raw, name) for raw in frames]


def _plain_frames(file: FileBytes) -> list[NDArray[Any]] | None:
    """Return the pictures of an uncompressed TIFF, None if Pillow must unpack it."""
    frames = []
    budget = file.size
    try:
        for page in pages(file):
            if page.whole(PHOTOMETRIC, 1) != (1 if page.whole(SAMPLES, 1) == 1 else 2):
                return None  # white is zero, a palette, or printer's inks: Pillow knows
            raw = page.raster()
            budget -= raw.nbytes
            if budget < 0:
                raise CorruptFileError("its pictures overlap", now="Save it again.")
            frames.append(raw)
    except UnsupportedFileError:
        return None
    return frames


def _pillow_frames(path: Path, name: str) -> list[NDArray[Any]]:
    from PIL import Image

    frames = []
    left = MAX_VALUES
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path, formats=[name]) as picture:
            count = min(int(getattr(picture, "n_frames", 1)), MAX_FRAMES)
            for frame in range(count):
                picture.seek(frame)
                left -= pixels(picture.height, picture.width) * len(picture.getbands())
                if left < 0:
                    raise CorruptFileError(f"{count} frames are too many", now="Save them one by one.")
                frames.append(_values(picture))
    except (*_PILLOW_RAISES, Image.DecompressionBombError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise CorruptFileError(f"the {name} picture cannot be read ({reason})", now="Save it again.") from error
    return frames


def _values(picture: Any) -> NDArray[Any]:
    mode = picture.mode
    if mode in ("P", "PA", "CMYK", "YCbCr", "LAB", "HSV"):
        picture = picture.convert("RGB")
    elif mode == "1":
        picture = picture.convert("L")
    values = np.asarray(picture)
    if values.dtype.kind not in "uif" or values.ndim not in (2, 3):
        raise UnsupportedFileError(f"its pixels are of the type {mode}", now="Save it as 8- or 16-bit gray values.")
    return values


def _scan(raw: NDArray[Any], name: str) -> Scan:
    header = {"format": name, "type": str(raw.dtype), "calibration": "none: the picture knows no lengths"}
    if raw.ndim == 3:
        header["colors"] = f"{raw.shape[2]} samples per pixel became luminance"
        raw = _luminance(raw)
    values = scaled(raw, 1.0, 0.0, "the picture")
    channel = Channel.from_raw("height", "unknown", values, "", name=name, calibrated=False)
    return Scan.of(Grid.uncalibrated((raw.shape[0], raw.shape[1])), [channel], header=header)


def _luminance(raw: NDArray[Any]) -> NDArray[Any]:
    """Return the luminance of (rows, cols, samples); a gray picture saved in color keeps its values."""
    if raw.shape[2] < 3:
        return raw[:, :, 0]
    red, green, blue = (raw[:, :, i].astype(np.float64) for i in range(3))
    if np.array_equal(red, green) and np.array_equal(red, blue):
        return red
    values = np.zeros(red.shape)
    for weight, part in zip(_LUMINANCE, (red, green, blue), strict=True):
        values += weight * part
    return values
