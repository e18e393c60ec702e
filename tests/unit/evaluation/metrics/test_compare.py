import math
from functools import partial

import numpy as np
import pytest

from afmend.errors import BadParameterError, BadScanError, StepError
from afmend.evaluation.metrics.compare import mean_rank_correlation, paired_bootstrap, share_estimate, spearman


def of(values, statistic):
    return paired_bootstrap(values, np.zeros(len(values)), statistic=statistic)


mean, median = partial(of, statistic="mean_difference"), partial(of, statistic="median_difference")


def samples(seed: int = 0, count: int = 40) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return np.exp(rng.normal(0.0, 0.4, count)), np.exp(rng.normal(0.5, 0.4, count))


def test_the_interval_of_a_mean_is_the_textbook_one():
    values = np.random.default_rng(1).normal(3.0, 2.0, 400)
    got = mean(values)
    half = 1.96 * values.std() / 20
    assert got.value == pytest.approx(values.mean())
    assert got.low == pytest.approx(values.mean() - half, abs=0.02)
    assert got.high == pytest.approx(values.mean() + half, abs=0.02)
    assert got.triple == (got.value, got.low, got.high)


def test_against_a_loop_over_resamples(monkeypatch):
    from afmend.evaluation.metrics import compare

    values = np.random.default_rng(2).normal(size=23)
    rng = np.random.default_rng(0)
    drawn = [np.median(values[picks]) for picks in rng.integers(0, 23, size=(compare.RESAMPLES, 23))]
    got = median(values)
    assert (got.value, got.low, got.high) == (np.median(values), *np.quantile(drawn, [0.025, 0.975]))
    monkeypatch.setattr(compare, "_DRAWN_AT_ONCE", 700)
    assert median(values) == got, "large lists are drawn in parts"


def test_the_three_paired_statistics():
    a, b = samples()
    wanted = {
        "geometric_mean_ratio": np.exp(np.mean(np.log(a / b))),
        "mean_difference": np.mean(a - b),
        "median_difference": np.median(a - b),
    }
    for statistic, value in wanted.items():
        got = paired_bootstrap(a, b, statistic=statistic)
        assert got.value == pytest.approx(value)
        assert got.low < value < got.high
        assert (got.count, got.dropped) == (40, 0)
    got, other = paired_bootstrap(a, b), paired_bootstrap(b, a)
    assert got.low == pytest.approx(1 / other.high)
    assert got.high < 1


def test_intervals_cover_as_often_as_they_say():
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(200):
        a, b = np.exp(rng.normal(0, 1, (2, 30)))
        got = paired_bootstrap(a, b)
        hits += got.low <= 1 <= got.high
    assert 0.88 <= hits / 200 <= 0.99


@pytest.mark.parametrize("count", [8, 12, 19])
def test_intervals_of_few_values_do_not_lie(count):
    rng = np.random.default_rng(3)
    means = medians = 0
    for _ in range(1000):
        values = rng.normal(size=count)
        found = mean(values), median(values)
        means += found[0].low <= 0 <= found[0].high
        medians += found[1].low <= 0 <= found[1].high
    assert 0.93 <= means / 1000 <= 0.97
    assert 0.94 <= medians / 1000 <= 1, "order statistics promise at least the level"


def test_the_interval_of_few_values_is_the_textbook_one():
    from scipy import stats

    values = np.random.default_rng(4).normal(3, 2, 11)
    want = stats.t.interval(0.95, 10, values.mean(), stats.sem(values))
    assert mean(values).triple[1:] == pytest.approx(want)
    ordered = np.sort(values[:9])
    assert median(values[:9]).triple[1:] == (ordered[1], ordered[7]), "96.1 %"
    ratio = paired_bootstrap(np.exp(values), np.ones(11))
    assert ratio.triple == pytest.approx(np.exp([values.mean(), *want]))
    few = mean(values[:7])
    assert math.isfinite(few.value)
    assert np.isnan(few.triple[1:]).all()


def test_values_that_are_not_finite_are_dropped_and_counted():
    a, b = samples()
    want = paired_bootstrap(a, b)
    more_a, more_b = np.append(a, [np.nan, 1.0, np.inf]), np.append(b, [1.0, np.nan, 1.0])
    got = paired_bootstrap(more_a, more_b)
    assert (got.triple, got.count, got.dropped) == (want.triple, 40, 3)
    one = paired_bootstrap([2.0], [4.0])
    assert one.value == pytest.approx(0.5)
    assert math.isnan(one.low)
    none = paired_bootstrap([np.nan], [4.0])
    assert math.isnan(none.value)
    assert (none.count, none.dropped) == (0, 1)


def test_rank_correlation():
    from scipy import stats

    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 6, 40).astype(float), rng.normal(size=40)
    assert spearman(a, b) == pytest.approx(stats.spearmanr(a, b).statistic)
    # No ties: 1 - 6 sum d^2 / n (n^2 - 1), here d = (0, 1, -1, 0).
    assert spearman([1, 2, 3, 4], [10, 30, 20, 99]) == pytest.approx(1 - 6 * 2 / (4 * 15))
    assert spearman([1, 2, np.nan, 3], [3, 2, 9, 1]) == pytest.approx(-1)
    assert spearman([1, 2, 3], [0, 1, np.inf]) == pytest.approx(1)
    assert math.isnan(spearman([1, 1, 1], [1, 2, 3]))
    assert math.isnan(spearman([1.0], [2.0]))


def test_mean_rank_correlation_over_scans():
    rng = np.random.default_rng(0)
    truth = rng.random((25, 6))
    assert mean_rank_correlation(truth, np.exp(truth)).triple == pytest.approx((1, 1, 1))
    assert mean_rank_correlation(truth, -truth).value == pytest.approx(-1)
    noisy = truth + rng.normal(0, 0.3, truth.shape)
    noisy[4] = np.nan
    got = mean_rank_correlation(truth, noisy)
    each = [spearman(t, n) for t, n in zip(truth, noisy, strict=True)]
    assert got.value == pytest.approx(np.nanmean(each))
    assert got.low < got.value < got.high
    assert (got.count, got.dropped) == (24, 1)


def test_bad_input_is_refused():
    with pytest.raises(BadScanError, match="cannot be paired"):
        paired_bootstrap([1.0, 2.0], [1.0])
    with pytest.raises(BadScanError, match="not a list"):
        paired_bootstrap(np.ones((2, 3)), np.ones((2, 3)))
    with pytest.raises(BadScanError, match="no ranks in common"):
        mean_rank_correlation(np.ones((2, 3)), np.ones((3, 2)))
    with pytest.raises(StepError, match="positive"):
        paired_bootstrap([1.0, 0.0], [1.0, 1.0])
    with pytest.raises(BadParameterError, match="statistic is 'mean'"):
        paired_bootstrap([1.0, 2.0], [1.0, 2.0], statistic="mean")


@pytest.mark.parametrize(("hits", "count"), [(0, 5), (3, 20), (7, 7), (50, 204)])
def test_shares_have_exact_intervals(hits, count):
    from scipy.stats import binomtest

    found = share_estimate(hits, count)
    wanted = binomtest(hits, count).proportion_ci(0.95, "exact")
    assert found.triple == pytest.approx((100 * hits / count, 100 * wanted.low, 100 * wanted.high), abs=1e-9)
    assert (found.count, found.dropped) == (count, 0)


def test_a_share_of_nothing_is_none():
    assert np.isnan(share_estimate(0, 0).triple).all()
