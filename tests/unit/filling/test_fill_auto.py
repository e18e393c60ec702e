import numpy as np
import pytest

from afmend.filling.auto import Auto, auto, error_at_distance
from afmend.filling.holdout import covering_factor, move_holes
from afmend.filling.holes import find_holes
from afmend.pipeline import Field
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


def test_a_grating_across_the_lines_is_filled_linearly_with_fitting_error_bars():
    z = grating()
    holes = lines(z.shape, 4)
    done = auto(Field(np.where(holes, 1e9, z), holes), Auto())
    assert done.facts["method"] == "linear"
    assert min(done.facts["rmse"], key=done.facts["rmse"].get) == "linear"
    error = (done.heights - z)[holes]
    assert error.std() < 0.2
    assert 0.9 < np.mean(np.abs(error) < 1.96 * np.hypot(done.sigma[holes], 0.05)) < 0.995


def test_smooth_ground_is_filled_by_kriging_or_the_plate():
    z = rough((110, 140), smooth_px=4)
    holes = lines(z.shape, 4)
    done = auto(Field(z, holes), Auto())
    assert done.facts["method"] in {"kriging", "biharmonic"}
    assert (done.heights - z)[holes].std() < 0.2


def test_rough_ground_is_kriged_with_a_factor_in_the_facts():
    z = np.cumsum(np.cumsum(np.random.default_rng(0).standard_normal((110, 140)), 0) * 0.1, 1) * 0.1
    z += np.random.default_rng(1).standard_normal(z.shape)
    holes = lines(z.shape, 2)
    done = auto(Field(z, holes), Auto())
    assert done.facts["method"] == "kriging"
    assert done.facts["q"] > 0


def test_without_trials_it_is_uncalibrated_kriging_and_says_so():
    z = rough((40, 50))
    holes = lines(z.shape, 2)
    done = auto(Field(z, holes), Auto(compare_px=0))
    assert done.facts["method"] == "kriging"
    assert done.facts["trials"] == 0
    assert done.facts["rmse"] == {}
    assert done.facts["q"] == 1


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
