import numpy as np
import pytest

from afmend.errors import StepError
from afmend.filling.auto import Auto, _line, auto, error_at_distance
from afmend.filling.bounds import below
from afmend.filling.holdout import covering_factor, move_holes
from afmend.filling.holes import find_holes
from afmend.filling.kriging import Kriging, kriging
from afmend.filling.noise import noise_variance
from afmend.pipeline import Field
from afmend.scan import Masks
from support import assert_heights_close, rough


def grating(shape=(110, 140)):
    y, x = np.mgrid[: shape[0], : shape[1]].astype(float)
    noise = 0.05 * np.random.default_rng(0).standard_normal(shape)
    return np.tanh(4 * np.sin(x / 3 + y / 60)) + noise


def lines(shape, wide):
    holes = np.zeros(shape, dtype=bool)
    for start in range(7, shape[0] - 8, 17):
        holes[start : start + wide] = True
    return holes


@pytest.mark.parametrize("wide", [1, 4])
def test_a_grating_is_filled_to_its_noise_with_fitting_error_bars(wide):
    z = grating()
    holes = lines(z.shape, wide)
    done = auto(Field(np.where(holes, 1e9, z), holes), Auto())
    assert done.facts["method"] == "texture"
    assert done.facts["rmse"]["texture"] < done.facts["rmse"]["linear"]
    error = (done.heights - z)[holes]
    assert error.std() < 0.13
    assert 0.9 < np.mean(np.abs(error) < 1.96 * np.hypot(done.sigma[holes], 0.05)) < 0.995


def test_smooth_ground_is_filled_better_than_by_kriging():
    z = rough((110, 140), smooth_px=4)
    noisy = z + 0.05 * np.random.default_rng(3).standard_normal(z.shape)
    holes = lines(z.shape, 4)
    done, other = auto(Field(noisy, holes), Auto()), kriging(Field(noisy, holes), Kriging())
    assert (done.heights - z)[holes].std() < (other.heights - z)[holes].std()
    assert done.facts["noise_variance"] == pytest.approx(0.0025, rel=0.1)
    assert done.facts["trials"] > 200
    assert done.facts["shares"][0] > 0.9  # one kind of ground: the image's own covariance is right
    assert all(0.5 < q < 1.2 for q in done.facts["q"])


def test_two_kinds_of_ground_have_error_bars_of_two_sizes():
    rng = np.random.default_rng(1)
    z = rough((110, 160), smooth_px=3)
    z[:, :80] *= 0.02
    holes = lines(z.shape, 3)
    done = auto(Field(z + 0.01 * rng.standard_normal(z.shape), holes), Auto())
    calm, lively = holes.copy(), holes.copy()
    calm[:, 70:], lively[:, :90] = False, False
    assert np.median(done.sigma[lively]) > 1.5 * np.median(done.sigma[calm])
    for part in (calm, lively):
        assert np.mean(np.abs(done.heights - z)[part] <= 1.96 * done.sigma[part]) > 0.88


def test_linear_interpolation_takes_over_where_it_is_better():
    # Straight walls at random places, under noise that grows along the line: no stationary covariance fits.
    rng = np.random.default_rng(0)
    z = np.cumsum(10.0 ** rng.uniform(-3, 1, 140) * rng.choice([-1, 1], 140))[None, :].repeat(110, axis=0)
    z = z + 1e-4 * np.linspace(0, 1, 110)[:, None] ** 2 * rng.standard_normal(140)
    holes = lines(z.shape, 4)
    done = auto(Field(z, holes), Auto())
    assert done.facts["method"] == "linear"
    assert np.abs(done.heights - z)[holes].max() < 1e-3
    assert (done.sigma[holes] > 0).all()


def test_without_trials_it_is_uncalibrated_and_says_so():
    z = rough((40, 50))
    holes = lines(z.shape, 2)
    done = auto(Field(z, holes), Auto(compare_px=0))
    assert done.facts["method"] == "texture"
    assert done.facts["trials"] == 0
    assert done.facts["rmse"] == {}
    assert (done.sigma[holes] > 0).all()


def test_without_error_bars_the_heights_are_those_of_its_own_covariance():
    z = rough((40, 50))
    holes = lines(z.shape, 2)
    field = Field(z, holes)
    alone, untried = auto(field, Auto(error_bars=False)), auto(field, Auto(compare_px=0, neighbors=96))
    assert_heights_close(alone.heights, untried.heights, atol_nm=1e-10)  # the same systems, solved in another order
    assert alone.sigma is None
    assert alone.facts == {name: untried.facts[name] for name in alone.facts}
    tail = Field(z - 5.0 * holes, holes, masks=Masks().with_added("artifact", "parachute", holes))
    assert (auto(tail, Auto(error_bars=False)).heights <= tail.heights).all()
    assert auto(Field(z[:20], holes[:20]), Auto(error_bars=False)).sigma is None
    drawn = [auto(field, Auto(output="sample", error_bars=bars)) for bars in (True, False)]
    assert (drawn[0].sigma == drawn[1].sigma).all()


