"""Scores against what can be said beforehand."""

import dataclasses
from dataclasses import replace

import numpy as np
import pytest

from afmend.errors import StepError
from afmend.evaluation.bench.cases import KEY, SOFT, case_of
from afmend.evaluation.bench.makers import with_holes
from afmend.evaluation.bench.methods import TASKS
from afmend.evaluation.bench.tasks import find_task
from afmend.evaluation.bench.tasks.metrology import kinds_of, particle_labels
from afmend.scan import Masks

from .standin import twin_scan


def with_heights(case, heights, **changes):
    channel = case.measured.channels[KEY]
    return case.measured.with_channel(channel.evolve(values=heights, **changes))


def test_level_knows_no_tilt_and_measures_in_nm():
    case = case_of(twin_scan(0))
    y, x = np.mgrid[: case.ideal.shape[0], : case.ideal.shape[1]]
    score = find_task("level").score
    found = score(case, with_heights(case, case.ideal + 0.3 * x - 0.1 * y + 0.002 * x * y + 5))
    assert found["rmse_nm"] < 1e-9
    assert abs(found["sq_error_percent"]) < 1e-6
    assert abs(found["line_power_db"]) < 1e-6
    offsets = 0.5 * (-1.0) ** np.arange(case.ideal.shape[0])[:, None]
    found = score(case, with_heights(case, case.ideal + offsets))
    assert abs(found["rmse_nm"] - 0.5) < 0.01
    assert abs(found["rmse_percent_of_sq"] - 100 * found["rmse_nm"] / case.sq_nm) < 1e-9
    assert found["line_power_db"] > 0
    flat = score(case, with_heights(case, np.zeros(case.ideal.shape)))
    assert found["leveling_percent_of_sq"] > 0.9 * found["rmse_percent_of_sq"]
    assert flat["sigma_bg_nm"] == 0, "a constant image wins by sigma_bg"
    assert abs(flat["rmse_percent_of_sq"] - 100) < 1e-6
    clean = case_of(twin_scan(0, clean=True))
    assert np.isnan(score(clean, with_heights(clean, np.zeros(clean.ideal.shape)))["line_power_db"])


def test_damage_does_not_count_where_levelings_are_scored():
    case = case_of(twin_scan(0))
    wild = np.where(case.usable, case.ideal, 1e4)
    assert find_task("level").score(case, with_heights(case, wild))["rmse_nm"] < 1e-9


def test_masks_are_scored_on_recorded_pixels():
    case = case_of(twin_scan(0))
    score = find_task("mask").score
    right = Masks(missing=case.missing, artifact={"anything": case.damaged})
    found = score(case, with_heights(case, case.heights, masks=right))
    assert {found[key] for key in found if key != "false_percent"} == {100.0}
    assert found["false_percent"] == 0
    assert found["recall_of_scar"] == 100
    half = case.damaged.copy()
    half[30] = False
    found = score(case, with_heights(case, case.heights, masks=Masks(artifact={"scar": half | case.missing})))
    assert abs(found["recall_percent"] - 100 * 45 / 85) < 1e-9
    assert found["precision_percent"] == 100
    assert found["object_recall_percent"] == 50
    clean = case_of(twin_scan(1, clean=True))
    found = score(clean, clean.measured)
    assert np.isnan(found["iou_percent"])
    assert found["false_on_clean_percent"] == 0


def test_metrology_takes_the_measured_numbers():
    case = case_of(twin_scan(1))
    score = find_task("metrology").score
    found = score(case, with_heights(case, case.ideal))
    assert all(abs(value) < 1e-6 for key, value in found.items() if "error" in key and "step" not in key)
    rough = case_of(twin_scan(0))
    assert not any("particle" in key for key in score(rough, with_heights(rough, rough.ideal)))
    double = score(case, with_heights(case, 2 * case.ideal))
    assert abs(double["sq_error_percent"] - 100) < 1e-6
    # The heights of one of the two are known up to a polynomial only: the result is aligned with the truth.
    assert abs(double["particle_height_error_percent"] - 100) < 3
    assert abs(double["particle_volume_error_percent"] - 100) < 10
    assert abs(double["particle_diameter_error_percent"]) < 5
    everywhere = np.ones(case.ideal.shape, bool)
    labels = particle_labels(case, everywhere)
    assert labels.max() >= 1
    edge = np.zeros(case.ideal.shape, bool)
    edge[[0, -1]] = edge[:, [0, -1]] = True
    touching = replace(case, ideal=np.where(edge, case.ideal.max(), case.ideal))
    assert particle_labels(touching, everywhere)[edge].max() == 0, "what the edge cuts is no particle"
    without = everywhere & (labels != labels.max())
    assert set(np.unique(particle_labels(case, without))) == set(range(labels.max())), "nor what is not all there"


