"""Writing a scan as 32-bit TIFF that ImageJ and Fiji show with its calibration."""

from __future__ import annotations

import json
import struct
from fractions import Fraction
from pathlib import Path

import numpy as np

from afmend.errors import WriteError
from afmend.formats.tifftags import (
    BITS,
    COMPRESSION,
    DESCRIPTION,
    LENGTH,
    PHOTOMETRIC,
    ROWS_PER_STRIP,
    SAMPLE_FORMAT,
    SAMPLES,
    STRIPS,
    WIDTH,
    X_RESOLUTION,
    Y_RESOLUTION,
)  # fmt: skip
from afmend.scan import Scan

MAX_BYTES = (1 << 32) - (1 << 20)
"""A classic TIFF addresses 4 GB."""
STRIP_BYTES, RESOLUTION_UNIT = 279, 296
_SHORT, _LONG = 3, 4


def write(scan: Scan, path: Path) -> None:
    """Write every channel as one page of 32-bit floats.

    Lengths are in nm, in the pixel size and in the values, because Fiji shows the numbers as they stand.
    Masks, error bars and history do not fit; missing pixels become NaN.

    Raises
    ------
    WriteError
        If it would be larger than a TIFF can be.
    """
    grid = scan.grid
    page_bytes = grid.rows * grid.cols * 4
    count = len(scan.channels)
    if count * page_bytes > MAX_BYTES:
        raise WriteError("it is too large for a TIFF", now="Write an .npz file.")
    text = _description(scan).encode("ascii") + b"\0"
    text += bytes(len(text) % 2)
    # Header, then all pictures in one piece as ImageJ expects, then text, resolutions and directories.
    text_at = 8 + count * page_bytes
    resolution_at = text_at + len(text)
    directory_at = resolution_at + 16
    with path.open("wb") as file:
        file.write(struct.pack("<2sHI", b"II", 42, directory_at))
        for channel in scan.channels.values():
            page = channel.values.astype("<f4")
            page[channel.still_missing] = np.nan
            file.write(page.tobytes())
        file.write(text + _resolution(grid.pixel_fast_nm) + _resolution(grid.pixel_slow_nm))
        for number in range(count):
            tags = [
                (WIDTH, _LONG, 1, grid.cols), (LENGTH, _LONG, 1, grid.rows), (BITS, _SHORT, 1, 32),
                (COMPRESSION, _SHORT, 1, 1), (PHOTOMETRIC, _SHORT, 1, 1), (DESCRIPTION, 2, len(text), text_at),
                (STRIPS, _LONG, 1, 8 + number * page_bytes), (SAMPLES, _SHORT, 1, 1),
                (ROWS_PER_STRIP, _LONG, 1, grid.rows), (STRIP_BYTES, _LONG, 1, page_bytes),
                (X_RESOLUTION, 5, 1, resolution_at), (Y_RESOLUTION, 5, 1, resolution_at + 8),
                (RESOLUTION_UNIT, _SHORT, 1, 1), (SAMPLE_FORMAT, _SHORT, 1, 3),
            ]  # fmt: skip
            size = 2 + 12 * len(tags) + 4
            following = directory_at + size * (number + 1) if number + 1 < count else 0
            entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
            file.write(struct.pack("<H", len(tags)) + entries + struct.pack("<I", following))


def _resolution(pixel_nm: float) -> bytes:
    """Return pixels per nm as the nearest fraction that TIFF can hold."""
    wanted = Fraction(1 / pixel_nm)
    if wanted > 1:
        # The larger number of the fraction must fit into 32 bits: bound the inverse instead.
        inverse = (1 / wanted).limit_denominator((1 << 32) - 1)
        top, bottom = inverse.denominator, max(inverse.numerator, 1)
    else:
        near = wanted.limit_denominator((1 << 32) - 1)
        top, bottom = near.numerator, near.denominator
    return struct.pack("<II", top, bottom)


def _description(scan: Scan) -> str:
    count = len(scan.channels)
    lines = ["ImageJ=1.11a", f"images={count}", f"channels={count}"]
    if count > 1:
        lines += ["hyperstack=true", "mode=grayscale"]
    if scan.grid.calibrated:
        lines.append("unit=nm")
    units = {channel.unit for channel in scan.channels.values()}
    if len(units) == 1 and units != {""}:
        lines.append(f"vunit={json.dumps(units.pop())[1:-1]}")
    about = [
        {
            "kind": channel.kind, "direction": channel.direction, "unit": channel.unit,
            "name": channel.name, "calibrated": channel.calibrated,
        }
        for channel in scan.channels.values()
    ]  # fmt: skip
    facts = {"channels": about, "pixel_nm": list(scan.grid.pixel_nm) if scan.grid.calibrated else None}
    return "\n".join([*lines, f"afmend={json.dumps(facts, ensure_ascii=True)}", ""])
