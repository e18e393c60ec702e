"""Gwyddion Simple Field (.gsf): one channel of 32-bit floats with a text header. Read and write.

Format: http://gwyddion.net/documentation/user-guide-en/gsf.html
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from afmend.errors import CorruptFileError
from afmend.formats.hostile import FileBytes, number, pixels, whole
from afmend.formats.kinds import kind_of, split_direction
from afmend.formats.numbers import scaled
from afmend.formats.register import Verdict
from afmend.scan import Channel, Grid, Scan
from afmend.scan.units import in_memory, is_length, si

MAGIC = b"Gwyddion Simple Field 1.0\n"
_HEADER_LIMIT = 1 << 20
_OWN_KEYS = {"XRes", "YRes", "XReal", "YReal", "XOffset", "YOffset", "Title", "XYUnits", "ZUnits"}


def recognise(head: bytes, path: Path) -> Verdict:  # noqa: ARG001 (every reader has the same signature)
    """Say YES to the magic line."""
    return Verdict.YES if head.startswith(MAGIC) else Verdict.NO


def read(path: Path) -> list[Scan]:
    """Read the one channel; NaN pixels are missing. Without XReal, YReal or a length in XYUnits: uncalibrated.

    Raises
    ------
    CorruptFileError
        If the file is damaged.
    """
    data = FileBytes(path)
    end = data.data.find(b"\0", 0, _HEADER_LIMIT)
    if end < 0:
        raise CorruptFileError("its header does not end", now="Export it again.")
    header = _parse(data.data[len(MAGIC) : end])
    shape = whole(header.get("YRes", ""), "YRes"), whole(header.get("XRes", ""), "XRes")
    pixels(*shape)
    raw = data.array(end + 4 - end % 4, shape, "<f4")
    unit, factor = in_memory(header.get("ZUnits", ""))
    title = header.get("Title", "")
    bare, direction = split_direction(title)
    kind = "height" if not bare and is_length(unit) else kind_of(bare)
    channel = Channel.from_raw(kind, direction, scaled(raw, factor), unit, name=title, calibrated=bool(unit))
    return [Scan.of(_grid(header, shape), [channel], header=header)]


def _parse(raw: bytes) -> dict[str, str]:
    lines = raw.decode("utf-8", "replace").splitlines()
    pairs = (line.partition("=") for line in lines if "=" in line)
    return {name.strip(): value.strip() for name, _, value in pairs}


def _grid(header: dict[str, str], shape: tuple[int, int]) -> Grid:
    base, factor = si(header.get("XYUnits", ""))
    if base != "m" or "XReal" not in header or "YReal" not in header:
        return Grid.uncalibrated(shape)
    nm = factor * 1e9
    size = [number(header[name], name) * nm for name in ("YReal", "XReal")]
    corner = [number(header.get(name, "0"), name) * nm for name in ("YOffset", "XOffset")]
    if min(size) <= 0:
        raise CorruptFileError(f"its size is {size[0]} nm x {size[1]} nm", now="Export it again.")
    center = [c + s / 2 if any(corner) else 0.0 for c, s in zip(corner, size, strict=True)]
    return Grid.from_size(shape, (size[0], size[1]), offset_slow_nm=center[0], offset_fast_nm=center[1])


def write(scan: Scan, path: Path) -> None:
    """Write one channel: the one worked on last (`Scan.main`). Missing pixels that nobody filled become NaN.

    What the format cannot hold: more than one channel; 64-bit values (they are rounded to 32 bits, 6e-8
    relative); masks other than missing; uncertainty; history; typed facts; rotation; header entries with line
    breaks or an equals sign in the name.
    """
    channel = scan.main
    lines = {**_geometry(scan.grid), "Title": _title(channel), "ZUnits": si(channel.unit)[0]}
    lines |= {name: text for name, text in scan.header.items() if name not in _OWN_KEYS and _fits(name, text)}
    head = MAGIC + "".join(f"{name} = {value}\n" for name, value in lines.items()).encode("utf-8", "replace")
    values = channel.values.astype(np.float64)
    values = values / 1e9 if is_length(channel.unit) else values * si(channel.unit)[1]
    values[channel.still_missing] = np.nan
    path.write_bytes(head + b"\0" * (4 - len(head) % 4) + values.astype("<f4").tobytes())


def _geometry(grid: Grid) -> dict[str, str]:
    lines = {"XRes": str(grid.cols), "YRes": str(grid.rows)}
    if not grid.calibrated:
        return lines
    slow, fast = grid.size_nm
    lines |= {"XReal": repr(fast / 1e9), "YReal": repr(slow / 1e9), "XYUnits": "m"}
    if (grid.offset_slow_nm, grid.offset_fast_nm) != (0.0, 0.0):
        lines["XOffset"] = repr((grid.offset_fast_nm - fast / 2) / 1e9)
        lines["YOffset"] = repr((grid.offset_slow_nm - slow / 2) / 1e9)
    return lines


def _title(channel: Channel) -> str:
    name = channel.name or channel.kind
    named = f"{name} ({channel.direction.capitalize()})"
    title = name if split_direction(name)[1] == channel.direction else named
    return " ".join(title.replace("\0", " ").split())


def _fits(name: str, text: str) -> bool:
    lonely = len(name.splitlines()) == 1 and len(text.splitlines()) <= 1
    return lonely and "=" not in name and "\0" not in name + text and name == name.strip() and text == text.strip()
