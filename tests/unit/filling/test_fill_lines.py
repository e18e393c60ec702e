import numpy as np
import pytest

from afmend.filling.lines import Directional, Linear, directional, interpolate, linear, step_variance
from afmend.pipeline import Field
from support import assert_heights_close, rough


def walk(seed, shape=(400, 300)):
    return np.cumsum(np.random.default_rng(seed).standard_normal(shape), axis=0)


@pytest.mark.parametrize(("axis", "exact"), [("across_lines", "y"), ("along_lines", "x")])
def test_linear_is_exact_on_a_slope_along_its_axis(axis, exact):
    y, x = np.mgrid[:12, :17].astype(float)
    z = {"y": 0.7 * y + np.sin(3 * x), "x": 0.7 * x + np.sin(3 * y)}[exact]
    holes = np.zeros(z.shape, dtype=bool)
    holes[4:7, 5:9] = True
    done = linear(Field(z, holes), Linear(axis=axis))
    assert_heights_close(done.heights, z, atol_nm=1e-12)
    assert done.facts["other_axis_pixels"] == 0


def test_linear_takes_the_nearest_line_at_an_image_edge():
    z = rough((11, 16))
    holes = np.zeros(z.shape, dtype=bool)
    holes[:2], holes[-1] = True, True
    done = linear(Field(z, holes), Linear())
    assert_heights_close(done.heights[0], z[2], atol_nm=0)
    assert_heights_close(done.heights[1], z[2], atol_nm=0)
    assert_heights_close(done.heights[-1], z[-2], atol_nm=0)
    assert (done.sigma[0] > done.sigma[1]).all()


def test_a_lost_column_is_filled_along_the_lines_and_the_facts_say_so():
    z = np.mgrid[:9, :13][1].astype(float)
    holes = np.zeros(z.shape, dtype=bool)
    holes[:, 5] = True
    done = linear(Field(z, holes), Linear())
    assert_heights_close(done.heights, z, atol_nm=1e-12)
    assert done.facts["other_axis_pixels"] == 9


def test_a_pixel_whose_line_and_column_are_lost_is_filled_too():
    z = np.full((8, 11), 3.0)
    holes = np.ones(z.shape, dtype=bool)
    holes[2, 3] = holes[6, 8] = False
    z[2, 3] = 1.0
    filled, variance, swapped = interpolate(z, ~holes, "across_lines")
    assert (filled >= 1.0).all()
    assert (filled <= 3.0).all()
    assert swapped == holes.sum() - 2 * 7  # all but the two columns that hold a good pixel
    assert np.isinf(variance[0, 0])  # no neighboring good pixels to learn steps from


def test_the_error_bar_of_linear_is_that_of_a_brownian_bridge():
    scores = []
    for seed in range(4):
        z = walk(seed)
        holes = np.zeros(z.shape, dtype=bool)
        for start in range(10, 390, 12):
            holes[start : start + 5] = True
        done = linear(Field(z, holes), Linear())
        scores.append((done.heights - z)[holes] / done.sigma[holes])
    spread = np.std(scores)
    assert 0.95 < spread < 1.05
    assert 0.94 < np.mean(np.abs(scores) < 1.96) < 0.96


def test_step_variance_ignores_tilt_and_bad_pixels_and_samples_large_images():
    z = walk(5) + 9.0 * np.arange(400)[:, None]
    known = np.ones(z.shape, dtype=bool)
    known[50:60] = False
    z = np.where(known, z, 1e6)
    assert abs(step_variance(z, known, 0) - 1) < 0.02
    large = walk(6, (1100, 1000))
    assert abs(step_variance(large, np.ones(large.shape, dtype=bool), 0) - 1) < 0.02
    assert np.isinf(step_variance(z[:1], known[:1], 0))


def test_directional_weights_neighbors_by_distance():
    z = np.zeros((1, 9)) + np.array([0, 0, 4.0, 8.0, 0, 0, 2.0, 0, 0])
    holes = np.zeros(z.shape, dtype=bool)
    holes[0, 4:6] = True
    done = directional(Field(z, holes), Directional(radius=2))
    # left neighbors 8 (1 px) and 4 (2 px), right neighbor 2 (2 px)
    assert_heights_close(done.heights[:, 4:5], np.array([[(8 + 4 / 2 + 2 / 2) / 2]]), atol_nm=1e-12)


@pytest.mark.parametrize("axis", ["along_lines", "across_lines"])
def test_directional_steps_across_where_the_line_offers_nothing(axis):
    z = np.mgrid[:10, :15][0 if axis == "along_lines" else 1].astype(float)
    holes = np.zeros(z.shape, dtype=bool)
    if axis == "along_lines":
        holes[4:6] = True
    else:
        holes[:, 4:6] = True
    done = directional(Field(z, holes), Directional(axis=axis, radius=3))
    assert_heights_close(done.heights, z, atol_nm=1e-12)
    assert done.facts["other_axis_pixels"] == holes.sum()
    assert done.sigma is None
