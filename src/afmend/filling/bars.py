"""Error bars learned from hidden pixels: what activity and doubt add, and the factor that makes them cover."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from afmend.filling.holdout import COVERED, covering_factor

Vector: TypeAlias = NDArray[np.float64]
_POWERS = (0.0, 0.25, 0.5, 0.75, 1.0)
_WEIGHTS = (0.0, 0.25, 1.0, 4.0, 16.0)
_SCALES = (0.5, 1.0, 2.0, 4.0)
_CALMEST = 1e-3
"""No neighborhood tells that its surface is calmer than this, relative to what its covariance expects."""
_GROUP_PX = 500
_GROUPS = 4
_ALIKE_PX = 25
"""Errors of neighbors are alike: so many hidden pixels tell as much as one would alone."""


@dataclass(frozen=True, slots=True)
class Bars:
    """Sigma = q(v) sqrt(v), with v = variance * activity^power + weight * doubt; q between groups of v interpolated."""

    power: float = 0.5
    weight: float = 1.0
    places: tuple[float, ...] = (0.0,)
    factors: tuple[float, ...] = (1.0,)

    @classmethod
    def learn(cls, errors: Vector, terms: tuple[Vector, Vector, Vector], noise_variance: float) -> Bars:
        """Choose power and weight by the likelihood of the errors, then q so that 95 % intervals cover.

        Parameters
        ----------
        errors : (n,)
            On hidden pixels, against noisy heights.
        terms : three (n,)
            Variances, activities and doubts of these pixels.
        noise_variance : float
        """
        scales = np.array(_SCALES)[:, None]
        power, weight = max(
            ((power, weight) for power in _POWERS for weight in _WEIGHTS),
            key=lambda pair: float(np.max(_likelihoods(errors, scales * _total(terms, *pair) + noise_variance))),
        )
        total = _total(terms, power, weight)
        groups = int(np.clip(errors.size // _GROUP_PX, 1, _GROUPS))
        order = np.argsort(total, kind="stable")
        # Half a standard error above 95 %: few hidden pixels must not promise too much. (Noise is not alike.)
        margin = 0.5 * np.sqrt(COVERED * (1 - COVERED) * _ALIKE_PX / errors.size)
        places, factors = [], []
        for part in np.array_split(order, groups):
            places.append(float(np.log(np.median(total[part]))))
            level = COVERED + margin * float(np.mean(total[part] / (total[part] + noise_variance)))
            factors.append(covering_factor(errors[part], total[part], noise_variance, min(level, 0.99)))
        return cls(power, weight, tuple(places), tuple(factors))

    @property
    def facts(self) -> dict[str, Any]:
        """The numbers as JSON values."""
        return {"activity_power": self.power, "doubt": self.weight, "q": list(self.factors)}

    def variance(self, variance: Vector, activity: Vector, doubts: Vector) -> Vector:
        """Squared error bars."""
        total = _total((variance, activity, doubts), self.power, self.weight)
        place = np.log(np.maximum(total, np.finfo(np.float64).tiny))
        return np.asarray(total * np.exp(2 * np.interp(place, self.places, np.log(self.factors))))


def _total(terms: tuple[Vector, Vector, Vector], power: float, weight: float) -> Vector:
    variance, activity, doubts = terms
    return np.asarray(variance * np.maximum(activity, _CALMEST) ** power + weight * doubts)


def _likelihoods(errors: Vector, totals: Vector) -> Vector:
    return np.asarray(-np.mean(np.log(totals) + errors**2 / totals, axis=-1))
