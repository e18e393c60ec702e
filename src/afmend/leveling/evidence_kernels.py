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
