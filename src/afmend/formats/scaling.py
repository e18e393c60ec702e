"""From a file's raw numbers to calibrated values, with a guard against absurd scales."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afmend.errors import CorruptFileError
from afmend.scan.arrays import Heights

LARGEST = 1e30
"""No quantity of a microscope is larger, in any unit afmend uses; squares of it still fit a float."""


def scaled(raw: NDArray[Any], factor: float, offset: float, what: str) -> Heights:
    """Return ``raw * factor + offset`` as a new float64 array; NaN and infinities pass.

    Raises
    ------
    CorruptFileError
        If the scale is zero or not finite, or the result exceeds every physical quantity.
    """
    if not (math.isfinite(factor) and math.isfinite(offset) and factor != 0):
        raise CorruptFileError(f"the scale of {what} is {factor} with offset {offset}", now="Re-export the file.")
    with np.errstate(over="ignore", invalid="ignore"):
        values = raw.astype(np.float64)
        finite = np.isfinite(values)
        worst = float(np.max(np.abs(values), initial=0.0, where=finite))
        if worst * abs(factor) + abs(offset) > LARGEST:
            raise CorruptFileError(f"{what} reaches {worst * abs(factor) + abs(offset):.3g}", now="Re-export the file.")
        values *= factor
        values += offset
    return values


def finite(value: float | None) -> float | None:
    """Return ``value`` as a float, or None if it is absent or not finite."""
    return float(value) if value is not None and math.isfinite(value) else None


def positive(*values: float | None) -> bool:
    """Say whether every value is there, finite, and a possible length."""
    return all(value is not None and 0 < value <= LARGEST for value in values)
