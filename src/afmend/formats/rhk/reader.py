"""RHK .sm4: pages of objects; a page of type 0 is an image, every other is a curve and is left out.

A negative pixel size says that the axis was recorded backwards: the image is mirrored so that x grows to the right
and y to the top.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from afmend.errors import CorruptFileError, NotAnImageError
from afmend.formats.assemble import Claims, calibrated, scans_of
from afmend.formats.hostile import FileBytes
from afmend.formats.kinds import kind_of
from afmend.formats.quantity import iso_date
from afmend.formats.register import Verdict
from afmend.formats.rhk.pages import IMAGE, Page, pages
from afmend.scan import Acquisition, Channel, Direction, Grid, Scan
from afmend.scan.units import in_memory

_SIGNATURE = "STiMage 005".encode("utf-16-le")
_DIRECTIONS: dict[int, Direction] = {0: "trace", 1: "retrace"}
_SLOW = {2: "up", 3: "down"}


def recognise(head: bytes, path: Path) -> Verdict:  # noqa: ARG001 (the content decides)
    """Say whether these are the first bytes of an RHK file."""
    return Verdict.YES if head[2:].startswith(_SIGNATURE) else Verdict.NO


def read(path: Path) -> list[Scan]:
    """Read every image page of an RHK file.

    Raises
    ------
    NotAnImageError
        If all pages are curves.
    CorruptFileError
        If the header contradicts itself or promises more than the file holds.
    """
    file = FileBytes(path)
    found = list(pages(file))
    images = [page for page in found if page.kind == IMAGE]
    if not images:
        raise NotAnImageError("holds spectra, not an image", now="afmend repairs images only.")
    pairs = list(_images(Claims(file), images))
    flat = {f"page {n}/{key}": value for n, page in enumerate(found, 1) for key, value in page.flattened().items()}
    return scans_of(pairs, _acquisition(images[0]), flat)


def _images(claims: Claims, images: list[Page]) -> Iterator[tuple[Grid, Channel]]:
    for page in images:
        name = page.strings.get("label", "")
        rows, cols = page.numbers["height"], page.numbers["width"]
        raw = claims.image(page.data_at, (int(rows), int(cols)), "<i4", name)
        raw = raw[:: -1 if page.numbers["y_scale"] > 0 else 1, :: -1 if page.numbers["x_scale"] < 0 else 1]
        unit, factor = in_memory(page.strings.get("z_unit", ""))
        values = calibrated(raw, page.numbers["z_scale"] * factor, page.numbers["z_offset"] * factor)
        direction = _DIRECTIONS.get(int(page.numbers["scan_direction"]), "unknown")
        channel = Channel.from_raw(
            kind_of(name), direction, np.ascontiguousarray(values), unit, name=name, calibrated=bool(unit)
        )
        yield _grid(page, (int(rows), int(cols))), channel


def _grid(page: Page, shape: tuple[int, int]) -> Grid:
    units = [in_memory(page.strings.get(key, "")) for key in ("y_unit", "x_unit")]
    if any(unit != "nm" for unit, _ in units):
        return Grid.uncalibrated(shape)
    slow, fast = (abs(page.numbers[key]) * to for key, (_, to) in zip(("y_scale", "x_scale"), units, strict=True))
    if not (slow > 0 and fast > 0):
        raise CorruptFileError(f"a pixel is {fast} nm by {slow} nm", now="Re-export the file.")
    return Grid(
        *shape,
        slow,
        fast,
        angle_deg=page.numbers["angle"],
        offset_fast_nm=page.numbers["x_offset"] * units[1][1],
        offset_slow_nm=page.numbers["y_offset"] * units[0][1],
    )


def _acquisition(page: Page) -> Acquisition:
    when = f"{page.strings.get('date', '')} {page.strings.get('time', '')}"
    return Acquisition(
        instrument="RHK",
        date=iso_date(when, "%m/%d/%y %H:%M:%S"),
        scan_direction=_SLOW.get(int(page.numbers["scan_direction"])),
        setpoint=page.numbers["current"],
        setpoint_unit="A",
        bias_v=page.numbers["bias"],
    )
