"""Recognising and reading JPK images."""

from __future__ import annotations

import math
from pathlib import Path

from afmend.errors import CorruptFileError, NotAnImageError, UnsupportedFileError
from afmend.formats.hostile import FileBytes
from afmend.formats.jpk.header import header_of, slots_of
from afmend.formats.kinds import kind_of
from afmend.formats.register import Verdict
from afmend.formats.scaling import finite, positive, scaled
from afmend.formats.tifftags import BITS, Page, first_page, pages
from afmend.scan import Acquisition, Channel, Grid, Scan
from afmend.scan.arrays import Heights
from afmend.scan.units import in_memory

U_LENGTH, V_LENGTH, X_CENTER, Y_CENTER, THETA, REFLECT = 0x8042, 0x8043, 0x8040, 0x8041, 0x8044, 0x8045
COLS, ROWS = 0x8046, 0x8047
RETRACE, FANCY_NAME, CHANNEL_NAME = 0x8051, 0x8052, 0x8050
_ZIP = b"PK\x03\x04"


def recognise(head: bytes, path: Path) -> Verdict:
    """Look for JPK's scan geometry tags, or for an archive of curves."""
    if head.startswith(_ZIP):
        curves = b"header.properties" in head or path.suffix.lower().startswith(".jpk")
        return Verdict.YES if curves else Verdict.NO
    page = first_page(head, path)
    if page is not None and {COLS, ROWS, U_LENGTH, V_LENGTH} <= page.tags.keys():
        return Verdict.YES
    return Verdict.NO


def read(path: Path) -> list[Scan]:
    """Read all channels of a JPK image.

    Raises
    ------
    NotAnImageError
        If it is an archive of force curves.
    CorruptFileError, UnsupportedFileError
        If the TIFF or its calibration is damaged or of an unknown kind.
    """
    file = FileBytes(path)
    if file.data.startswith(_ZIP):
        raise NotAnImageError(
            "it is an archive of force curves", now="Export an image of it (.jpk-qi-image) in JPK Data Processing."
        )
    first, *others = pages(file)
    budget = file.size
    channels = []
    for page in others:
        rows, cols = page.shape
        budget -= rows * cols * (page.whole(BITS, 8) // 8)
        if budget < 0:
            raise CorruptFileError("its channels overlap", now="Copy it again from the instrument.")
        channels.append(_channel(page, bottom_first=not first.whole(REFLECT, 0)))
    if not channels:
        raise CorruptFileError("it holds a thumbnail, but no channel", now="Copy it again from the instrument.")
    grid = _grid(first, channels[0].shape)
    same = [channel for channel in channels if channel.shape == grid.shape]
    if len(same) != len(channels):
        raise UnsupportedFileError("its channels differ in size", now="Export them one by one.")
    return [Scan.of(grid, channels, acquisition=_acquisition(first), header=header_of([first, *others]))]


def _grid(page: Page, shape: tuple[int, int]) -> Grid:
    slow, fast = page.number(V_LENGTH), page.number(U_LENGTH)
    if slow is None or fast is None or not positive(slow, fast):
        return Grid.uncalibrated(shape)
    places = {
        "angle_deg": math.degrees(finite(page.number(THETA)) or 0.0),
        "offset_slow_nm": (finite(page.number(Y_CENTER)) or 0.0) * 1e9,
        "offset_fast_nm": (finite(page.number(X_CENTER)) or 0.0) * 1e9,
    }
    return Grid.from_size(shape, (slow * 1e9, fast * 1e9), **places)


def _channel(page: Page, *, bottom_first: bool) -> Channel:
    name = page.text(FANCY_NAME) or page.text(CHANNEL_NAME) or ""
    direction = "retrace" if page.whole(RETRACE, 0) else "trace"
    raw = page.raster()
    if raw.ndim != 2:
        raise UnsupportedFileError(f"channel {name!r} is a color picture", now="Re-export the file.")
    if bottom_first:
        raw = raw[::-1]
    slot = slots_of(page, name)
    values: Heights
    if slot is None:
        values, unit = raw.astype(float), ""
    else:
        unit, factor = in_memory(slot.unit)
        values = scaled(raw, slot.multiplier * factor, slot.offset * factor, f"channel {name!r}")
    return Channel.from_raw(
        kind_of(name), "retrace" if direction == "retrace" else "trace", values, unit,
        name=name, calibrated=slot is not None,
    )  # fmt: skip


def _acquisition(page: Page) -> Acquisition:
    directions = {"bottomUp": "up", "topDown": "down"}
    setpoint = finite(page.number(0x8033))
    return Acquisition(
        instrument="JPK",
        mode=page.text(0x8030),
        date=page.text(0x8006) or page.text(0x8003),
        scan_direction=directions.get(page.text(0x804B) or ""),
        line_rate_hz=finite(page.number(0x8049)),
        setpoint=setpoint,
        setpoint_unit=None if setpoint is None else "V",
        integral_gain=finite(page.number(0x8032)),
        proportional_gain=finite(page.number(0x8031)),
    )
