"""Nanonis files that lost bytes because somebody's transfer took them for text.

FTP in text mode, and git with ``autocrlf``, turn every CR LF into LF. In a binary file that moves all that follows:
the rest reads as floats that mean nothing. What stands before the first lost byte is whole, and that is usually the
topography. (Gwyddion refuses such files.)
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from afmend.formats.assemble import Claims
from afmend.formats.hostile import FileBytes, pixels

FEWEST_LF = 500
"""One LF in 256 follows a CR by chance: among so many, not one is a sign that CRs were taken away."""
LARGEST = 1e12
"""No channel of a scan holds a larger number in SI units; floats read from the wrong byte do, at once."""


def leading_whole_images(
    file: FileBytes, start: int, shape: tuple[int, int], dtype: str, count: int
) -> list[NDArray[Any]]:
    """Return the images before the first lost byte; none if no byte was lost on the way.

    A file that was merely cut is left to the ordinary reader, which refuses it. Signs that bytes went missing from
    within: the scan is unfinished, its last line, counted from the end of the file, is unrecorded as it should be,
    the file is short by few bytes, and there are line feeds but not one CR LF.
    """
    line, total = shape[1] * np.dtype(dtype).itemsize, pixels(*shape) * np.dtype(dtype).itemsize * count
    short = start + total - file.size
    feeds = file.data.count(b"\n", start)
    if not 0 < short < feeds // 8 or feeds < FEWEST_LF or file.data.find(b"\r\n", start) >= 0:
        return []
    if not np.isnan(file.array(file.size - line, (1, shape[1]), dtype)).all():
        return []
    claims = Claims(file)
    images: list[NDArray[Any]] = []
    # The last image is never whole: the file is short.
    for n in range(count - 1):
        image = claims.image(start + n * (total // count), shape, dtype, "image")
        if not _plausible(image, images[0] if images else image):
            break
        images.append(image)
    return images


def _plausible(image: NDArray[Any], first: NDArray[Any]) -> bool:
    """Say whether the same lines are unrecorded as in the first image, the last one is, and no number is absurd."""
    unrecorded = np.isnan(image).all(axis=1)
    if not unrecorded[-1] or not np.array_equal(unrecorded, np.isnan(first).all(axis=1)):
        return False
    return not bool((np.abs(image[np.isfinite(image)]) > LARGEST).any()) and not bool(np.isinf(image).any())
