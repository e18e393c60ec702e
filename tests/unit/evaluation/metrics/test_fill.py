import math

import numpy as np
import pytest

from afmend.errors import BadParameterError, BadScanError, StepError
from afmend.evaluation.metrics.fill import (
    fill_crps,
    fill_relative_rmse,
    fill_rmse,
    fill_std_ratio,
    gaussian_crps,
    interval_coverage,
    seam_gradient,
    touched_outside,
)
from support import rough

SHAPE = (19, 33)
NONE = np.zeros(SHAPE, bool)


def hole() -> np.ndarray:
    mask = NONE.copy()
    mask[4:7, 5:20] = True
    mask[12, :] = True
    return mask


def test_errors_of_a_constant_offset_in_the_hole():
    truth, mask = rough(SHAPE, sq_nm=4.0), hole()
    filled = truth + 2.0 * mask
    filled[0, 0] = np.nan  # outside: of no concern
    assert fill_rmse(filled, truth, mask) == pytest.approx(2.0)
    assert fill_relative_rmse(filled, truth, mask) == pytest.approx(0.5)


def test_amplitude_in_the_hole():
    truth, mask = rough(SHAPE), hole()
    assert fill_std_ratio(7.0 + 0.6 * truth, truth, mask) == pytest.approx(0.6)
    assert fill_std_ratio(truth, truth, mask) == 1


def test_ratios_of_nothing_are_nan():
    truth, flat = rough(SHAPE), np.zeros(SHAPE)
    assert math.isnan(fill_rmse(truth, truth, NONE))
    assert math.isnan(fill_relative_rmse(truth, truth, NONE))
    assert math.isnan(fill_relative_rmse(truth, flat, hole()))
    assert math.isnan(fill_std_ratio(truth, truth, NONE))
    assert math.isnan(fill_std_ratio(truth, flat, hole()))
    assert math.isnan(seam_gradient(truth, truth, NONE))
    assert math.isnan(seam_gradient(truth, flat, hole()))


def test_seams_against_loops():
    truth, mask = rough(SHAPE, 1), hole()
    filled = np.where(mask, rough(SHAPE, 2), truth)
    usable = np.random.default_rng(0).random(SHAPE) < 0.9
    sums = np.zeros(2)
    for r in range(SHAPE[0]):
        for c in range(SHAPE[1]):
            for p, q in ((r + 1, c), (r, c + 1)):
                if p < SHAPE[0] and q < SHAPE[1] and mask[r, c] != mask[p, q] and usable[r, c] and usable[p, q]:
                    sums += abs(filled[r, c] - filled[p, q]), abs(truth[r, c] - truth[p, q])
    assert seam_gradient(filled, truth, mask, usable=usable) == pytest.approx(sums[0] / sums[1])
    assert seam_gradient(truth, truth, mask) == 1
    ramp = np.add.outer(np.arange(SHAPE[0]), np.arange(SHAPE[1])) * 0.5
    assert seam_gradient(3 * ramp, ramp, mask) == pytest.approx(3)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_single_bit_outside_is_seen(dtype):
    mask = hole()
    before = rough(SHAPE).astype(dtype)
    before[0, :3] = [0.0, np.nan, 1.0]
    after = before.copy()
    after[mask] = 9.0
    assert touched_outside(before, after, mask) == 0
    after[0, 0] = -0.0
    after[0, 2] = np.nextafter(dtype(1.0), dtype(2.0))
    assert touched_outside(before, after, mask) == 2
    assert touched_outside(before, after, ~NONE) == 0
    with pytest.raises(BadScanError, match="bit by bit"):
        touched_outside(before, after.astype(np.float16), mask)
    with pytest.raises(BadScanError, match="bit by bit"):
        touched_outside(before, after[1:], mask)


def test_intervals_of_normal_errors():
    shape = (300, 401)
    rng = np.random.default_rng(0)
    sigma = 0.5 + rng.random(shape)
    truth = rough(shape)
    filled = truth + rng.standard_normal(shape) * sigma
    mask = np.ones(shape, bool)
    mask[0] = False
    sigma[0] = np.nan  # outside: of no concern
    for sigmas, nominal in ((1.0, 0.6826894921), (1.959963984540054, 0.95)):
        got = interval_coverage(filled, sigma, truth, mask, sigmas=sigmas)
        assert got.coverage == pytest.approx(nominal, abs=0.005)
        assert got.mean_width_nm == pytest.approx(2 * sigmas * sigma[mask].mean())
        assert got.pixels == mask.sum()
    assert interval_coverage(filled, sigma, truth, mask) == got, "95 % unless told otherwise"


def test_pixels_without_an_error_bar_do_not_count():
    truth, mask = np.zeros(SHAPE), hole()
    filled, sigma = np.zeros(SHAPE), np.full(SHAPE, np.inf)
    got = interval_coverage(filled, sigma, truth, mask)
    assert math.isnan(got.coverage)
    assert math.isnan(got.mean_width_nm)
    assert got.pixels == 0
    assert math.isnan(fill_crps(filled, sigma, truth, mask))
    filled[12] = 1.0
    sigma[12, :11], sigma[12, 11:] = 0.0, 1.0
    got = interval_coverage(filled, sigma, truth, mask)
    assert got.coverage == pytest.approx(22 / 33)
    assert got.pixels == 33
    both = gaussian_crps(np.zeros(1), np.ones(1), np.ones(1))[0]
    assert fill_crps(filled, sigma, truth, mask) == pytest.approx((11 * 1.0 + 22 * both) / 33)


@pytest.mark.parametrize(("mean", "sigma", "observed"), [(0.0, 1.0, 0.0), (1.0, 0.3, 1.5), (-2.0, 2.5, 4.0)])
def test_crps_is_the_integral_of_squared_probability(mean, sigma, observed):
    from scipy.integrate import quad
    from scipy.stats import norm

    low = quad(lambda t: norm.cdf(t, mean, sigma) ** 2, mean - 12 * sigma, observed)[0]
    high = quad(lambda t: norm.sf(t, mean, sigma) ** 2, observed, max(mean, observed) + 12 * sigma)[0]
    got = gaussian_crps(np.array([mean]), np.array([sigma]), np.array([observed]))
    assert got[0] == pytest.approx(low + high, abs=1e-8)


def test_bad_input_is_refused():
    z, mask = rough(SHAPE), hole()
    with pytest.raises(BadParameterError, match="sigmas is 0"):
        interval_coverage(z, z, z, mask, sigmas=0)
    with pytest.raises(StepError, match="negative or NaN"):
        fill_crps(z, np.full(SHAPE, -1.0), z, mask)
    with pytest.raises(StepError, match="not finite"):
        fill_rmse(np.full(SHAPE, np.nan), z, mask)
    with pytest.raises(StepError, match="at the edge"):
        seam_gradient(np.full(SHAPE, np.nan), z, mask)
    with pytest.raises(BadScanError, match="'mask'"):
        fill_rmse(z, z, mask[1:])
