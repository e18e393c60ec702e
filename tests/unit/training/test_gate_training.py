"""Training the gate: scans, labels, calibration, export, command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from afmend.apps.cli.main import app
from afmend.apps.cli.train_gate import FIRST_SEED, LEARNED_FROM
from afmend.artifacts.gate.model import load_gate
from afmend.artifacts.gate.sight import TARGETS
from afmend.artifacts.gate.verdicts import ASKED, GOOD, IMAGING, NOT_TRACKING, TIP, VERDICTS
from afmend.errors import BadParameterError, ModelError
from afmend.evaluation.gate_scores import calibration_error, macro_f1, proportion, weighted_f1
from afmend.training.gate import finish as finishing
from afmend.training.gate import scenes
from afmend.training.gate.calibrate import calibration_of, decided_from, good_from, limits, softmax, temperature
from afmend.training.gate.damage import (
    crowds_of,
    damage_of,
    delay_of,
    ghosts_of,
    moved,
    relief_of,
    seen_between,
)
from afmend.training.gate.examples import DRAWS, Example, make_example
from afmend.training.gate.grafts import donors_of, grafted
from afmend.training.gate.head import GateTraining, fit, logits_of
from afmend.training.gate.labels import SIZES, UNSURE, answers_of, label_of, sizes_of
from afmend.training.gate.make import guessed_sizes, make, parts_of
from afmend.training.gate.scenes import FIRST_ODD
from afmend.training.gate.table import KINDS, Table, make_table
from afmend.training.gate.trees import said_by
from support import rough

runner = CliRunner()
SMALL = (64, 80)
CLEAN = {
    "missing": 0.0, "clear": 0.0, "faint": 0.0, "astray": 0.0, "astray some": 0.0, "noise": 0.02, "random": 0.02,
    "recorded": 1.0, "hum": 0.0,
    "fringes": 0.0,
}  # fmt: skip


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scenes, "SHAPES", (SMALL, (72, 64)))


def test_an_example_measures_what_is_wrong_with_it() -> None:
    good = make_example("train", 10, SMALL, "good")
    assert good.heights.shape == good.opposite.shape == good.error.shape == SMALL
    assert "tip" not in good.effects
    tip = next(make_example("train", seed, SMALL, "tip") for seed in (2,))
    assert 0 <= tip.effects["tip"] <= 1
    assert {"tip", "repeat", "ghost", "break"} <= set(tip.effects)
    lost = [make_example("train", seed, SMALL, "tracking") for seed in (1, 6, 11)]
    assert any(one.effects["astray any"] > 0.05 for one in lost)
    assert all(0 <= one.effects["astray"] <= one.effects["astray some"] <= one.effects["astray any"] for one in lost)
    assert all(one.wrong.shape == (len(TARGETS), *SMALL) for one in lost)
    assert all(1 <= one.draws <= DRAWS for one in lost)


def rows_of(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rough((72, 90), seed, 2.0, 4.0) + 0.01 * rng.standard_normal((72, 90))


def test_what_leveling_or_a_shift_cures_is_no_damage() -> None:
    ideal = rows_of()
    x = np.linspace(-1, 1, 90)
    recorded = moved(ideal, 2.5) + np.arange(72)[:, None] * 0.3 + 0.5 * x**2 + 0.002 * np.arange(72)[:, None] * x
    none = np.zeros(ideal.shape, np.bool_)
    assert delay_of(recorded, ideal) == 2.5
    assert np.median(np.abs(damage_of(recorded, ideal, none, none).left)) < 0.02


def test_damage_counts_where_it_stands_out_and_is_large_enough() -> None:
    ideal = rows_of(1)
    bad, none = np.zeros(ideal.shape, np.bool_), np.zeros(ideal.shape, np.bool_)
    bad[20, 10:40] = bad[40, 10:40] = bad[60, 10:40] = True
    recorded = ideal.copy()
    for row, size in ((20, 3.0), (40, 0.3), (60, 0.02)):
        recorded[row, 10:40] += size * relief_of(ideal)
    found = damage_of(recorded, ideal, bad, none)
    assert found.clear[20, 10:40].mean() > 0.95
    assert found.faint[60].mean() == 0
    assert np.mean(found.clear[bad]) <= np.mean(found.faint[bad])
    assert not found.clear[~bad].any()


def test_satellites_on_one_side_are_measured_and_holes_count_as_well() -> None:
    rng = np.random.default_rng(4)
    clean = np.zeros((120, 150))
    for row, col in zip(rng.integers(8, 110, 14), rng.integers(8, 120, 14), strict=True):
        clean[row - 3 : row + 4, col - 3 : col + 4] = 5
    twice = np.maximum(clean, np.roll(clean, 14, axis=1) - 1)
    noisy = clean + 0.02 * rng.standard_normal(clean.shape)
    none = np.zeros(clean.shape, np.bool_)
    found = damage_of(noisy, clean, none, none)
    numbers, where = ghosts_of(twice, clean, found)
    assert numbers["ghost"] > 0.5
    assert where.any()
    assert ghosts_of(clean, clean, found)[0]["ghost"] == 0
    holes, filled = 5 - clean, np.maximum(5 - clean, np.roll(5 - clean, 6, axis=1) - 1)
    assert ghosts_of(filled, holes, found)[0]["ghost"] > 0.04
    assert ghosts_of(twice * 0, clean * 0, found)[0]["crowded"] == 1.0


def test_what_only_widens_soft_features_is_no_satellite_that_anybody_sees() -> None:
    y, x = np.mgrid[:240, :300].astype(float)
    clean, wider = np.zeros((240, 300)), np.zeros((240, 300))
    for row, col in ((60, 60), (60, 200), (180, 60), (180, 200)):
        clean += 5 * np.exp(-((y - row) ** 2 + (x - col) ** 2) / (2 * 14**2))
        wider += 5 * np.exp(-((y - row) ** 2 + np.where(x > col, (x - col) / 1.5, x - col) ** 2) / (2 * 14**2))
    none = np.zeros(clean.shape, np.bool_)
    found = damage_of(clean + 0.02 * np.random.default_rng(1).standard_normal(clean.shape), clean, none, none)
    numbers, where = ghosts_of(wider, clean, found)
    assert numbers["ghost any"] > 0.15
    assert numbers["ghost"] == 0
    assert not where.any()


def test_a_flank_a_pixel_late_is_no_damage_by_the_loop_and_a_tail_in_one_direction_is() -> None:
    ideal = np.where((np.arange(90) // 15) % 2 == 1, 5.0, 0.0)[None, :].repeat(72, axis=0)
    late, tail, none = ideal.copy(), ideal.copy(), np.zeros(ideal.shape, np.bool_)
    for edge in (30, 60):
        late[20:50, edge] = 4.0
        tail[20:50, edge : edge + 9] = np.linspace(5, 0.5, 9)
    bad = np.zeros(ideal.shape, np.bool_)
    bad[20:50] = True
    a, b, plain = (damage_of(z, ideal, bad, none) for z in (late, tail, ideal))
    assert a.clear.any()
    assert not seen_between(a, plain).any()
    assert seen_between(b, plain)[20:50, 33:35].all()
    assert not seen_between(b, b).any()


def test_what_is_astray_here_and_there_is_no_lost_area() -> None:
    there = np.zeros((100, 120), np.bool_)
    there[::3, ::4] = True
    assert not crowds_of(there, 0.25).any()
    there[40:80, 30:90] = True
    assert crowds_of(there, 0.25)[45:75, 35:85].mean() > 0.9


@pytest.mark.parametrize(
    ("effects", "verdict"),
    [
        ({}, GOOD),
        ({"clear": 0.01, "faint": 0.02}, IMAGING),
        ({"clear": 0.002, "faint": 0.002}, None),
        ({"faint": 0.0005}, GOOD),
        ({"missing": 0.01}, IMAGING),
        ({"noise": 0.5}, IMAGING),
        ({"noise": 0.3}, None),
        ({"noise": 1.5}, IMAGING),
        ({"noise": 1.5, "random": 1.5}, NOT_TRACKING),
        ({"recorded": 0.1}, NOT_TRACKING),
        ({"recorded": 0.5, "noise": 0.5}, None),
        ({"hum": 0.2, "hum white": 9.0}, IMAGING),
        ({"hum": 0.1, "hum white": 0.1}, GOOD),
        ({"astray": 0.2, "clear": 0.3}, NOT_TRACKING),
        ({"astray": 0.05, "clear": 0.3}, None),
        ({"astray": 0.01, "astray some": 0.09, "clear": 0.3}, None),
        ({"ghost": 0.01, "ghost any": 0.3, "crowded": 0.1}, None),
        ({"ghost": 0.3, "crowded": 0.1, "clear": 0.1}, TIP),
        ({"ghost": 0.3, "crowded": 0.6}, None),
        ({"ghost": 0.1, "crowded": 0.1}, None),
        ({"ghost": 0.01, "crowded": 0.1}, GOOD),
        ({"ghost": 0.0, "crowded": 1.0, "tip": 0.1}, None),
        ({"repeat": 0.4}, None),
        ({"break": 0.8}, TIP),
    ],
)
def test_labels_follow_what_a_user_would_have_to_do(effects: dict[str, float], verdict: str | None) -> None:
    assert label_of({**CLEAN, **effects}) == verdict


def test_conformal_limits_keep_their_promise() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 4000)
    logits = rng.standard_normal((4000, 4)) + 2.0 * np.eye(4)[labels]
    shown = softmax(logits)
    learned, new = slice(0, 2000), slice(2000, None)
    kept = limits(shown[learned], labels[learned])
    for k, name in enumerate(VERDICTS):
        mine = labels[new] == k
        assert 0.925 < np.mean(shown[new][mine, k] >= kept[name]) < 0.975
    line = good_from(shown[learned], labels[learned])
    assert np.mean(shown[new][labels[new] != 0, 0] >= line) < 0.02
    assert good_from(shown[:20], labels[:20]) == 2.0
    assert limits(shown[:3], labels[:3])[GOOD] == 0.0


def test_of_decided_verdicts_so_many_are_right() -> None:
    rng = np.random.default_rng(2)
    wrong = []
    for _ in range(60):
        labels = rng.integers(0, 4, 1200)
        shown = softmax(rng.standard_normal((1200, 4)) + 2.5 * np.eye(4)[labels])
        line = decided_from(shown[:400], labels[:400])
        sure = shown[400:].max(axis=1) >= line
        assert 0.3 < np.mean(sure) < 0.999
        wrong.append(np.mean(shown[400:][sure].argmax(axis=1) != labels[400:][sure]))
    assert np.mean(wrong) < 0.05
    assert np.mean(np.array(wrong) > 0.05) < 0.2
    assert decided_from(shown[:20], labels[:20]) == 2.0
    assert decided_from(np.tile([[0.4, 0.2, 0.2, 0.2]], (50, 1)), np.ones(50, int)) == 2.0
    alike = np.tile([[0.9, 0.05, 0.03, 0.02]], (200, 1))
    assert decided_from(alike, np.repeat([0, 1], (150, 50))) == 2.0  # a quarter is wrong, whichever comes first
    assert decided_from(alike, np.repeat([0, 1], (198, 2))) == 0.9


def test_each_verdict_is_sure_by_its_own_limit() -> None:
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 4, 4000)
    said = np.where((labels == 1) & (rng.random(4000) < 0.3), 2, labels)
    shown = softmax(rng.standard_normal((4000, 4)) + 6 * np.eye(4)[said])
    kinds = np.array(["full"] * 4000)
    view = calibration_of(shown, labels, kinds, np.arange(4000.0), (1.0, 0.0))["views"]["full"]
    heated = softmax(np.log(shown + 1e-12) * view["power"])
    top = heated.argmax(axis=1)
    for k, name in enumerate(VERDICTS):
        sure = (top == k) & (heated[:, k] >= view["decided"][name])
        assert (np.mean(labels[sure] == k) >= 0.95) if sure.any() else k == 2
        assert sure.any() == (k != 2)


def test_temperatures_undo_what_was_done() -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 4, 3000)
    logits = rng.standard_normal((3000, 4)) + 1.5 * np.eye(4)[labels]
    honest = temperature(1.5 * logits, labels)
    assert abs(temperature(4.5 * logits, labels) / honest - 3) < 0.1


def test_scores_are_those_of_the_textbook() -> None:
    said, true = np.array([0, 0, 1, 1, 1, 0]), np.array([0, 0, 0, 1, 1, 1])
    assert macro_f1(said, true, 2) == pytest.approx(2 / 3, abs=1e-9)
    assert weighted_f1(said, true, 3) == pytest.approx(2 / 3, abs=1e-9)
    assert proportion(32, 35) == [0.9143, 0.7762, 0.9704]
    assert proportion(0, 0)[1:] == [0.0, 1.0]
    sure = np.tile([0.8, 0.2], (100, 1))
    assert calibration_error(sure, np.repeat([0, 1], [80, 20])[np.random.default_rng(0).permutation(100)]) < 0.25
    assert calibration_error(sure, np.ones(100, int)) == pytest.approx(0.8, abs=1e-9)


def test_a_head_learns() -> None:
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 3, 300)
    seen = rng.standard_normal((300, 12)).astype(np.float32) * 100
    seen[:, 4] += 400 * labels.astype(np.float32)
    head = fit(seen, labels, 3, GateTraining(epochs=60, members=2, width=16, rate=0.02))
    assert np.mean(logits_of(head, seen).argmax(axis=1) == labels) > 0.95


@pytest.mark.usefixtures("small")
def test_a_gate_is_trained_exported_and_scored(tmp_path: Path) -> None:
    done = runner.invoke(
        app, ["train", "gate", "--out", str(tmp_path / "run"), "--data", str(tmp_path / "data"), "--scans", "60",
              "--regular", "10", "--odd", "10", "--tested", "10", "--workers", "1"],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    card = tmp_path / "run" / "model" / "gate.json"
    facts = json.loads(card.read_text())
    assert set(facts["scores"]["test"]) == {"box", *KINDS}
    assert facts["scores"]["test"]["full"]["scans"] <= 10
    assert facts["calibration"]["scans"] > 0
    assert facts["known_failures"]
    assert facts["made_with"]["seeds"] == [[FIRST_SEED, FIRST_SEED + 60], [20_000, 20_010], [FIRST_ODD, FIRST_ODD + 10]]
    model = load_gate(str(card))
    table = make_table(tmp_path / "data", LEARNED_FROM, [*range(FIRST_SEED, FIRST_SEED + 10), FIRST_ODD + 3])
    assert table.odd.any()
    assert not table.odd[table.seeds < FIRST_ODD].any()
    assert model.run({"features": table.features[:1]})["probability"].sum() == pytest.approx(1, abs=1e-5)


def test_a_card_tells_runs_of_seeds() -> None:
    assert finishing.runs_of(np.array([1, 2, 5])) == [[1, 3], [5, 6]]


def random_table(count: int) -> Table:
    """Two views of each scan, as like as can be; nothing tells labels or sizes."""
    rng = np.random.default_rng(0)
    sizes = rng.standard_normal((count, len(SIZES))).astype(np.float32)
    measured = rng.standard_normal((count, 5)).astype(np.float32)
    rows = np.repeat(np.arange(count), 2)
    return Table(
        measured[rows], rng.integers(0, 4, count)[rows], sizes[rows], rows, np.array(["full"] * 2 * count),
        np.array(["good"] * 2 * count), np.array(["rough"] * 2 * count), np.zeros(2 * count, bool),
        ("a", "b", "c", "d", "pair there"),
    )  # fmt: skip


def test_an_export_that_says_something_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = random_table(300)
    config = GateTraining(epochs=2, members=1, width=4, trees=2, guesses=2)
    made = make(table, config)

    class Liar:
        def run(self, _inputs: object) -> dict[str, np.ndarray]:
            return {"probability": np.full((1, 4), 0.25, np.float32)}

    monkeypatch.setattr(finishing, "load_gate", lambda _name: Liar())
    with pytest.raises(ModelError, match="differs from torch"):
        finishing.finish(made, tmp_path / "model", learned=table, boxes="train", config=config)


def test_what_is_learned_from_is_guessed_blindly() -> None:
    table = random_table(600)
    config = GateTraining(guesses=60, tree_rate=0.3)
    grown, guessed = guessed_sizes(table, parts_of(table, config), config)
    assert np.corrcoef(guessed[:, 0], table.sizes[:, 0])[0, 1] < 0.2
    known = said_by(grown, table.features)
    assert np.corrcoef(known[:, 0], table.sizes[:, 0])[0, 1] > 0.5, "learned by heart"
    with pytest.raises(BadParameterError, match="too few scans"):
        parts_of(table.part(table.seeds < 5), config)


def test_sizes_are_what_verdicts_are_limits_of() -> None:
    sizes = dict(
        zip(SIZES, sizes_of({**CLEAN, "clear": 0.01, "missing": 0.02, "hum": 0.1, "hum white": 9}), strict=True)
    )
    assert sizes["clear"] == pytest.approx(np.log10(0.0301))
    assert sizes["waves"] == pytest.approx(np.log10(0.103))
    assert sizes["satellites"] == pytest.approx(-2)


def test_there_are_two_recipes_only(tmp_path: Path) -> None:
    done = runner.invoke(app, ["train", "gate", "--recipe", "other", "--out", str(tmp_path)])
    assert "afmend, seed" in str(done.exception)


def test_a_scan_without_a_verdict_still_answers_questions() -> None:
    said = answers_of({**CLEAN, "astray": 0.05, "clear": 0.3})
    assert set(said) == set(ASKED)
    assert said["astray"] is None
    assert said["wrong"] is True
    assert said["waves"] is False
    assert answers_of({**CLEAN, "ghost": 0.3, "crowded": 0.6})["satellites"] is None


@pytest.fixture(scope="module")
def wounded() -> tuple[Example, Example]:
    """A good scan, and one with damage that can be moved."""
    good = next(
        one for one in (make_example("train", k, SMALL, "good") for k in range(40)) if label_of(one.effects) == GOOD
    )
    hurt = (make_example("train", k, SMALL, "imaging") for k in range(60))
    return good, next(one for one in hurt if one.spare is not None and np.mean(one.spare.wounds[0] != 0) > 0.02)


def test_a_graft_changes_what_the_damage_changes_and_is_measured_again(wounded: tuple[Example, Example]) -> None:
    good, hurt = wounded
    assert good.spare is not None
    clear = []
    for seed in range(6):
        measured, effects, wrong = grafted(good, hurt, np.random.default_rng(seed))
        changed = np.asarray(measured.heights) != good.heights
        assert 0 < changed.mean() < 0.9
        assert measured.heights.shape == SMALL
        assert effects["faint"] <= np.mean(changed | good.spare.bad)
        assert effects["hum"] == good.effects["hum"]
        assert np.array_equal(wrong[TARGETS.index("astray")], good.wrong[TARGETS.index("astray")])
        clear.append(effects["clear"])
    assert max(clear) > good.effects["clear"]
    assert donors_of([good, hurt], good) == [hurt]
    assert donors_of([good], good) == []
    assert not good.spare.is_hurt or donors_of([good, hurt], hurt) == [good]


def test_grafts_need_scans_just_simulated(wounded: tuple[Example, Example]) -> None:
    from dataclasses import replace

    good, hurt = wounded
    with pytest.raises(ValueError, match="just simulated"):
        grafted(replace(good, spare=None), hurt, np.random.default_rng(0))


@pytest.mark.usefixtures("small")
def test_a_table_is_the_same_made_anew_and_read_again(tmp_path: Path) -> None:
    one = make_table(tmp_path / "a", "train", range(10_000, 10_006), workers=1)
    other = make_table(tmp_path / "b", "train", range(10_000, 10_006), workers=1)
    again = make_table(tmp_path / "a", "train", range(10_000, 10_006))
    for table in (other, again):
        assert np.array_equal(one.features, table.features)
        assert np.array_equal(one.labels, table.labels)
    assert set(one.kinds.tolist()) == set(KINDS)
    assert (one.sure.labels != UNSURE).all()
