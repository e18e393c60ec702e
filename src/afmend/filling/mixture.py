"""Joining what four covariances say: each counts where it explains the good pixels around a hole better."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from afmend.filling.texture import Guesses

Vector: TypeAlias = NDArray[np.float64]
_TRUST = 6.0
"""Independent witnesses that the neighbors are worth: no covariance is right, and neighbors resemble each other."""
_ROUNDS = 50
_PRIOR_PX = 10.0
"""Pixels that the prior counts for, spread evenly."""
_NEVER = 0.01


class Joined(NamedTuple):
    """Mean, variance and activity of pixels after joining."""

    mean: Vector
    variance: Vector
    activity: Vector


def learn_shares(guesses: Guesses, truth: Vector, noise_variance: float) -> Vector:
    """Share of the image that each covariance describes best, from hidden pixels; 0 for those of hardly any use.

    Expectation maximization over the likelihood of the hidden heights and of their neighbors.
    """
    total = guesses.variance + noise_variance
    logs = _TRUST * guesses.likelihood - 0.5 * (np.log(total) + (truth - guesses.mean) ** 2 / total)
    count = len(logs)
    odds = np.exp(logs - np.max(logs, axis=0))
    shares = np.full(count, 1 / count)
    for _ in range(_ROUNDS):
        mine = odds * shares[:, None]
        shares = (np.sum(mine / np.sum(mine, axis=0), axis=1) + _PRIOR_PX / count) / (truth.size + _PRIOR_PX)
    shares[shares <= max(_NEVER, _PRIOR_PX / truth.size)] = 0.0
    return np.asarray(shares / np.sum(shares))


def join(guesses: Guesses, shares: Vector) -> Joined:
    """Weight covariances by prior and likelihood of the neighbors; their disagreement joins the variance."""
    if len(shares) == 1:
        return Joined(guesses.mean[0], guesses.variance[0], guesses.activity[0])
    weight = weights(guesses, shares)
    mean = np.sum(weight * guesses.mean, axis=0)
    variance = np.sum(weight * (guesses.variance + (guesses.mean - mean) ** 2), axis=0)
    return Joined(mean, variance, np.sum(weight * guesses.activity, axis=0))


def weights(guesses: Guesses, shares: Vector) -> Vector:
    """Weight of each covariance for each pixel (covariances, pixels)."""
    return _normalized(_TRUST * guesses.likelihood, shares)


def _normalized(logs: Vector, shares: Vector) -> Vector:
    with np.errstate(divide="ignore"):
        logs = logs + np.log(shares)[:, None]
    odds = np.exp(logs - np.max(logs, axis=0))
    return np.asarray(odds / np.sum(odds, axis=0))
