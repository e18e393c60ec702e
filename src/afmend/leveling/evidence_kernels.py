"""Compiled fit of a line-noise spectrum. Imported only when it runs."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from afmend.compiled import njit

F = NDArray[np.float64]

_FREEDOM = 5.0
"""Degrees of freedom of the Student law that the cosine coefficients follow about their predicted power: the power
that topography leaks is itself an estimate, and periodic surfaces have peaks."""
_CONSISTENT = 0.7333
"""What the scale of this law comes to, fitted to normal coefficients of power 1."""
_SPREAD = 0.5
"""How far, in nats, the leak may be off as a whole."""
_TURNS = 40
_UNRELATED = 0.05
_NATS_PER_LAW = 4.0
"""By how many nats a law of line noise must explain the path better before it is believed."""


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"}, error_model="numpy", forceinline=True)
def _turn(power: F, leak: F, walk: F, now: F, sums: F) -> None:
    """Sum what the next step needs: of leak, level and walk, weighted by the excess of power and by the mean power."""
    kappa, white, step = now
    rise = fall = white_top = white_bottom = step_top = step_bottom = 0.0
    for q in range(power.size):
        mean = kappa * leak[q] + white + step * walk[q]
        both = _FREEDOM * mean + power[q]
        part = 1.0 / (mean * both)
        weighted = (_FREEDOM + 1.0) * power[q] * part
        inverse = both * part
        rise += weighted * leak[q]
        fall += inverse * leak[q]
        white_top += weighted
        white_bottom += inverse
        step_top += weighted * walk[q]
        step_bottom += inverse * walk[q]
    sums[0], sums[1], sums[2] = rise, white_top, step_top
    sums[3], sums[4], sums[5] = fall, white_bottom, step_bottom


@njit(cache=True, nogil=True)
def fit_spectrum(power: F, leak: F, walk: F, with_level: bool, with_walk: bool) -> tuple[float, F]:
    """Fit ``power`` by ``kappa * leak + level + step * walk``, all positive, to the greatest posterior density.

    Parameters
    ----------
    power : (orders,)
        Squared cosine coefficients, positive, the largest of the order of 1.
    leak : (orders,)
        Their expectation from topography, positive.
    walk : (orders,)
        Spectrum of line noise that adds up.
    with_level, with_walk : bool
        Which laws of line noise take part; the others are 0.

    Returns
    -------
    score : float
        Logarithm of the posterior density, up to a constant.
    (kappa, level, step)
    """
    power = power / _CONSISTENT
    now, sums = np.zeros(3), np.empty(6)
    now[0] = 1.0
    if with_level:
        now[1] = 0.5 * np.mean(power) / (2.0 if with_walk else 1.0)
    if with_walk:
        now[2] = 0.5 * np.mean(power) / ((2.0 if with_level else 1.0) * np.mean(walk))
    for _ in range(_TURNS):
        _turn(power, leak, walk, now, sums)
        kappa, rise, fall = now[0], sums[0], sums[3]
        log = math.log(kappa)
        # A Newton step for kappa, multiplicative steps for the others: they stay positive and do not overshoot.
        step = (0.5 * kappa * (rise - fall) - log / _SPREAD**2) / (0.5 * kappa * fall + 1.0 / _SPREAD**2)
        now[0] = math.exp(log + min(max(step, -0.7), 0.7))
        for t in range(1, 3):
            now[t] *= math.sqrt(sums[t] / sums[t + 3])
    score = -0.5 * (math.log(now[0]) / _SPREAD) ** 2
    for q in range(power.size):
        mean = now[0] * leak[q] + now[1] + now[2] * walk[q]
        score -= 0.5 * math.log(mean) + 0.5 * (_FREEDOM + 1.0) * math.log1p(power[q] / (_FREEDOM * mean))
    return score, now


@njit(cache=True, nogil=True)
def line_noise(seen: F, expected: F, first: int, laws: int) -> tuple[bool, float, float]:
    """Keep of the cosine coefficients of a path, in place, what is line noise (Wiener).

    Parameters
    ----------
    seen : (orders + 1,)
        From order 0 on, which goes.
    expected : (orders + 1,)
        Power that topography is expected to leak.
    first : int
        Orders below it are not judged by: the background took most of them.
    laws : int
        1: line noise is white; 3: or adds up, or both.

    Returns
    -------
    found : bool
    variance, noise : float
        Sums over the orders of the posterior variance, and of the power of line noise.
    """
    count = seen.size - 1
    largest = 0.0
    for q in range(1, count + 1):
        largest = max(largest, seen[q] * seen[q])
    if largest == 0.0:
        return False, 0.0, 0.0
    power, leak, walk = np.empty(count), np.empty(count), np.empty(count)
    floor = 1e-12 * max(np.max(expected[1:]), largest * 1e-12)
    for q in range(count):
        power[q] = max(seen[q + 1] * seen[q + 1] / largest, 1e-30)
        leak[q] = max(expected[q + 1], floor) / largest
        walk[q] = 1.0 / ((q + 1.0) * (q + 1.0))
    best, chosen = fit_spectrum(power[first:], leak[first:], walk[first:], False, False)
    found = False
    for law in range(laws):
        score, fitted = fit_spectrum(power[first:], leak[first:], walk[first:], law != 1, law > 0)
        score -= _NATS_PER_LAW * (2.0 if law == 2 else 1.0)
        if score > best:
            best, chosen, found = score, fitted, True
    kappa, level, step = max(chosen[0], 1.0), chosen[1], chosen[2]
    variance = total = 0.0
    seen[0] = 0.0
    for q in range(count):
        noise = level + step * walk[q]
        gain = noise / (noise + kappa * leak[q])
        seen[q + 1] *= gain
        variance += gain * kappa * leak[q]
        total += noise
    return found, variance * largest, total * largest


@njit(cache=True)
def expected_power(power: F, aspect: float, mode: int) -> F:
    """Power that topography leaks into each cosine order of the line offsets (slopes, bends: ``mode``).

    The offset at frequency q along the slow axis is compared with test function m (m half waves along the fast
    axis) at that frequency q' at which sqrt(q'^2 + m^2) is the same, lengths counted equally along both axes.

    Parameters
    ----------
    power : (orders, tests)
    aspect : float
        Length of the slow axis over that of the fast axis.
    mode : int
    """
    count, tests = power.shape
    total = np.zeros(count)
    weight = np.zeros(count)
    sums = np.zeros(count + 1)
    for column in range(tests):
        for q in range(count):
            sums[q + 1] = sums[q] + power[q, column]
        shift = math.sqrt(max((column + max(mode + 1, 2)) ** 2 - mode**2, 0)) * aspect
        for q in range(count):
            if column > 0 and q <= shift:
                continue
            at = math.sqrt(max(q * q - shift * shift, 1.0))
            low = min(max(int(np.rint(at - 1.5)), 1), max(count - 3, 1))
            high = min(low + 3, count)
            total[q] += (sums[high] - sums[low]) / max(high - low, 1)
            weight[q] += 1.0
    return total / weight


@njit(cache=True)
def correlation_from_line_to_line(modulated: F) -> float:
    """Sum of the correlations of a table's lines over all lags, both ways; 1 if lines are independent.

    It is cut off at the first lag at which they are hardly correlated.
    """
    count, tests = modulated.shape
    pooled = np.mean(modulated**2)
    total = 1.0
    for lag in range(1, min(64, count // 4 + 1)):
        product = 0.0
        for i in range(count - lag):
            for k in range(tests):
                product += modulated[i, k] * modulated[i + lag, k]
        correlation = product / ((count - lag) * tests) / pooled
        if abs(correlation) < _UNRELATED:
            break
        total += 2.0 * correlation
    return total


@njit(cache=True)
def diagonal_of_inverse(diagonal: F, beside: F) -> F:
    """Diagonal of the inverse of a symmetric tridiagonal matrix, by elimination from both ends."""
    count = diagonal.size
    down = diagonal.copy()
    up = diagonal.copy()
    for i in range(1, count):
        down[i] = diagonal[i] - beside[i - 1] ** 2 / down[i - 1]
    for i in range(count - 2, -1, -1):
        up[i] = diagonal[i] - beside[i] ** 2 / up[i + 1]
    return 1.0 / (down + up - diagonal)
