"""What afmend adds to a channel's metadata in a .gwy file, so that it finds everything again."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import Any

from afmend.scan import Acquisition, Grid, Record

KEY = "afmend facts"
GRID_FACTS = ("pixel_slow_nm", "pixel_fast_nm", "angle_deg", "offset_slow_nm", "offset_fast_nm")
_TEXTS = ("kind", "direction", "unit", "name", "dtype", "role", "mask")


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts of one data field; empty if afmend did not write it, or they were damaged."""

    data: dict[str, Any]

    @classmethod
    def parse(cls, text: str) -> Facts:
        """Read facts; what does not look as `channel_facts` or `layer_facts` made it counts as absent."""
        try:
            data = json.loads(text) if text else {}
        except (ValueError, RecursionError):
            data = {}
        if not isinstance(data, dict) or not all(isinstance(data.get(name, ""), str) for name in _TEXTS):
            data = {}
        return cls(data)

    @property
    def is_channel(self) -> bool:
        """Whether the field is a channel of a scan."""
        return self.data.get("role") == "channel" and self.data.get("direction") in ("trace", "retrace", "unknown")

    @property
    def layer_of(self) -> int:
        """Number of the channel that this mask or uncertainty belongs to; -1 if it is none."""
        number = self.data.get("of")
        return number if isinstance(number, int) and not self.is_channel else -1

    def text(self, name: str) -> str:
        """Return a text fact, or an empty text."""
        return str(self.data.get(name, ""))

    def grid(self, measured: Grid) -> Grid:
        """Return the exact grid, if it is (within rounding) what the field says; else ``measured``."""
        exact = self.data.get("grid")
        if not isinstance(exact, dict) or not all(isinstance(exact.get(name), float) for name in GRID_FACTS):
            return measured
        for name in ("pixel_slow_nm", "pixel_fast_nm"):
            if not abs(exact[name] / getattr(measured, name) - 1) < 1e-9:
                return measured
        return Grid(*measured.shape, calibrated=measured.calibrated, **{name: exact[name] for name in GRID_FACTS})

    def history(self) -> tuple[Record, ...]:
        """Return the history, or an empty one."""
        try:
            return tuple(Record.from_json(record) for record in self.data.get("history", []))
        except (TypeError, ValueError, KeyError, AttributeError):
            return ()

    def acquisition(self) -> Acquisition:
        """Return the typed facts of the acquisition."""
        known = {field.name for field in fields(Acquisition)}
        data = self.data.get("acquisition")
        items = data.items() if isinstance(data, dict) else ()
        found: dict[str, Any] = {k: v for k, v in items if k in known and isinstance(v, (str, int, float))}
        return Acquisition(**found)
