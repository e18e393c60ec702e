"""Recognising and reading JPK movies."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from afmend.errors import CorruptFileError, NotAnImageError, UnsupportedFileError
from afmend.formats import hdf5
from afmend.formats.hdf5_peek import top_of
from afmend.formats.hostile import pixels
from afmend.formats.kinds import kind_of
from afmend.formats.register import Verdict
from afmend.formats.scaling import finite, positive, scaled
from afmend.scan import Acquisition, Channel, Direction, Grid, Scan
from afmend.scan.units import in_memory

if TYPE_CHECKING:
    import h5py

MAX_VALUES = 1 << 28
"""Most values of a movie that afmend opens at once (2 GB in memory)."""
PACKING = 64
"""No movie is packed better than this; a file that promises more was never recorded."""
_SLACK_VALUES = 1 << 22
_DIRECTIONS = {"bottomUp": "up", "topDown": "down"}


def recognise(head: bytes, path: Path) -> Verdict:
    """Look for JPK's mark, or for its groups."""
    names, mark = top_of(head, path)
    if mark.startswith("JPK") or any(name.startswith("Measurement_") for name in names):
        return Verdict.YES
    broken = not names and head.startswith(hdf5.SIGNATURE) and b"Measurement_0" in head
    return Verdict.MAYBE if broken else Verdict.NO


def read(path: Path) -> list[Scan]:
    """Read all frames of the measurement.

    Raises
    ------
    NotAnImageError
        If it holds no grid of pixels.
    CorruptFileError, UnsupportedFileError
        If it is damaged, too large to be opened at once, or of an unknown dialect.
    """
    with hdf5.opened(path) as file:
        found = [name for name in hdf5.names(file) if name.startswith("Measurement_")]
        if not found:
            raise NotAnImageError("it holds no measurement", now="Export the image again.")
        if len(found) > 1:
            raise UnsupportedFileError(f"it holds {len(found)} measurements", now="Export them one by one.")
        return _frames(hdf5.group(file, found[0]), path.stat().st_size)


def _frames(measurement: h5py.Group, file_size: int) -> list[Scan]:
    facts = hdf5.attributes(measurement)
    shape = (_count(facts, "jlength"), _count(facts, "ilength"))
    pixels(*shape)
    groups = [hdf5.group(measurement, name) for name in hdf5.names(measurement) if name.startswith("Channel_")]
    sources = [_Source(group, shape) for group in groups]
    if not sources:
        raise CorruptFileError("it holds no channel", now="Export the movie again.")
    frames = sources[0].frames
    if any(source.frames != frames for source in sources):
        raise CorruptFileError("its channels differ in the number of frames", now="Export the movie again.")
    total = frames * len(sources) * shape[0] * shape[1]
    if total > MAX_VALUES:
        raise UnsupportedFileError(f"{frames} frames are too many to open at once", now="Cut the movie.")
    if total > file_size * PACKING + _SLACK_VALUES:
        raise CorruptFileError(f"{frames} frames cannot stand in {file_size} bytes", now="Export the movie again.")
    bottom_first = str(facts.get("position-pattern.grid.reflect", "false")).lower() != "true"
    header = _header(facts, sources)
    acquisition, grid = _acquisition(facts, shape), _grid(facts, shape)
    return [
        Scan.of(
            grid, [source.channel(frame, bottom_first=bottom_first) for source in sources],
            acquisition=acquisition, header=header | {"frame": str(frame)},
        )
        for frame in range(frames)
    ]  # fmt: skip


