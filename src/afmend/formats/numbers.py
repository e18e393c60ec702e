"""From the numbers in a file to values with a unit."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from afmend.scan.arrays import Heights

ABSURD = 1e100
"""No quantity in any unit comes near; beyond it a sum over an image could overflow."""


def scaled(raw: NDArray[Any], factor: float, offset: float = 0.0) -> Heights:
    """Return ``raw * factor + offset`` as new float64; absurd and non-finite numbers become NaN (missing pixels).

    Examples
    --------
    >>> scaled(np.array([[1, 2]]), 0.5, 1.0)
    array([[1.5, 2. ]])
    """
    with np.errstate(all="ignore"):
        values = raw.astype(np.float64)
        if factor != 1.0:
            values *= factor
        if offset != 0.0:
            values += offset
        values[~(np.abs(values) < ABSURD)] = np.nan
    return values
