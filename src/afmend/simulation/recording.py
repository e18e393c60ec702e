"""What the instrument has recorded so far: the object that signal-stage mishaps change."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from afmend.scan.arrays import Heights, Mask

Way: TypeAlias = Literal["trace", "retrace"]
WAYS: tuple[Way, Way] = ("trace", "retrace")
Both: TypeAlias = Literal["trace", "retrace", "both"]


def ways(direction: Both) -> tuple[Way, ...]:
    """Return the scan directions that ``direction`` names."""
    return WAYS if direction == "both" else (direction,)


def shorter_part(part: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the part of a line, or its complement, whichever has fewer pixels: what leveling will leave off."""
    return part if 2 * np.count_nonzero(part) <= part.size else ~part


@dataclass(slots=True)
class Recording:
    """Both scan directions, in nm, private to one simulation, so that mishaps may write into them.

    Attributes
    ----------
    heights : {"trace", "retrace"} to (rows, cols) float64
        Same column = same place in both, as in a `Scan`; in the retrace time runs from the last column to the first.
    ideal : {"trace", "retrace"} to (rows, cols) float64
        What a perfect loop with this tip and scanner would have recorded. Not to be changed.
    line_s : float
        Time from the start of one line to the start of the next.
    pixel_s : float
        Time for one pixel.
    overscan_px : int
        Pixels that the tip travels beyond the line on each side, unrecorded.
    pixel_nm : (slow, fast)
        Pixel size.
    masks : {"trace", "retrace"} to {kind: (rows, cols) bool}
        Where the heights are wrong, and why. Use `mark`.
    missing : {"trace", "retrace"} to (rows, cols) bool
        What was never recorded.
    """

    heights: dict[Way, Heights]
    ideal: dict[Way, Heights]
    line_s: float
    pixel_s: float
    overscan_px: int = 0
    pixel_nm: tuple[float, float] = (1.0, 1.0)
    masks: dict[Way, dict[str, Mask]] = field(default_factory=lambda: {"trace": {}, "retrace": {}})
    missing: dict[Way, Mask] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for way in WAYS:
            self.missing.setdefault(way, np.zeros(self.shape, dtype=np.bool_))

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, cols)."""
        rows, cols = self.heights["trace"].shape
        return (rows, cols)

    def mark(self, way: Way, kind: str, where: Mask) -> None:
        """Add pixels to the mask of an artifact kind."""
        if where.any():
            old = self.masks[way].get(kind)
            self.masks[way][kind] = where.copy() if old is None else old | where

    def pixel_times_s(self, way: Way) -> Heights:
        """(rows, cols) time at which each pixel was recorded, in s from the start of the scan."""
        rows, cols = self.shape
        along: Heights = self.overscan_px + np.arange(cols, dtype=np.float64)
        if way == "retrace":
            along = self.line_s / self.pixel_s - 1 - along
        return np.arange(rows)[:, None] * self.line_s + (along + 0.5)[None, :] * self.pixel_s
