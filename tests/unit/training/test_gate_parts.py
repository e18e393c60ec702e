"""Parts of the gate's training: damage in compiled loops, trees, boxes block by block."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from afmend.artifacts.gate.damage_kernels import (
    bend_spread,
    leveled_lines,
    misfits,
    plane_range,
    quantile_of,
)  # fmt: skip
from afmend.artifacts.gate.verdicts import GOOD, NOT_TRACKING
from afmend.errors import BadParameterError
from afmend.leveling.selection_kernels import median_of
from afmend.simulation.access import artifact_masks, ideal_of
from afmend.simulation.box import load_box
from afmend.simulation.drawing import draw
from afmend.simulation.twin import simulate
from afmend.training.gate.calibrate import softmax, temperatures
from afmend.training.gate.damage import LEAST, damage_of, relief_of, unfollowed
from afmend.training.gate.effects import any_of, effects_of, last_measured
from afmend.training.gate.examples import BLOCK, box_of
from afmend.training.gate.head import GateTraining
from afmend.training.gate.labels import label_of
from afmend.training.gate.trees import Forked, grow, grow_for_sizes, said_by
from afmend.training.kept import whole
from support import assert_heights_close, rough

SHAPE = (23, 41)


@pytest.mark.parametrize("count", [1, 2, 7, 24])
def test_medians_and_quantiles_are_those_of_numpy(count: int) -> None:
    values = np.round(np.random.default_rng(count).standard_normal(count), 1)
    assert median_of(values.copy()) == pytest.approx(float(np.median(values)), abs=1e-15)
    for share in (0.0, 0.002, 0.31, 1.0):
        assert quantile_of(values.copy(), share) == pytest.approx(float(np.quantile(values, share)), abs=1e-12)


def test_lines_are_leveled_by_reweighted_parabolas() -> None:
    z = rough(SHAPE, 1, 2.0) + np.linspace(0, 9, SHAPE[1]) ** 2 * np.linspace(-1, 1, SHAPE[0])[:, None]
    z[5, 10:20] += 30
    missing = np.zeros(SHAPE, bool)
    missing[7, :30] = True
    plain = z - np.median(z, axis=1, keepdims=True)
    plain = plain - np.median(plain, axis=0, keepdims=True)
    x = np.linspace(-1, 1, SHAPE[1])
    terms = np.stack([np.ones_like(x), x, x * x])
    weight, left = (~missing) + 1e-6, plain
    for _ in range(4):
        normal = np.einsum("rc,ic,jc->rij", weight, terms, terms) + 1e-9 * np.eye(3)
        fit = np.linalg.solve(normal, np.einsum("rc,ic,rc->ri", weight, terms, plain)[..., None])[..., 0]
        left = plain - fit @ terms
        size = 1.4826 * np.median(np.abs(left), axis=1, keepdims=True) + 1e-12
        weight = ((~missing) + 1e-6) / (1 + np.square(left / (2 * size)))
    assert_heights_close(leveled_lines(z, missing, 4), left, atol_nm=1e-6)


def test_misfits_spreads_and_ranges_are_those_of_numpy() -> None:
    z, truth = rough(SHAPE, 2, 2.0), rough(SHAPE, 3, 2.0)
    places = np.arange(SHAPE[1])
    half = 0.5 * (truth[:, np.clip(places - 1, 0, None)] + truth[:, np.clip(places - 2, 0, None)])  # moved by 1.5
    away = (z - half)[:, 4:-4]
    wanted = np.mean(np.abs(away - np.median(away, axis=1, keepdims=True)))
    assert misfits(z, truth, np.array([1.5]), 4)[0] == pytest.approx(float(wanted), abs=1e-12)
    bad = np.random.default_rng(0).random(SHAPE) < 0.3
    bend = z[1:-1] - 0.5 * (z[:-2] + z[2:])
    bend = np.abs(bend - np.median(bend, axis=1, keepdims=True))
    assert bend_spread(z, bad) == pytest.approx(float(np.median(bend[~bad[1:-1]])), abs=1e-12)
    assert bend_spread(z, np.ones(SHAPE, bool)) == pytest.approx(float(np.median(bend)), abs=1e-12)
    y, x = np.linspace(-1, 1, SHAPE[0])[:, None], np.linspace(-1, 1, SHAPE[1])[None]
    flat = z - z.mean()
    for term in (y, x):
        flat = flat - term * (np.mean(flat * term) / np.mean(term * term))
    low, high = np.quantile(flat, (0.1, 0.9))
    assert plane_range(z + 3 * y - 2 * x, 0.1, 0.9) == pytest.approx(float(high - low), abs=1e-9)


def test_trees_say_what_the_library_says_and_learn_limits() -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    rng = np.random.default_rng(4)
    seen = rng.standard_normal((600, 20)).astype(np.float32)
    labels = (seen[:, 3] > 0.4).astype(np.int64) + (seen[:, 7] > -0.2)
    config = GateTraining(trees=20, guesses=30, leaves=5, tree_rate=0.2, seed=3)
    how = {
        "learning_rate": 0.2, "max_leaf_nodes": 5, "min_samples_leaf": 20, "max_features": 0.3, "random_state": 3,
        "early_stopping": False,
    }  # fmt: skip
    said = said_by(grow(seen, labels, 3, config), seen)
    assert np.mean(said.argmax(axis=1) == labels) > 0.97
    library = HistGradientBoostingClassifier(max_iter=20, **how).fit(seen, labels)
    away = np.abs(said - library.decision_function(seen)).max(axis=1)
    assert np.mean(away < 0.02) > 0.9  # half precision: some scans lie on the other side of a limit
    sizes = np.stack((seen[:, 3] > 0, 5 + 2 * seen[:, 7]), axis=1).astype(np.float32)
    guessed = said_by(grow_for_sizes(seen, sizes, config), seen)
    for k in range(2):
        wanted = HistGradientBoostingRegressor(max_iter=30, **how).fit(seen, sizes[:, k]).predict(seen)
        assert np.mean(np.abs(guessed[:, k] - wanted) < 0.02) > 0.9
        assert np.corrcoef(guessed[:, k], sizes[:, k])[0, 1] > 0.95


def test_scans_of_both_directions_are_judged_by_trees_of_their_own() -> None:
    rng = np.random.default_rng(5)
    seen = rng.standard_normal((300, 4)).astype(np.float32)
    labels = rng.integers(0, 3, 300)
    config = GateTraining(trees=3, fewest=5)
    one, other = grow(seen, labels, 3, config), grow(seen[::-1].copy(), labels, 3, config)
    seen[:, 2] = np.arange(300) % 2
    said = said_by(Forked(one, other, 2), seen)
    assert np.array_equal(said[1::2], said_by(one, seen)[1::2])
    assert np.array_equal(said[::2], said_by(other, seen)[::2])
    assert not np.array_equal(said_by(one, seen), said_by(other, seen))


def test_trees_need_scans_of_every_verdict() -> None:
    with pytest.raises(BadParameterError, match="verdict"):
        grow(np.zeros((9, 2), np.float32), np.array([0, 1, 2] * 3), 4)


def test_factors_find_what_is_worth_hearing() -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 4, 3000)
    logits = 1.5 * (rng.standard_normal((3000, 4)) + 1.5 * np.eye(4)[labels])
    first, noise, same = temperatures((logits, rng.standard_normal((3000, 4)), logits), labels)
    assert first == pytest.approx(same, abs=1e-3)
    assert noise < 0.1
    alone = temperatures((logits,), labels)[0]
    assert alone == pytest.approx(first + same, abs=0.02)
    losses = [-np.mean(np.log(softmax(k * alone * logits)[np.arange(3000), labels])) for k in (0.9, 1.0, 1.1)]
    assert losses[1] == min(losses)


def test_boxes_take_turns_block_by_block() -> None:
    assert [box_of("train,wide", seed) for seed in (0, BLOCK - 1, BLOCK, 2 * BLOCK)] == [
        "train",
        "train",
        "wide",
        "train",
    ]
    assert box_of("mine.yaml", 12345) == "mine.yaml"


def test_what_many_processes_keep_is_whole_or_not_there(tmp_path: Path) -> None:
    path = tmp_path / "rows.npz"

    def interrupted() -> None:
        with whole(path) as partial:
            np.savez(partial, rows=np.zeros(3))
            raise KeyError

    with pytest.raises(KeyError):
        interrupted()
    assert not list(tmp_path.iterdir())
    with whole(path) as partial:
        np.savez(partial, rows=np.ones(3))
        assert not path.exists()
    assert [one.name for one in tmp_path.iterdir()] == ["rows.npz"]


def surface_and_noise(seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rough((96, 128), seed, 3.0, 6.0), rng.standard_normal((96, 128))


NONE = np.zeros((96, 128), bool)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_noise_is_compared_with_what_of_the_surface_was_recorded(share: float) -> None:
    ideal, noise = surface_and_noise()
    found = damage_of(share * ideal + 0.2 * noise, ideal, NONE, NONE)
    assert found.recorded == pytest.approx(share, abs=0.03)
    wanted = 0.2 / relief_of(ideal) / max(share, LEAST)
    assert (found.noise, found.random) == pytest.approx((wanted, wanted), rel=0.35)
    verdict = label_of({**CALM, "noise": found.noise, "random": found.random, "recorded": found.recorded})
    assert verdict == {0.0: NOT_TRACKING, 0.1: NOT_TRACKING, 0.5: None, 1.0: GOOD}[share]


CALM = {"missing": 0.0, "clear": 0.0, "faint": 0.0, "astray": 0.0, "astray some": 0.0}


def test_waves_do_not_hide_a_surface_and_do_not_show_one_that_noise_hides() -> None:
    ideal, noise = surface_and_noise()
    relief = relief_of(ideal)
    y, x = np.mgrid[:96, :128]
    hum = 2 * relief * np.sin(0.7 * x + 0.3 * y) * (1 + 0.4 * np.sin(0.05 * y))
    calm, blind = (damage_of(ideal + hum + size * relief * noise, ideal, NONE, NONE) for size in (0.05, 1.5))
    assert calm.noise > 1.2
    assert calm.random < 0.3
    assert blind.random == pytest.approx(1.5, rel=0.3)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.85])
@pytest.mark.parametrize("form", ["missing", "copied"])
def test_an_unfinished_scan_is_judged_by_the_lines_that_were_measured(form: str, share: float) -> None:
    ideal, noise = surface_and_noise()
    heights = ideal + 0.02 * noise
    heights[10, 30:70] += 3 * relief_of(ideal)
    bad = NONE.copy()
    bad[10, 30:70] = True
    last = round(96 * (1 - share))
    lines = np.arange(96) < last
    heights[last:] = heights[last - 1] if form == "copied" else 7.7
    after = np.repeat(~lines[:, None], 128, axis=1)
    missing, copied = (after, None) if form == "missing" else (NONE, ~lines)
    found = damage_of(heights, ideal, bad | after, missing, copied)
    part = damage_of(heights[lines], ideal[lines], bad[lines], NONE[lines])
    assert (found.recorded, found.noise, found.relief) == (part.recorded, part.noise, part.relief)
    assert np.array_equal(found.clear[lines], part.clear)
    assert found.clear[10, 30:70].mean() > 0.9
    assert found.recorded > 0.95
    assert found.clear[last:].all() == found.faint[last:].all() == (form == "copied")
    assert found.clear[last:].any() == (form == "copied")
    assert not found.left[last:].any()


def test_few_measured_lines_are_judged_with_all_others() -> None:
    ideal, noise = surface_and_noise()
    lines = np.arange(96) < 5
    missing = np.repeat(~lines[:, None], 128, axis=1)
    for some in (missing, ~NONE):
        found = damage_of(ideal + 0.02 * noise, ideal, some, some)
        assert np.isfinite([found.noise, found.random, found.recorded]).all()
        assert not found.clear.any()


def test_how_much_of_a_surface_was_recorded_is_all_where_nothing_tells() -> None:
    ideal, noise = surface_and_noise()
    flat = np.zeros((96, 128))
    assert damage_of(noise, flat, NONE, NONE).recorded == 1
    assert damage_of(ideal, ideal, NONE, ~NONE).recorded == 1
    lines = np.repeat(noise[:, :8], 16, axis=1)  # noise that is alike along the lines for long
    assert damage_of(ideal + 0.5 * lines, ideal, NONE, NONE).recorded > 0.9
    assert damage_of(0.3 * ideal, ideal, ~NONE, NONE).recorded == pytest.approx(0.3, abs=0.02)


def test_a_bow_that_turns_along_the_lines_is_no_damage_of_lines_with_offsets() -> None:
    ideal, noise = surface_and_noise()
    y, x = np.mgrid[-1:1:96j, -1:1:128j]
    bow = 2 * relief_of(ideal) * ((0.4 + 1.5 * y) * x + 0.8 * x * x)
    bad = np.repeat((np.arange(96) % 3 == 0)[:, None], 128, axis=1)
    found = damage_of(ideal + bow + bad * 5 + 0.02 * noise, ideal, bad, NONE)
    assert not found.clear.any()
    assert found.noise == pytest.approx(0.02 / relief_of(ideal), rel=0.2)


@pytest.mark.parametrize("form", ["plateau", "held", "copies", "copies, leveled"])
def test_where_nothing_was_measured_missing_noise_shows_it(form: str) -> None:
    ideal, noise = surface_and_noise()
    bad = NONE.copy()
    bad[40:60, 20 : 100 if form == "plateau" else 128] = True
    value = 0 if form in ("plateau", "held") else ideal[39]
    ideal[bad] = np.broadcast_to(value, ideal.shape)[bad]  # the surface stays as it was
    y, x = np.mgrid[:96, :128]
    tilt = (3 * y + 0.02 * x * (1 + np.sin(y))) * (form == "copies, leveled")

    def measured(size: float) -> np.ndarray:
        return ideal + size * relief_of(ideal) * noise + tilt

    def stuck(size: float) -> np.ndarray:
        z = measured(size) - tilt
        z[bad] = np.broadcast_to(0 if form in ("plateau", "held") else z[39], z.shape)[bad]
        return z + tilt

    loud, soft, calm = (damage_of(stuck(size), ideal, bad, NONE) for size in (0.2, 0.06, 0.01))
    assert loud.clear[bad].mean() > 0.8
    assert soft.faint[bad].mean() > 0.8
    assert soft.clear.mean() < 0.001
    assert not calm.faint.any()
    assert damage_of(measured(0.2), ideal, bad, NONE).clear.mean() < 0.001


def test_one_line_that_repeats_another_is_faint_and_texture_is_no_noise() -> None:
    ideal, noise = surface_and_noise()
    heights = ideal + 0.2 * relief_of(ideal) * noise
    once, twice = heights.copy(), heights.copy()
    once[41], twice[41:43] = heights[40], heights[40]
    bad = NONE.copy()
    bad[41:43] = True
    single, double = (damage_of(z, ideal, bad, NONE) for z in (once, twice))
    assert single.faint[41].mean() > 0.9
    assert not single.clear.any()
    assert double.clear[41:43].mean() > 0.9
    textured = ideal + 0.3 * relief_of(ideal) * np.where(np.arange(96)[:, None] < 60, noise, 0)
    calm = textured + 0.005 * relief_of(ideal) * np.roll(noise, 7)
    flat = NONE.copy()
    flat[70:80] = True
    assert not damage_of(calm, textured, flat, NONE).faint.any()


@pytest.mark.parametrize("seed", [2, 13, 27, 30])
def test_lines_with_offsets_are_damaged_no_more_than_others(seed: int) -> None:
    box = load_box("train")
    clear = []
    for artifacts in (["slow_loop"], ["slow_loop", "line_offset"]):
        twin = draw(box, seed, shape=(96, 128), artifacts=artifacts)
        scan = simulate(twin)
        effects, _ = effects_of(scan, twin, None)
        clear.append(effects["clear"])
    assert clear[1] == pytest.approx(clear[0], abs=0.002)
    masks = artifact_masks(scan, "trace")
    assert masks["offset"].mean() > 0.02
    height = scan.channels[scan.find("height/trace")]
    counted = damage_of(height.values, ideal_of(scan, "trace").values, any_of(masks, masks, NONE), height.missing)
    assert np.mean(counted.clear & masks["offset"]) > 0.003, "there would be something to count"


def test_an_area_of_which_no_shape_was_recorded_is_lost_however_small_it_was() -> None:
    ideal, noise = rough((96, 128), 5, 3.0, 2.5), surface_and_noise()[1]
    ideal[2:12, 2:12] += 10 * ideal.std()  # something tall makes all else small
    lost = NONE.copy()
    lost[20:70, 40:110] = True
    heights = ideal + 0.02 * noise
    heights[lost] = 0.02 * (ideal + noise)[lost]
    found = damage_of(heights, ideal, lost, NONE)
    there = unfollowed(found, lost)
    assert np.mean(np.abs(found.left[lost]) > 0.25 * found.relief) < 0.1
    assert there[35:55, 60:90].all()
    assert not there[:, :20].any()
    assert not unfollowed(found, NONE).any()
    half = damage_of(np.where(lost, 0.5 * ideal, ideal) + 0.02 * noise, ideal, lost, NONE)
    assert not unfollowed(half, lost).any()


def test_many_small_satellites_leave_a_scan_without_label() -> None:
    tip = {**CALM, "noise": 0.0, "random": 0.0, "recorded": 1.0, "hum": 0.0, "fringes": 0.0, "crowded": 0.2}
    few, many = ({**tip, "ghost": 0.02, "ghost any": 0.02, "satellites": count} for count in (2.0, 3.0))
    assert label_of(few) == GOOD
    assert label_of(many) is None


@pytest.mark.parametrize("lines", ["copied", "missing"])
def test_what_the_tip_does_in_lines_that_were_not_measured_does_not_count(lines: str) -> None:
    missing, masks = NONE.copy(), {"unfinished": NONE.copy()}
    (masks["unfinished"] if lines == "copied" else missing)[70:] = True
    assert last_measured(missing, masks) == 70
    assert last_measured(~NONE, {}) == last_measured(NONE, {}) == 96
