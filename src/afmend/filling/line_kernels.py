"""Compiled kernel for the nearest good pixels on both sides of a hole pixel."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from afmend.compiled import njit
from afmend.scan.arrays import Mask

Ints: TypeAlias = NDArray[np.int32]


@njit(cache=True)
def brackets(done: Mask, count: int) -> Ints:
    """For each of the ``count`` pixels not done, in row order: row, column, and along axis 0 the index of the
    nearest done pixel before (-1 if none) and after (number of rows if none).
    """  # noqa: D205 (compiled)
    rows, cols = done.shape
    out = np.empty((4, count), np.int32)
    last = np.full(cols, -1, np.int32)
    n = 0
    for y in range(rows):
        for x in range(cols):
            if done[y, x]:
                last[x] = y
            else:
                out[0, n] = y
                out[1, n] = x
                out[2, n] = last[x]
                n += 1
    last[:] = rows
    for y in range(rows - 1, -1, -1):
        for x in range(cols - 1, -1, -1):
            if done[y, x]:
                last[x] = y
            else:
                n -= 1
                out[3, n] = last[x]
    return out