class _Source:
    """One channel of the movie: where its numbers stand and what they mean."""

    def __init__(self, group: h5py.Group, shape: tuple[int, int]) -> None:
        self.facts = hdf5.attributes(group)
        self.shape = shape
        inner = str(self.facts.get("channel.name", ""))
        wanted = inner[:1].upper() + inner[1:]
        names = [name for name in hdf5.names(group) if name != "thumbnail"]
        if not names:
            raise CorruptFileError(f"{group.name} holds no data", now="Export the movie again.")
        self.name = str(self.facts.get("channel.fancy-name") or inner)
        name = wanted if wanted in names else names[0]
        promised = hdf5.stored(group, name).shape
        count = shape[0] * shape[1]
        if promised is None or len(promised) != 2 or promised[0] != count or promised[1] < 1:
            raise CorruptFileError(f"{group.name} has {promised} numbers for {count} pixels", now="Export it again.")
        self.frames = int(promised[1])
        self.data: NDArray[Any] = np.empty(0)
        self._group, self._dataset = group, name

    def channel(self, frame: int, *, bottom_first: bool) -> Channel:
        """Return the channel of one frame."""
        if not self.data.size:
            self.data = hdf5.dataset(self._group, self._dataset, max_pixels=MAX_VALUES)
        raw = self.data[:, frame].reshape(self.shape)
        direction: Direction = "retrace" if str(self.facts.get("retrace")).lower() == "true" else "trace"
        factor, offset = (self.facts.get(f"net-encoder.scaling.{key}") for key in ("multiplier", "offset"))
        known = isinstance(factor, int | float) and isinstance(offset, int | float)
        unit, to_memory = in_memory(str(self.facts.get("net-encoder.scaling.unit.unit", ""))) if known else ("", 1.0)
        values = scaled(
            raw[::-1] if bottom_first else raw,
            factor * to_memory if known else 1.0,  # type: ignore[operator]
            offset * to_memory if known else 0.0,  # type: ignore[operator]
            f"channel {self.name!r}",
        )
        return Channel.from_raw(kind_of(self.name), direction, values, unit, name=self.name, calibrated=bool(unit))


def _number(facts: dict[str, Any], key: str) -> float | None:
    value = facts.get(key)
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    return finite(value) if isinstance(value, int | float) else None


def _count(facts: dict[str, Any], key: str) -> int:
    value = _number(facts, f"position-pattern.grid.{key}")
    if value is None:
        raise NotAnImageError("it has no grid of pixels", now="afmend reads movies, not curves.")
    return int(value)


def _grid(facts: dict[str, Any], shape: tuple[int, int]) -> Grid:
    def fact(key: str) -> float:
        return _number(facts, f"position-pattern.grid.{key}") or 0.0

    slow, fast = fact("vlength"), fact("ulength")
    unit, factor = in_memory(str(facts.get("position-pattern.grid.unit.unit", "")))
    if unit != "nm" or not positive(slow, fast):
        return Grid.uncalibrated(shape)
    places = {
        "angle_deg": math.degrees(fact("theta")),
        "offset_slow_nm": fact("ycenter") * factor,
        "offset_fast_nm": fact("xcenter") * factor,
    }
    return Grid.from_size(shape, (slow * factor, fast * factor), **places)


def _acquisition(facts: dict[str, Any], shape: tuple[int, int]) -> Acquisition:
    settings = "feedback-settings.setpoint-feedback-settings."
    relative = _number(facts, f"{settings}relative-setpoint")
    reference = _number(facts, "feedback-settings.adjust-reference-amplitude-feedback-settings.reference-amplitude")
    known = relative is not None and reference is not None
    rate = _number(facts, "timing-settings.scanRate")
    return Acquisition(
        instrument=str(facts.get("description.instrument") or "JPK"),
        mode=str(facts["feedback-mode.name"]) if "feedback-mode.name" in facts else None,
        date=str(facts["start-time"]) if "start-time" in facts else None,
        scan_direction=_DIRECTIONS.get(str(facts.get("motion"))),
        line_rate_hz=rate,
        setpoint=relative * reference if known else None,  # type: ignore[operator]
        setpoint_unit="V" if known else None,
        integral_gain=_number(facts, f"{settings}i-gain"),
        proportional_gain=_number(facts, f"{settings}p-gain"),
        frame_time_s=shape[0] / rate if rate else None,
    )


def _header(facts: dict[str, Any], sources: list[_Source]) -> dict[str, str]:
    header = {key: str(value) for key, value in facts.items()}
    for number, source in enumerate(sources):
        header |= {f"channel {number}.{key}": str(value) for key, value in source.facts.items()}
    return header
