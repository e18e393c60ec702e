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


@njit(cache=True)
def fit_spectrum(power: F, leak: F, laws: F) -> tuple[float, float, F]:
    """Fit ``power`` by ``kappa * leak + theta @ laws``, all positive, to the greatest posterior density.

    Parameters
    ----------
    power : (orders,)
        Squared cosine coefficients, positive.
    leak : (orders,)
        Their expectation from topography, positive.
    laws : (terms, orders)
        Spectra that line noise may have.

    Returns
    -------
    score : float
        Logarithm of the posterior density, up to a constant.
    kappa : float
    theta : (terms,)
    """
    terms, count = laws.shape
    power = power / _CONSISTENT
    kappa = 1.0
    theta = np.zeros(terms)
    top = np.zeros(terms)
    bottom = np.zeros(terms)
    for t in range(terms):
        theta[t] = 0.5 * np.mean(power) / (terms * np.mean(laws[t]))
    for _ in range(_TURNS):
        rise = 0.0
        fall = 0.0
        top[:] = 0.0
        bottom[:] = 0.0
        for q in range(count):
            inverse = 1.0 / _mean(kappa, leak, theta, laws, q)
            ratio = power[q] * inverse
            weighted = (_FREEDOM + 1.0) / (_FREEDOM + ratio) * ratio * inverse
            rise += weighted * leak[q]
            fall += inverse * leak[q]
            for t in range(terms):
                top[t] += weighted * laws[t, q]
                bottom[t] += inverse * laws[t, q]
        log = math.log(kappa)
        # A Newton step for kappa, multiplicative steps for the others: they stay positive and do not overshoot.
        step = (0.5 * kappa * (rise - fall) - log / _SPREAD**2) / (0.5 * kappa * fall + 1.0 / _SPREAD**2)
        kappa = math.exp(log + min(max(step, -0.7), 0.7))
        for t in range(terms):
            theta[t] *= math.sqrt(top[t] / bottom[t])
    score = -0.5 * (math.log(kappa) / _SPREAD) ** 2
    for q in range(count):
        mean = _mean(kappa, leak, theta, laws, q)
        score -= 0.5 * math.log(mean) + 0.5 * (_FREEDOM + 1.0) * math.log1p(power[q] / (_FREEDOM * mean))
    return score, kappa, theta


@njit(cache=True)
def _mean(kappa: float, leak: F, theta: F, laws: F, q: int) -> float:
    total: float = kappa * leak[q]
    for t in range(theta.size):
        total += theta[t] * laws[t, q]
    return total


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
