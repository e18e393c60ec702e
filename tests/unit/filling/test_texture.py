from dataclasses import replace

import cv2
import numpy as np
import pytest

from afmend.filling.bars import Bars
from afmend.filling.factor_kernels import ROW, factor
from afmend.filling.holes import find_holes
from afmend.filling.mixture import join, learn_shares
from afmend.filling.noise import noise_variance
from afmend.filling.spectrum_kernels import power_above
from afmend.filling.texture import DIRECTED, EVERYONE, Guesses, Texture, Tiles, covariance, simulate
from afmend.filling.variogram import Variogram
from afmend.pipeline import Field
from support import assert_heights_close, rough


def holes_of(z, holes):
    return find_holes(Field(z, holes), 32, 2)


def some_holes(shape):
    holes = np.zeros(shape, dtype=bool)
    holes[20:23, 10:60] = holes[40:52, 30:44] = True
    return holes


@pytest.mark.parametrize("surface", ["smooth", "rough"])
def test_noise_is_found_under_surfaces_and_offsets_of_lines(surface):
    rng = np.random.default_rng(0)
    z = rough((120, 170), smooth_px=4 if surface == "smooth" else 2) + 5 * rng.standard_normal((120, 1))
    z += 0.05 * rng.standard_normal(z.shape)
    known = rng.random(z.shape) > 0.02
    assert noise_variance(z, known) == pytest.approx(0.0025, rel=0.15 if surface == "smooth" else 1)
    assert noise_variance(z[:5], known[:5]) is not None
    assert noise_variance(z[:3], known[:3]) is None


def test_noise_of_rarely_changing_heights_is_their_mean_square():
    z = np.zeros((60, 70))
    z[30, 35] = 400.0
    assert noise_variance(z, np.ones(z.shape, dtype=bool)) == pytest.approx(400.0**2 * 400 / 400 / 57 / 67, rel=0.1)


def test_covariance_is_that_of_the_surface_and_can_be_solved():
    # exp(-h^2 / 4 s^2) is the covariance of white noise smoothed by a Gaussian of width s.
    z = rough((300, 400), smooth_px=3)
    noisy = z + 0.1 * np.random.default_rng(5).standard_normal(z.shape)
    table = covariance(noisy, np.ones(z.shape, dtype=bool), 0.01, 12)
    side = np.arange(-12, 13)
    true = z.var() * np.exp(-(side[:, None] ** 2 + side[None, :] ** 2) / 36)
    assert np.abs(table - true).max() < 0.15 * z.var()
    y, x = (grid.ravel() for grid in np.mgrid[:7, :7])
    system = table[y[:, None] - y + 12, x[:, None] - x + 12]
    assert np.linalg.eigvalsh(system).min() > -1e-9 * z.var()


def test_tiles_cover_the_holes_and_mirror():
    holes = some_holes((67, 95))
    rows, cols = np.nonzero(holes)
    tiles = Tiles.of(~holes, rows, cols, 9)
    assert (np.sort(tiles.place) == np.arange(rows.size)).all()
    assert (tiles.rows == rows[tiles.place]).all()
    mirrored = Tiles.of(~holes[:, ::-1], *np.nonzero(holes[:, ::-1]), 9)
    assert sorted(np.diff(tiles.starts)) == sorted(np.diff(mirrored.starts))
    small = Tiles.of(np.array([[True, False, True]]), np.array([0]), np.array([1]), 9)
    assert small.starts.tolist() == [0, 1]


def test_windows_reach_beyond_the_nearest_data():
    holes = np.zeros((40, 56), dtype=bool)
    holes[17:22, 26:30] = True
    rows, cols = np.nonzero(holes)
    tiles = Tiles.of(~holes, rows, cols, 9)
    assert tiles.boxes.tolist() == [[17 - 2 - 7, 26 - 2 - 7, 22 + 2 + 7, 30 + 2 + 7]]
    assert Tiles.of(~holes, rows, cols, 1).boxes.tolist() == [[17 - 1 - 7, 26 - 1 - 7, 22 + 1 + 7, 30 + 1 + 7]]


@pytest.mark.parametrize("size", [1, 4, 5, 18, 31])
def test_factor_divides_the_root_of_a_matrix_off_the_right_sides(size):
    rng = np.random.default_rng(size)
    a = rng.standard_normal((size, size))
    a, b = a @ a.T + np.eye(size), rng.standard_normal((size, 3))
    system = np.full((size, ROW), np.nan)
    system[:, :size], system[:, size : size + 3] = a, b
    assert factor(system.reshape(-1), size, size + 3)
    assert_heights_close(system[:, size : size + 3], np.linalg.solve(np.linalg.cholesky(a), b), atol_nm=1e-9)
    system[:, :size] = -np.eye(size)
    assert not factor(system.reshape(-1), size, size + 3)


