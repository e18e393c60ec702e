"""Features: pixels too far above or below the ground to belong to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from afmend.scan.arrays import Heights, Mask

_ENOUGH = 200_000


@dataclass(frozen=True, slots=True)
class Ground:
    """Median and robust standard deviation of usable heights, in their unit."""

    level: float
    sigma: float

    def features(self, r: Heights, skip: Mask, sigmas: float) -> Mask:
        """Usable pixels farther than ``sigmas`` from the level, on both sides."""
        return (np.abs(r - self.level) > sigmas * self.sigma) & ~skip


def measure_ground(r: Heights, skip: Mask) -> Ground:
    """Take median and 1.4826 MAD (from the mean deviation where more than half of the heights are equal).

    Large images are thinned out, the same from every side.
    """
    rows, cols = _thinned(r.shape[0], r.shape[1])
    values = r[rows][:, cols][~skip[rows][:, cols]]
    if values.size == 0:
        values = r[~skip]
    level = float(np.median(values))
    away = np.abs(values - level)
    sigma = 1.4826 * float(np.median(away))
    tiny = 1e-12 * float(np.max(away, initial=0.0))
    return Ground(level, sigma if sigma > tiny else 1.2533 * float(np.mean(away)))


def _thinned(rows: int, cols: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    every = max(1, int(np.sqrt(rows * cols / _ENOUGH)))
    return _from_both_ends(rows, every), _from_both_ends(cols, every)


def _from_both_ends(count: int, every: int) -> NDArray[np.int64]:
    at = np.arange(count)
    return np.flatnonzero(np.minimum(at, count - 1 - at) % every == 0)
