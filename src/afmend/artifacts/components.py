"""Connected components of a mask with their bounding boxes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from afmend.artifacts.runs import Runs, find_runs
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
    from afmend.artifacts import run_kernels as kernels

    runs = find_runs(mask)
    label = components_of(runs, diagonal=diagonal)
    labels = np.zeros(mask.shape, dtype=np.int32)
    left, top, width, height, area = kernels.boxes(labels, *runs, label, int(label.max(initial=0)))
    return Components(labels, left, top, width, height, area)


def components_of(runs: Runs, *, diagonal: bool = True) -> NDArray[np.intp]:
    """Return for each run the number, from 1 on, of what it hangs together with; see `find_components`."""
    from afmend.artifacts import run_kernels as kernels

    return np.asarray(kernels.join_runs(*runs, 1 if diagonal else 0), dtype=np.intp)
