"""The two-sample test: it must see what is there, and nothing where there is nothing."""

import numpy as np
import pytest

from afmend.errors import StepError
from afmend.evaluation.realism import FEATURES, auc, features, fit_logistic, two_sample_scores
from support import rough


def test_features_are_free_of_units_tilt_and_offset():
    z = rough((40, 60), seed=3)
    y, x = np.mgrid[:40, :60]
    assert len(features(z)) == len(FEATURES) == 20
    assert np.abs(features(z) - features(1e3 * z + 5 + 0.7 * x - 2 * y)).max() < 1e-6


def test_features_see_line_noise():
    z = rough((64, 80), seed=1)
    noisy = z + np.random.default_rng(0).standard_normal((64, 1))
    change = dict(zip(FEATURES, features(noisy) - features(z), strict=True))
    assert change["log line offsets"] > 0.3
    assert change["log slow/fast slope"] > 0.2
    assert abs(change["log fast noise"]) < 0.35


def test_lines_with_unusable_pixels_are_left_out():
    z = rough((40, 60))
    spoiled = z.copy()
    spoiled[5] = 1e5
    usable = np.ones(z.shape, bool)
    usable[5] = False
    assert np.abs(features(spoiled, usable) - features(np.delete(z, 5, axis=0))).max() < 1e-9
    with pytest.raises(StepError):
        features(z, np.zeros(z.shape, bool))
    with pytest.raises(StepError):
        features(np.zeros((40, 60)))


def test_auc_by_brute_force():
    rng = np.random.default_rng(2)
    a, b = rng.integers(0, 6, 30).astype(float), rng.integers(2, 8, 41).astype(float)
    pairs = np.sign(b[:, None] - a[None, :])
    assert auc(a, b) == pytest.approx((pairs + 1).mean() / 2)


def test_equal_samples_cannot_be_told_apart_and_shifted_ones_can():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((60, 5)), rng.standard_normal((200, 5))
    assert 0.35 < auc(*two_sample_scores(a, b)) < 0.65
    assert auc(*two_sample_scores(a, b + 1.0)) > 0.9
    with pytest.raises(StepError):
        two_sample_scores(a[:4], b)


def test_logistic_finds_the_known_weights():
    """Two Gaussians of unit variance, d apart: the log odds have slope d per unit."""
    rng = np.random.default_rng(1)
    a, b = rng.standard_normal((40000, 2)), rng.standard_normal((20000, 2)) + np.array([1.2, 0.0])
    fit = fit_logistic(a, b)
    slope = fit.weights[1:] / fit.scale
    assert slope[0] == pytest.approx(1.2, abs=0.05)
    assert abs(slope[1]) < 0.05
    assert np.abs(fit.log_odds(np.array([[0.6, 0.0]]))).max() < 0.05
