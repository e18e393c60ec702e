"""Training the gate: scans, labels, calibration, export, command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from afmend.apps.cli.main import app
from afmend.apps.cli.train_gate import LEARNED_FROM
from afmend.artifacts.gate.model import load_gate
from afmend.artifacts.gate.verdicts import GOOD, IMAGING, NOT_TRACKING, TIP, VERDICTS
from afmend.errors import ModelError
from afmend.evaluation.gate_scores import calibration_error, macro_f1, proportion, weighted_f1
from afmend.simulation.box import load_box
from afmend.training.gate import finish as finishing
from afmend.training.gate import scenes
from afmend.training.gate.calibrate import decided_from, good_from, limits, softmax, temperature
from afmend.training.gate.damage import (
    cells_of,
    crowds_of,
    damage_of,
    delay_of,
    ghosts_of,
    moved,
    relief_of,
    seen_between,
)
from afmend.training.gate.effects import TARGETS
from afmend.training.gate.examples import DRAWS, Example, load_example, make_example, prepare
from afmend.training.gate.grafts import donors_of, grafted
from afmend.training.gate.head import STEP, GateTraining, fit, logits_of, upside_down
from afmend.training.gate.labels import ASKED, answers_of, label_of
from afmend.training.gate.maps_source import Source
from afmend.training.gate.maps_task import MapTask
from afmend.training.gate.scenes import MIXES, TRACKING, mix_of, scene
from afmend.training.gate.table import BACK, GRAFT, KINDS, PAIR, UNSURE, make_table
from support import rough

runner = CliRunner()
SMALL = (64, 80)
CLEAN = {
    "missing": 0.0, "clear": 0.0, "faint": 0.0, "astray": 0.0, "astray some": 0.0, "noise": 0.02, "hum": 0.0,
    "fringes": 0.0,
}  # fmt: skip


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scenes, "SHAPES", (SMALL, (72, 64)))


def test_scenes_hold_what_their_mix_says() -> None:
    box = load_box("train")
    chosen = {seed: set(scene(box, seed, SMALL).artifacts) for seed in range(40)}
    for seed, names in chosen.items():
        mix = mix_of(seed)
        assert (mix == "tip") <= bool(names & set(scenes.TIP))
        assert (mix == "tracking") <= bool(names & set(TRACKING))
        assert (mix == "good") <= (names <= set(scenes.HARMLESS))
    assert {mix_of(seed) for seed in range(5)} == set(MIXES)


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
    assert all(one.cells.shape == (len(TARGETS), SMALL[0] // 16, SMALL[1] // 16) for one in lost)
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


def test_cells_tell_the_share_of_their_pixels() -> None:
    mask = np.zeros((40, 70), np.bool_)
    mask[3, 16:32] = True
    cells = cells_of(mask, ~mask)
    assert cells.shape == (2, 2, 4)
    assert cells[0, 0, 1] == 1 / 16
    assert cells[1, 1, 3] == 1


@pytest.mark.usefixtures("small")
def test_examples_are_kept_and_read_back(tmp_path: Path) -> None:
    prepare(tmp_path, "train", range(20, 23))
    prepare(tmp_path, "train", range(20, 23))
    again = load_example(tmp_path, "train", 21)
    fresh = make_example("train", 21)
    assert again.effects == fresh.effects
    assert again.early == fresh.early
    assert np.array_equal(again.heights, fresh.heights)
    assert np.array_equal(again.missing, fresh.missing)


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
        ({"noise": 1.5}, NOT_TRACKING),
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
              "--more", "20", "--tested", "10", "--steps", "4", "--workers", "1"],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    card = tmp_path / "run" / "model" / "gate.json"
    facts = json.loads(card.read_text())
    assert set(facts["scores"]["test"]) == {"box", *KINDS}
    assert facts["scores"]["test"]["full"]["scans"] <= 10
    assert facts["calibration"]["scans"] > 0
    assert facts["known_failures"]
    model = load_gate(str(card))
    table = make_table(tmp_path / "data", LEARNED_FROM, range(10_000, 10_010))
    source = Source(table, tmp_path / "data", LEARNED_FROM)
    some = {"features": table.features[:1], "maps": source.maps(table, 0)[None]}
    assert model.run(some)["probability"].sum() == pytest.approx(1, abs=1e-5)
    alone = int(np.flatnonzero(table.kinds == "alone")[0])
    assert not source.maps(table, alone)[PAIR].any()
    again = runner.invoke(
        app, ["train", "gate", "--out", str(tmp_path / "run"), "--data", str(tmp_path / "data"), "--scans", "60",
              "--steps", "4", "--workers", "1"],
    )  # fmt: skip
    assert "--resume" in str(again.exception)


@pytest.mark.usefixtures("small")
def test_an_export_that_says_something_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = make_table(tmp_path, "train", range(10_000, 10_060))
    source = Source(table, tmp_path, "train")
    config = GateTraining(epochs=2, members=1, width=4, map_steps=1, trees=2)
    made = finishing.make(table, source, tmp_path / "run", config)

    class Liar:
        def run(self, _inputs: object) -> dict[str, np.ndarray]:
            return {"probability": np.full((1, 4), 0.25, np.float32)}

    monkeypatch.setattr(finishing, "load_gate", lambda _name: Liar())
    with pytest.raises(ModelError, match="differs from torch"):
        finishing.finish(made, tmp_path / "model", learned=table, source=source, config=config)


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
        measured, effects, cells = grafted(good, hurt, np.random.default_rng(seed))
        changed = np.asarray(measured.heights) != good.heights
        assert 0 < changed.mean() < 0.9
        assert measured.heights.shape == SMALL
        assert effects["faint"] <= np.mean(changed | good.spare.bad)
        assert effects["hum"] == good.effects["hum"]
        assert np.array_equal(cells[TARGETS.index("astray")], good.cells[TARGETS.index("astray")])
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
def test_a_table_is_the_same_whatever_the_workers_and_holds_what_teaches(tmp_path: Path) -> None:
    one = make_table(tmp_path / "a", "train", range(10_000, 10_040), workers=1)
    again = make_table(tmp_path / "a", "train", range(10_000, 10_040))
    assert np.array_equal(one.features, again.features)
    assert {BACK, GRAFT, *KINDS} == set(one.kinds.tolist())
    assert np.count_nonzero(one.kinds == BACK) == 40
    assert not one.features[one.kinds == GRAFT].any()
    assert set(one.sure.kinds.tolist()) == set(KINDS)
    assert (one.sure.labels != UNSURE).all()
    assert one.answers.shape == (one.labels.size, len(ASKED))
    judged = make_table(tmp_path / "b", "train", range(10_000, 10_003), learned=False)
    assert set(judged.kinds.tolist()) <= set(KINDS)
    source = Source(one, tmp_path / "a", "train")
    assert sorted(np.concatenate(list(source.batches(one, 7))).tolist()) == list(range(one.labels.size))
    rows = np.flatnonzero((one.kinds == "full") | (one.kinds == BACK))[:2]
    maps, cells = source.seen(one, rows)
    assert maps.shape[0] == cells.shape[0] == 2
    assert maps[0, 5].std() == pytest.approx(float(maps[1, 5].std()), rel=0.3)  # the same place, turned around


@pytest.mark.usefixtures("small")
def test_a_batch_is_the_same_every_time_and_unsure_scans_have_no_verdict_to_learn(tmp_path: Path) -> None:
    import torch

    table = make_table(tmp_path, "train", range(10_000, 10_035))
    task = MapTask(table, table.sure, Source(table, tmp_path, "train"), GateTraining())
    first, again = task.batch(3, 5, 6), task.batch(3, 5, 6)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    network = task.network().eval()
    with torch.no_grad():
        outputs = network(first[0], first[1])
    unsure = (*first[:2], torch.full_like(first[2], UNSURE), first[3], torch.full_like(first[4], UNSURE))
    only_cells = float(task.loss(outputs, unsure))
    assert 0 < only_cells < float(task.loss(outputs, first))


def test_a_scan_upside_down_is_one_recorded_from_its_last_line() -> None:
    import torch

    from afmend.artifacts.gate.maps import line_maps
    from afmend.artifacts.gate.view import Measured, View

    heights = rough((48, 64), 3, 1.0, 4.0).astype(np.float32)
    none = np.zeros(heights.shape, np.bool_)
    maps = torch.from_numpy(line_maps(View(Measured(heights, none)))[None])
    turned = line_maps(View(Measured(heights[::-1].copy(), none)))
    found = upside_down(maps)[0].numpy()
    assert np.abs(found[STEP] - turned[STEP]).max() < 0.05
    assert np.abs(found[1] - turned[1]).max() < 0.05
    assert torch.equal(upside_down(upside_down(maps)), maps)


def test_spliced_scans_are_labeled_by_what_both_parts_hold() -> None:
    import torch

    from afmend.artifacts.gate.maps import MAPS
    from afmend.training.gate.splices import MEASURED, spliced

    rng = np.random.default_rng(0)
    maps = torch.from_numpy(rng.standard_normal((4, len(MAPS), 128, 96)).astype(np.float32))
    maps[:, MEASURED] = 1
    maps[:, PAIR] = 0
    cells = torch.zeros(4, len(TARGETS), 8, 6)
    cells[1, TARGETS.index("clear")] = cells[1, TARGETS.index("faint")] = 1
    cells[3, TARGETS.index("astray")] = 1
    answers = torch.zeros(4, len(ASKED), dtype=torch.int8)
    answers[1, ASKED.index("wrong")] = answers[3, ASKED.index("astray")] = 1
    labels = torch.tensor([VERDICTS.index(v) for v in (GOOD, IMAGING, GOOD, NOT_TRACKING)])
    features = torch.ones(4, 5)
    met = set()
    for seed in range(12):
        found = spliced((maps, features, labels, cells, answers), np.random.default_rng(seed))
        for k in np.flatnonzero((found[1] == 0).all(dim=1).numpy()):
            lines = int(torch.nonzero((found[0][k] != maps[k]).any(dim=0).any(dim=1))[0])
            assert lines % 16 == 0
            assert torch.equal(found[0][k, :, lines:], maps[k - 1, :, lines:])
            assert torch.equal(found[0][k, :, :lines], maps[k, :, :lines])
            assert int(found[2][k]) == VERDICTS.index(
                {0: NOT_TRACKING, 1: IMAGING, 2: IMAGING, 3: NOT_TRACKING}[int(k)]
            )
            assert bool(found[4][k, ASKED.index("wrong")]) == (k in (1, 2))
            met.add(int(k))
    assert met == {0, 1, 2, 3}
    holes = maps.clone()
    holes[:, MEASURED, 5] = 0
    assert torch.equal(spliced((holes, features, labels, cells, answers), rng)[0], holes)
    few = (maps[:, :, :32], features, labels, cells[:, :, :2], answers)
    assert spliced(few, rng)[0] is few[0]
