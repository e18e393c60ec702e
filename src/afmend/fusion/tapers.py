"""Windows for spectra."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def hann(count: int) -> NDArray[np.float64]:
    """Hann window with a mean square of 1, symmetric about the middle of the line."""
    taper = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(count) + 0.5) / count)
    return np.asarray(taper / np.sqrt(np.mean(taper * taper)), dtype=np.float64)
