"""Statistics of comparisons: intervals over scans, correlation of ranks. One value is one scan.

Intervals are percentile bootstraps from `MANY` values on. The bootstrap of fewer values is too narrow (of 5 values it
excludes the truth in 18 % of the cases instead of 5 %): between `FEWEST` and `MANY` values a mean has Student's
interval and a median that of its order statistics; fewer values have no interval.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from afmend.errors import BadScanError, StepError
from afmend.evaluation.metrics.arguments import choice

PairedStatistic: TypeAlias = Literal["geometric_mean_ratio", "mean_difference", "median_difference"]
FEWEST, MANY = 8, 20
"""With fewer scans than the first there is no interval; from the second on it is a bootstrap."""
LEVEL = 0.95
"""Probability of the intervals."""
RESAMPLES = 2000
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
        95 % interval; NaN with fewer than `FEWEST` scans.
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


def paired_bootstrap(
    values_a: ArrayLike, values_b: ArrayLike, *, statistic: PairedStatistic = "geometric_mean_ratio"
) -> Estimate:
    """Compare two methods on the same scans: ratio a / b or difference a - b, with its 95 % interval over scans.

    ``geometric_mean_ratio = exp(mean(log(a / b)))``, ``mean_difference = mean(a - b)``, ``median_difference = median(a
    - b)``. The difference is real if the interval excludes 1 (ratios) or 0 (differences). Pairs of which a value is
    not finite are dropped and counted.

    From `MANY` values on a percentile bootstrap (Efron, Ann. Stat. 7, 1 (1979), doi:10.1214/aos/1176344552) of
    `RESAMPLES` draws, the same each time. With fewer, down to `FEWEST`, the mean has the interval of Student's t
    (Biometrika 6, 1 (1908), doi:10.1093/biomet/6.1.1), and the median lies between two order statistics with at least
    the level's probability, by the binomial distribution. Intervals of geometric means are made of the logarithms.

    Parameters
    ----------
    values_a, values_b : (scans,)
        The same scans in the same order.

    Raises
    ------
    BadScanError
        If the lists differ in length, or are no lists.
    BadParameterError
        If the statistic is unknown.
    StepError
        If a ratio is asked for and a value is not positive.

    Notes
    -----
    **Can be fooled by:** dropped pairs, if one method fails on the hard scans (look at the count), by scans that are
    not independent (frames of one surface), and by looking at many comparisons for the one that stands out.
    """
    choice(statistic, ("geometric_mean_ratio", "mean_difference", "median_difference"), "statistic")
    a, b = _pair(values_a, values_b)
    both = np.isfinite(a) & np.isfinite(b)
    dropped = int(np.count_nonzero(~both))
    a, b = a[both], b[both]
    if statistic != "geometric_mean_ratio":
        return _estimate(a - b, dropped, "median" if statistic == "median_difference" else "mean")
    if not ((a > 0) & (b > 0)).all():
        raise StepError("a ratio needs positive values", now="Compare by a difference.")
    made = _estimate(np.log(a) - np.log(b), dropped, "mean")
    value, low, high = map(math.exp, made.triple)
    return Estimate(value, low, high, made.count, made.dropped)


def share_estimate(hits: int, count: int) -> Estimate:
    """Return a share of scans in percent with its exact interval; NaN of no scans.

    Clopper and Pearson, Biometrika 26, 404 (1934), doi:10.1093/biomet/26.4.404: it holds for few scans, and says what
    "never seen" means. A bootstrap of no hits has no width.
    """
    from scipy.special import betaincinv

    if count == 0:
        return Estimate(math.nan, math.nan, math.nan, 0, 0)
    tail = (1 - LEVEL) / 2
    low = betaincinv(hits, count - hits + 1, tail) if hits else 0.0
    high = betaincinv(hits + 1, count - hits, 1 - tail) if hits < count else 1.0
    return Estimate(100.0 * hits / count, 100.0 * float(low), 100.0 * float(high), count, 0)


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
    from scipy.stats import rankdata

    a, b = _pair(values_a, values_b)
    both = ~(np.isnan(a) | np.isnan(b))
    a, b = rankdata(a[both]), rankdata(b[both])
    if a.size < 2:
        return math.nan
    a, b = a - np.mean(a), b - np.mean(b)
    size = math.sqrt(float(np.dot(a, a)) * float(np.dot(b, b)))
    return float(np.dot(a, b)) / size if size else math.nan


def mean_rank_correlation(matrix_a: ArrayLike, matrix_b: ArrayLike) -> Estimate:
    """Mean over scans of the `spearman` correlation over methods, with its 95 % interval over scans.

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

    Notes
    -----
    **Can be fooled by:** the choice of methods: two that are hopeless in every metric make any metric agree.
    """
    a, b = np.asarray(matrix_a, dtype=np.float64), np.asarray(matrix_b, dtype=np.float64)
    if a.ndim != 2 or a.shape != b.shape:
        raise BadScanError(f"matrices of shapes {a.shape} and {b.shape} have no ranks in common",
                           now="Give one line per scan and one column per method.")  # fmt: skip
    each = np.array([spearman(one, other) for one, other in zip(a, b, strict=True)])
    kept = each[np.isfinite(each)]
    return _estimate(kept, each.size - kept.size, "mean")


def _estimate(values: NDArray[np.float64], dropped: int, statistic: Literal["mean", "median"]) -> Estimate:
    """Return the mean or the median of finite values with its interval."""
    middle = np.mean if statistic == "mean" else np.median
    count = values.size
    if count < MANY:
        value = float(middle(values)) if count else math.nan
        return Estimate(value, *_of_few(values, statistic), count, dropped)
    rng = np.random.default_rng(0)
    at_once = max(1, _DRAWN_AT_ONCE // count)
    drawn = np.concatenate([
        middle(values[rng.integers(0, count, size=(min(at_once, RESAMPLES - start), count))], axis=-1)
        for start in range(0, RESAMPLES, at_once)
    ])  # fmt: skip
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(float(middle(values)), float(low), float(high), count, dropped)


def _of_few(values: NDArray[np.float64], statistic: str) -> tuple[float, float]:
    """Return the interval of a mean or a median of few values; NaN if there is none that can be trusted."""
    count = values.size
    if count < FEWEST:
        return (math.nan, math.nan)
    from scipy.special import bdtr, stdtrit

    if statistic == "mean":
        half = float(stdtrit(count - 1, (1 + LEVEL) / 2) * np.std(values, ddof=1)) / math.sqrt(count)
        middle = float(np.mean(values))
        return (middle - half, middle + half)
    ordered = np.sort(values)
    # The k-th value from either end: the median lies outside with twice the probability of fewer than k heads.
    inside = [k for k in range(1, count // 2 + 1) if 2 * bdtr(k - 1, count, 0.5) <= 1 - LEVEL]
    return (float(ordered[inside[-1] - 1]), float(ordered[count - inside[-1]]))


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
