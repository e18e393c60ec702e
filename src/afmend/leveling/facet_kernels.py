"""Compiled loops of the facet searches: imported only when they run, because numba takes its time to load."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from afmend.compiled import njit


@njit(cache=True, fastmath={"reassoc", "contract", "nsz"})
def common_slope(
    down: NDArray[np.float64], right: NDArray[np.float64], sharpness: float, rounds: int, limit: float
) -> tuple[float, float, int]:
    """Iterate to the most common of the slopes (down, right); also return how many iterations it took."""
    slow, fast = 0.0, 0.0
    for turn in range(rounds):
        spread = 0.0
        for i in range(down.size):
            spread += (down[i] - slow) ** 2 + (right[i] - fast) ** 2
        spread /= down.size * sharpness
        if spread <= 0.0:
            return slow, fast, turn
        total, first, second = 0.0, 0.0, 0.0
        for i in range(down.size):
            v, u = down[i] - slow, right[i] - fast
            weight = np.exp(-(v * v + u * u) / spread)
            total += weight
            first += weight * v
            second += weight * u
        first /= total
        second /= total
        slow += first
        fast += second
        if first * first + second * second <= limit:
            return slow, fast, turn + 1
    return slow, fast, rounds


@njit(cache=True, fastmath={"reassoc", "contract", "nsz"}, forceinline=True)
def _line_tilt(slopes: NDArray[np.float64], both: NDArray[np.bool_], count: int, rounds: int, stop: float) -> float:
    tilt = 0.0
    for _ in range(rounds):
        spread = 0.0
        for i in range(slopes.size):
            if both[i]:
                spread += (slopes[i] - tilt) ** 2
        spread /= count * 200.0
        if spread <= 0.0:
            break
        total, turn = 0.0, 0.0
        for i in range(slopes.size):
            if both[i]:
                v = slopes[i] - tilt
                weight = np.exp(-v * v / spread)
                total += weight
                turn += weight * v
        turn = turn / total if total > 0.0 else 0.0
        tilt += turn
        if abs(turn) <= stop:
            break
    return tilt


@njit(cache=True)
def line_tilts(
    slopes: NDArray[np.float64], both: NDArray[np.bool_], fewest: int, rounds: int, limits: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Most common slope of each line of at least ``fewest`` usable slopes, zero for the others."""
    out = np.zeros(slopes.shape[0])
    for line in range(slopes.shape[0]):
        count = 0
        for i in range(slopes.shape[1]):
            count += both[line, i]
        if count >= fewest:
            out[line] = _line_tilt(slopes[line], both[line], count, rounds, limits[line])
    return out