@pytest.mark.parametrize("z", [rough((20, 50)), np.full((40, 50), 2.0)])
def test_small_and_flat_images_are_kriged_and_say_so(z):
    holes = lines(z.shape, 2)
    assert auto(Field(z, holes), Auto()).facts["method"] == "kriging"
    with pytest.raises(StepError, match="too small or too flat"):
        auto(Field(z, holes), Auto(output="sample"))


def test_a_sample_is_as_rough_as_the_surface_and_replayable():
    rng = np.random.default_rng(2)
    z = rough((128, 170), smooth_px=2)
    holes = np.zeros(z.shape, dtype=bool)
    for y in range(12, 110, 30):
        holes[y : y + 14, 20:150] = True
    field = Field(z + 0.03 * rng.standard_normal(z.shape), holes)
    mean, one, two = (auto(field, Auto(output=output, seed=seed)) for output, seed in
                      (("mean", 0), ("sample", 0), ("sample", 1)))  # fmt: skip
    again = auto(field, Auto(output="sample"))
    assert one.heights.tobytes() == again.heights.tobytes()
    assert (one.heights[holes] != two.heights[holes]).all()
    assert mean.heights[holes].std() < 0.8 * z[holes].std()
    for drawn in (one, two):
        assert 0.85 < drawn.heights[holes].std() / z[holes].std() < 1.25
        steps = [np.diff(heights, axis=1)[holes[:, 1:] & holes[:, :-1]].std() for heights in (drawn.heights, z)]
        assert 0.75 < steps[0] / steps[1] < 1.35
        assert (drawn.sigma == mean.sigma).all()


def test_left_open_everything_stays_as_it_is():
    z = rough((40, 50))
    holes = lines(z.shape, 2)
    done = auto(Field(z, holes), Auto(output="open"))
    assert (done.left_open == holes).all()
    assert done.sigma is None
    assert auto(Field(z), Auto(output="open")).left_open is None


def test_columns_without_data_have_no_second_opinion():
    z = rough((60, 80), smooth_px=3)
    holes = lines(z.shape, 2)
    holes[:, 30:33] = True
    line = _line(z, ~holes, *np.nonzero(holes), np.full(holes.sum(), 77.0))
    assert ((line == 77.0) == (np.abs(np.nonzero(holes)[1] - 31) <= 1)).all()


def test_the_fact_of_the_noise_is_what_was_found_not_what_is_assumed_at_least():
    y, x = np.mgrid[:110, :140].astype(float)
    z = np.sin(x / 25) * np.cos(y / 31)
    noise = auto(Field(z, lines(z.shape, 2)), Auto()).facts["noise_variance"]
    assert noise == pytest.approx(noise_variance(z, ~lines(z.shape, 2)), rel=1e-9)
    assert noise < 1e-7 * z.var()


@pytest.mark.parametrize("output", ["mean", "sample"])
def test_tails_are_upper_bounds(output):
    z = rough((90, 120), smooth_px=3)
    holes = lines(z.shape, 5)
    recorded = np.where(holes, z + 0.02, z)
    free = auto(Field(recorded, holes), Auto())
    bound = auto(Field(recorded, holes, masks=Masks(artifact={"parachute": holes})), Auto(output=output))
    assert (free.heights[holes] > recorded[holes]).any()
    assert (bound.heights[holes] <= recorded[holes]).all()
    assert (bound.sigma[holes] <= free.sigma[holes]).all()
    if output == "mean":
        assert np.abs(bound.heights - z)[holes].mean() < np.abs(free.heights - z)[holes].mean()


def test_below_gives_the_moments_of_the_truncated_normal():
    drawn = np.random.default_rng(0).normal(1.0, 2.0, 400_000)
    for bound in (-1.0, 1.0, 4.0):
        kept = drawn[drawn < bound]
        mean, sigma = below(np.array([1.0]), np.array([2.0]), np.array([bound]))
        assert_heights_close(mean, np.array([kept.mean()]), atol_nm=0.02)
        assert_heights_close(sigma, np.array([kept.std()]), atol_nm=0.02)
    mean, sigma = below(np.array([1.0, 5.0, 0.0]), np.array([2.0, np.inf, 1e-3]), np.array([np.inf, 3.0, -9.0]))
    assert_heights_close(mean, np.array([1.0, 3.0, -9.0]), atol_nm=1e-3)
    assert sigma[0] == 2
    assert np.isinf(sigma[1])


