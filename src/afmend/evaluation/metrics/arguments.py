"""What every metric checks first: shapes, masks, finite numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afmend.errors import BadParameterError, BadScanError, StepError
from afmend.scan.arrays import Heights, Mask


def as_heights(heights: NDArray[Any], shape: tuple[int, ...] | None = None, *, name: str = "heights") -> Heights:
    """Return a map as float64; raise `BadScanError` unless it is 2-D, not empty, and of ``shape`` if given."""
    made = np.asarray(heights, dtype=np.float64)
    if made.ndim != 2 or made.size == 0 or (shape is not None and made.shape != shape):
        needed = "two axes and some pixels" if shape is None else f"shape {shape}"
        raise BadScanError(
            f"the {name} have shape {made.shape}, needed is {needed}", now="Compare maps pixel by pixel."
        )
    return made


def as_mask(mask: NDArray[Any] | None, shape: tuple[int, ...], *, name: str = "usable") -> Mask:
    """Return a mask (True = counts; all True for None); raise `BadScanError` unless it is bool and of ``shape``."""
    if mask is None:
        return np.ones(shape, dtype=np.bool_)
    if mask.dtype != np.bool_ or mask.shape != shape:
        raise BadScanError(
            f"the mask {name!r} is {mask.dtype} of shape {mask.shape}, needed is bool of shape {shape}",
            now="Masks of metrics are True where a pixel counts.",
        )
    return mask


def finite(values: NDArray[np.float64], *, name: str = "heights") -> NDArray[np.float64]:
    """Return the values; raise `StepError` if one of them is not a finite number."""
    wrong = values.size - int(np.count_nonzero(np.isfinite(values)))
    if wrong:
        raise StepError(f"{wrong} of {values.size} {name} that count are not finite", now="Fill or mask them first.")
    return values


def values_in(heights: NDArray[Any], mask: Mask, *, name: str = "heights") -> NDArray[np.float64]:
    """Heights of the pixels of a mask, as a list; checked for shape and finiteness."""
    made = as_heights(heights, name=name)
    return finite(made[as_mask(mask, made.shape, name="mask")], name=name)


def errors_in(heights: NDArray[Any], truth: NDArray[Any], mask: Mask) -> NDArray[np.float64]:
    """Differences heights - truth of the pixels of a mask, as a list; checked for shape and finiteness."""
    return values_in(heights, mask) - values_in(truth, mask, name="true heights")


def rms(values: NDArray[np.float64]) -> float:
    """Root of the mean square; NaN for no values."""
    flat = values.ravel()
    return math.sqrt(float(np.dot(flat, flat)) / flat.size) if flat.size else math.nan


def ratio(part: float, whole: float) -> float:
    """``part / whole``, NaN if ``whole`` is 0 or NaN."""
    return part / whole if whole else math.nan


def percent_error(value: float, true: float) -> float:
    """Signed error in % of the size of the true value; NaN if that is 0 or NaN."""
    return 100.0 * ratio(value - true, abs(true))


def choice(value: object, allowed: tuple[str, ...], name: str) -> None:
    """Raise `BadParameterError` unless the value is one of the allowed words."""
    if value not in allowed:
        raise BadParameterError(f"{name} is {value!r}", now=f"Choose one of {', '.join(allowed)}.")
