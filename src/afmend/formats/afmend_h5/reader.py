"""Reading afmend's own HDF5 files."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from afmend.errors import BadScanError, CorruptFileError, UnsupportedFileError
from afmend.formats import hdf5
from afmend.formats.afmend_h5.layout import FORMAT, GRID_NUMBERS, LAYOUT, SOURCE_NUMBERS, SOURCE_TEXTS, fingerprint
from afmend.formats.hostile import pixels
from afmend.formats.register import Verdict
from afmend.scan import Acquisition, Channel, Grid, Masks, Record, Scan, Source
from afmend.scan.arrays import Heights, adopted

if TYPE_CHECKING:
    import h5py

MAX_CHANNELS = 1000
_TEXT_FACTS = {"instrument", "mode", "date", "scan_direction", "setpoint_unit"}


def recognise(head: bytes, path: Path) -> Verdict:
    """Say YES to an HDF5 file whose root says that afmend wrote it."""
    if not head.startswith(hdf5.SIGNATURE):
        return Verdict.NO
    try:
        with hdf5.opened(path) as file:
            return Verdict.YES if hdf5.attribute(file, "format") == FORMAT else Verdict.NO
    except CorruptFileError:
        # The root group stands at the front of what the writer makes.
        return Verdict.YES if b"afmend_version" in head else Verdict.NO


def read(path: Path) -> list[Scan]:
    """Read every scan of a file that `write_all` made.

    Raises
    ------
    CorruptFileError
        If the file is damaged; a changed number is noticed by the fingerprint of the scan.
    UnsupportedFileError
        If a newer afmend wrote it.
    """
    with hdf5.opened(path) as file:
        layout = _attribute(file, "layout", int)
        if layout != LAYOUT:
            raise UnsupportedFileError(f"has layout {layout}, this afmend reads {LAYOUT}", now="Update afmend.")
        home = hdf5.group(file, "scans")
        scans = [_read_scan(hdf5.group(home, name)) for name in hdf5.names(home)]
    if not scans:
        raise CorruptFileError("holds no scan", now="Write it again.")
    return scans


def _read_scan(home: h5py.Group) -> Scan:
    grid = _read_grid(hdf5.group(home, "grid"))
    channels = hdf5.group(home, "channels")
    try:
        scan = Scan.of(
            grid,
            [_read_channel(hdf5.group(channels, name), grid) for name in hdf5.names(channels, MAX_CHANNELS)],
            history=tuple(Record.from_json(record) for record in _json(home, "history", list)),
            acquisition=_read_acquisition(_json(home, "acquisition", dict)),
            header=_read_header(_json(home, "header", dict)),
            source=_read_source(hdf5.group(home, "source")),
        )
    except (AttributeError, KeyError) as error:
        raise CorruptFileError(f"a record of {home.name} is incomplete ({error})", now="Write it again.") from error
    except BadScanError as error:
        raise CorruptFileError(error.what, now=error.now or "Write it again.") from error
    said = hdf5.attribute(home, "fingerprint")
    if said is not None and said != fingerprint(scan):
        raise CorruptFileError(
            f"the fingerprint of {home.name} does not fit its content",
            now="The file was damaged, or changed by another program: copy it again, or delete the attribute"
            " 'fingerprint' if the change was meant.",
        )
    return scan


def _read_grid(home: h5py.Group) -> Grid:
    shape = _attribute(home, "rows", int), _attribute(home, "cols", int)
    pixels(*shape)
    numbers = {name: _attribute(home, name, float) for name in GRID_NUMBERS}
    return Grid(*shape, calibrated=_attribute(home, "calibrated", bool), **numbers)


def _read_source(home: h5py.Group) -> Source:
    texts = [_attribute(home, name, str) for name in SOURCE_TEXTS]
    numbers = [_attribute(home, name, int) for name in SOURCE_NUMBERS]
    return Source(texts[0], texts[1], numbers[0], numbers[1])


def _read_acquisition(data: dict[str, Any]) -> Acquisition:
    known = {field.name for field in fields(Acquisition)}
    for name, value in data.items():
        fits = isinstance(value, str) if name in _TEXT_FACTS else isinstance(value, (int, float))
        if name not in known or not fits:
            raise CorruptFileError(f"the acquisition says {name} = {value!r}", now="Write it again.")
    return Acquisition(**data)


def _read_header(data: dict[str, Any]) -> dict[str, str]:
    if not all(isinstance(value, str) for value in data.values()):
        raise CorruptFileError("the header holds something that is not text", now="Write it again.")
    return data


def _read_channel(home: h5py.Group, grid: Grid) -> Channel:
    home_of_masks = hdf5.group(home, "masks")
    masks = Masks()
    for name in hdf5.names(home_of_masks, MAX_CHANNELS):
        stored = hdf5.stored(home_of_masks, name)
        role = _attribute(stored, "role", str)
        if role not in ("missing", "artifact", "foreground"):
            raise CorruptFileError(f"{stored.name} has the role {role!r}", now="Write it again.")
        masks = masks.with_mask(role, _attribute(stored, "name", str), _array(home_of_masks, name, grid) != 0)
    return Channel(
        kind=_attribute(home, "kind", str),
        direction=_attribute(home, "direction", str),
        values=_array(home, "values", grid),
        unit=_attribute(home, "unit", str),
        name=_attribute(home, "name", str),
        calibrated=_attribute(home, "calibrated", bool),
        masks=masks,
        uncertainty=_array(home, "uncertainty", grid) if hdf5.has(home, "uncertainty") else None,
    )


def _array(home: h5py.Group, name: str, grid: Grid) -> Heights:
    values = hdf5.dataset(home, name, max_pixels=grid.rows * grid.cols)
    if values.shape != grid.shape:
        raise CorruptFileError(
            f"{home.name}/{name} has shape {values.shape}, the grid has {grid.shape}", now="Write it again."
        )
    return adopted(values)


def _attribute(node: Any, name: str, kind: type) -> Any:
    value = hdf5.attribute(node, name)
    if type(value) is not kind:
        raise CorruptFileError(f"{node.name} has no proper attribute {name!r} ({value!r:.60})", now="Write it again.")
    return value


def _json(home: h5py.Group, name: str, kind: type) -> Any:
    data = json.loads(hdf5.text(home, name))
    if not isinstance(data, kind):
        raise CorruptFileError(f"{home.name}/{name} is not what it should be", now="Write it again.")
    return data
