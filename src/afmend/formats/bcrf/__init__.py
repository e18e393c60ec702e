"""BCR-STM files of SPIP / Image Metrology (.bcr, .bcrf): a text header, then 16-bit integers or 32-bit floats. Read.

Format: the "BCR-STM file format" page of Image Metrology's SPIP manual. The header is 2048 characters unless it says
otherwise, ASCII or (``_unicode``) UTF-16; the first line is ``fileformat = bcrstm`` or ``bcrf``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from afmend.errors import CorruptFileError, NotAnImageError
from afmend.formats.hostile import FileBytes, number, pixels, whole
from afmend.formats.kinds import kind_of
from afmend.formats.numbers import scaled
from afmend.formats.register import Verdict
from afmend.scan import Acquisition, Channel, Grid, Scan
from afmend.scan.units import in_memory, is_length

DEFAULT_HEADER = 2048
_STARTS = ("fileformat = bcrstm", "fileformat = bcrf")
_MAGICS = tuple(start.encode(coding) for start in _STARTS for coding in ("ascii", "utf-16-le"))
_VOID_INTEGER = 32767
_VOID_FLOAT = 1.7e38
"""From here on a float means "no data": writers use FLT_MAX or half of it, and round it in the header."""


def recognise(head: bytes, path: Path) -> Verdict:  # noqa: ARG001 (every reader has the same signature)
    """Say YES to the first line."""
    return Verdict.YES if head.startswith(_MAGICS) else Verdict.NO


def read(path: Path) -> list[Scan]:
    """Read the image. Void pixels are missing; the first stored line is row 0.

    Raises
    ------
    CorruptFileError
        If the file is damaged.
    NotAnImageError
        If it holds force curves.
    """
    data = FileBytes(path)
    size, header = _header(data)
    if whole(header.get("forcecurve", "0"), "forcecurve"):
        raise NotAnImageError("holds force curves", now="Only images can be mended.")
    shape = whole(header.get("ypixels", ""), "ypixels"), whole(header.get("xpixels", ""), "xpixels")
    pixels(*shape)
    floats = header.get("fileformat", "").startswith("bcrf")
    order = "<" if whole(header.get("intelmode", "1"), "intelmode") else ">"
    raw = data.array(size, shape, order + ("f4" if floats else "i2"))
    unit, factor = in_memory(header.get("zunit", "nm"))
    scale = 1.0 if floats else number(header.get("bit2nm", "1"), "bit2nm")
    if not floats and "bit2nm" not in header:
        unit, factor = "", 1.0
    missing = _missing(raw, header, floats=floats)
    values = scaled(np.where(missing, 0, raw), scale * factor, _base(raw, missing, scale, header) * factor)
    name = header.get("zlabel", "")
    kind = "height" if is_length(unit) else kind_of(name)
    channel = Channel.from_raw(kind, "unknown", values, unit, name=name, calibrated=bool(unit), missing=missing)
    return [Scan.of(_grid(header, shape), [channel], header=header, acquisition=_acquisition(header))]


def _header(data: FileBytes) -> tuple[int, dict[str, str]]:
    unicode = data.data[1:2] == b"\0"
    coding = "utf-16-le" if unicode else "latin-1"
    header = _parse(data.data[: 2 * DEFAULT_HEADER].decode(coding, "replace"))
    size = whole(header.get("headersize", str(DEFAULT_HEADER)), "headersize")
    if unicode:
        # The size counts characters; the default of 2048 characters, too.
        size *= 2
    if not 32 <= size <= min(data.size, 1 << 20):
        raise CorruptFileError(f"headersize is {size}, the file has {data.size} bytes", now="Export it again.")
    return size, _parse(data.data[:size].decode(coding, "replace"))


def _parse(text: str) -> dict[str, str]:
    lines = text.partition("\0")[0].splitlines()
    pairs = (line.partition("=") for line in lines if "=" in line and line[0] not in "%#;")
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _missing(raw: np.ndarray, header: dict[str, str], *, floats: bool) -> np.ndarray:  # type: ignore[type-arg]
    if floats:
        # Not finite counts too; a comparison with NaN is False, so ask the other way round.
        found: np.ndarray = ~(np.abs(raw) < _VOID_FLOAT)  # type: ignore[type-arg]
        return found
    if header.get("voidpixels") == "0":
        return np.zeros(raw.shape, np.bool_)
    return np.asarray(raw == _VOID_INTEGER)


def _base(raw: np.ndarray, missing: np.ndarray, scale: float, header: dict[str, str]) -> float:  # type: ignore[type-arg]
    """Height to add to the scaled numbers: ``zmin`` says what the lowest pixel is worth."""
    if "zmin" not in header or missing.all():
        return 0.0
    return number(header["zmin"], "zmin") - float(raw[~missing].min()) * scale


def _grid(header: dict[str, str], shape: tuple[int, int]) -> Grid:
    sizes = []
    for axis in ("y", "x"):
        unit, factor = in_memory(header.get(f"{axis}unit", "nm"))
        size = number(header.get(f"{axis}length", "0"), f"{axis}length") * factor
        if not is_length(unit) or size <= 0:
            return Grid.uncalibrated(shape)
        sizes.append((size, number(header.get(f"{axis}offset", "0"), f"{axis}offset") * factor))
    (slow, slow_offset), (fast, fast_offset) = sizes
    return Grid.from_size(shape, (slow, fast), offset_slow_nm=slow_offset, offset_fast_nm=fast_offset)


def _acquisition(header: dict[str, str]) -> Acquisition:
    return Acquisition(
        mode=header.get("mode"),
        bias_v=number(header["bias"], "bias") if "bias" in header else None,
        setpoint=number(header["current"], "current") * 1e-9 if "current" in header else None,
        setpoint_unit="A" if "current" in header else None,
    )
