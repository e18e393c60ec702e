import numpy as np
import pytest

from afmend.filling.auto import Auto, auto
from afmend.filling.error_bars import doubt, error_bars, quantization_step, weight_of_doubt
from afmend.filling.holes import beyond_data, find_holes
from afmend.filling.kriging import Kriging, kriging
from afmend.pipeline import Field
from support import assert_heights_close, rough

FILLS = [(auto, Auto), (kriging, Kriging)]


def scars(shape):
    holes = np.zeros(shape, dtype=bool)
    for start in range(6, shape[0] - 5, 9):
        holes[start : start + 2] = True
    return holes


def particles(shape=(90, 120)):
    """Noise-free round particles on exactly flat ground."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[: shape[0], : shape[1]].astype(float)
    z = np.zeros(shape)
    for _ in range(9):
        d2 = (y - rng.uniform(0, shape[0])) ** 2 + (x - rng.uniform(0, shape[1])) ** 2
        z = np.maximum(z, np.sqrt(np.maximum(36 - d2, 0)))
    return z


def all_known(shape):
    return np.ones(shape, dtype=bool)


@pytest.mark.parametrize(("fill", "params"), FILLS)
def test_on_a_noise_free_image_no_wrong_pixel_is_called_certain(fill, params):
    z = particles()
    holes = scars(z.shape)
    done = fill(Field(np.where(holes, 9.0, z), holes), params())
    error, sigma = np.abs(done.heights - z)[holes], done.sigma[holes]
    assert (error > 0.3).any()
    assert (sigma[error > 0.3] > 0.02).all()
    steep = error > 0.05
    assert np.median(sigma[steep]) > 4 * np.median(sigma[~steep])
    assert np.mean(error <= 1.96 * sigma) > 0.93


@pytest.mark.parametrize(("fill", "params"), FILLS)
def test_a_constant_image_says_nothing_about_errors(fill, params):
    holes = scars((50, 70))
    done = fill(Field(np.where(holes, 9.0, 3.3), holes), params())
    assert_heights_close(done.heights, np.full((50, 70), 3.3), atol_nm=1e-12)
    assert np.isinf(done.sigma[holes]).all()
    # Constant lines of different heights: certain of nothing, but the lines tell where the methods disagree.
    stripes = np.repeat(rough((50, 1)), 70, axis=1)
    sigma = fill(Field(stripes, holes), params()).sigma[holes]
    assert (sigma > 1e-6).all()


@pytest.mark.parametrize(("fill", "params"), FILLS)
def test_error_bars_are_at_least_the_rounding_of_quantized_heights(fill, params):
    y = np.arange(60)[:, None]
    step = 0.5
    z = step * np.round(2 * np.sin(np.arange(90) / 9)[None, :] ** 3 / step + 0.05 * y) + 0.37 * y
    holes = scars(z.shape)
    assert fill(Field(z, holes), params()).sigma[holes].min() >= step / np.sqrt(12) - 1e-9


def test_quantization_is_found_under_offsets_and_tilts_of_lines_only_where_it_is():
    rng = np.random.default_rng(1)
    z = rough((40, 150)) * 3
    assert quantization_step(z, all_known(z.shape)) == 0
    coarse = 0.25 * np.round(z / 0.25)
    assert quantization_step(coarse, all_known(z.shape)) == pytest.approx(0.25)
    lined = coarse + rng.normal(0, 9, (40, 1)) + rng.normal(0, 0.01, (40, 1)) * np.arange(150)
    assert quantization_step(lined, all_known(z.shape)) == pytest.approx(0.25, rel=1e-6)
    terraces = np.floor(np.add.outer(np.arange(40) / 9, np.arange(150) / 60))
    assert quantization_step(terraces, all_known(z.shape)) == 0
    assert quantization_step(particles(), all_known((90, 120))) == 0
    assert quantization_step(coarse[:, :9], all_known((40, 9))) == 0


def test_doubt_is_what_noise_does_not_explain():
    found = doubt(np.array([1.0, 1.0]), np.array([3.0, 1.1]), 0.5)
    assert_heights_close(found, np.array([3.5, 0.0]), atol_nm=1e-12)
    z = rough((9, 30))
    sigma = error_bars(np.array([4.0, 0.0]), 0.5, z, all_known(z.shape))
    assert_heights_close(sigma[:1], np.array([1.0]), atol_nm=1e-12)
    assert np.isinf(sigma[1])


def test_doubt_weighs_as_much_as_the_errors_grow_with_it():
    rng = np.random.default_rng(2)
    variance, doubts = np.ones(20_000), np.repeat([0.0, 2.0], 10_000)
    for weight in (1.0, 16.0):
        errors = np.sqrt(variance + weight * doubts) * rng.standard_normal(20_000)
        assert weight_of_doubt(3 * errors, variance, doubts, 0.0) == weight
    assert weight_of_doubt(rng.standard_normal(20_000), variance, doubts, 0.0) == 1
    assert weight_of_doubt(np.zeros(20_000), variance, doubts, 0.0) == 1


@pytest.mark.parametrize(("fill", "params"), FILLS)
def test_lines_never_scanned_stay_open_and_scarred_edge_lines_are_filled(fill, params):
    z = rough((60, 80), smooth_px=3)
    holes = np.zeros(z.shape, dtype=bool)
    holes[:2] = holes[50:] = holes[20:22, 10:60] = True
    done = fill(Field(np.where(holes, 77.0, z), holes), params())
    expected = np.zeros(z.shape, dtype=bool)
    expected[50:] = True
    assert (done.left_open == expected).all()
    assert np.abs(done.heights - z)[:2].max() < 3
    assert (done.sigma[holes & ~expected] > 0).all()
    assert fill(Field(z, holes), params(extrapolate_px=20)).left_open is None


def test_only_lines_and_columns_without_any_data_are_beyond_it():
    known = all_known((30, 40))
    known[:5] = known[:, 36:] = known[27:, 3:] = False
    rows, cols = np.nonzero(~known)
    beyond = beyond_data(rows, cols, known.shape, 2)
    assert beyond[rows < 5].all()
    assert beyond[cols >= 36].all()
    assert beyond.sum() == 5 * 40 + 25 * 4
    assert not beyond_data(rows, cols, known.shape, 5).any()
    # The width of a hole that touches them is its own.
    known[5:7, 10:20] = False
    found = find_holes(Field(rough((30, 40)), ~known), 4, 2)
    assert not found.left_open[5:7, 10:20].any()
    assert find_holes(Field(rough((30, 40)), ~known), None, 2).left_open[:5].all()
