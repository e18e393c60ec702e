"""Where the pixels are."""

from __future__ import annotations

import math
from dataclasses import dataclass

from afmend.errors import BadScanError


@dataclass(frozen=True, slots=True)
class Grid:
    """A regular grid of scan lines.

    Attributes
    ----------
    rows, cols : int
        Number of lines (slow axis) and of pixels in a line (fast axis).
    pixel_slow_nm, pixel_fast_nm : float
        Distance between lines and between pixels of a line, in nm; 1.0 (a pixel) if not ``calibrated``.
    calibrated : bool
        False if the file does not say how large the scan is. Never guessed.
    angle_deg : float
        Rotation of the fast axis against the scanner's x axis.
    offset_slow_nm, offset_fast_nm : float
        Center of the scan in the scanner's range.

    Raises
    ------
    BadScanError
        If the grid is empty or a pixel size is not positive and finite.
    """

    rows: int
    cols: int
    pixel_slow_nm: float = 1.0
    pixel_fast_nm: float = 1.0
    calibrated: bool = True
    angle_deg: float = 0.0
    offset_slow_nm: float = 0.0
    offset_fast_nm: float = 0.0

    def __post_init__(self) -> None:
        if self.rows < 1 or self.cols < 1:
            raise BadScanError(f"a scan of {self.rows} lines of {self.cols} pixels holds nothing")
        for name in ("pixel_slow_nm", "pixel_fast_nm"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise BadScanError(
                    f"the pixel size {name} is {value}",
                    now="Sizes are positive; say calibrated=False if unknown.",
                )

    @classmethod
    def from_size(cls, shape: tuple[int, int], size_nm: tuple[float, float], **facts: float) -> Grid:
        """Make a calibrated grid from its shape and its physical size (slow, fast) in nm."""
        rows, cols = shape
        if rows < 1 or cols < 1:
            raise BadScanError(f"a scan of {rows} lines of {cols} pixels holds nothing")
        return cls(rows, cols, size_nm[0] / rows, size_nm[1] / cols, **facts)  # type: ignore[arg-type]

    @classmethod
    def uncalibrated(cls, shape: tuple[int, int]) -> Grid:
        """Make a grid whose physical size is unknown."""
        return cls(shape[0], shape[1], calibrated=False)

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, cols)."""
        return (self.rows, self.cols)

    @property
    def pixel_nm(self) -> tuple[float, float]:
        """(slow, fast) pixel size in nm."""
        return (self.pixel_slow_nm, self.pixel_fast_nm)

    @property
    def size_nm(self) -> tuple[float, float]:
        """(slow, fast) size of the whole scan in nm."""
        return (self.rows * self.pixel_slow_nm, self.cols * self.pixel_fast_nm)
