"""Medians of lines."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from afmend.leveling.lines import medians, sorted_usable
from afmend.scan.arrays import Heights, Mask


def line_medians(heights: Heights, known: Mask) -> NDArray[np.float64]:
    """Median of each line over what is known, (rows,); 0 where nothing is."""
    return np.where(known.any(axis=1), medians(*sorted_usable(heights, known)), 0.0)