@pytest.mark.parametrize("name", ["level", "metrology"])
@pytest.mark.parametrize("wrong", [0.8, 1.0, 1.05, 1.1])
def test_wrong_step_heights_are_read_as_such(name, wrong):
    case = case_of(twin_scan(2))
    y, x = np.mgrid[: case.ideal.shape[0], : case.ideal.shape[1]]
    score = find_task(name).score
    found = score(case, with_heights(case, wrong * case.ideal + 0.3 * x - 0.2 * y))
    assert abs(found["step_error_percent"] - 100 * (wrong - 1)) < 1e-6
    damaged = score(case, with_heights(case, case.ideal + 40 * case.damaged))["step_error_percent"]
    assert (abs(damaged) < 1e-6) == (name == "level"), "damage counts after the whole recipe"
    rough = case_of(twin_scan(0))
    assert np.isnan(score(rough, with_heights(rough, rough.ideal))["step_error_percent"])


def test_particles_of_mixed_surfaces_are_measured():
    plain = case_of(twin_scan(1))
    y, x = np.mgrid[: plain.ideal.shape[0], : plain.ideal.shape[1]]
    hills = plain.ideal + 15.0 * np.floor(x / 32) + 0.2 * y
    parts = [{"kind": "terraces"}, {"kind": "particles", "radius_nm": 9.0}]
    case = dataclasses.replace(plain, family="mixed", ideal=hills, surface={"kind": "mixed", "parts": parts})
    assert kinds_of(case) == ["mixed", "terraces", "particles"]
    labels = particle_labels(case, np.ones(hills.shape, bool))
    alone = particle_labels(plain, np.ones(hills.shape, bool))
    assert 3 <= labels.max() <= alone.max() + 1
    assert ((labels > 0) & (alone == 0)).sum() < 0.5 * (labels > 0).sum(), "terraces are no particles"
    found = find_task("metrology").score(case, with_heights(case, hills))
    assert abs(found["particle_height_error_percent"]) < 1e-6
    without = dataclasses.replace(case, surface={"kind": "mixed", "parts": parts[:1]})
    assert "particle_height_error_percent" not in find_task("metrology").score(without, with_heights(case, hills))


