"""Where a surface is made: the pixels of the scan and a margin around them, for the tip and for drift."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from afmend.errors import BadScanError
from afmend.scan.arrays import Heights

Pixel = TypeVar("Pixel", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Canvas:
    """The pixels on which a surface is made.

    Attributes
    ----------
    scan_shape : (rows, cols)
        Pixels of the scan itself.
    pixel_nm : (slow, fast)
        Pixel size; pixels need not be square.
    margin : (slow, fast)
        Pixels added on each of the two sides of an axis.

    Raises
    ------
    BadScanError
        If a shape or a size is not positive.
    """

    scan_shape: tuple[int, int]
    pixel_nm: tuple[float, float]
    margin: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        if min(self.scan_shape) < 1 or min(self.pixel_nm) <= 0 or min(self.margin) < 0:
            raise BadScanError(f"no surface fits on {self}", now="Shapes and pixel sizes are positive.")

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, cols) with the margins."""
        (rows, cols), (slow, fast) = self.scan_shape, self.margin
        return (rows + 2 * slow, cols + 2 * fast)

    @property
    def y_nm(self) -> Heights:
        """Slow coordinate of every row as a column (rows, 1); 0 is the first line of the scan."""
        return (np.arange(self.shape[0], dtype=np.float64) - self.margin[0])[:, None] * self.pixel_nm[0]

    @property
    def x_nm(self) -> Heights:
        """Fast coordinate of every column as a row (1, cols); 0 is the first pixel of the scan."""
        return (np.arange(self.shape[1], dtype=np.float64) - self.margin[1])[None, :] * self.pixel_nm[1]

    @property
    def size_nm(self) -> tuple[float, float]:
        """(slow, fast) size with the margins."""
        return (self.shape[0] * self.pixel_nm[0], self.shape[1] * self.pixel_nm[1])

    def scan_part(self, heights: NDArray[Pixel]) -> NDArray[Pixel]:
        """Cut the scan itself out of an array with margins (a view)."""
        (slow, fast), (rows, cols) = self.margin, self.scan_shape
        return heights[slow : slow + rows, fast : fast + cols]
