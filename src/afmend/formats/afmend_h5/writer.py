"""Writing afmend's own HDF5 files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from afmend import __version__
from afmend.errors import WriteError
from afmend.formats.afmend_h5.layout import (
    FORMAT,
    GRID_NUMBERS,
    LAYOUT,
    SOURCE_NUMBERS,
    SOURCE_TEXTS,
    as_json,
    fingerprint,
    history_json,
)
from afmend.scan import Channel, Scan
from afmend.scan.units import on_disk

if TYPE_CHECKING:
    import h5py

MAX_NAME = 10_000
"""HDF5 keeps attributes of up to 64 KiB."""


def write(scan: Scan, path: Path) -> None:
    """Write one scan; see `write_all`."""
    write_all([scan], path)


def write_all(scans: Iterable[Scan], path: Path) -> None:
    """Write scans, whole: reading them back gives equal scans, bit for bit.

    Parameters
    ----------
    scans : iterable of Scan
        At least one.
    path : Path
        Overwritten if it exists.

    Raises
    ------
    WriteError
        If there is no scan, or a name holds a NUL character, which HDF5 attributes cannot.
    """
    import h5py

    with h5py.File(path, "w") as file:
        _write_text(file, "format", FORMAT)
        file.attrs["layout"] = LAYOUT
        _write_text(file, "afmend_version", __version__)
        home = file.create_group("scans")
        for index, scan in enumerate(scans):
            _write_scan(home.create_group(f"{index:05d}"), scan)
        if not len(home):
            raise WriteError("there is no scan to write", now="Give at least one.")


def _write_scan(home: h5py.Group, scan: Scan) -> None:
    grid = home.create_group("grid")
    grid.attrs["rows"], grid.attrs["cols"] = scan.grid.rows, scan.grid.cols
    grid.attrs["calibrated"] = scan.grid.calibrated
    for name in GRID_NUMBERS:
        grid.attrs[name] = float(getattr(scan.grid, name))
    source = home.create_group("source")
    for name in SOURCE_TEXTS:
        _write_text(source, name, getattr(scan.source, name))
    for name in SOURCE_NUMBERS:
        source.attrs[name] = int(getattr(scan.source, name))
    _write_json(home, "header", as_json(dict(scan.header)))
    _write_json(home, "acquisition", as_json(scan.acquisition.to_json()))
    _write_json(home, "history", history_json(scan.history))
    channels = home.create_group("channels")
    for index, channel in enumerate(scan.channels.values()):
        _write_channel(channels.create_group(f"{index:03d}"), channel)
    _write_text(home, "fingerprint", fingerprint(scan))


def _write_channel(home: h5py.Group, channel: Channel) -> None:
    for name in ("kind", "direction", "unit", "name"):
        _write_text(home, name, getattr(channel, name))
    home.attrs["calibrated"] = channel.calibrated
    _write_array(home, "values", channel.values, channel.unit)
    if channel.uncertainty is not None:
        _write_array(home, "uncertainty", channel.uncertainty, channel.unit)
    masks = home.create_group("masks")
    for index, (role, name, mask) in enumerate(channel.masks.items()):
        stored = _write_array(masks, f"{index:03d}", mask.astype(np.uint8), "")
        _write_text(stored, "role", role)
        _write_text(stored, "name", name)


def _write_array(home: h5py.Group, name: str, values: NDArray[Any], unit: str) -> h5py.Dataset:
    stored = home.create_dataset(name, data=values, chunks=values.shape, compression="gzip", compression_opts=1,
                                 shuffle=True)  # fmt: skip
    if unit:
        _write_text(stored, "unit", unit)
        si_unit, factor = on_disk(unit)
        _write_text(stored, "si_unit", si_unit)
        stored.attrs["si_factor"] = factor
    return stored


def _write_text(node: Any, name: str, text: str) -> None:
    if "\0" in text or not _encodable(text) or len(text) > MAX_NAME:
        raise WriteError(
            f"the {name} {text[:60]!r} is too long or holds a character that HDF5 attributes cannot store",
            now="Rename it, or write another format.",
        )
    node.attrs[name] = _fixed(text)


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _write_json(home: h5py.Group, name: str, text: str) -> None:
    home.create_dataset(name, data=_fixed(text))


def _fixed(text: str) -> Any:
    """Return text as a string of fixed length: those of variable length live on a heap that breaks easily."""
    import h5py

    raw = text.encode()
    return np.array(raw, dtype=h5py.string_dtype("utf-8", max(len(raw), 1)))
