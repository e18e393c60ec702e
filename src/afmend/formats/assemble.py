"""From the raw numbers of a file to scans: claims on bytes, calibration, grouping of images by grid."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from afmend.errors import CorruptFileError, NotAnImageError
from afmend.formats.hostile import FileBytes, pixels
from afmend.scan import Acquisition, Channel, Grid, Scan
from afmend.scan.arrays import Heights

ABSURD = 1e30
"""No instrument measures a number as large, in any unit: a damaged float."""


class Claims:
    """The image data of one file. The images together cannot claim more bytes than there are.

    A header that points a thousand images at the same bytes would otherwise fill the memory.
    """

    def __init__(self, file: FileBytes) -> None:
        self.file = file
        self.free = file.size

    def image(self, offset: int, shape: tuple[int, int], dtype: DTypeLike, what: str) -> NDArray[Any]:
        """Return the raw numbers of one image, a read-only view.

        Raises
        ------
        CorruptFileError
            If the file is too short, naming the lines promised and held; or if images overlap.
        """
        rows, cols = shape
        size = np.dtype(dtype).itemsize
        needed = pixels(rows, cols) * size
        if not 0 <= offset <= self.file.size - needed:
            held = min(max(self.file.size - offset, 0) // (cols * size), rows) if offset >= 0 else 0
            raise CorruptFileError(
                f"{what}: the header promises {rows} lines, the file holds {held}",
                now="Copy it again from the instrument, or re-export it.",
            )
        self.free -= needed
        if self.free < 0:
            raise CorruptFileError(f"{what}: the header promises more images than the file holds", now="Re-export it.")
        return self.file.array(offset, shape, dtype, what)


def calibrated(raw: NDArray[Any], factor: float, offset: float = 0.0) -> Heights:
    """Return ``raw * factor + offset`` in float64; integers only.

    Raises
    ------
    CorruptFileError
        If the calibration is zero or absurd.
    """
    largest = float(np.iinfo(raw.dtype).max)
    if factor == 0 or not math.isfinite(factor) or not abs(factor) * largest + abs(offset) < ABSURD:
        raise CorruptFileError(
            f"the header says that one count is {factor} and zero is {offset}", now="Re-export the file."
        )
    return raw * factor + offset


def measured(raw: NDArray[Any], factor: float = 1.0) -> Heights:
    """Return floats in float64, scaled; numbers that no instrument measures become NaN, which means missing.

    Raises
    ------
    CorruptFileError
        If the calibration is zero or absurd.
    """
    if factor == 0 or not math.isfinite(factor) or abs(factor) > ABSURD:
        raise CorruptFileError(f"the header says that one unit is {factor}", now="Re-export the file.")
    # A damaged float may be a signalling NaN, which warns when it is cast.
    with np.errstate(over="ignore", invalid="ignore"):
        values = raw.astype(np.float64)
        values *= factor
        values[~(np.abs(values) < ABSURD)] = np.nan
    return values


def scans_of(images: Iterable[tuple[Grid, Channel]], acquisition: Acquisition, header: Mapping[str, str]) -> list[Scan]:
    """Make one scan of all images that share a grid, in the order of the file.

    Raises
    ------
    NotAnImageError
        If there are no images.
    """
    grouped: dict[Grid, list[Channel]] = {}
    for grid, channel in images:
        grouped.setdefault(grid, []).append(channel)
    if not grouped:
        raise NotAnImageError("holds no image", now="Force curves and spectra are not repaired by afmend.")
    return [Scan.of(grid, channels, acquisition=acquisition, header=dict(header)) for grid, channels in grouped.items()]
