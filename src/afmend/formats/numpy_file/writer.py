"""Writing a scan as an .npz archive."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from afmend.errors import WriteError
from afmend.formats.numpy_file.reader import FACTS
from afmend.scan import Scan

_RESERVED = {"pixel_nm", "size_nm", "unit", FACTS}


def write(scan: Scan, path: Path) -> None:
    """Write all channels; missing pixels become NaN. Masks, error bars and history do not fit.

    Raises
    ------
    WriteError
        If the name ends in .npy: a bare array has no room for a calibration.
    """
    if path.suffix.lower() == ".npy":
        raise WriteError("a .npy file has no room for calibration", now="Write an .npz file.")
    arrays: dict[str, Any] = {}
    facts = {}
    for key, channel in scan.channels.items():
        name = key.kind if key.direction == "unknown" else f"{key.kind}_{key.direction}"
        while name in arrays or name in _RESERVED:
            name += "_"
        values = channel.values.copy()
        values[channel.still_missing] = np.nan
        arrays[name] = values
        facts[name] = {
            "kind": channel.kind, "direction": channel.direction, "unit": channel.unit,
            "name": channel.name, "calibrated": channel.calibrated,
        }  # fmt: skip
    if scan.grid.calibrated:
        arrays["pixel_nm"] = np.array(scan.grid.pixel_nm)
    units = {channel.unit for channel in scan.channels.values()}
    if len(units) == 1:
        arrays["unit"] = np.array(units.pop())
    arrays[FACTS] = np.array(json.dumps(facts, ensure_ascii=True))
    with path.open("wb") as file:
        np.savez(file, **arrays)
