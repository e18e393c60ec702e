import numpy as np
import pytest

from afmend.errors import BadParameterError, BadScanError, StepError
from afmend.evaluation.metrics.gauge import (
    gauge_aligned,
    gauge_free_difference,
    gauge_free_rmse,
    without_background,
)
from support import assert_heights_close, rough

SHAPE = (23, 41)


def design(degree: int, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    y, x = np.mgrid[: shape[0], : shape[1]] / 30.0
    return np.stack([y**j * x**i for j in range(degree + 1) for i in range(degree + 1 - j)], axis=-1)


def by_lstsq(difference: np.ndarray, degree: int, usable: np.ndarray) -> np.ndarray:
    made = design(degree, difference.shape)
    found = np.linalg.lstsq(made[usable], difference[usable], rcond=None)[0]
    return difference - made @ found


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_the_error_is_what_a_plain_least_squares_fit_leaves(degree):
    rng = np.random.default_rng(degree)
    truth, heights = rough(SHAPE, 1, 3.0), rough(SHAPE, 2, 2.0) + 50.0
    usable = rng.random(SHAPE) > 0.4
    for mask in (None, usable):
        counts = np.ones(SHAPE, bool) if mask is None else mask
        rest = by_lstsq(heights - truth, degree, counts)
        assert_heights_close(gauge_free_difference(heights, truth, degree=degree, usable=mask), rest, atol_nm=1e-11)
        got = gauge_free_rmse(heights, truth, degree=degree, usable=mask)
        assert abs(got - np.sqrt(np.mean(rest[counts] ** 2))) < 1e-12


def test_a_background_of_the_gauge_costs_nothing_and_a_higher_one_does():
    truth = rough(SHAPE)
    bowed = truth + design(2) @ [1e3, 2.0, 0.3, -4.0, 0.2, 0.7]
    assert gauge_free_rmse(bowed, truth) < 1e-10
    assert gauge_free_rmse(bowed, truth, degree=1) > 1e-3
    assert_heights_close(gauge_aligned(bowed, truth), truth, atol_nm=1e-10)


def test_unusable_pixels_cannot_steer_even_if_not_finite():
    truth = rough(SHAPE)
    usable = np.ones(SHAPE, bool)
    usable[5:8, 3:30] = False
    heights = truth + 1.0
    heights[~usable] = np.nan
    assert gauge_free_rmse(heights, truth, usable=usable) < 1e-12
    heights[~usable] = 4.0 + truth[~usable]
    difference = gauge_free_difference(heights, truth, usable=usable)
    assert np.abs(difference[~usable] - 3.0).max() < 1e-11
    assert np.abs(difference[usable]).max() < 1e-11


def test_its_own_background():
    heights = rough(SHAPE) + design(1) @ [3.0, 1.0, -2.0]
    every = np.ones(SHAPE, bool)
    assert_heights_close(without_background(heights, degree=2), by_lstsq(heights, 2, every), atol_nm=1e-11)
    assert without_background(heights, degree=None) is heights


def test_bad_input_is_refused():
    z = rough(SHAPE)
    with pytest.raises(BadParameterError, match="degree is -1"):
        gauge_free_rmse(z, z, degree=-1)
    with pytest.raises(BadScanError, match="shape"):
        gauge_free_rmse(z, z[1:])
    with pytest.raises(BadScanError, match="two axes"):
        gauge_free_rmse(z[0], z[0])
    with pytest.raises(BadScanError, match="'usable'"):
        gauge_free_rmse(z, z, usable=np.ones(SHAPE))
    broken = z.copy()
    broken[3, 4] = np.inf
    with pytest.raises(StepError, match="1 of 943 heights"):
        gauge_free_rmse(broken, z)
    with pytest.raises(StepError, match="do not determine"):
        gauge_free_rmse(z, z, usable=np.zeros(SHAPE, bool))
