"""Joining what two covariances say: each counts where it explains the good pixels around a hole better."""

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


def share_of_directed(guesses: Guesses, truth: Vector, noise_variance: float) -> float:
    """Share of the image that the directed covariance describes better, from hidden pixels; 0 if hardly any.

    Expectation maximization over the likelihood of the hidden heights and of their neighbors.
    """
    if not truth.size:
        return 0.0
    total = guesses.variance + noise_variance
    logs = _TRUST * guesses.likelihood - 0.5 * (np.log(total) + (truth - guesses.mean) ** 2 / total)
    odds = np.clip(logs[1] - logs[0], -700.0, 700.0)
    share = 0.5
    for _ in range(_ROUNDS):
        mine = _logistic(odds + np.log(share / (1 - share)))
        share = (float(np.sum(mine)) + 0.5 * _PRIOR_PX) / (mine.size + _PRIOR_PX)
    return share if share > max(_NEVER, _PRIOR_PX / truth.size) else 0.0


def join(guesses: Guesses, share: float) -> Joined:
    """Weight both by prior and likelihood of the neighbors; their disagreement joins the variance."""
    if share == 0 or len(guesses.mean) == 1:
        return Joined(guesses.mean[0], guesses.variance[0], guesses.activity[0])
    directed = weights(guesses, share)
    apart = guesses.mean[1] - guesses.mean[0]
    mean = guesses.mean[0] + directed * apart
    variance = (1 - directed) * guesses.variance[0] + directed * (guesses.variance[1] + (1 - directed) * apart**2)
    return Joined(mean, variance, (1 - directed) * guesses.activity[0] + directed * guesses.activity[1])


def weights(guesses: Guesses, share: float) -> Vector:
    """Weight of the directed covariance for each pixel."""
    odds = _TRUST * (guesses.likelihood[1] - guesses.likelihood[0]) + np.log(share / (1 - share))
    return _logistic(np.clip(odds, -700.0, 700.0))


def _logistic(odds: Vector) -> Vector:
    return np.asarray(1.0 / (1.0 + np.exp(-odds)))
