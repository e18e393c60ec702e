"""Writing a channel as a matrix of numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from afmend.scan import Channel, Scan


def write(scan: Scan, path: Path) -> None:
    """Write the channel worked on last (`Scan.main`) with a header like Gwyddion's.

    Lengths stand in nm, so that every digit survives. Masks, error bars and history do not fit.
    """
    channel = scan.main
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for key, value in _header(scan, channel):
            file.write(f"# {key}: {_one_line(value)}\n")
        values = channel.values.astype(np.float64)
        values[channel.still_missing] = np.nan
        for row in values:
            file.write("\t".join(map(repr, row.tolist())))
            file.write("\n")


def _header(scan: Scan, channel: Channel) -> list[tuple[str, str]]:
    lines = [("Channel", channel.name or str(channel.key))]
    grid = scan.grid
    if grid.calibrated:
        slow, fast = grid.size_nm
        lines += [("Width", f"{fast!r} nm"), ("Height", f"{slow!r} nm")]
    if channel.calibrated and channel.unit:
        lines += [("Value units", channel.unit)]
    if grid.calibrated:
        lines += [("Pixel slow", f"{grid.pixel_slow_nm!r} nm"), ("Pixel fast", f"{grid.pixel_fast_nm!r} nm")]
    return [*lines, ("Kind", channel.kind), ("Direction", channel.direction)]


def _one_line(text: str) -> str:
    return " ".join(text.split())
