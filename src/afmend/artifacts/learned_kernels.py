"""Compiled loops of the learned masks. Import this module inside functions only: loading numba takes a while."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from afmend.compiled import njit

Map = NDArray[np.float32]


@njit(cache=True)
def squeeze(values: Map, factor: np.float32, out: Map) -> None:
    """Write ``x / (1 + |x| / 10)`` with x = values * factor."""
    factor = np.float32(factor)
    one, tenth = np.float32(1.0), np.float32(0.1)
    for i in range(values.shape[0]):
        for j in range(values.shape[1]):
            x = values[i, j] * factor
            out[i, j] = x / (one + abs(x) * tenth)
