"""Leveling by one constant: the mean, the median or the lowest height becomes zero."""

from __future__ import annotations

from typing import Literal

import numpy as np

from afmend.errors import StepError
from afmend.pipeline import Field, Knob, Leveled, Params, step


class Shift(Params):
    """Shift all heights so that a reference height is zero."""

    reference: Literal["mean", "median", "minimum"] = Knob("mean", "Which height of the usable pixels becomes zero.")


@step("level.shift", Shift, version="1")
def shift(field: Field, params: Shift) -> Leveled:
    """Subtract one constant.

    Raises
    ------
    StepError
        If no pixel is usable.
    """
    values = field.heights[field.usable]
    if values.size == 0:
        raise StepError("no usable pixel to take the reference height from", now="Shrink the masks.")
    reference: float
    if params.reference == "mean":
        reference = float(np.mean(values))
    else:
        reference = float(np.median(values) if params.reference == "median" else np.min(values))
    return Leveled(field.heights - reference)
