import numpy as np
import pytest

from afmend.filling.holes import find_holes
from afmend.filling.kriging import Krige, Kriging, kriging
from afmend.filling.variogram import Variogram, fit_variogram
from afmend.pipeline import Field
from support import assert_heights_close, rough

NOISE = 0.02


def fractal(seed, shape=(120, 150), hurst=0.6):
    k = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.fftfreq(shape[1])[None, :])
    k[0, 0] = np.inf
    z = np.fft.ifft2(np.fft.fft2(np.random.default_rng(seed).standard_normal(shape)) * k ** -(hurst + 1)).real
    return z / z.std()


def lines(shape, wide=3):
    holes = np.zeros(shape, dtype=bool)
    for start in range(7, shape[0] - 8, 15):
        holes[start : start + wide] = True
    return holes


def rise(h, v):
    return h**v.power if np.isinf(v.range_px) else v.range_px**v.power * (1 - np.exp(-((h / v.range_px) ** v.power)))


def by_hand(places, heights, target, v):
    """Ordinary kriging in the textbook's variogram form."""
    n = len(places)
    gamma = np.zeros((n + 1, n + 1))
    h = np.linalg.norm(places[:, None] - places[None], axis=2)
    gamma[:n, :n] = np.where(h > 0, v.nugget + v.slope * rise(h, v), 0)
    gamma[n, :n] = gamma[:n, n] = 1
    d = np.linalg.norm(places - target, axis=1)
    right = np.append(v.nugget + v.slope * rise(d, v), 1)
    w = np.linalg.solve(gamma, right)
    return w[:n] @ heights, w @ right - v.nugget


@pytest.mark.parametrize("slow_px", [1.0, 2.5])
@pytest.mark.parametrize("nugget", [0.0, 0.01])
@pytest.mark.parametrize("range_px", [4.0, np.inf])
def test_weights_are_those_of_the_textbook(slow_px, nugget, range_px):
    z = rough((5, 7))
    holes = np.zeros(z.shape, dtype=bool)
    holes[2, 3] = holes[1, 2] = holes[0, 5] = True
    v = Variogram(nugget, 0.3, 1.4, range_px)
    # Enough neighbors for all good pixels of so small an image to take part.
    mean, variance = Krige(v, slow_px, 400, 8).predict(z, ~holes, *np.nonzero(holes))
    good = np.argwhere(~holes)
    for k, place in enumerate(np.argwhere(holes)):
        unit = np.array([slow_px, 1.0])
        expected = by_hand(good * unit, z[~holes], place * unit, v)
        assert abs(mean[k] - expected[0]) < 1e-8
        assert abs(variance[k] - expected[1]) < 1e-8


def test_variogram_finds_noise_and_power_of_a_fractal_along_the_fast_axis():
    z = fractal(0, (300, 400)) + 0.05 * np.random.default_rng(1).standard_normal((300, 400))
    z += np.random.default_rng(2).standard_normal((300, 1))  # offsets of lines must not matter
    v = fit_variogram(z + 0.02 * np.arange(400), np.ones(z.shape, dtype=bool), 1.0)
    assert 1.0 < v.power < 1.4
    assert 0.3 * 0.05**2 < v.nugget < 2 * 0.05**2


def test_variogram_without_pairs_along_lines_uses_the_slow_axis_then_gives_up():
    column = np.cumsum(np.random.default_rng(0).standard_normal((500, 1)), axis=0)
    v = fit_variogram(column, np.ones(column.shape, dtype=bool), 2.0)
    assert abs(v.nugget + v.slope * 2.0**v.power - 0.5) < 0.1
    alone = np.zeros((4, 5), dtype=bool)
    alone[1, 2] = True
    assert fit_variogram(np.ones((4, 5)), alone, 1.0) is None
    assert fit_variogram(np.full((4, 5), 0.1), np.ones((4, 5), dtype=bool), 1.0).flat
    pair = np.zeros((4, 5), dtype=bool)
    pair[1, 2:4] = True
    straight = fit_variogram(np.arange(20.0).reshape(4, 5), pair, 1.0)
    assert straight == Variogram(0.0, pytest.approx(0.5), 1.0)


