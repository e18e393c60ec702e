"""Features: pixels too far above or below the ground to belong to it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from afmend.scan.arrays import Heights, Mask

_ENOUGH = 20_000


@dataclass(frozen=True, slots=True)
class Ground:
    """Median and robust standard deviation of the ground, in the unit of the heights."""

    level: float
    sigma: float


def ground_of(values: NDArray[np.float64], sigmas: float) -> Ground:
    """Take median and 1.4826 MAD of the heights within ``sigmas`` of the ground, in turns.

    Because features do not count, the ground is the same when they are excluded from the start. Where more than
    half of the heights are equal, the mean deviation takes the place of the MAD.
    """
    from afmend.leveling import ground_kernels as kernels

    return Ground(*kernels.ground_of_ordered(np.sort(values), sigmas))


def median(values: NDArray[np.float64]) -> float:
    """Median of finite numbers: `numpy.median`, without its search for NaN and for two ranks at once, which is slow."""
    middle = values.size // 2
    ordered = values.copy()
    ordered.partition(middle)
    upper = float(ordered[middle])
    return upper if values.size % 2 else 0.5 * (float(ordered[:middle].max()) + upper)


def thinned(rows: int, cols: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns to look at in a large image."""
    every = max(1, round(np.sqrt(rows * cols / _ENOUGH)))
    return from_both_ends(rows, every), from_both_ends(cols, every)


@lru_cache(maxsize=32)
def from_both_ends(count: int, every: int) -> NDArray[np.int64]:
    """Return positions that are a multiple of ``every`` away from the nearer end; not to be written to."""
    at = np.arange(count)
    places = np.flatnonzero(np.minimum(at, count - 1 - at) % every == 0)
    places.flags.writeable = False
    return places


def quantum(r: Heights, skip: Mask) -> float:
    """Return the step of quantized heights, 0 if they are not quantized so coarsely that it shows.

    Differences of neighbors in a line are then multiples of the step, apart from a common tilt.
    """
    from afmend.leveling.spread_kernels import steps_along

    sizes = steps_along(r, skip, from_both_ends(r.shape[0], max(1, r.shape[0] // 64)))
    if sizes.size == 0:
        return 0.0
    sizes -= median(sizes)
    np.abs(sizes, out=sizes)
    rank = int(0.9 * (sizes.size - 1))
    sizes.partition(rank)
    large = float(sizes[rank])
    if np.count_nonzero(sizes < 0.02 * large) < 0.1 * sizes.size:
        return 0.0
    steps = np.sort(sizes[sizes > 0.1 * large])
    if steps.size == 0:
        return 0.0
    step = float(steps[int(0.05 * (steps.size - 1))])
    off = np.abs(steps / step - np.round(steps / step))
    return step if float(np.mean(off < 0.1)) > 0.8 else 0.0
