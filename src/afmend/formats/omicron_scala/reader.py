"""SCALA: the .par file is text with comments after ``;``, the data files hold big-endian 16-bit counts.

A "Topographic Channel" is followed by nine lines without keys: direction, smallest and largest count, smallest and
largest value, resolution, unit, file, name. Lines stand in the data file from the bottom of the picture to its top,
forward and backward images alike from left to right.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

from afmend.errors import CorruptFileError, NotAnImageError
from afmend.formats.assemble import Claims, calibrated, scans_of
from afmend.formats.hostile import FileBytes, number, pixels, whole
from afmend.formats.kinds import kind_of
from afmend.formats.quantity import fact, fact_with_unit, iso_date
from afmend.formats.register import Verdict
from afmend.scan import Acquisition, Channel, Direction, Grid, Scan
from afmend.scan.units import in_memory

MAX_PAR_BYTES = 1 << 20
MAX_CHANNELS = 64
_TITLE = re.compile(rb"omicron\s+spm\s+control", re.IGNORECASE)
_DATA_SUFFIX = re.compile(r"\.t[fb]\d+", re.IGNORECASE)
_LINES = ("direction", "min_count", "max_count", "min_value", "max_value", "resolution", "unit", "file")
_DIRECTIONS: dict[str, Direction] = {"forward": "trace", "backward": "retrace"}
_KINDS = {"Z": "height", "I": "current"}


@dataclass(frozen=True, slots=True)
class _Image:
    letter: str
    entries: dict[str, str]


def recognise(head: bytes, path: Path) -> Verdict:
    """Say whether this is a SCALA parameter file, or a data file that lies beside one."""
    if _TITLE.search(head[:2000]):
        return Verdict.YES
    if not _DATA_SUFFIX.fullmatch(path.suffix):
        return Verdict.NO
    beside = _beside(path.parent, f"{path.stem}.par")
    if beside is None:
        return Verdict.NO
    try:
        with beside.open("rb") as file:
            return Verdict.YES if _TITLE.search(file.read(2000)) else Verdict.NO
    except OSError:
        return Verdict.NO


def read(path: Path) -> list[Scan]:
    """Read all images of a SCALA scan, given its parameter file or any of its data files.

    Raises
    ------
    NotAnImageError
        If the parameter file lists spectra only.
    CorruptFileError
        If a file is missing or too short, or the header contradicts itself.
    """
    par = path
    if path.suffix.lower() != ".par":
        found = _beside(path.parent, f"{path.stem}.par")
        if found is None:
            raise CorruptFileError(f"its parameter file {path.stem}.par is missing", now="Copy both into one folder.")
        par = found
    header, images, curves = _parsed(FileBytes(par, MAX_PAR_BYTES).data.decode("latin-1"))
    if not images:
        if curves:
            raise NotAnImageError("holds spectra, not an image", now="afmend repairs images only.")
        raise CorruptFileError("the header lists no images", now="Copy it again from the instrument.")
    cols, rows = (abs(whole(_need(header, key), key)) for key in ("Image Size in X", "Image Size in Y"))
    pixels(rows, cols)
    grid = _grid(header, (rows, cols))
    pairs = [(grid, _channel(par, image, (rows, cols))) for image in images]
    flat = dict(header)
    for n, image in enumerate(images, 1):
        flat.update({f"image {n}/{key}": value for key, value in image.entries.items()})
    return scans_of(pairs, _acquisition(header), flat)


def _beside(folder: Path, name: str) -> Path | None:
    """Find a file of that name whatever its case: SCALA writes names in one case and stores them in another."""
    try:
        return next((entry for entry in folder.iterdir() if entry.name.lower() == name.lower()), None)
    except OSError:
        return None


def _parsed(text: str) -> tuple[dict[str, str], list[_Image], int]:
    """Return the entries with keys, the images, and the number of spectroscopy channels."""
    header: dict[str, str] = {}
    images: list[_Image] = []
    curves, pending = 0, 0
    for line in text.splitlines():
        content = line.partition(";")[0].strip()
        if pending and content:
            images[-1].entries[_LINES[-pending]] = content
            pending -= 1
            continue
        key, colon, value = (part.strip() for part in content.partition(":"))
        if key == "Topographic Channel" and len(images) < MAX_CHANNELS:
            images.append(_Image(value, {"channel": value}))
            pending = len(_LINES)
        elif colon and key:
            curves += key == "Spectroscopy Channel"
            header.setdefault(key, value)
    return header, images, curves


def _need(entries: dict[str, str], key: str) -> str:
    if key not in entries:
        raise CorruptFileError(f"the header has no {key!r}", now="Copy it again from the instrument.")
    return entries[key]


def _channel(par: Path, image: _Image, shape: tuple[int, int]) -> Channel:
    entries = image.entries
    # Only the name counts: a path would lead out of the folder.
    name = re.split(r"[/\\]", _need(entries, "file"))[-1]
    where = _beside(par.parent, name)
    if where is None:
        raise CorruptFileError(f"its data file {name} is missing", now="Copy all files of the scan into one folder.")
    raw = Claims(FileBytes(where)).image(0, shape, ">i2", name)
    unit, factor = in_memory(_need(entries, "unit"))
    low, high = (number(_need(entries, key), key) * factor for key in ("min_value", "max_value"))
    first, last = (whole(_need(entries, key), key) for key in ("min_count", "max_count"))
    if last == first:
        raise CorruptFileError(f"{name}: counts range from {first} to {last}", now="Copy it again.")
    step = (high - low) / (last - first)
    values = calibrated(raw[::-1], step, low - first * step)
    direction = _DIRECTIONS.get(entries["direction"].lower(), "unknown")
    kind = _KINDS.get(image.letter) or kind_of(image.letter)
    return Channel.from_raw(kind, direction, values, unit, name=image.letter, calibrated=bool(unit))


def _grid(header: dict[str, str], shape: tuple[int, int]) -> Grid:
    fast, slow = (abs(number(_need(header, f"Field {axis} Size in nm"), f"Field {axis} Size")) for axis in "XY")
    offsets = [fact(header.get(f"{axis} Offset")) or 0.0 for axis in "XY"]
    return Grid.from_size(
        shape,
        (slow, fast),
        angle_deg=fact(header.get("Scan Angle")) or 0.0,
        offset_fast_nm=offsets[0],
        offset_slow_nm=offsets[1],
    )


def _acquisition(header: dict[str, str]) -> Acquisition:
    setpoint, unit = fact_with_unit(header.get("Feedback Set"), "nA")
    speed, width = fact(header.get("Scan Speed")), fact(header.get("Field X Size in nm"))
    rate = abs(speed / width) / 2 if speed and width else math.inf
    return Acquisition(
        instrument=header.get("Name") or "Omicron SCALA",
        mode=header.get("SPM Method"),
        date=iso_date(header.get("Date"), "%d.%m.%y %H:%M", "%d.%m.%Y %H:%M", "%d.%m.%y %H:%M:%S"),
        line_rate_hz=rate if 0 < rate < 1e6 else None,
        setpoint=setpoint,
        setpoint_unit=unit,
        integral_gain=fact(header.get("Loop Gain")),
        bias_v=fact(header.get("Gap Voltage")),
    )
