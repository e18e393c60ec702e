"""Writing a scan as a .gwy file that Gwyddion opens with masks, log and metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from afmend.errors import WriteError
from afmend.formats.gwyddion.facts import GRID_FACTS, KEY
from afmend.formats.gwyddion.tree import MAGIC, Component, serialize
from afmend.scan import Channel, Grid, Record, Scan
from afmend.scan.arrays import Heights, Mask
from afmend.scan.units import si

MAX_BYTES = (1 << 32) - 1
_NO_ERROR_BAR = -1.0
"""Stands for an infinite uncertainty, which the format forbids; any negative number is read so."""


def write(scan: Scan, path: Path) -> None:
    """Write a scan.

    Every channel becomes a channel with title, metadata (the vendor's header) and log (the applied steps).
    The mask that Gwyddion shows on it is the union of artifact and missing pixels. Each mask of its own and
    the uncertainty follow as further channels. The channel worked on last (`Scan.main`) is the one shown.

    What the format cannot hold: heights are stored in metres, so they return within the rounding of two
    operations (2.3e-16 relative), not bit for bit; NUL and lone surrogates in texts become question marks;
    where the scan came from (`Source`).

    Raises
    ------
    WriteError
        If the scan needs more than 4 GiB.
    """
    parts: list[Component] = []
    extra = len(scan.channels)
    shared = _shared(scan)
    shown = scan.main.key
    for number, (key, channel) in enumerate(scan.channels.items()):
        facts = {**shared, **_channel_facts(channel)}
        steps = [record for record in scan.history if record.channel == key]
        parts += _channel(scan, number, channel, facts, steps)
        parts.append((f"/{number}/data/visible", "b", key == shown))
        for title, unit, values, about in _layers(channel, number):
            field = _field(scan.grid, values, unit)
            parts += _entry(extra, f"{title} of {_title(channel)}", field, {KEY: json.dumps(about)}, "Gray")
            extra += 1
    body = serialize("GwyContainer", parts) if _size(parts) < MAX_BYTES else None
    if body is None:
        raise WriteError("the scan needs more than 4 GiB", now="Write it as afmend HDF5 (.h5).")
    path.write_bytes(MAGIC + body)


def _size(parts: list[Component]) -> int:
    return sum(len(value) for _, _, value in parts if isinstance(value, (bytes, str)))


def _shared(scan: Scan) -> dict[str, Any]:
    return {
        "grid": {name: float(getattr(scan.grid, name)) for name in GRID_FACTS},
        "history": [record.to_json() for record in scan.history],
        "acquisition": scan.acquisition.to_json(),
    }


def _channel_facts(channel: Channel) -> dict[str, Any]:
    return {
        "role": "channel",
        "kind": channel.kind,
        "direction": channel.direction,
        "name": channel.name,
        "calibrated": channel.calibrated,
        "dtype": str(channel.values.dtype),
    }


def _channel(scan: Scan, number: int, channel: Channel, facts: dict[str, Any], steps: list[Record]) -> list[Component]:
    meta = {**scan.header, KEY: json.dumps(facts)}
    parts = _entry(number, _title(channel), _field(scan.grid, channel.values, channel.unit), meta, "Gwyddion.net")
    holes = channel.holes
    if holes.any():
        parts.append((f"/{number}/mask", "o", _field(scan.grid, holes, "")))
    if steps:
        lines = serialize("GwyStringList", [("strings", "S", [_log_line(step) for step in steps])])
        parts.append((f"/{number}/data/log", "o", lines))
    return parts


def _entry(number: int, title: str, field: bytes, meta: Mapping[str, str], palette: str) -> list[Component]:
    return [
        (f"/{number}/data", "o", field),
        (f"/{number}/data/title", "s", title),
        (f"/{number}/base/palette", "s", palette),
        (f"/{number}/meta", "o", serialize("GwyContainer", [(name, "s", text) for name, text in meta.items()])),
    ]


def _layers(channel: Channel, number: int) -> list[tuple[str, str, Heights | Mask, dict[str, Any]]]:
    found: list[tuple[str, str, Heights | Mask, dict[str, Any]]] = []
    for role, name, mask in channel.masks.items():
        title = "Missing" if role == "missing" else f"{role.capitalize()} {name}"
        found.append((title, "", mask, {"role": role, "mask": name, "of": number}))
    if channel.uncertainty is not None:
        sigma = np.where(np.isinf(channel.uncertainty), _NO_ERROR_BAR, channel.uncertainty)
        about = {"role": "uncertainty", "of": number}
        found.append(("Uncertainty (1 sigma; negative = none known)", channel.unit, sigma, about))
    return found


def _field(grid: Grid, values: Heights | Mask, unit: str) -> bytes:
    base, factor = si(unit)
    numbers = np.asarray(values, dtype=np.float64)
    if factor != 1.0:
        # 1e9 is exact in binary, 1e-9 is not.
        numbers = numbers / 1e9 if unit == "nm" else numbers * factor
    slow, fast = grid.size_nm
    scale = 1e-9 if grid.calibrated else 1.0
    corner = (0.0, 0.0)
    if grid.calibrated and (grid.offset_slow_nm, grid.offset_fast_nm) != (0.0, 0.0):
        corner = (grid.offset_slow_nm - slow / 2, grid.offset_fast_nm - fast / 2)
    components: list[Component] = [
        ("xres", "i", grid.cols),
        ("yres", "i", grid.rows),
        ("xreal", "d", fast * scale),
        ("yreal", "d", slow * scale),
        ("xoff", "d", corner[1] * scale),
        ("yoff", "d", corner[0] * scale),
        ("si_unit_xy", "o", serialize("GwySIUnit", [("unitstr", "s", "m" if grid.calibrated else "")])),
        ("si_unit_z", "o", serialize("GwySIUnit", [("unitstr", "s", base)])),
        ("data", "D", numbers),
    ]
    return serialize("GwyDataField", components)


def _title(channel: Channel) -> str:
    name = channel.name or channel.kind
    known = channel.direction == "unknown" or channel.direction in name.lower()
    return name if known else f"{name} ({channel.direction.capitalize()})"


def _log_line(step: Record) -> str:
    """Return one line of Gwyddion's log: type::function(name=value, ...)@time; the time is not known."""
    values = {"version": step.version, **step.params}
    listed = ", ".join(
        f"{name}={value if isinstance(value, bool) else json.dumps(value)}" for name, value in values.items()
    )
    return f"afmend::{step.step}({listed})@"
