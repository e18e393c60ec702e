"""Connected components of a mask with their bounding boxes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from afmend.scan.arrays import Mask

Numbers = NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class Components:
    """Components of a mask, numbered from 1 on; number 0 is everything that is not marked.

    Attributes
    ----------
    labels : (rows, cols) int32
        Number of the component each pixel belongs to.
    left, top, width, height, area : (count + 1,) int32
        Bounding box and number of pixels of each component, in pixels.
    """

    labels: Numbers
    left: Numbers
    top: Numbers
    width: Numbers
    height: Numbers
    area: Numbers

    def paint(self, chosen: NDArray[np.bool_]) -> Mask:
        """Return the mask of the chosen components (one entry per number; entry 0 never counts)."""
        table = chosen.copy()
        table[0] = False
        return table[self.labels]


def find_components(mask: Mask, *, diagonal: bool = True) -> Components:
    """Find what hangs together over sides and, if ``diagonal``, also over corners."""
    import cv2

    pixels = np.ascontiguousarray(mask).view(np.uint8)
    _, labels, boxes, _ = cv2.connectedComponentsWithStats(pixels, connectivity=8 if diagonal else 4)
    table = np.asarray(boxes, dtype=np.int32)
    return Components(np.asarray(labels, dtype=np.int32), *(table[:, k] for k in range(5)))