def test_wide_holes_stay_open():
    z = rough((60, 80))
    holes = np.zeros(z.shape, dtype=bool)
    holes[10:50, 10:50] = True
    assert (auto(Field(z, holes), Auto(max_gap_px=10)).left_open == holes).all()


@pytest.mark.parametrize("shape", [(90, 131), (700, 901)])
def test_trials_are_whole_holes_on_good_ground_in_mirror_pairs(shape):
    rng = np.random.default_rng(0)
    holes = np.zeros(shape, dtype=bool)
    for _ in range(holes.size // 700):
        y, x = rng.integers(shape[0]), rng.integers(shape[1])
        holes[y : y + 2, x : x + 17] = True
    trials = move_holes(~holes, holes, compare_px=800)
    assert 200 <= sum(trial.rows.size for trial in trials) <= 800
    for trial in trials:
        bad = holes[trial.window]
        assert not (trial.held & bad).any()
        assert not (trial.known & (bad | trial.held)).any()
        assert (trial.known | bad | trial.held).all()
        assert trial.held[trial.rows, trial.cols].all()
    mirrored = move_holes(~holes[:, ::-1], holes[:, ::-1], compare_px=800)

    def places(found, flip):
        out = set()
        for trial in found:
            y = trial.rows + trial.window[0].indices(shape[0])[0]
            x = trial.cols + trial.window[1].indices(shape[1])[0]
            out |= set(zip(y.tolist(), (shape[1] - 1 - x if flip else x).tolist(), strict=True))
        return out

    assert places(trials, False) == places(mirrored, True)


def test_whole_lines_stay_whole_lines_and_holes_are_not_cut():
    holes = lines((90, 120), 3)
    for trial in move_holes(~holes, holes):
        per_line = trial.held.sum(axis=1)
        assert set(np.unique(per_line)) == {0, 120}
    blob = np.zeros((50, 60), dtype=bool)
    blob[20:30, 20:35] = True
    for trial in move_holes(~blob, blob):
        assert trial.held.sum() == 150


def test_no_room_means_no_trials():
    holes = np.ones((20, 30), dtype=bool)
    holes[:4] = False
    assert move_holes(~holes, holes) == []


def test_covering_factor_covers_95_percent_of_noisy_errors():
    rng = np.random.default_rng(0)
    variance = rng.uniform(0.5, 2, 50_000)
    errors = 3 * np.sqrt(variance) * rng.standard_normal(50_000)
    assert abs(covering_factor(errors, variance, 0.0) - 3) < 0.06
    noisy = errors + 2 * rng.standard_normal(50_000)
    assert abs(covering_factor(noisy, variance, 4.0) - 3) < 0.1
    assert covering_factor(errors, variance, 1e4) == pytest.approx(0.3)
    assert covering_factor(np.array([1.96]), np.ones(1), 0.0) == pytest.approx(1, abs=1e-4)


def test_error_at_distance_learns_the_growth_and_extrapolates():
    rng = np.random.default_rng(0)
    distance = np.repeat([1.0, 2.0, 3.0, 4.0], 3000)
    errors = rng.standard_normal(distance.size) * distance
    sigma = error_at_distance(distance, errors, np.array([1.0, 2.0, 4.0, 16.0]), 0.0)
    assert 0.9 < sigma[0] < 1.1
    assert sigma[0] < sigma[1] < sigma[2] < sigma[3]
    assert 3 < sigma[2] < 4
    noisy = error_at_distance(distance, errors, np.array([1.0]), 0.5)
    assert_heights_close(noisy, np.sqrt(sigma[:1] ** 2 - 0.5), atol_nm=1e-12)
    few = error_at_distance(np.append(np.ones(200), 6.0), np.append(np.ones(200), 9.0), np.array([1.0, 6.0]), 0.0)
    assert few[1] >= few[0]
    rare = error_at_distance(np.r_[np.ones(5), np.full(100, 2.0)], np.ones(105), np.array([1.0]), 0.0)
    assert rare.shape == (1,)


def test_holes_know_their_radius():
    holes = np.zeros((40, 50), dtype=bool)
    holes[10:15, 10:40] = True
    found = find_holes(Field(rough((40, 50)), holes), 10)
    assert found.radius_px == pytest.approx(3)
    assert not found.empty
