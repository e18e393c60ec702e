"""Statistics of comparisons: intervals over scans, correlation of ranks. One value is one scan.

Intervals are percentile bootstraps from `MANY` values on. The bootstrap of fewer values is too narrow (of 5 values it
excludes the truth in 18 % of the cases instead of 5 %): between `FEWEST` and `MANY` values a mean has Student's
interval and a median that of its order statistics; fewer values have no interval.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from afmend.errors import BadParameterError, BadScanError, StepError
from afmend.evaluation.metrics.arguments import choice

PairedStatistic: TypeAlias = Literal["geometric_mean_ratio", "median_ratio", "mean_difference", "median_difference"]
FEWEST, MANY = 8, 20
"""With fewer scans than the first there is no interval; from the second on it is a bootstrap."""
_DRAWN_AT_ONCE = 2_000_000
"""Values drawn in one go: bounds the memory of a bootstrap to some 30 MB."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its interval over scans.

    Attributes
    ----------
    value : float
        NaN if nothing was left to measure.
    low, high : float
        NaN with fewer than `FEWEST` scans, and for quantiles other than the median with fewer than `MANY`.
    count, dropped : int
        Values that took part, and values (or pairs) of those given that were left out because one was not finite.
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
    """Estimate a mean, a median or a quantile (a number from 0 to 1) over scans, with its interval.

    From `MANY` values on a percentile bootstrap (Efron, Ann. Stat. 7, 1 (1979), doi:10.1214/aos/1176344552); the same
    seed gives the same interval. With fewer, down to `FEWEST`, the mean has the interval of Student's t (Biometrika 6,
    1 (1908), doi:10.1093/biomet/6.1.1), and the median lies between two order statistics with at least the level's
    probability, by the binomial distribution. Values that are not finite are dropped and counted.

    Raises
    ------
    BadParameterError
        If an option is out of range.
    BadScanError
        If the values are not a list.

    Notes
    -----
    **Can be fooled by:** scans that are not independent (frames of one surface), and few scans: extreme quantiles of
    30 scans have no honest interval. Nothing is corrected for many comparisons at once: of 20 true nothings, one
    interval of 95 % excludes nothing.
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
    """Compare two methods on the same scans: ratio a / b or difference a - b, with its interval over scans.

    ``geometric_mean_ratio = exp(mean(log(a / b)))``, ``median_ratio = median(a / b)``, ``mean_difference = mean(a -
    b)``, ``median_difference = median(a - b)``. The difference is real if the interval excludes 1 (ratios) or 0
    (differences). Pairs of which a value is not finite are dropped and counted. Intervals as in `bootstrap`; those of
    geometric means are made of the logarithms.

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
    **Can be fooled by:** dropped pairs, if one method fails on the hard scans (look at the count), by scans that are
    not independent, and by looking at many comparisons for the one that stands out.
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
    """Mean over scans of the `spearman` correlation over methods, with its interval over scans.

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


@dataclass(frozen=True, slots=True)
class _Statistic:
    """A function along the last axis, and "mean", "median" or "" for another quantile."""

    name: str
    function: Callable[[NDArray[np.float64]], Any]

    def __call__(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(self.function(values), dtype=np.float64)


def _statistic(name: str | float) -> _Statistic:
    if isinstance(name, str):
        choice(name, ("mean", "median"), "statistic")
        chosen: Callable[..., Any] = np.mean if name == "mean" else np.median
        return _Statistic(name, lambda values: chosen(values, axis=-1))
    if not 0 <= name <= 1:
        raise BadParameterError(f"the quantile is {name}", now="A quantile lies between 0 and 1.")
    return _Statistic("median" if name == 0.5 else "", lambda values: np.quantile(values, name, axis=-1))


def _of_few(values: NDArray[np.float64], statistic: str, level: float) -> tuple[float, float]:
    """Return the interval of a mean or a median of few values; NaN if there is none that can be trusted."""
    count = values.size
    if count < FEWEST or not statistic:
        return (math.nan, math.nan)
    from scipy.special import bdtr, stdtrit

    if statistic == "mean":
        half = float(stdtrit(count - 1, (1 + level) / 2) * np.std(values, ddof=1)) / math.sqrt(count)
        middle = float(np.mean(values))
        return (middle - half, middle + half)
    ordered = np.sort(values)
    # The k-th value from either end: the median lies outside with twice the probability of fewer than k heads.
    inside = [k for k in range(1, count // 2 + 1) if 2 * bdtr(k - 1, count, 0.5) <= 1 - level]
    if not inside:
        return (math.nan, math.nan)
    return (float(ordered[inside[-1] - 1]), float(ordered[count - inside[-1]]))


def _estimate(
    values: NDArray[np.float64], dropped: int, statistic: _Statistic, level: float, resamples: int, seed: int
) -> Estimate:
    if not 0 < level < 1 or resamples < 1:
        raise BadParameterError(f"level {level}, {resamples} resamples", now="Choose a level such as 0.95.")
    count = values.size
    value = float(statistic(values)) if count else math.nan
    if count < MANY:
        return Estimate(value, *_of_few(values, statistic.name, level), count, dropped)
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
