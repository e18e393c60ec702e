"""Statistics of comparisons: bootstrap intervals over scans, correlation of ranks. One value is one scan."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from afmend.errors import BadParameterError, BadScanError, StepError
from afmend.evaluation.metrics.arguments import choice

PairedStatistic: TypeAlias = Literal["geometric_mean_ratio", "median_ratio", "mean_difference", "median_difference"]
_DRAWN_AT_ONCE = 2_000_000
"""Values drawn in one go: bounds the memory of a bootstrap to some 30 MB."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its percentile bootstrap interval.

    Attributes
    ----------
    value : float
        NaN if nothing was left to measure.
    low, high : float
        NaN with fewer than two scans: one scan says nothing about the spread.
    count, dropped : int
        Scans that took part, and scans left out because a value was not finite.
    """

    value: float
    low: float
    high: float
    count: int
    dropped: int

    @property
    def triple(self) -> tuple[float, float, float]:
        """(value, low, high)."""
        return (self.value, self.low, self.high)


def bootstrap(
    values: ArrayLike,
    *,
    statistic: Literal["mean", "median"] | float = "median",
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Estimate:
    """Estimate a mean, a median or a quantile (a number from 0 to 1) over scans, with its bootstrap interval.

    Percentile bootstrap (Efron, Ann. Stat. 7, 1 (1979), doi:10.1214/aos/1176344552); the same seed gives the same
    interval. Values that are not finite are dropped and counted.

    Raises
    ------
    BadParameterError
        If an option is out of range.
    BadScanError
        If the values are not a list.

    Notes
    -----
    **Can be fooled by:** scans that are not independent (frames of one surface), and few scans: extreme quantiles of
    30 scans have no honest interval.
    """
    listed = _listed(values)
    kept = listed[np.isfinite(listed)]
    return _estimate(kept, listed.size - kept.size, _statistic(statistic), level, resamples, seed)


def paired_bootstrap(
    values_a: ArrayLike,
    values_b: ArrayLike,
    *,
    statistic: PairedStatistic = "geometric_mean_ratio",
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Estimate:
    """Compare two methods on the same scans: ratio a / b or difference a - b, with its bootstrap interval over scans.

    ``geometric_mean_ratio = exp(mean(log(a / b)))``, ``median_ratio = median(a / b)``, ``mean_difference = mean(a -
    b)``, ``median_difference = median(a - b)``. The difference is real if the interval excludes 1 (ratios) or 0
    (differences). Pairs of which a value is not finite are dropped and counted. Bootstrap as in `bootstrap`.

    Parameters
    ----------
    values_a, values_b : (scans,)
        The same scans in the same order.

    Raises
    ------
    BadScanError
        If the lists differ in length.
    BadParameterError
        If an option is out of range.
    StepError
        If a ratio is asked for and a value is not positive.

    Notes
    -----
    **Can be fooled by:** dropped pairs, if one method fails on the hard scans (look at the count), and by scans that
    are not independent.
    """
    choice(statistic, ("geometric_mean_ratio", "median_ratio", "mean_difference", "median_difference"), "statistic")
    a, b = _pair(values_a, values_b)
    both = np.isfinite(a) & np.isfinite(b)
    dropped = int(np.count_nonzero(~both))
    a, b = a[both], b[both]
    middle = _statistic("median" if statistic.startswith("median") else "mean")
    if statistic.endswith("difference"):
        return _estimate(a - b, dropped, middle, level, resamples, seed)
    if not ((a > 0) & (b > 0)).all():
        raise StepError("a ratio needs positive values", now="Compare by a difference.")
    if statistic == "median_ratio":
        return _estimate(a / b, dropped, middle, level, resamples, seed)
    made = _estimate(np.log(a) - np.log(b), dropped, middle, level, resamples, seed)
    return Estimate(math.exp(made.value), math.exp(made.low), math.exp(made.high), made.count, made.dropped)


def spearman(values_a: ArrayLike, values_b: ArrayLike) -> float:
    """Rank correlation from -1 to 1; equal values share their mean rank; pairs with a NaN are left out.

    Pearson's correlation of the ranks (Spearman, Am. J. Psychol. 15, 72 (1904), doi:10.2307/1412159). NaN for fewer
    than two pairs, or if either list is constant.

    Raises
    ------
    BadScanError
        If the lists differ in length.

    Notes
    -----
    **Can be fooled by:** few values (four methods have only 24 orders), and by near ties, whose order is chance.
    """
    a, b = _pair(values_a, values_b)
    both = ~(np.isnan(a) | np.isnan(b))
    a, b = _ranks(a[both]), _ranks(b[both])
    if a.size < 2:
        return math.nan
    a, b = a - np.mean(a), b - np.mean(b)
    size = math.sqrt(float(np.dot(a, a)) * float(np.dot(b, b)))
    return float(np.dot(a, b)) / size if size else math.nan


def mean_rank_correlation(
    matrix_a: ArrayLike, matrix_b: ArrayLike, *, level: float = 0.95, resamples: int = 2000, seed: int = 0
) -> Estimate:
    """Mean over scans of the `spearman` correlation over methods, with its bootstrap interval over scans.

    Answers whether a metric ranks methods as the truth does: near 1 it may stand in for the truth, at or below 0 it
    misleads. Scans whose correlation is undefined are dropped and counted.

    Parameters
    ----------
    matrix_a, matrix_b : (scans, methods)
        Two metrics of the same methods on the same scans, both better when lower (or both when higher).

    Raises
    ------
    BadScanError
        If the shapes differ or are not two-dimensional.
    BadParameterError
        If an option is out of range.

    Notes
    -----
    **Can be fooled by:** the choice of methods: two that are hopeless in every metric make any metric agree.
    """
    a, b = np.asarray(matrix_a, dtype=np.float64), np.asarray(matrix_b, dtype=np.float64)
    if a.ndim != 2 or a.shape != b.shape:
        raise BadScanError(f"matrices of shapes {a.shape} and {b.shape} have no ranks in common",
                           now="Give one line per scan and one column per method.")  # fmt: skip
    return bootstrap(
        np.array([spearman(one, other) for one, other in zip(a, b, strict=True)]),
        statistic="mean",
        level=level,
        resamples=resamples,
        seed=seed,
    )


_Statistic: TypeAlias = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Works along the last axis."""


