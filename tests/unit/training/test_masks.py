"""Learning masks: labels that can be seen, artifacts laid over scans, calibration, and a model at the end."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from afmend.artifacts.learned import load_masks_model, probabilities
from afmend.artifacts.learned_inputs import INPUTS, KINDS, model_inputs
from afmend.errors import BadParameterError
from afmend.pipeline import Field
from afmend.simulation.twin import simulate
from afmend.training.loop import read_log, train
from afmend.training.masks import augment, inject
from afmend.training.masks.augment import PAIR, STEPS_PX, UNSIGNED, unlike
from afmend.training.masks.calibrate import CLEAN_SHARE, HARD_SHARE, LEVELS, Calibrated, platt, thresholds
from afmend.training.masks.calibrate import probabilities as shown_of
from afmend.training.masks.examples import (
    EVERY,
    HARD,
    Example,
    bit,
    example_pair,
    keep_pair,
    labels,
    load_pair,
    without_hopeless,
)
from afmend.training.masks.finish import finish, marker
from afmend.training.masks.items import SCALE, Data, Making, packed, prepare
from afmend.training.masks.patient import STRETCHES_PX, Patient, scatter_of
from afmend.training.masks.task import CONFIG, MaskTask, logits_of, pixel_weights, scored
from afmend.training.masks.vary import make_item
from afmend.training.networks import LineUNet
from support import rough

SHAPE = (64, 96)


def patient(seed: int = 0) -> Patient:
    rng = np.random.default_rng(seed)
    z = (rough(SHAPE, seed, 3.0, 4) + 0.1 * rng.standard_normal(SHAPE)).astype(np.float32)
    none = np.zeros(SHAPE, np.uint8)
    steep = np.argwhere(np.abs(np.diff(z, axis=1)) > 1.0)
    scatter = dict.fromkeys(STRETCHES_PX, np.full(SHAPE, 0.1, np.float32))
    return Patient(z.copy(), z.copy(), none.copy(), none.copy(), 0.1, scatter, rng, steep)


@pytest.mark.parametrize("name", list(inject.HARMS))
def test_what_is_marked_was_changed_and_what_was_not_changed_is_not_marked(name) -> None:
    hurt = 0
    for seed in range(12):
        at, before = patient(seed), patient(seed)
        inject.HARMS[name][0](at)
        changed = np.abs(at.heights - before.heights)
        assert np.isfinite(at.heights).all()
        if name not in ("bad_lines", "noisy_lines", "stuck", "lost", "chatter"):  # these pass zero, or repeat
            marked = changed[at.wrong > 0]
            assert np.count_nonzero(marked > 0.09) >= 0.9 * marked.size  # artifacts on each other may cancel
        assert (changed[(at.wrong | at.unsure) == 0] < 0.41).all()
        hurt += int((at.wrong > 0).any())
    assert hurt >= 2  # a tail that never lands is not laid


def test_everything_together_stays_finite() -> None:
    for seed in range(6):
        at = patient(seed)
        inject.hurt(at)
        assert np.isfinite(at.heights).all()


def test_invisible_damage_is_no_lesson() -> None:
    rng = np.random.default_rng(0)
    ideal = rough(SHAPE, 1, 1.0, 6)
    heights = ideal + 0.1 * rng.standard_normal(SHAPE)
    clear, faint = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
    clear[20, 10:50], faint[30:48:3, 10:50] = True, True
    lag = np.zeros(SHAPE, bool)
    lag[50:53] = True
    calm, heights = heights, heights + 2.0 * clear + 0.005 * faint
    jump = np.zeros(SHAPE, bool)
    jump[56, 70:] = True
    masks = {"scar": clear, "streak": faint, "lag": lag, "line_jump": jump}
    wrong, unsure = labels(masks, heights, ideal, np.zeros(SHAPE, bool), calm)
    assert (unsure[56, :70] == bit("scar") | bit("line") | bit("jump")).all()
    assert not unsure[58].any()
    assert (wrong[clear] == bit("scar")).mean() > 0.95
    assert (wrong[faint] > 0).mean() < 0.4
    assert (unsure[faint] == EVERY).mean() > 0.6
    assert (unsure[lag] & bit("parachute")).all()
    assert not (unsure[lag] & bit("scar")).any()


def test_what_is_everywhere_is_left_out() -> None:
    wrong = np.full(SHAPE, bit("parachute"), np.uint8)
    wrong[10, 5:30] |= bit("scar")
    cleared, unsure = without_hopeless(wrong, np.zeros(SHAPE, np.uint8))
    assert not (cleared & bit("parachute")).any()
    assert (cleared[10, 5:30] == bit("scar")).all()
    assert unsure[0, 0] == EVERY


def test_examples_are_kept_and_read_again_and_turned_into_the_order_of_time(tmp_path) -> None:
    keep_pair(tmp_path, "train", 1002)
    trace, retrace = load_pair(tmp_path, "train", 1002)
    made = example_pair("train", 1002)
    assert float(np.abs(trace.heights - made[0].heights).max()) == 0
    assert np.array_equal(retrace.opposite, trace.heights[:, ::-1])
    assert trace.heights.shape == retrace.wrong.shape


def test_hard_scans_hold_nothing_wrong() -> None:
    for seed in (9000, 9003):
        trace, _ = example_pair("train", seed, hard=True)
        assert trace.clean
        assert trace.family == HARD[seed % len(HARD)]
        assert not trace.wrong.any()


def test_a_scan_that_cannot_be_simulated_is_drawn_anew(monkeypatch) -> None:
    from afmend.training.masks import examples

    def too_large(twin):
        if twin == examples.hard_twin("wide", 9003):
            raise BadParameterError("a tip that needs more pixels", now="Take a sharper one.")
        return simulate(twin)

    monkeypatch.setattr(examples, "simulate", too_large)
    pairs = [example_pair("wide", seed, hard=True) for seed in (9003, 9003, 9003 + examples.ANOTHER)]
    assert pairs[0][0].family == HARD[9003 % len(HARD)]
    for other in pairs[1:]:
        assert np.array_equal(pairs[0][0].heights, other[0].heights)
    monkeypatch.setattr(examples, "DRAWS", 1)
    with pytest.raises(BadParameterError, match="more pixels"):
        example_pair("wide", 9003, hard=True)


@pytest.fixture
def small_items(monkeypatch):
    """Small scans and crops, also in this process only."""
    from afmend.training.masks import examples, items

    monkeypatch.setattr(examples, "SHAPES", ((48, 80),))
    monkeypatch.setattr(items, "CROP", (24, 96))
    monkeypatch.setattr(items, "EACH", 3)
    monkeypatch.setattr(items, "make_item", lambda example, rng: make_item(example, rng, (24, 96)))


@pytest.mark.usefixtures("small_items")
def test_items_are_made_once_and_only_the_first_of_them_if_the_time_is_up(tmp_path) -> None:
    watched = []
    data = Data(tmp_path, range(1200, 1203), range(1000, 1001), range(9003, 9004), seed=2)
    first = prepare(data, minutes=0, watch=lambda *told: watched.append(told))
    assert watched == [(1, 5), (2, 5), (3, 5)]  # what is held out must be there, and something to learn from
    assert first.scans == range(1200, 1201)
    assert load_pair(tmp_path, "train", 9003, hard=True)[0].clean
    before = data.items(1200).read_bytes()
    assert prepare(data).scans == data.scans
    assert data.items(1200).read_bytes() == before
    data.items(1200).unlink()
    prepare(data)
    assert data.items(1200).read_bytes() == before


def bits(kinds: np.ndarray) -> np.ndarray:
    return (kinds << np.arange(len(KINDS), dtype=np.uint8)[:, None, None]).sum(axis=0, dtype=np.uint8)


def test_an_item_is_packed_and_unpacked(monkeypatch) -> None:
    rng = np.random.default_rng(4)
    monkeypatch.setattr(augment, "LINES_TURNED", 0)
    monkeypatch.setattr(augment, "LEFT_OUT", 0)
    inputs = rng.uniform(-10, 10, (len(INPUTS), 16, 64)).astype(np.float32)
    inputs[-1] = 1
    wrong, unsure = rng.integers(0, 2, (2, len(KINDS), 16, 64), dtype=np.uint8)
    wrong[KINDS.index("parachute"), 8, 32] = 1  # not turned or mirrored then
    planes = torch.from_numpy(np.stack([packed((inputs, bits(wrong), bits(unsure)))] * 40))
    seen, wrong_too, unsure_too = unlike(planes, 5)
    assert seen.shape == (40, len(INPUTS), 16 - STEPS_PX[0], 64 - STEPS_PX[1])
    again = unlike(planes, 5)
    assert all(torch.equal(one, two) for one, two in zip((seen, wrong_too, unsure_too), again, strict=True))
    places = [
        (top, left) for top in range(STEPS_PX[0] + 1) for left in range(STEPS_PX[1] + 1)
        if np.array_equal(wrong[:, top : top + 8, left : left + 32], wrong_too[0].numpy())
    ]  # fmt: skip
    assert len(places) == 1
    top, left = places[0]
    assert np.array_equal(unsure[:, top : top + 8, left : left + 32], unsure_too[3].numpy())
    cut = inputs[:, top : top + 8, left : left + 32]
    alone = seen[:, -1].amax(dim=(1, 2)) == 0
    assert 0 < int(alone.sum()) < 40
    assert not seen[alone][:, PAIR].any()
    gain = (seen * torch.from_numpy(cut)).sum(dim=(2, 3)) / torch.from_numpy(cut * cut).sum(dim=(1, 2))
    assert 0.02 < float((gain[:, :-3] - 1).std()) < 0.2
    error = seen[:, 0] - gain[:, 0, None, None] * torch.from_numpy(cut[0])
    assert float(error.abs().max()) < 1.5 / SCALE


def test_heights_are_turned_upside_down_but_tails_are_not() -> None:
    inputs = np.ones((len(INPUTS), 16, 64), np.float32)
    none = np.zeros((len(KINDS), 16, 64), np.uint8)
    seen, _, _ = unlike(torch.from_numpy(np.stack([packed((inputs, bits(none), bits(none)))] * 40)), 1)
    turned = seen[:, 1, 0, 0] < 0
    assert 0 < int(turned.sum()) < 40
    unsigned = [k for k, name in enumerate(INPUTS) if name in UNSIGNED]
    assert (seen[:, unsigned] >= 0).all()
    tails = none.copy()
    tails[KINDS.index("parachute"), 8] = 1
    seen, _, _ = unlike(torch.from_numpy(np.stack([packed((inputs, bits(tails), bits(none)))] * 40)), 1)
    signed = [k for k in range(len(INPUTS)) if k not in augment.STEPS]
    assert (seen[:, signed] >= 0).all()


def heights_and_bits() -> tuple[np.ndarray, np.ndarray]:
    z = rough((48, 128), 3, 1.0, 4) + 0.05 * np.random.default_rng(3).standard_normal((48, 128))
    z[20, 30:90] += 2.0
    wrong = np.zeros(z.shape, np.uint8)
    wrong[20, 30:90] = bit("scar")
    return z.astype(np.float32), wrong


@pytest.mark.parametrize("way", ["lines turned", "mirrored"])
def test_turned_items_are_items_of_turned_scans(monkeypatch, way) -> None:
    for name in ("GAIN", "LEFT_OUT", "ALONE", "TURNED", "LINES_TURNED", "MIRRORED"):
        monkeypatch.setattr(augment, name, 0)
    monkeypatch.setattr(augment, "LINES_TURNED" if way == "lines turned" else "MIRRORED", 1)
    monkeypatch.setattr(augment, "STEPS_PX", (0, 0))
    z, wrong = heights_and_bits()
    other = slice(None, None, -1)
    turn = (other, slice(None)) if way == "lines turned" else (slice(None), other)
    item = packed((model_inputs(z, None, z), wrong, wrong))
    seen, wrong_too, unsure_too = unlike(torch.from_numpy(item)[None], 0)
    wanted = model_inputs(np.ascontiguousarray(z[turn]), None, np.ascontiguousarray(z[turn]))
    assert np.array_equal(wrong_too[0, 0].numpy(), wrong[turn])
    assert torch.equal(wrong_too, unsure_too)
    for k, name in enumerate(INPUTS):
        got, error = seen[0, k].numpy(), np.abs(seen[0, k].numpy() - wanted[k])
        # Fits and usual sizes come from pixels here and there, and turned scans show others of them.
        assert float(np.median(error)) < 0.12, name
        if wanted[k].std() > 0.1:
            assert float(np.corrcoef(got.ravel(), wanted[k].ravel())[0, 1]) > 0.98, name


def test_what_follows_a_steep_edge_is_not_mirrored(monkeypatch) -> None:
    monkeypatch.setattr(augment, "MIRRORED", 1)
    monkeypatch.setattr(augment, "STEPS_PX", (0, 0))
    for kind, first in (("scar", 40), ("lost", 0)):
        wrong = np.zeros((16, 64), np.uint8)
        wrong[:, :24] = bit(kind)
        item = packed((np.zeros((len(INPUTS), 16, 64), np.float32), wrong, np.zeros_like(wrong)))
        _, seen, _ = unlike(torch.from_numpy(item)[None], 0)
        assert int(torch.nonzero(seen[0, KINDS.index(kind), 0])[0, 0]) == first


@pytest.mark.usefixtures("small_items")
def test_items_are_made_beside_the_training_that_learns_from_them(tmp_path, monkeypatch) -> None:
    from afmend.training.masks import items
    from afmend.training.masks import task as module

    monkeypatch.setattr(module, "EACH", 3)
    data = Data(tmp_path, range(1200, 1204), range(1000, 1001), boxes=("train", "wide"))
    assert {data.box(scan) for scan in range(6)} == {"train"}
    assert {data.box(scan) for scan in range(6, 12)} == {"wide"}
    making = Making(data, 1, minutes=0)
    making.begin(minutes=1)  # over before: the time for making is up after the first
    tasks = [MaskTask(data, growing=True), MaskTask(data, growing=True)]
    tasks[1].move_to(torch.device("cpu"))
    for task in tasks:
        assert torch.equal(task.batch(0, 0, 4)[0], tasks[0].batch(0, 0, 4)[0])
        assert task.scans == range(1200, 1201)
    prepare(data)
    for task in tasks:
        task.batch(0, 1, 2)
        assert task.scans == range(1200, 1203)
        assert torch.equal(task.batch(0, 2, 4)[0], tasks[0].batch(0, 2, 4)[0])
        assert task.scans == data.scans
    making.end()
    making.tell()
    monkeypatch.setattr(items, "_make", lambda _: 1 / 0)
    failing = Making(Data(tmp_path / "none", range(1200, 1204)), 1, minutes=0)
    with pytest.raises(ZeroDivisionError):
        failing.begin(minutes=1)


@pytest.mark.usefixtures("small_items")
def test_a_batch_is_a_function_of_its_number_on_every_device(tmp_path, monkeypatch) -> None:
    from afmend.training.masks import task as module

    monkeypatch.setattr(module, "EACH", 3)
    data = prepare(Data(tmp_path, range(1200, 1202)))
    z = rough((40, 96), 2, 1.0, 3).astype(np.float32)
    none = np.zeros(z.shape, np.uint8)
    for own in ((), (Example(z, z.copy(), none, none, "own", clean=True),)):
        if own:
            monkeypatch.setattr(module, "make_item", lambda one, rng: make_item(one, rng, (24, 96)))
        task = MaskTask(data, own)
        first, again = task.batch(3, 7, 4), task.batch(3, 7, 4)
        resident = MaskTask(data, own)
        resident.move_to(torch.device("cpu"))
        for other in (again, resident.batch(3, 7, 4)):
            assert all(torch.equal(one, two) for one, two in zip(first, other, strict=True))
        assert not torch.equal(first[0], task.batch(3, 8, 4)[0])
        inputs, wrong, weights = task.ready(first)
        assert inputs.shape == (4, len(INPUTS), 16, 64)
        assert wrong.shape == weights.shape == (4, len(KINDS), 16, 64)


def test_scatter_is_that_of_a_line_about_its_neighbors() -> None:
    rng = np.random.default_rng(3)
    noise, scatter = scatter_of((0.5 * rng.standard_normal((90, 130))).astype(np.float32))
    assert abs(noise - 0.5) < 0.03
    for window in STRETCHES_PX:
        assert scatter[window].shape == (90, 130)
    for window in STRETCHES_PX[:3]:  # longer ones see too much of the edges here
        assert abs(float(np.median(scatter[window])) - 0.5 / np.sqrt(window)) < 0.12 / np.sqrt(window)


def test_an_item_is_a_function_of_its_random_numbers() -> None:
    z = rough((70, 80), 2, 1.0, 3).astype(np.float32)
    none = np.zeros(z.shape, np.uint8)
    example = Example(z, z.copy(), none, none, "rough", clean=True)
    for seed in range(8):
        items = [make_item(example, np.random.default_rng(seed), (48, 64)) for _ in range(2)]
        for part, again in zip(*items, strict=True):
            assert np.array_equal(part, again)
        assert items[0][0].shape == (len(INPUTS), 48, 64)
        assert items[0][1].shape == items[0][2].shape == (48, 64)


def test_pixels_beside_artifacts_weigh_less_and_unknown_ones_nothing() -> None:
    wrong, unsure = np.zeros((2, len(KINDS), 9, 12), np.uint8)
    wrong[0, 4] = 1
    unsure[:, 7, 3] = 1
    weight = pixel_weights(torch.from_numpy(wrong)[None], torch.from_numpy(unsure)[None])[0]
    assert weight[0, 4, 0] > weight[0, 0, 0] > weight[0, 3, 0] > 0
    assert not weight[:, 7, 3].any()
    assert 0 < weight[1, 4, 0] < weight[1, 0, 0]


def test_the_network_takes_any_size_and_its_loss_falls_with_the_truth() -> None:
    torch.manual_seed(0)
    net = LineUNet(len(INPUTS), len(KINDS))
    maps = np.random.default_rng(0).normal(size=(len(INPUTS), 21, 45)).astype(np.float32)
    assert logits_of(net, maps).shape == (len(KINDS), 21, 45)
    wrong = np.zeros((1, len(KINDS), 8, 32), np.uint8)
    wrong[0, 0, 4] = 1
    truth = torch.from_numpy(wrong)
    batch = (torch.zeros(1), truth, pixel_weights(truth, torch.zeros_like(truth)))
    right = torch.from_numpy(np.where(wrong, 6.0, -6.0).astype(np.float32))
    task = MaskTask(Data(Path(), range(0)))
    assert float(task.loss(right, batch)) < 0.2 * float(task.loss(-right, batch))


def answers(seed: int = 0):
    """Logits that are too sure by a factor of two, on scans of which one is clean."""
    rng = np.random.default_rng(seed)
    out = []
    for k in range(4):
        logits = rng.normal(-3, 2.5, (len(KINDS), *SHAPE))
        wrong = (rng.random(logits.shape) < 1 / (1 + np.exp(-logits))).astype(np.uint8) if k else np.zeros(
            logits.shape, np.uint8)  # fmt: skip
        if not k:
            logits = np.minimum(logits, -4)
        z = np.zeros(SHAPE, np.float32)
        example = Example(z, z, np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8), "rough", clean=not k)
        out.append(((2 * logits).astype(np.float32), wrong, np.zeros_like(wrong), example))
    return out


def test_calibration_finds_the_slope_and_thresholds_spare_clean_scans() -> None:
    made = answers()
    slopes, shifts = platt(made[1:])
    assert max(abs(s - 0.5) for s in slopes) < 0.03
    assert max(abs(s) for s in shifts) < 0.15
    shown = shown_of(made, slopes, shifts)
    chosen, worth = thresholds(shown, shown[:1])
    assert set(chosen) == set(KINDS)
    assert chosen["scar"] == chosen["line"]
    for kind, value in chosen.items():
        assert (shown[0][0][KINDS.index(kind)] >= value).mean() <= min(CLEAN_SHARE, HARD_SHARE)
        assert value in LEVELS
    assert set(worth) == {"lines and scars", *KINDS} - {"scar", "line"}
    lines = worth["lines and scars"]
    assert lines["false on clean, %"] == lines["false on hard, %"] <= 0.1
    dice = 2 * lines["precision"] * lines["recall"] / (lines["precision"] + lines["recall"])
    assert abs(lines["dice"] - dice) < 2e-3
    assert 0.3 < scored(made, 0.5)["dice all"] <= 1


def test_a_calibrated_network_gives_the_calibrated_probabilities() -> None:
    torch.manual_seed(1)
    net = LineUNet(len(INPUTS), len(KINDS)).eval()
    maps = np.random.default_rng(0).normal(size=(1, len(INPUTS), 16, 64)).astype(np.float32)
    slopes, shifts = [0.5 + 0.1 * k for k in range(len(KINDS))], [0.1 * k for k in range(len(KINDS))]
    logits = logits_of(net, maps[0])
    wanted = 1 / (1 + np.exp(-(logits * np.array(slopes)[:, None, None] + np.array(shifts)[:, None, None])))
    with torch.no_grad():
        got = Calibrated(net, slopes, shifts)(torch.from_numpy(maps))[0].numpy()
    assert float(np.abs(got - wanted).max()) < 1e-5


def test_a_short_run_ends_in_a_model_that_loads_and_marks(tmp_path) -> None:
    data = Data(tmp_path / "scans", range(1003, 1005), range(1000, 1003), range(9003, 9004))
    task = MaskTask(prepare(data, workers=2))
    config = CONFIG.model_copy(update={"steps": 2, "batch": 2, "judge_every": 2, "workers": 0, "threads": 1})
    run = train(task, config, tmp_path / "run")
    assert set(run.scores) >= {"dice all", "false on clean, %"}
    assert [entry["batches"] for entry in read_log(tmp_path / "run")] == [2]
    card = finish(task, run, config, tmp_path / "model", command="a test", scored_on=("train", range(1000, 1002)))
    facts = json.loads(card.read_text())
    assert facts["made_with"]["command"] == "a test"
    assert len(facts["scores"]["exported"]["iou"]) == 3
    assert sum(file["size_bytes"] for file in facts["files"].values()) < 5_000_000
    z = rough((40, 72), 1)
    shown = probabilities(Field(z), load_masks_model(str(card)))
    with torch.no_grad():
        plain = logits_of(run.average, model_inputs(z))
    assert plain.shape[1:] == shown["scar"].shape
    assert marker(card, thr=0.999)(Field(z)).mean() < 0.5
