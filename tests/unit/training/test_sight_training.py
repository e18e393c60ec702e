"""Training the gate's sight: items, augmentation, loss, export, command line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from afmend.apps.cli.main import app
from afmend.apps.cli.train_gate import LEARNED_FROM
from afmend.artifacts.gate.doubles import INPUTS as DOUBLES_INPUTS
from afmend.artifacts.gate.doubles import SIDE, load_doubles, satellites, smaller
from afmend.artifacts.gate.sight import INPUTS, TARGETS, load_sight, seen, sight_inputs
from afmend.artifacts.gate.verdicts import ASKED
from afmend.artifacts.gate.view import Measured, View
from afmend.errors import BadParameterError, ModelError
from afmend.training.gate import scenes
from afmend.training.gate.doubles_net import REACH, by_matrices, by_transform
from afmend.training.gate.doubles_task import SATELLITES, DoublesTask, magnified
from afmend.training.gate.doubles_task import scored as scored_doubles
from afmend.training.gate.examples import make_example
from afmend.training.gate.labels import UNSURE
from afmend.training.gate.sight_items import SCALE, SEEDS, Data, back_of, prepare
from afmend.training.gate.sight_net import SightNet
from afmend.training.gate.sight_task import PAIR, STEPS, SightTask, is_held_out, scored, unlike
from support import rough

SMALL = (64, 80)
SCANS, TIPS, REGULARS, ODDS = 70, 35, 35, 35


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scenes, "SHAPES", (SMALL,))
        made = Data(tmp_path_factory.mktemp("items"), LEARNED_FROM, SCANS, TIPS, REGULARS, ODDS)
        prepare(made)
    return made


def test_items_hold_inputs_and_truth_and_every_scan_is_used_several_times(data: Data) -> None:
    items = data.items()
    kinds = [item.kind for item in items]
    others = SCANS + REGULARS + ODDS
    assert kinds.count("full") == kinds.count("back") == others + TIPS
    assert abs(kinds.count("early") - others / 3) <= 2
    assert kinds.count("graft") > others / 2
    made = {kind: [item for item in items if item.seed in range(*SEEDS[kind])] for kind in SEEDS}
    assert {item.mix for item in made["tips"]} == {"good", "tip"}
    assert {item.family for item in made["regular"] if item.mix != "tip"} == set(scenes.REGULAR)
    assert {item.mix for item in made["odd"]} == set(scenes.MIXES)
    wrong = [item for item in items if item.kind == "full" and item.answers[ASKED.index("wrong")] == 1]
    for item in wrong[:5]:
        planes = data.load(item)
        assert planes.shape == (len(INPUTS) + 1, *item.shape)
        assert np.mean(planes[-1] & 1) >= 0.002
        assert ((planes[-1] & 1) <= ((planes[-1] >> 1) & 1)).all(), "what is clear is faint as well"
    one = next(item for item in items if item.kind == "back")
    patched = pytest.MonkeyPatch()
    patched.setattr(scenes, "SHAPES", (SMALL,))
    example = make_example(LEARNED_FROM, one.seed)
    patched.undo()
    inputs = sight_inputs(View(back_of(example)))
    assert np.abs(data.load(one)[:-1].view(np.int8) / SCALE - inputs).max() < 0.6 / SCALE


def test_prepared_blocks_are_kept(data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("afmend.training.gate.sight_items.make_example", None)
    prepare(data)


def test_further_parts_are_further_scans() -> None:
    parts = [Data(Path(), LEARNED_FROM, 100, 40, part=part) for part in range(3)]
    blocks = [set(part.blocks()) for part in parts]
    assert [len(one) for one in blocks] == [5, 5, 5]
    assert not blocks[0] & blocks[1]
    assert not blocks[1] & blocks[2]
    assert parts[0].identity == {"boxes": LEARNED_FROM, "scans": 100, "tips": 40, "regular": 0, "odd": 0}
    assert parts[2].identity["part"] == 2
    with pytest.raises(BadParameterError, match="--part"):
        prepare(Data(Path(), LEARNED_FROM, 600_000, 0, part=1))


def test_error_signals_are_left_out_at_times_and_by_themselves() -> None:
    planes = torch.full((32, len(INPUTS) + 1, 8, 32), 7, dtype=torch.uint8)
    inputs, _ = unlike(planes, 4)
    error, other = (inputs[:, INPUTS.index(name), 4, 4] == 0 for name in ("error", "difference of the relief"))
    assert 0 < int((error & ~other).sum()) < int(error.sum()) < 32


def test_a_scan_with_its_lines_in_the_other_order_is_one_recorded_from_its_last_line() -> None:
    heights = rough((48, 64), 3, 1.0, 4.0).astype(np.float32)
    none = np.zeros(heights.shape, np.bool_)
    maps, turned = (sight_inputs(View(Measured(z, none))) for z in (heights, heights[::-1].copy()))
    numbers = np.clip(np.rint(maps * SCALE), -127, 127).astype(np.int8).view(np.uint8)
    planes = torch.from_numpy(np.concatenate((numbers, np.full((1, 48, 64), 5, np.uint8))))[None]
    met = 0
    for seed in range(12):
        inputs, wrong = unlike(planes.clone(), seed)
        assert wrong[0, :, 0, 0].tolist() == [1, 0, 1, 0]
        steps = inputs[0, STEPS[0]].numpy()
        if np.abs(steps[0]).max() == 0 and np.corrcoef(steps[1:].ravel(), turned[STEPS[0], 1:].ravel())[0, 1] > 0.99:
            met += 1
    assert 2 <= met <= 10


def test_a_batch_is_the_same_every_time_and_what_nobody_can_say_is_not_learned(data: Data) -> None:
    task = SightTask(data)
    first, again = task.batch(3, 5, 6), task.batch(3, 5, 6)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    batch = task.ready(first)
    assert not any(is_held_out(item) for item in task.learned)
    torch.manual_seed(0)
    network = task.network().eval()
    with torch.no_grad():
        outputs = network(batch[0])
    other = (outputs[0], -outputs[1] + 3, outputs[2].flip(1) - 2)
    unsure = (*batch[:2], torch.full_like(batch[2], UNSURE), torch.full_like(batch[3], UNSURE))
    assert float(task.loss(outputs, unsure)) == pytest.approx(float(task.loss(other, unsure)), rel=1e-6)
    assert float(task.loss(outputs, batch)) > float(task.loss(outputs, unsure))
    right = ((2 * batch[1].float() - 1) * 9, (2 * batch[3].float() - 1) * 9, 9 * torch.eye(4)[batch[2].clamp(min=0)])
    assert float(task.loss(right, batch)) < 0.5


def test_the_network_learns_a_batch(data: Data) -> None:
    task = SightTask(data)
    torch.manual_seed(1)
    network = task.network().train()
    batch = task.ready(task.batch(0, 0, 6))
    optimizer = torch.optim.AdamW(network.parameters(), 3e-3)
    losses = []
    for _ in range(25):
        loss = task.loss(network(batch[0]), batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.85 * losses[0], losses


def test_the_worst_answer_and_the_best_are_scored_as_such(data: Data) -> None:
    task = SightTask(data)
    items = [item for item in task.learned if item.kind == "full"][:20]

    def answers(sign: float) -> list[tuple[np.ndarray, np.ndarray, torch.Tensor]]:
        out = []
        for item in items:
            bits = data.load(item)[-1]
            wrong = np.stack([(bits >> np.uint8(k)) & 1 for k in range(len(TARGETS))]).astype(np.float32)
            said = np.concatenate((2.0 * np.array(item.answers) - 1, np.eye(4)[max(item.label, 0)]))
            out.append((sign * (wrong - 0.5), sign * said.astype(np.float32), torch.from_numpy(wrong)))
        return out

    best, worst = (scored(iter(answers(sign)), items) for sign in (1, -1))
    assert best["accuracy"] == best["dice clear"] == best["right wrong"] == 1
    assert worst["accuracy"] < 0.4
    assert worst["dice clear"] == worst["right wrong"] == 0
    unsure = [replace(item, label=UNSURE) for item in items]
    assert scored(iter(answers(1)), unsure)["accuracy"] == 0, "nothing to be right about"
    nothing = [(a, np.full_like(b, np.nan), c) for a, b, c in answers(1)]
    with pytest.raises(ModelError, match="no number"):
        scored(iter(nothing), items)


def test_context_reaches_every_place() -> None:
    torch.manual_seed(0)
    network = SightNet(len(INPUTS)).eval()
    moved = []
    for std in (0.0, 100.0):
        torch.nn.init.normal_(network.context.weight, std=std)
        maps = torch.zeros(1, len(INPUTS), 64, 640)
        with torch.no_grad():
            before = network(maps)[0]
            maps[:, :, :8, :32] = 5
            moved.append(float((network(maps)[0] - before)[0, :, 60, 630].abs().max()))
    assert moved[0] < 1e-6
    assert moved[1] > 1e-5


def test_a_sight_is_trained_exported_and_looked_with(
    data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scenes, "SHAPES", (SMALL,))
    told = ["train", "sight", "--out", str(tmp_path / "run"), "--data", str(data.folder), "--scans", str(2 * SCANS),
            "--tips", str(TIPS), "--steps", "3", "--workers", "1"]  # fmt: skip
    done = CliRunner().invoke(app, told)
    assert done.exit_code == 0, done.output
    card = tmp_path / "run" / "model" / "sight.json"
    facts = json.loads(card.read_text())
    assert set(facts["scores"]) == {"held out, as trained", "held out"}
    assert facts["made_with"]["scans"] == 2 * SCANS
    model = load_sight(str(card))
    found = seen(sight_inputs(View(Measured(rough((50, 70), 1), np.zeros((50, 70), np.bool_)))), model)
    assert found.where.shape == (len(TARGETS), 50, 70)
    assert np.isfinite(found.where).all()
    assert len(PAIR) == 5
    again = CliRunner().invoke(app, told)
    assert "--resume" in str(again.exception)


@pytest.mark.parametrize("shape", [(96, 160), (41, 33)])
def test_correlations_are_the_mean_products_at_every_shift(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    first, second = torch.randn(2, 3, *shape), torch.randn(2, 3, *shape)
    fast, exported = by_transform(first, second), by_matrices(first, second)
    assert fast.shape == (2, 3, 2 * REACH[0] + 1, 2 * REACH[1] + 1)
    assert torch.allclose(fast, exported, atol=1e-5)
    rows, cols = shape
    by_hand = (first[1, 2, 5:, : cols - 7] * second[1, 2, : rows - 5, 7:]).sum() / (rows * cols)
    assert float(fast[1, 2, REACH[0] + 5, REACH[1] - 7]) == pytest.approx(float(by_hand), abs=1e-5)


def test_scans_of_any_size_are_brought_to_that_of_those_learned_from() -> None:
    for shape in ((256, 256), (192, 320), (512, 512), (1000, 130), (40, 60)):
        rows, cols = smaller(np.zeros((6, *shape), np.float32)).shape[1:]
        assert SIDE / 2 < np.sqrt(rows * cols) < 1.5 * SIDE or shape == (40, 60)
    z = np.arange(6 * 256 * 256, dtype=np.float32).reshape(6, 256, 256)
    assert smaller(z)[2, 3, 5] == pytest.approx(float(z[2, 6:8, 10:12].mean()))
    assert satellites(np.zeros((6, 40, 256), np.float32)) == 0


def test_doubles_are_learned_exported_and_asked(data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scenes, "SHAPES", (SMALL,))
    task = DoublesTask(data)
    first, again = task.batch(1, 2, 8), task.batch(1, 2, 8)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert 0 < float(first[1].sum()) <= 3
    assert {item.answers[SATELLITES] for item in task.kept} <= {0, 1}
    done = CliRunner().invoke(
        app, ["train", "doubles", "--out", str(tmp_path / "run"), "--data", str(data.folder), "--scans",
              str(2 * SCANS), "--tips", str(TIPS), "--steps", "2", "--workers", "1"],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    card = tmp_path / "run" / "model" / "doubles.json"
    assert set(json.loads(card.read_text())["scores"]) == {"held out, as trained", "held out"}
    model = load_doubles(str(card))
    inputs = np.random.default_rng(0).standard_normal((len(DOUBLES_INPUTS), 96, 130)).astype(np.float32)
    assert np.isfinite(satellites(inputs, model))


def test_logits_are_scored_by_their_order() -> None:
    assert scored_doubles([3, 2, 1, 0], [1, 1, 0, 0]) == {"area under the curve": 1.0, "found beside 2 % false": 1.0}
    assert scored_doubles([0, 0], [0, 1])["area under the curve"] == 0.5
    assert scored_doubles([1, 2], [0, 0]) == {}


def test_the_doubles_that_come_along_tell_a_double_from_a_single_apex() -> None:
    rng = np.random.default_rng(3)
    z = np.zeros((256, 256))
    for row, col in zip(rng.integers(12, 230, 40), rng.integers(12, 220, 40), strict=True):
        z[row - 3 : row + 4, col - 3 : col + 4] = rng.uniform(3, 5)
    twice = np.maximum(z, np.roll(z, (7, 15), axis=(0, 1)) - 1)
    none = np.zeros(z.shape, np.bool_)
    said = []
    for one in (z, twice):
        inputs = sight_inputs(View(Measured(one + 0.05 * rng.standard_normal(z.shape), none)))
        said.append(satellites(inputs[[INPUTS.index(name) for name in DOUBLES_INPUTS]]))
    assert said[1] > said[0] + 1


def test_doubles_are_learned_at_several_magnifications(data: Data) -> None:
    maps = torch.zeros((2, len(DOUBLES_INPUTS), 60, 80))
    maps[..., 20:30, 30:40] = 1.0
    seen = [magnified(maps, np.random.default_rng(seed)) for seed in range(30)]
    assert all(46 <= one.shape[2] <= 60 and 62 <= one.shape[3] <= 80 for one in seen)
    areas = [float(one[0, 0].sum()) for one in seen if one.shape[2:] != (60, 80)]
    sides = [one.shape[2] / 60 for one in seen if one.shape[2:] != (60, 80)]
    np.testing.assert_allclose(areas, 100 * np.square(sides), rtol=0.12)
    assert max(float(one[0, 0].sum()) for one in seen) > 130
    assert len(set(sides)) > 5
    task = DoublesTask(data)
    one, again = (task.batch(3, 7, 4)[0] for _ in range(2))
    assert torch.equal(one, again)