def _statistic(name: str | float) -> _Statistic:
    if isinstance(name, str):
        choice(name, ("mean", "median"), "statistic")
        chosen = np.mean if name == "mean" else np.median
        return lambda values: np.asarray(chosen(values, axis=-1), dtype=np.float64)
    if not 0 <= name <= 1:
        raise BadParameterError(f"the quantile is {name}", now="A quantile lies between 0 and 1.")
    return lambda values: np.asarray(np.quantile(values, name, axis=-1), dtype=np.float64)


def _estimate(
    values: NDArray[np.float64], dropped: int, statistic: _Statistic, level: float, resamples: int, seed: int
) -> Estimate:
    if not 0 < level < 1 or resamples < 1:
        raise BadParameterError(f"level {level}, {resamples} resamples", now="Choose a level such as 0.95.")
    count = values.size
    value = float(statistic(values)) if count else math.nan
    if count < 2:
        return Estimate(value, math.nan, math.nan, count, dropped)
    rng = np.random.default_rng(seed)
    drawn = np.empty(resamples)
    at_once = max(1, _DRAWN_AT_ONCE // count)
    for start in range(0, resamples, at_once):
        stop = min(start + at_once, resamples)
        drawn[start:stop] = statistic(values[rng.integers(0, count, size=(stop - start, count))])
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(value, float(low), float(high), count, dropped)


def _listed(values: ArrayLike) -> NDArray[np.float64]:
    made = np.asarray(values, dtype=np.float64)
    if made.ndim != 1:
        raise BadScanError(f"values of shape {made.shape} are not a list", now="Give one value per scan.")
    return made


def _pair(values_a: ArrayLike, values_b: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    a, b = _listed(values_a), _listed(values_b)
    if a.size != b.size:
        raise BadScanError(f"{a.size} values cannot be paired with {b.size}", now="Give the same scans, NaN = none.")
    return a, b


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from 1 on; equal values share their mean rank."""
    _, where, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[where]
