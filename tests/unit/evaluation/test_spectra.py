import numpy as np
import pytest

from afmend.errors import StepError
from afmend.evaluation.spectra import row_acf, row_hhcf, row_psdf
from support import rough

SHAPE = (9, 40)


def test_correlations_are_means_over_pairs():
    heights, usable = rough(SHAPE) + 20, np.random.default_rng(0).random(SHAPE) < 0.8
    for lag in (0, 1, 7):
        both = usable[:, lag:] & usable[:, : SHAPE[1] - lag]
        first, second = heights[:, : SHAPE[1] - lag][both], heights[:, lag:][both]
        assert row_acf(heights, usable, center=False)[lag] == pytest.approx(np.mean(first * second))
        assert row_hhcf(heights, usable, center=False)[lag] == pytest.approx(np.mean((first - second) ** 2), abs=1e-12)


def test_centered_acf_starts_with_the_variance_along_the_lines():
    heights = rough(SHAPE) + np.arange(9.0)[:, None]
    assert row_acf(heights)[0] == pytest.approx(np.mean(heights.var(axis=1)))
    assert row_hhcf(heights)[0] == 0


def test_lags_without_a_pair_are_nan():
    usable = np.zeros(SHAPE, bool)
    usable[:, :3] = True
    got = row_acf(rough(SHAPE), usable)
    assert np.isfinite(got[:3]).all()
    assert np.isnan(got[3:]).all()
    with pytest.raises(StepError, match="no usable pixel"):
        row_acf(rough(SHAPE), np.zeros(SHAPE, bool))


@pytest.mark.parametrize("window", ["none", "hann"])
def test_psdf_holds_the_power_at_the_frequency_of_a_wave(window):
    pixel = 2.5
    wave = np.tile(3 * np.sin(2 * np.pi * 8 * np.arange(40) / 40), (9, 1))
    k, density = row_psdf(wave, pixel, window=window)
    assert k[np.argmax(density)] == pytest.approx(2 * np.pi * 8 / (40 * pixel))
    assert 2 * np.sum(density) * (k[1] - k[0]) == pytest.approx(4.5, rel=1e-6)
