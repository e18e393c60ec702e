"""Createc .dat: 16 KiB of ``key=value`` lines, then counts of the converters, plain or packed with zlib.

Three dialects: ``[Parameter]`` (16-bit integers), ``[Paramet32]`` (floats), ``[Paramco32]`` (floats, zlib). One number
that means nothing precedes the first image. The images of all forward channels come first, then those of all backward
channels, line by line from the top. Converters span 20 V; "Dacto[A]" is angstrom per count at gain 1, so that a
height is ``count * Dacto[A]z * GainZ``. No description says that backward images are mirrored; they are left as stored.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afmend.errors import CorruptFileError
from afmend.formats.assemble import calibrated, measured, scans_of
from afmend.formats.hostile import FileBytes, number, pixels, whole
from afmend.formats.kinds import kind_of
from afmend.formats.quantity import fact
from afmend.formats.register import Verdict
from afmend.scan import Acquisition, Channel, Direction, Grid, Scan

HEADER_BYTES = 16384
MAX_CHANNELS = 32
_MAGIC = {b"[Parameter]": ("<i2", False), b"[Paramet32]": ("<f4", False), b"[Paramco32]": ("<f4", True)}
_NAMES = ("Topography", "Current", "ADC1", "ADC2")
_FULL_SCALE_V = 20.0


def recognise(head: bytes, path: Path) -> Verdict:  # noqa: ARG001 (the content decides)
    """Say whether these are the first bytes of a Createc image."""
    return Verdict.YES if head[:11] in _MAGIC else Verdict.NO


def read(path: Path) -> list[Scan]:
    """Read every image of a Createc file.

    Raises
    ------
    CorruptFileError
        If the header contradicts itself, promises more than the file holds, or the packed data are damaged.
    """
    file = FileBytes(path)
    dtype, packed = _MAGIC.get(file.data[:11], ("<f4", False))
    header = _header(file.take(0, HEADER_BYTES, "the header").decode("latin-1"))
    cols, rows = (whole(_need(header, key), key) for key in ("Num.X", "Num.Y"))
    count = whole(_need(header, "Channels"), "Channels")
    if not 1 <= count <= MAX_CHANNELS:
        raise CorruptFileError(f"the header promises {count} channels", now="Re-export the file.")
    size = np.dtype(dtype).itemsize
    wanted = (1 + pixels(rows, cols) * count) * size
    data = file.data[HEADER_BYTES:]
    if packed:
        data = _unpacked(data, wanted)
    if len(data) < wanted:
        image, line = divmod(max(len(data) // size - 1, 0) // cols, rows)
        raise CorruptFileError(
            f"image {image + 1}: the header promises {rows} lines, the file holds {line}",
            now="Copy it again from the instrument.",
        )
    raws = np.frombuffer(data, dtype, rows * cols * count, size).reshape(count, rows, cols)
    forward = _forward(header, count)
    grid = _grid(header, (rows, cols))
    pairs = [(grid, _channel(raw, n, forward, count, header)) for n, raw in enumerate(raws)]
    return scans_of(pairs, _acquisition(header), header)


def _header(text: str) -> dict[str, str]:
    """Parse ``key=value`` and ``key / other name=value``; a value is found under either name."""
    header: dict[str, str] = {}
    for line in text.split("\0", 1)[0].splitlines():
        keys, equals, value = line.partition("=")
        if equals:
            for key in keys.split(" / "):
                header.setdefault(key.strip(), value.strip())
    return header


def _need(header: dict[str, str], key: str) -> str:
    if key not in header:
        raise CorruptFileError(f"the header has no {key!r}", now="Re-export the file.")
    return header[key]


def _unpacked(data: bytes, wanted: int) -> bytes:
    """Unpack no more than is wanted, however much the stream would give."""
    # zlib packs at most 1032 bytes into one: a header that promises more lies, and no memory is taken for it.
    if wanted > 1032 * len(data) + 1032:
        raise CorruptFileError(f"{len(data)} packed bytes cannot hold {wanted}", now="Copy it again.")
    try:
        return zlib.decompressobj().decompress(data, wanted)
    except zlib.error as error:
        raise CorruptFileError("the packed data are damaged", now="Copy it again from the instrument.") from error


def _forward(header: dict[str, str], count: int) -> int:
    """Return how many of the images are forward ones; they come first."""
    chosen = fact(header.get("Chan(1,2,4)"))
    return count // 2 if chosen is not None and 2 * chosen == count else count


def _volts_per_count(header: dict[str, str], dtype: np.dtype[Any]) -> float:
    bits = fact(header.get("DAC-Type", "").replace("bit", "")) or (20.0 if dtype.kind == "f" else 16.0)
    if not 8 <= bits <= 32:
        raise CorruptFileError(f"DAC-Type is {header.get('DAC-Type')!r}", now="Re-export the file.")
    return float(_FULL_SCALE_V / 2.0**bits)


def _channel(raw: NDArray[Any], index: int, forward: int, count: int, header: dict[str, str]) -> Channel:
    nth = index % forward
    direction: Direction = "retrace" if index >= forward else "trace" if forward < count else "unknown"
    name = _NAMES[nth] if nth < len(_NAMES) else f"Channel {nth}"
    volts = _volts_per_count(header, raw.dtype)
    factor, unit, known = volts, "V", nth < len(_NAMES)
    if nth == 0:
        factor, unit = _angstrom_per_count(header, "z", volts) * 0.1, "nm"
    elif nth == 1 and "Gainpreamp" in header:
        exponent = number(header["Gainpreamp"], "Gainpreamp")
        if not 0 <= exponent <= 15:
            raise CorruptFileError(f"Gainpreamp is {exponent}", now="Re-export the file.")
        factor, unit = volts / 10.0**exponent, "A"
    values = calibrated(raw, factor) if raw.dtype.kind == "i" else measured(raw, factor)
    return Channel.from_raw(kind_of(name), direction, values, unit, name=name, calibrated=known)


def _angstrom_per_count(header: dict[str, str], axis: str, volts: float) -> float:
    """Return how far one count moves the piezo, in angstrom."""
    gain = number(_need(header, f"Gain{axis.upper()}"), f"Gain{axis.upper()}")
    per_count = fact(header.get("Dacto[A]z" if axis == "z" else "Dacto[A]xy"))
    if not per_count:
        key = {"x": "Xpiezoconst", "y": "YPiezoconst", "z": "ZPiezoconst"}[axis]
        per_count = volts * number(_need(header, key), key)
    return per_count * gain


def _grid(header: dict[str, str], shape: tuple[int, int]) -> Grid:
    fast, slow = (fact(header.get(f"Length {axis}[A]")) for axis in "xy")
    if not fast or not slow:
        return Grid.uncalibrated(shape)
    return Grid.from_size(
        shape, (abs(slow) * 0.1, abs(fast) * 0.1), angle_deg=fact(header.get("Rotation")) or 0.0
    )  # fmt: skip


def _acquisition(header: dict[str, str]) -> Acquisition:
    millivolts = fact(header.get("BiasVolt.[mV]") or header.get("Biasvolt[mV]"))
    seconds = fact(header.get("Sec/line:"))
    setpoint = fact(header.get("Current[A]"))
    return Acquisition(
        instrument="Createc",
        scan_direction="down",
        line_rate_hz=1 / seconds if seconds and seconds > 1e-9 else None,
        setpoint=setpoint,
        setpoint_unit=None if setpoint is None else "A",
        bias_v=None if millivolts is None else millivolts * 1e-3,
        frame_time_s=fact(header.get("Sec/Image:")),
    )
