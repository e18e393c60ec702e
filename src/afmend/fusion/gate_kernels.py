"""Compiled forward-backward recursion along the lines. Import this module inside functions only."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from afmend.compiled import njit
from afmend.scan.arrays import Mask

Floats = NDArray[np.float64]
STATES = 4
"""Both right; the first too high; the second too high; both too high."""
LOG_ROOT = 0.5 * math.log(2 * math.pi)
DEEPEST = -600.0


@njit(cache=True, nogil=True, error_model="numpy")
def _bell(value: float, spread: float) -> float:
    return -0.5 * (value / spread) ** 2 - math.log(spread) - LOG_ROOT


@njit(cache=True, nogil=True, error_model="numpy")
def _slopes(first: float, second: float, law: Floats, out: Floats) -> None:
    """Add what the slopes say: in a tail the fall is constant, elsewhere a slope is anything around zero."""
    fall, fall_spread, slope = law[1], law[2], law[3]
    height = math.log(2 * slope)
    free_first, free_second = -abs(first) / slope - height, -abs(second) / slope - height
    # One slope in twenty of a tail is something else.
    odds_first = math.log(0.05 + 0.95 * math.exp(min(_bell(first - fall, fall_spread) - free_first, 100.0)))
    odds_second = math.log(0.05 + 0.95 * math.exp(min(_bell(second - fall, fall_spread) - free_second, 100.0)))
    out[1] += odds_first
    out[2] += odds_second
    out[3] += odds_first + odds_second


@njit(cache=True, nogil=True, error_model="numpy")
def _fits(away: float, first: float, second: float, spread: float, law: Floats, out: Floats) -> None:
    """Densities of what is seen at a pixel in each state, relative to the largest."""
    tail, temper = law[0], law[4]
    near = -0.5 * (away / spread) ** 2
    far = -abs(away) / tail
    share = -math.log(tail + 0.5 * math.sqrt(2 * math.pi) * spread)
    out[0] = temper * (near - math.log(spread) - LOG_ROOT)
    out[1] = temper * (share + (far if away > 0 else near))
    out[2] = temper * (share + (far if away < 0 else near))
    out[3] = temper * (far - math.log(2 * tail))
    if law[1] > 0:
        _slopes(first, second, law, out)
    best = max(out[0], out[1], out[2], out[3])
    for k in range(STATES):
        out[k] = math.exp(max(out[k] - best, DEEPEST))


@njit(cache=True, nogil=True, error_model="numpy")
def _backward(fits: Floats, ahead: Floats, scale: Floats, moves: Floats, counts: Floats, shares: Floats) -> None:
    """Walk one line from its end: probabilities of the states, (3, cols), and expected moves, added to ``counts``."""
    behind, step = np.ones(STATES), np.empty(STATES)
    for j in range(scale.size - 1, -1, -1):
        for k in range(1, STATES):
            shares[k - 1, j] = ahead[j, k] * behind[k]
        if j == 0:
            break
        for k in range(STATES):
            step[k] = fits[j, k] * behind[k] / scale[j]
        for k in range(STATES):
            total = 0.0
            for m in range(STATES):
                flow = moves[k, m] * step[m]
                counts[k, m] += ahead[j - 1, k] * flow
                total += flow
            behind[k] = total


@njit(cache=True, nogil=True, error_model="numpy")
def beliefs(
    away: Floats, drops: Floats, spread: Floats, known: Mask, law: Floats, moves: Floats, start: Floats
) -> tuple[Floats, Floats]:
    """Return what each pixel is believed to be, and how often states follow each other.

    Parameters
    ----------
    away : (rows, cols)
        Difference of the two directions without the offset of the line.
    drops : (2, rows, cols)
        How much each direction falls per pixel in its own sense of time.
    spread : (rows, cols)
        Standard deviation of ``away`` where both are right.
    known : (rows, cols) bool
        False: nothing is known of this pixel but its neighbors.
    law : (5,)
        Mean height of a tail; fall per pixel in a tail (0 = not used) and its spread; mean size of other slopes; the
        power of the densities of ``away``: below 1 where neighboring pixels tell the same.
    moves : (4, 4)
        Probability of a state (column) after a state (row), from left to right.
    start : (4,)
        Probability of the states of a line's first pixel.

    Returns
    -------
    shares : (3, rows, cols)
        Probability that the first, the second, and both are too high.
    counts : (4, 4)
        Expected number of moves between states.
    """
    rows, cols = away.shape
    shares = np.empty((STATES - 1, rows, cols))
    counts = np.zeros((STATES, STATES))
    fits, ahead, scale = np.empty((cols, STATES)), np.empty((cols, STATES)), np.empty(cols)
    for i in range(rows):
        for j in range(cols):
            fits[j, :] = 1.0
            if known[i, j]:
                _fits(away[i, j], drops[0, i, j], drops[1, i, j], spread[i, j], law, fits[j])
            total = 0.0
            for k in range(STATES):
                came = start[k]
                if j > 0:
                    came = 0.0
                    for m in range(STATES):
                        came += ahead[j - 1, m] * moves[m, k]
                ahead[j, k] = came * fits[j, k]
                total += ahead[j, k]
            scale[j] = total
            for k in range(STATES):
                ahead[j, k] /= total
        _backward(fits, ahead, scale, moves, counts, shares[:, i])
    return shares, counts
