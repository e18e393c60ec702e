"""The scan: one image of a file, with all its channels and everything that is known about it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from afmend.errors import BadScanError, MissingChannelError
from afmend.scan.channel import Channel, ChannelKey, Direction
from afmend.scan.grid import Grid
from afmend.scan.history import Record
from afmend.scan.units import is_length

if TYPE_CHECKING:
    import xarray

HEIGHT_KINDS = ("height", "height_sensor")
"""Kinds that hold topography, best first."""
_DIRECTION_ORDER: tuple[Direction, ...] = ("trace", "unknown", "retrace")


@dataclass(frozen=True, slots=True)
class Acquisition:
    """Typed facts about how the scan was taken; None = the file does not say.

    ``scan_direction`` is where the slow axis went: "down" = the first recorded line is row 0 of the picture.
    Units are in the names; ``setpoint`` is in ``setpoint_unit``.
    """

    instrument: str | None = None
    mode: str | None = None
    date: str | None = None
    scan_direction: str | None = None
    line_rate_hz: float | None = None
    setpoint: float | None = None
    setpoint_unit: str | None = None
    integral_gain: float | None = None
    proportional_gain: float | None = None
    bias_v: float | None = None
    frame_time_s: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the known facts as plain JSON types."""
        found = ((name, getattr(self, name)) for name in self.__slots__)
        return {name: value for name, value in found if value is not None}


@dataclass(frozen=True, slots=True)
class Source:
    """Where a scan came from: file name, format id, and which image of how many.

    A result that is read back still names the raw file it was made from; ``stored`` then is the format of the result.
    """

    file: str = ""
    format: str = ""
    index: int = 0
    count: int = 1
    stored: str = ""


@dataclass(frozen=True, slots=True)
class Scan:
    """One scan. Frozen; every change returns a new one.

    Attributes
    ----------
    grid : Grid
    channels : mapping of ChannelKey to Channel
        In the order of the file.
    history : tuple of Record
    acquisition : Acquisition
    header : mapping of str to str
        The vendor's header, whole.
    source : Source

    Raises
    ------
    BadScanError
        If there is no channel, or a channel's shape differs from the grid's.
    """

    grid: Grid
    channels: Mapping[ChannelKey, Channel]
    history: tuple[Record, ...] = ()
    acquisition: Acquisition = field(default_factory=Acquisition)
    header: Mapping[str, str] = field(default_factory=dict)
    source: Source = field(default_factory=Source)

    def __post_init__(self) -> None:
        if not self.channels:
            raise BadScanError("a scan needs at least one channel")
        for key, channel in self.channels.items():
            if channel.shape != self.grid.shape:
                raise BadScanError(f"channel {key} has shape {channel.shape}, the grid has {self.grid.shape}")
            if channel.key != key:
                raise BadScanError(f"channel {channel.key} is filed under {key}")
        object.__setattr__(self, "channels", MappingProxyType(dict(self.channels)))
        object.__setattr__(self, "header", MappingProxyType(dict(self.header)))

    @classmethod
    def of(cls, grid: Grid, channels: Iterable[Channel], **facts: Any) -> Scan:
        """Make a scan from a list of channels; a second one of the same kind and direction becomes "kind_2"."""
        named: dict[ChannelKey, Channel] = {}
        for channel in channels:
            unique, n = channel, 1
            while unique.key in named:
                n += 1
                unique = replace(channel, kind=f"{channel.kind}_{n}")
            named[unique.key] = unique
        return cls(grid, named, **facts)

    @property
    def calibrated(self) -> bool:
        """Whether lengths are known: laterally, and in every height channel."""
        heights = [c for c in self.channels.values() if c.kind in HEIGHT_KINDS]
        return self.grid.calibrated and all(c.calibrated for c in heights or self.channels.values())

    def find(self, wish: str | ChannelKey | None = None) -> ChannelKey:
        """Return the key of a channel by key, "kind", "kind/direction" or vendor's name.

        Without a wish: the topography that a microscopist would open first (feedback height before
        sensor height, trace before retrace); if nothing is called a height, the only channel, if it is a length or
        has neither name nor unit.

        Raises
        ------
        MissingChannelError
            Naming the channels there are, and the nearest name.
        """
        if isinstance(wish, ChannelKey) and wish in self.channels:
            return wish
        candidates = [k for k in self.channels if self._matches(k, wish)]
        if wish is None and not candidates and len(self.channels) == 1:
            (only,) = self.channels.values()
            candidates = [only.key] if is_length(only.unit) or (only.kind, only.unit) == ("unnamed", "") else []
        if candidates:
            return min(candidates, key=_preference)
        have = ", ".join(str(k) for k in self.channels)
        if wish is None:
            raise MissingChannelError(f"no height channel among: {have}", now="Choose one with --channel.")
        names = [str(k) for k in self.channels] + [c.name for c in self.channels.values()]
        near = difflib.get_close_matches(str(wish), names, n=1)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        raise MissingChannelError(f"no channel {str(wish)!r}", now=f"{hint}There are: {have}.")

    def _matches(self, key: ChannelKey, wish: str | ChannelKey | None) -> bool:
        if wish is None:
            return key.kind in HEIGHT_KINDS
        text = str(wish).lower()
        return text in (
            key.kind.lower(),
            f"{key.kind}/{key.direction}".lower(),
            self.channels[key].name.lower(),
        )

    def channel(self, wish: str | ChannelKey | None = None) -> Channel:
        """Return the channel that `find` names."""
        return self.channels[self.find(wish)]

    @property
    def main(self) -> Channel:
        """The channel a picture shows: the one last worked on, else the topography, else the first."""
        if self.history and self.history[-1].channel in self.channels:
            return self.channels[self.history[-1].channel]
        heights = [key for key in self.channels if key.kind in HEIGHT_KINDS]
        return self.channels[min(heights, key=_preference)] if heights else next(iter(self.channels.values()))

    def opposite(self, key: ChannelKey) -> Channel | None:
        """Return the same kind of channel in the other direction, or None."""
        other: dict[str, Direction] = {"trace": "retrace", "retrace": "trace"}
        if key.direction not in other:
            return None
        return self.channels.get(ChannelKey(key.kind, other[key.direction]))

    def with_channel(self, channel: Channel, record: Record | None = None) -> Scan:
        """Return a scan with one channel replaced (or added) and, if given, one more record."""
        history = self.history if record is None else (*self.history, record)
        return replace(self, channels={**self.channels, channel.key: channel}, history=history)

    def to_xarray(self) -> xarray.Dataset:
        """Return an xarray Dataset: one variable per channel, coordinates in nm (needs the extra ``xarray``)."""
        import xarray as xr

        slow, fast = self.grid.pixel_nm
        unit = "nm" if self.grid.calibrated else "px"
        axes = {"slow": (range(self.grid.rows), slow), "fast": (range(self.grid.cols), fast)}
        coords = {name: (name, [i * step for i in n], {"units": unit}) for name, (n, step) in axes.items()}
        data = {str(k): (("slow", "fast"), c.values, {"units": c.unit}) for k, c in self.channels.items()}
        return xr.Dataset(data, coords, {"file": self.source.file})

    def __reduce__(self) -> tuple[object, ...]:
        parts = (
            self.grid,
            dict(self.channels),
            self.history,
            self.acquisition,
            dict(self.header),
            self.source,
        )
        return (Scan, parts)


def _preference(key: ChannelKey) -> tuple[int, int]:
    kind = HEIGHT_KINDS.index(key.kind) if key.kind in HEIGHT_KINDS else len(HEIGHT_KINDS)
    return (kind, _DIRECTION_ORDER.index(key.direction))