def test_harm_counts_in_noise_floors():
    case = case_of(twin_scan(0, clean=True))
    score = find_task("harm").score
    nothing = score(case, case.measured)
    assert nothing["error_over_floor"] == 1
    assert nothing["changed_percent"] == 0
    heights = case.heights.copy()
    heights[: heights.shape[0] // 2 : 2] += 3
    harmed = score(case, with_heights(case, heights, masks=Masks(artifact={"scar": heights != case.heights})))
    assert harmed["marked_percent"] == 25
    assert harmed["error_over_floor"] > 5
    assert harmed["changed_percent"] > 20


def test_clean_scans_count_what_is_marked_of_good_pixels():
    case = case_of(twin_scan(0))
    marked = case.damaged.copy()
    marked[20, :8] = True
    found = find_task("clean").score(case, with_heights(case, case.heights, masks=Masks(artifact={"scar": marked})))
    assert found == {"false_percent": pytest.approx(100 * 8 / (45 * 64 - 85))}


def test_fill_scores():
    case = with_holes(case_of(twin_scan(0)), 3)[4]
    score = find_task("fill").score
    perfect = np.where(case.holes, case.ideal, case.heights)
    found = score(case, (perfect, np.where(case.holes, 0.1, 0.0)))
    assert found["rmse_percent_of_sq"] == 0
    assert (found["coverage_percent"], found["coverage_50_percent"]) == (100, 100)
    assert abs(found["seam_ratio"] - 1) < 1e-12
    assert abs(found["width_percent_of_sq"] - 100 * 2 * 1.959964 * 0.1 / case.sq_nm) < 1e-3
    assert found["touched_outside_px"] == 0
    plain = score(case, perfect)
    assert np.isnan(plain["coverage_percent"])
    moved = perfect.copy()
    moved[0, :7] += 1
    moved[case.holes] += case.sq_nm
    found = score(case, moved)
    assert abs(found["rmse_percent_of_sq"] - 100) < 1e-9
    assert found["touched_outside_px"] == 7
    no_bars = score(case, (perfect, np.full(case.ideal.shape, np.inf)))
    assert np.isnan(no_bars["crps_percent_of_sq"])
    partly = np.where(case.holes & (np.arange(64) < 30), np.nan, perfect)
    assert 0 < score(case, partly)["left_open_percent"] < 100
    everything = score(case, np.where(case.holes, np.nan, perfect))
    assert everything["left_open_percent"] == 100
    assert np.isnan(everything["rmse_percent_of_sq"])


def test_fills_that_are_none():
    task = find_task("fill")
    case = with_holes(case_of(twin_scan(0)), 3)[4]
    with pytest.raises(StepError, match="3 things"):
        task.score(case, (1, 2, 3))
    with pytest.raises(StepError, match="have shape"):
        task.score(case, case.ideal[1:])
    with pytest.raises(StepError, match="sigma have shape"):
        task.score(case, (case.heights, case.ideal[1:]))
    with pytest.raises(StepError, match="heights are of type complex128"):
        task.score(case, case.heights * (1 + 0j))
    with pytest.raises(StepError, match="sigma are of type <U"):
        task.score(case, (case.heights, np.full(case.ideal.shape, "x")))
    with pytest.raises(StepError, match="not finite"):
        task.score(case, np.where(case.holes, np.inf, case.heights))


def test_fills_are_compared_where_both_filled():
    task = find_task("fill")
    case = with_holes(case_of(twin_scan(0)), 3)[4]
    left = case.holes & (np.arange(64) < 30)
    right = case.holes & ~left
    mine = np.where(left, case.ideal + 5, np.where(right, case.ideal + 1, case.heights))
    theirs = np.where(left, np.nan, np.where(right, case.ideal - 2, case.heights))
    ((key, pair),) = task.pair(case, mine, theirs).items()
    assert key == task.primary.key
    assert pair == pytest.approx((100 / case.sq_nm, 200 / case.sq_nm))
    assert task.pair(case, mine, mine) == {}
    assert np.isnan(task.pair(case, np.where(right, np.nan, mine), theirs)[key]).all()


@pytest.mark.parametrize("name", ["level", "mask", "clean", "metrology", "harm"])
def test_scans_that_are_none(name):
    case, score = case_of(twin_scan(0)), find_task(name).score
    with pytest.raises(StepError, match="returned a ndarray"):
        score(case, case.heights)
    with pytest.raises(StepError, match="no height/trace in nm"):
        score(case, case.measured.with_channel(replace(case.measured.channels[KEY], unit="V")))
    with pytest.raises(StepError, match=r"have shape \(32, 40\)"):
        score(case, case_of(twin_scan(0, shape=(32, 40))).measured)


def test_metrology_counts_the_same_pixels_for_all():
    case, score = case_of(twin_scan(1)), find_task("metrology").score
    marked = Masks(missing=case.missing, artifact={"everything wrong": case.damaged})
    plain, open_ = score(case, case.measured), score(case, with_heights(case, case.heights, masks=marked))
    assert open_.pop("left_open_percent") == pytest.approx(100 * 85 / (45 * 64))
    assert plain.pop("left_open_percent") == 0
    assert open_ == pytest.approx(plain, nan_ok=True)


def test_a_fill_cannot_change_the_case():
    case = with_holes(case_of(twin_scan(0)), 3)[0]
    before = case.heights.copy()

    def vandal(heights, holes, _pixel_nm):
        heights[:], holes[:] = 7, False
        return heights

    from afmend.evaluation.bench.methods import Method

    find_task("fill").run(Method("vandal", "", vandal), case)
    assert np.array_equal(case.heights, before)
    assert case.holes.any()


def test_columns_are_unique_and_told():
    for name in TASKS:
        task = find_task(name)
        keys = [column.key for column in task.columns]
        assert len(set(keys)) == len(keys)
        assert task.primary.compare
        assert task.column(keys[-1]).key == keys[-1]
        assert dataclasses.asdict(task.primary)["about"]


def test_what_leveling_mends_counts_for_leveling_and_not_for_detectors():
    case = case_of(twin_scan(0, clean=True))
    offset, lag = np.zeros(case.ideal.shape, bool), np.zeros(case.ideal.shape, bool)
    offset[20:23] = lag[:, 40:44] = True
    case = dataclasses.replace(case, masks={"offset": offset, "lag": lag, "scar": np.roll(lag, 9, axis=1)})
    assert (case.usable & offset).any()
    assert not (case.usable & lag).any()
    heights = case.ideal + 2.0 * offset
    assert find_task("level").score(case, with_heights(case, heights))["lines_percent_of_sq"] > 10
    exact = Masks(artifact={"x": case.masks["scar"] | lag})
    found = find_task("mask").score(case, with_heights(case, heights, masks=exact))
    assert (found["strict_iou_percent"], found["false_percent"]) == (100, 0)
    assert found["recall_of_scar"] == 100
    assert not {"recall_of_lag", "recall_of_offset"} & set(found)
    soft = dataclasses.replace(case, masks=dict.fromkeys(SOFT, lag) | {"scar": case.masks["scar"]})
    assert find_task("mask").score(soft, with_heights(case, heights, masks=exact))["strict_iou_percent"] == 100