def test_pure_noise_and_a_falling_variogram_still_give_a_valid_model():
    noise = np.random.default_rng(0).standard_normal((40, 60))
    v = fit_variogram(noise, np.ones(noise.shape, dtype=bool), 1.0)
    assert v.slope > 0
    assert abs(v.nugget + v.slope * rise(1.0, v) - 1) < 0.2
    wave = np.tile([0.0, 1.0], (8, 20))
    v = fit_variogram(wave, np.ones(wave.shape, dtype=bool), 1.0)
    assert v.slope > 0
    assert v.nugget >= 0


@pytest.mark.parametrize("wide", [1, 4])
def test_error_bars_cover_the_truth(wide):
    covered = []
    for seed in range(6):
        truth = fractal(seed)
        holes = lines(truth.shape, wide)
        z = truth + NOISE * np.random.default_rng(seed).standard_normal(truth.shape)
        done = kriging(Field(np.where(holes, 99, z), holes), Kriging())
        covered.append(np.mean(np.abs(done.heights - truth)[holes] < 1.96 * done.sigma[holes]))
        assert done.facts["trials"] > 200
        assert 0.5 < done.facts["q"] < 2
    assert 0.92 < np.mean(covered) < 0.99


def test_error_bars_grow_with_the_distance_to_data():
    z = fractal(1)
    holes = lines(z.shape, 7)
    sigma = kriging(Field(z, holes), Kriging()).sigma[7:14].mean(axis=1)
    assert (np.diff(sigma[:4]) > 0).all()
    assert (np.diff(sigma[3:]) < 0).all()


def test_non_square_pixels_are_respected():
    # The same surface, every third line only: the slow pixel is three fast ones.
    full = rough((150, 80), smooth_px=3)
    z = full[::3]
    holes = lines(z.shape, 1)
    right = kriging(Field(z, holes, (3.0, 1.0)), Kriging()).heights - z
    wrong = kriging(Field(z, holes, (1.0, 3.0)), Kriging()).heights - z
    assert right.std() < wrong.std()


def test_wide_holes_stay_open():
    z = fractal(0)
    holes = lines(z.shape, 1)
    holes[30:61, 40:71] = True
    done = kriging(Field(z, holes), Kriging(max_gap_px=8))
    assert done.left_open[30:61, 40:71].all()
    assert not done.left_open[holes.sum(axis=1) < 1].any()
    assert (done.sigma[holes & ~done.left_open] > 0).all()
    only = np.zeros(z.shape, dtype=bool)
    only[30:61, 40:71] = True
    assert (kriging(Field(z, only), Kriging(max_gap_px=8)).left_open == only).all()


def test_uncalibrated_error_bars_are_the_raw_ones_and_the_facts_say_so():
    z = fractal(0)
    holes = lines(z.shape)
    raw = kriging(Field(z, holes), Kriging(calibrate=False))
    done = kriging(Field(z, holes), Kriging())
    assert raw.facts["q"] == 1
    assert raw.facts["trials"] == 0
    assert_heights_close(done.sigma, raw.sigma * done.facts["q"], atol_nm=1e-12)
    assert_heights_close(done.heights, raw.heights, atol_nm=0)


def test_an_image_without_room_for_trials_keeps_its_raw_error_bars():
    z = rough((12, 17))
    holes = np.zeros(z.shape, dtype=bool)
    holes[3:10, 3:15] = True
    done = kriging(Field(z, holes), Kriging())
    assert done.facts["q"] == 1
    assert done.facts["trials"] == 0


def test_a_lone_good_pixel_gives_its_height_without_error_bar():
    z = np.full((6, 9), 4.5)
    holes = np.ones(z.shape, dtype=bool)
    holes[2, 3] = False
    near = np.zeros(z.shape, dtype=bool)
    near[:2, 3] = True
    assert (kriging(Field(z, holes), Kriging()).left_open == (holes & ~near)).all()
    done = kriging(Field(z, holes), Kriging(extrapolate_px=9))
    assert_heights_close(done.heights, z, atol_nm=0)
    assert np.isinf(done.sigma[holes]).all()
    assert done.facts["variogram"] is None
    holed = find_holes(Field(z, holes), 99)
    assert Krige.of(holed, (1, 1), 8).noise_variance == 0


def test_nearly_singular_systems_are_solved():
    y, x = np.mgrid[:60, :80].astype(float)
    z = np.sin(x / 25) * np.cos(y / 31)
    holes = lines(z.shape, 2)
    done = kriging(Field(np.where(holes, 0, z), holes), Kriging(neighbors=160))
    assert_heights_close(done.heights, z, atol_nm=5e-3)
    assert np.isfinite(done.sigma).all()
