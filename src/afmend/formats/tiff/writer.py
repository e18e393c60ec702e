"""Writing a scan as 32-bit TIFF that ImageJ and Fiji show with its calibration."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from afmend.errors import WriteError
from afmend.scan import Scan

MAX_BYTES = (1 << 32) - (1 << 20)
"""A classic TIFF addresses 4 GB."""


def write(scan: Scan, path: Path) -> None:
    """Write every channel as one page of 32-bit floats.

    Lengths are in nm, in the pixel size and in the values, because Fiji shows the numbers as they stand.
    Masks, error bars and history do not fit; missing pixels become NaN.

    Raises
    ------
    WriteError
        If it would be larger than a TIFF can be.
    """
    import tifffile

    grid = scan.grid
    if len(scan.channels) * grid.rows * grid.cols * 4 > MAX_BYTES:
        raise WriteError("it is too large for a TIFF", where=path.name, now="Write an .h5 file.")
    stack = np.empty((len(scan.channels), grid.rows, grid.cols), np.float32)
    about = []
    for page, channel in zip(stack, scan.channels.values(), strict=True):
        page[:] = channel.values
        page[channel.missing & ~channel.invented] = np.nan
        about.append({
            "kind": channel.kind, "direction": channel.direction, "unit": channel.unit,
            "name": channel.name, "calibrated": channel.calibrated,
        })  # fmt: skip
    facts = {"channels": about, "pixel_nm": list(grid.pixel_nm) if grid.calibrated else None}
    units = {channel.unit for channel in scan.channels.values()}
    metadata = {"axes": "CYX", "afmend": json.dumps(facts, ensure_ascii=True)}
    if grid.calibrated:
        metadata["unit"] = "nm"
    if len(units) == 1:
        metadata["vunit"] = units.pop()
    slow, fast = grid.pixel_nm
    tifffile.imwrite(
        path, stack, imagej=True, resolution=(1 / fast, 1 / slow) if grid.calibrated else None,
        metadata=metadata, software="afmend",
    )  # fmt: skip