@pytest.mark.parametrize("number", range(DIRECTED))
def test_prediction_is_that_of_ordinary_kriging(number):
    z = rough((40, 56), smooth_px=2)
    bad = np.zeros(z.shape, dtype=bool)
    bad[17:22, 26:30] = bad[14, 20] = bad[25, 31:] = True
    holes = holes_of(z, bad)
    rows, cols = np.nonzero(bad[17:22, 26:30])
    rows, cols = rows + 17, cols + 26
    # So many neighbors that everything in the window of the tile is one.
    texture = Texture.of(holes, Variogram(0.01, 0.1, 1.5), 1.5, 40_000)
    found = texture.predict(z, holes.known, rows, cols, (number,))
    top, left, bottom, right = Tiles.of(holes.known, rows, cols, texture.farthest_px).boxes[0]
    py, px = np.nonzero(holes.known[top:bottom, left:right])
    py, px = py + top, px + left
    table, middle = texture.tables[number], texture.tables.shape[1] // 2

    def between(y, x, v, u):
        return table[y[:, None] - v + middle, x[:, None] - u + middle]

    n = py.size
    system = np.ones((n + 1, n + 1))
    system[:n, :n] = between(py, px, py, px) + texture.nugget * np.eye(n)
    system[n, n] = 0.0
    right_sides = np.ones((n + 1, rows.size))
    right_sides[:n] = between(py, px, rows, cols)
    weights = np.linalg.solve(system, right_sides)
    variance = table[middle, middle] - np.sum(weights * right_sides, axis=0)
    assert_heights_close(found.mean[0], z[py, px] @ weights[:n], atol_nm=1e-9)
    assert_heights_close(found.variance[0], variance, atol_nm=1e-9)


def test_predictions_do_not_depend_on_the_level_nor_on_who_else_takes_part():
    z = rough((67, 95), smooth_px=2)
    holes = holes_of(z, some_holes(z.shape))
    rows, cols = np.nonzero(holes.wanted)
    texture = Texture.of(holes, Variogram(0.01, 0.1, 1.5), 1.0, 80)
    guesses = texture.predict(z, holes.known, rows, cols)
    assert guesses.mean.shape == (len(EVERYONE), rows.size)
    shifted = texture.predict(z + 1000.0, holes.known, rows, cols, (0,))
    assert_heights_close(shifted.mean[0] - 1000.0, guesses.mean[0], atol_nm=1e-9)
    alone = texture.predict(z, holes.known, rows, cols, (DIRECTED,))
    assert_heights_close(alone.mean[0], guesses.mean[DIRECTED], atol_nm=1e-12)


def test_a_covariance_that_is_none_has_no_say():
    z = rough((67, 95))
    holes = holes_of(z, some_holes(z.shape))
    rows, cols = np.nonzero(holes.wanted)
    texture = Texture.of(holes, Variogram(0.01, 0.1, 1.5), 1.0, 40)
    tables = texture.tables.copy()
    tables[1] = -1.0
    guesses = replace(texture, tables=tables).predict(z, holes.known, rows, cols)
    assert (guesses.variance[1] == 2).all()
    shares = learn_shares(guesses, z[rows, cols], 0.01)
    assert shares[1] == 0
    joined = join(guesses, np.full(len(EVERYONE), 0.25))
    assert np.abs(joined.mean - z[rows, cols]).std() < 0.5 * z.std()


def test_a_simulated_surface_has_the_variance_of_the_image():
    z = rough((120, 150), smooth_px=2) + 0.05 * np.random.default_rng(1).standard_normal((120, 150))
    holes = holes_of(z, some_holes(z.shape))
    drawn = [simulate(holes, 0.0025, seed) for seed in range(6)]
    assert drawn[0].shape == z.shape
    assert np.mean([one.std() for one in drawn]) == pytest.approx(z.std(), rel=0.15)


def guesses_of(*errors):
    n = errors[0].size
    ones = np.ones((len(errors), n))
    return Guesses(np.stack(errors), 0.04 * ones, 0.0 * ones, ones)


def test_shares_go_to_what_predicts():
    rng = np.random.default_rng(0)
    good, bad = 0.1 * rng.standard_normal(2000), 2.0 * rng.standard_normal(2000)
    shares = learn_shares(guesses_of(good, bad), np.zeros(2000), 0.0)
    assert shares[0] > 0.95
    joined = join(guesses_of(good, bad), np.array([0.5, 0.5]))
    assert_heights_close(joined.mean, 0.5 * (good + bad), atol_nm=1e-12)
    assert_heights_close(joined.variance, 0.04 + 0.25 * (good - bad) ** 2, atol_nm=1e-12)
    alone = join(guesses_of(good), np.ones(1))
    assert_heights_close(alone.mean, good, atol_nm=0.0)
    assert_heights_close(alone.variance, np.full(2000, 0.04), atol_nm=0.0)


def test_bars_learn_that_activity_and_doubt_widen_errors():
    rng = np.random.default_rng(0)
    activity, doubts = 10.0 ** rng.uniform(-2, 2, 6000), rng.choice([0.0, 25.0], 6000)
    errors = np.sqrt(activity + doubts) * rng.standard_normal(6000)
    bars = Bars.learn(errors, (np.ones(6000), activity, doubts), 0.0)
    assert bars.power == 1
    assert bars.weight == 1
    sigma = np.sqrt(bars.variance(np.ones(6000), activity, doubts))
    for part in (activity < 0.1, activity > 10, doubts > 0, doubts == 0):
        assert 0.93 < np.mean(np.abs(errors[part]) <= 1.96 * sigma[part]) < 0.98
    assert set(bars.facts) == {"activity_power", "doubt", "q"}


@pytest.mark.parametrize("shape", [(24, 30), (25, 30), (24, 31), (27, 45), (5, 2), (3, 1)])
def test_the_power_of_a_packed_transform_is_that_of_a_complex_one(shape):
    z = np.random.default_rng(0).standard_normal(shape)
    expected = np.maximum(0.5 * np.abs(np.fft.rfft2(z)) ** 2 - 1.5, 0.0)
    assert_heights_close(power_above(cv2.dft(z.copy()), 0.5, 1.5), expected, atol_nm=1e-10)
