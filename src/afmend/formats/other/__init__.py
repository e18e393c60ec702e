"""Everything that no reader of afmend's own recognises: asked is SurfaceTopography, if it is installed.

SurfaceTopography (MIT, https://github.com/ContactEngineering/SurfaceTopography) comes with the extra ``formats``.
Its readers are made for surface metrology: of other channels than height they may not know the unit (such channels
are read as uncalibrated), and masks, gains and scan direction are not read.
"""

from __future__ import annotations

import struct
import warnings
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from afmend.errors import CorruptFileError, NotAnImageError, UnsupportedFileError
from afmend.formats.hostile import pixels
from afmend.formats.kinds import kind_of, split_direction
from afmend.formats.numbers import scaled
from afmend.formats.register import Verdict
from afmend.scan import Acquisition, Channel, Grid, Scan
from afmend.scan.units import in_memory, is_length

_RAISES = (
    OSError, EOFError, LookupError, RuntimeError, ValueError, TypeError, AttributeError, ArithmeticError,
    AssertionError, MemoryError, struct.error, zipfile.BadZipFile,
)  # fmt: skip
"""What parsers of binary files raise on files they do not expect."""


def library() -> Any:
    """Return SurfaceTopography's module of readers, or None if the extra is not installed."""
    try:
        import SurfaceTopography.IO
    except ImportError:
        return None
    return SurfaceTopography.IO


def recognise(head: bytes, path: Path) -> Verdict:  # noqa: ARG001 (every reader has the same signature)
    """Say MAYBE if the extra is installed and finds a reader; never YES."""
    readers = library()
    if readers is None:
        return Verdict.NO
    try:
        with _quiet():
            readers.detect_format(str(path))
    except (readers.ReadFileError, *_RAISES):
        return Verdict.NO
    return Verdict.MAYBE


def read(path: Path) -> list[Scan]:
    """Read every 2-D channel; channels of the same shape and size form one scan.

    Raises
    ------
    UnsupportedFileError
        If the extra is not installed.
    CorruptFileError
        If SurfaceTopography cannot read it after all.
    NotAnImageError
        If there are only profiles in it.
    """
    readers = library()
    if readers is None:
        raise UnsupportedFileError("needs the extra 'formats'", now="Run: pip install 'afmend[formats]'")
    try:
        with _quiet():
            return _scans(readers.open_topography(str(path)))
    except (readers.ReadFileError, *_RAISES) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise CorruptFileError(f"SurfaceTopography cannot read it ({reason})", now="Re-export it.") from error


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _scans(reader: Any) -> list[Scan]:
    groups: dict[Grid, list[Channel]] = defaultdict(list)
    info: Mapping[str, Any] = {}
    for entry in reader.channels:
        if entry.dim == 2:
            grid, channel, info = _channel(entry)
            groups[grid].append(channel)
    if not groups:
        raise NotAnImageError("holds no image, only profiles", now="Only images can be mended.")
    acquisition = _acquisition(info)
    raw = info.get("raw_metadata")
    header = {str(name): str(value) for name, value in raw.items()} if isinstance(raw, Mapping) else {}
    return [Scan.of(grid, group, acquisition=acquisition, header=header) for grid, group in groups.items()]


def _channel(entry: Any) -> tuple[Grid, Channel, Mapping[str, Any]]:
    cols, rows = (int(n) for n in entry.nb_grid_pts)
    pixels(rows, cols)
    sized = entry.physical_sizes is not None
    surface = entry.topography(**({} if sized else {"physical_sizes": (float(cols), float(rows))}))
    lateral, vertical = _units(surface.unit)
    vertical = _units(getattr(entry, "data_unit", surface.unit))[1] if vertical else ""
    unit, factor = in_memory(vertical)
    heights = surface.heights().T  # The library's first axis is x.
    name = str(entry.name)
    bare, direction = split_direction(name)
    kind = "height" if is_length(unit) and bare.lower() in ("", "default") else kind_of(bare)
    channel = Channel.from_raw(
        kind, direction, scaled(np.ma.getdata(heights), factor), unit, name=name, calibrated=bool(unit),
        missing=np.array(np.ma.getmaskarray(heights)),
    )  # fmt: skip
    lateral_unit, lateral_factor = in_memory(lateral)
    if not sized or not is_length(lateral_unit):
        return Grid.uncalibrated((rows, cols)), channel, surface.info
    fast, slow = (float(size) * lateral_factor for size in surface.physical_sizes)
    return Grid.from_size((rows, cols), (slow, fast)), channel, surface.info


def _units(unit: Any) -> tuple[str, str]:
    """Return (lateral, vertical) unit: the library gives one for both, or a pair, or None."""
    lateral, vertical = unit if isinstance(unit, tuple) else (unit, unit)
    return str(lateral or ""), str(vertical or "")


def _acquisition(info: Mapping[str, Any]) -> Acquisition:
    instrument = info.get("instrument")
    named = instrument.get("name") if isinstance(instrument, Mapping) else None
    when = info.get("acquisition_time")
    return Acquisition(instrument=None if named is None else str(named), date=None if when is None else str(when))
