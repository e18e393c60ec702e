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

    def features(self, r: Heights, skip: Mask, sigmas: float) -> Mask:
        """Usable pixels farther than ``sigmas`` from the level, on both sides."""
        from afmend.leveling import ground_kernels as kernels

        return kernels.far_from(r, skip, self.level, sigmas * self.sigma)


def measure_ground(r: Heights, skip: Mask, sigmas: float) -> Ground:
    """Take median and 1.4826 MAD of the pixels within ``sigmas`` of the ground, in turns.

    Because features do not count, the ground is the same when they are excluded from the start. Where more than
    half of the heights are equal, the mean deviation takes the place of the MAD. Large images are thinned out, the
    same from every side.
    """
    return ground_of(few_of(r, skip), sigmas)


def few_of(r: Heights, skip: Mask) -> NDArray[np.float64]:
    """Usable heights, of a large image those of every few lines and columns."""
    from afmend.leveling import ground_kernels as kernels

    few, gone = kernels.thin(r, skip, *thinned(r.shape[0], r.shape[1]))
    values = few[~gone]
    return values if values.size else r[~skip]


def ground_of(values: NDArray[np.float64], sigmas: float) -> Ground:
    """`measure_ground` of the heights as a list."""
    from afmend.leveling import ground_kernels as kernels

    return Ground(*kernels.ground_of_ordered(np.sort(values), sigmas))


def median(values: NDArray[np.float64]) -> float:
    """Median of finite numbers: `numpy.median`, without its search for NaN and for two ranks at once, which is slow."""
    middle = values.size // 2
    ordered = np.partition(values, middle)
    upper = float(ordered[middle])
    return upper if values.size % 2 else 0.5 * (float(np.max(ordered[:middle])) + upper)


def median_of_ground(z: Heights, skip: Mask, also: Mask, ground: Ground) -> float:
    """Median of the pixels that neither mask holds, found from what lies near the level of the ground."""
    from afmend.compiled import side_by_side
    from afmend.leveling import ground_kernels as kernels

    found: dict[int, tuple[int, int, NDArray[np.float64]]] = {}
    for reach in (0.05, 0.5):
        low, high = ground.level - reach * ground.sigma, ground.level + reach * ground.sigma

        def half(part: int, parts: int, low: float = low, high: float = high) -> None:
            rows = slice(len(z) * part // parts, len(z) * (part + 1) // parts)
            found[part] = kernels.median_near(z[rows], skip[rows], also[rows], low, high)

        side_by_side(half)
        count, below = sum(one[0] for one in found.values()), sum(one[1] for one in found.values())
        near = np.concatenate([one[2] for one in found.values()])
        ranks = [(count - 1) // 2 - below, count // 2 - below]
        if ranks[0] >= 0 and ranks[1] < near.size:
            ordered = np.partition(near, ranks)
            return 0.5 * float(ordered[ranks[0]] + ordered[ranks[1]])
    return median(z[~(skip | also)])


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
