"""Learning the correction of the tip: examples, networks, losses, and a model at the end."""

from __future__ import annotations

import json
import math
from functools import partial

import numpy as np
import pytest
import torch

from afmend.errors import BadParameterError, BadScanError, ModelError
from afmend.evaluation.bench.seed_models import scale_of, seed_answer, seed_models
from afmend.inference.card import read_card
from afmend.pipeline import Field
from afmend.tip.bluntness import INPUTS as BLUNT_INPUTS
from afmend.tip.bluntness import LEVELS, SMALLEST_PX, bluntness
from afmend.tip.learned import INPUTS, learned_correction
from afmend.tip.morphology import dilate
from afmend.tip.shapes import SphereCone, largest_tip_array
from afmend.tip.steps import TipCorrection, tip_correct
from afmend.training.loop import train
from afmend.training.tip.bluntness_task import CONFIG as BLUNT_CONFIG
from afmend.training.tip.bluntness_task import BluntnessTask, make_rows, prepare_rows, rows_of, rows_path
from afmend.training.tip.examples import (
    FAMILIES,
    load_example,
    load_examples,
    make_example,
    order_of,
    path_of,
    prepare,
)
from afmend.training.tip.finish import finish
from afmend.training.tip.networks import SeedOne, SeedThree, SeedTwo, TipNet, gradient_loss, ssim_loss
from afmend.training.tip.seed_task import CONFIGS, SeedTask, parameters
from afmend.training.tip.task import CONFIG, TipTask, answered, judged, widening

SHAPE = (96, 112)
HELD, SEEDS = range(200_000, 200_006), range(200_006, 200_012)
DOUBLES = [seed for seed in range(200_000, 200_200) if order_of(seed) in (("particles", True), ("fractal", True))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    where = tmp_path_factory.mktemp("tips")
    prepare(where, HELD, shape=SHAPE)
    prepare(where, SEEDS, shape=SHAPE)
    return where


def quick(config, steps: int = 2):
    return config.model_copy(update={"steps": steps, "batch": 2, "judge_every": steps, "threads": 1})


class TestExamples:
    def test_every_family_comes_with_single_and_double_tips(self):
        orders = {order_of(seed) for seed in range(3 * len(FAMILIES))}
        assert {family for family, double in orders if double} == set(FAMILIES)
        assert {family for family, double in orders if not double} == set(FAMILIES)

    def test_a_kept_example_is_the_one_that_was_made(self, folder):
        made, kept = make_example("train", HELD[0], SHAPE), load_example(folder, "train", HELD[0])
        assert made is not None
        assert kept is not None
        assert np.array_equal(made.maps, kept.maps)
        assert np.array_equal(made.surface, kept.surface)
        assert (kept.family, kept.double, kept.noise_nm) == (made.family, made.double, made.noise_nm)
        assert kept.maps.shape == (2, len(INPUTS), *SHAPE)
        assert (kept.scale > 0).all()
        assert kept.blurs.shape == (2, *SHAPE)

    def test_a_double_tip_hides_pixels(self):
        made = next(one for seed in DOUBLES if (one := make_example("train", seed, SHAPE)) is not None)
        assert made.double
        assert made.maps[0, INPUTS.index("hidden by ghosts")].any()

    def test_what_cannot_be_made_is_remembered(self, tmp_path):
        np.savez(path_of(tmp_path, "train", 5))
        assert load_example(tmp_path, "train", 5) is None
        with pytest.raises(BadScanError, match="no examples"):
            load_examples(tmp_path, range(5, 6))


class TestNetworks:
    def test_sizes_are_those_the_seed_tells(self):
        assert parameters(SeedTwo()) == pytest.approx(33_000, rel=0.02)
        assert parameters(SeedThree()) == pytest.approx(6_700_000, rel=0.01)
        assert parameters(TipNet(len(INPUTS))) < 125_000

    @pytest.mark.parametrize("network", [SeedOne, SeedTwo, partial(SeedThree, (4, 6, 8, 10, 12))])
    def test_pictures_keep_their_size(self, network):
        assert network()(torch.zeros(1, 1, 32, 48)).shape == (1, 1, 32, 48)

    def test_ours_begins_with_erosion_and_ordered_limits(self):
        out = TipNet(len(INPUTS))(torch.rand(2, len(INPUTS), 16, 24))
        assert not out[:, 0].detach().any()
        assert bool((out[:, 1] < out[:, 0]).all())
        assert bool((out[:, 2] > out[:, 0]).all())

    def test_losses_vanish_for_equals_only(self):
        torch.manual_seed(0)
        one, other = torch.rand(1, 1, 20, 24), torch.rand(1, 1, 20, 24)
        assert float(ssim_loss(one, one)) == pytest.approx(0, abs=1e-5)
        assert float(ssim_loss(one, other)) > 0.5
        assert float(gradient_loss(one, one + 3)) == pytest.approx(0, abs=1e-6)
        assert float(gradient_loss(one, other)) > 0.1


class TestTask:
    def test_batches_repeat_and_learning_helps(self, folder):
        task = TipTask(folder, SEEDS, HELD)
        again = TipTask(folder, SEEDS, HELD)
        for one, other in zip(task.batch(3, 5, 2), again.batch(3, 5, 2), strict=True):
            assert torch.equal(one, other)
        assert not torch.equal(task.batch(3, 6, 2)[0], task.batch(3, 5, 2)[0])

    def test_the_loss_of_nothing_is_what_erosion_leaves(self, folder):
        task = TipTask(folder, SEEDS, HELD)
        maps, wanted, scale, raw = task.batch(0, 0, 2)
        perfect = (wanted / scale).repeat(1, 3, 1, 1)
        assert float(task.loss(perfect, (maps, wanted, scale, raw))) == pytest.approx(0.01, abs=1e-3)
        assert float(task.loss(torch.zeros_like(perfect), (maps, wanted, scale, raw))) > 0.1

    def test_an_untrained_network_is_judged_as_erosion_is(self, folder):
        task = TipTask(folder, SEEDS, HELD)
        found = judged(task.network(), load_examples(folder, HELD))
        kinds = [name.removesuffix(", network") for name in found if name.endswith(", network")]
        assert kinds
        for kind in kinds:  # as long as nothing is learned, the answer is erosion's
            assert found[f"{kind}, network"] == pytest.approx(found[f"{kind}, erosion"])
            assert 0 < found[f"{kind}, network"] < 1.1
        assert 0 < found["inside the interval"] < 1
        assert judged(task.network(), []) == {"inside the interval": 0.0}
        assert widening(task.network(), []) == 1.0

    def test_widened_limits_hold(self, folder):
        network, examples = TipTask(folder, SEEDS, HELD).network(), load_examples(folder, HELD)
        wider, certain = widening(network, examples), INPUTS.index("certain")
        inside = []
        for one in examples:
            found = answered(network, one.maps[0])
            away = (one.surface - one.expected[0]) / one.scale[0] - found[0]
            room = np.where(away < 0, found[0] - found[1], found[2] - found[0])
            inside.append((np.abs(away) <= wider * room)[one.maps[0][certain] < 0.5].mean())
        assert np.mean(inside) == pytest.approx(0.95, abs=0.02)


def needles() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    z = np.zeros((64, 80))
    z[rng.integers(4, 60, 30), rng.integers(4, 76, 30)] = rng.uniform(5, 30, 30)
    tip = largest_tip_array(SphereCone(radius_nm=10.0, half_angle_deg=20), (2.0, 3.0), 30.0)
    return dilate(z, tip) + 0.05 * rng.standard_normal(z.shape), tip


def test_ours_ends_in_a_model_that_corrects(folder, tmp_path) -> None:
    task, config = TipTask(folder, SEEDS, HELD), quick(CONFIG)
    run = train(task, config, tmp_path / "run")
    card = finish(task, run, config, tmp_path / "model", command="afmend train tip", note="a test")
    kept = read_card(card)
    assert kept.task == "tip"
    assert kept.calibration["wider"] > 0
    assert kept.made_with["note"] == "a test"
    image, tip = needles()
    found = learned_correction(image, tip, (2.0, 3.0), model=str(card))
    assert (found.lower <= found.expected + 1e-9).all()
    assert (found.upper >= found.expected - 1e-9).all()
    again = dilate(found.expected, tip)
    assert np.quantile(np.abs(again - image), 0.98) < 1.0
    params = TipCorrection(source="given", double_tip=False, untouched="learned", model=str(card))
    done = tip_correct(Field(image, pixel_nm=(2.0, 3.0)), params)
    assert done.facts["model"] == str(card)
    assert np.isfinite(done.heights).all()
    changed = json.loads(card.read_text())
    changed["inputs_version"] = 99
    card.write_text(json.dumps(changed))
    with pytest.raises(ModelError, match="inputs of version 99"):
        learned_correction(image, tip, (2.0, 3.0), model=str(card))


@pytest.mark.parametrize(
    ("recipe", "blunting"), [("seed-1", "gaussian"), ("seed-2", "dilation"), ("seed-3", "gaussian")]
)
def test_the_seeds_recipes_end_in_methods_of_its_experiment(folder, tmp_path, monkeypatch, recipe, blunting) -> None:
    from afmend.training.tip import seed_task

    monkeypatch.setitem(seed_task.NETWORKS, "seed-3", partial(SeedThree, (4, 6, 8, 10, 12)))
    monkeypatch.setattr(seed_task, "CROP", 64)
    task, config = SeedTask(recipe, blunting, folder, SEEDS, HELD), quick(CONFIGS[recipe])
    run = train(task, config, tmp_path / "run")
    assert np.isfinite(run.scores["gain, dB"])
    finish(task, run, config, tmp_path / "model", name=recipe)
    (tmp_path / "model" / "other.json").write_text("{}")
    methods = seed_models(tmp_path / "model")
    assert list(methods) == [blunting]
    z = 1000 + 50 * np.random.default_rng(0).random((50, 70))
    out = methods[blunting][recipe](z)
    assert out.shape == z.shape
    wanted = seed_answer(partial(answered, run.average), z, difference=recipe == "seed-1")
    assert np.abs(out - wanted).max() < 1e-2


def test_pictures_are_scaled_and_back() -> None:
    z = np.random.default_rng(0).random((30, 41)) * 40 + 7
    assert np.abs(seed_answer(lambda picture: picture, z, difference=False) - z).max() < 1e-4
    low, span = scale_of(z)
    zero = seed_answer(lambda picture: picture, z, difference=True)  # all of it is taken away
    assert np.abs(zero - low).max() < 1e-4
    assert span > 0


def test_a_folder_without_models_is_said(tmp_path) -> None:
    with pytest.raises(BadParameterError, match="no model of the seed"):
        seed_models(tmp_path)


BLUNT_HELD, BLUNT_SEEDS = range(300_000, 300_003), range(300_003, 300_009)


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    where = tmp_path_factory.mktemp("bluntness")
    for seeds in (BLUNT_HELD, BLUNT_SEEDS):
        prepare_rows(where, seeds, sides=(64,))
    return where


class TestBluntness:
    HELD, SEEDS = BLUNT_HELD, BLUNT_SEEDS

    def test_kept_rows_are_those_that_were_made(self, rows):
        made, radii = make_rows("train", self.HELD[0], (64,))
        kept, again = rows_of(rows, range(self.HELD[0], self.HELD[0] + 1), "train")
        assert np.array_equal(made, kept)
        assert np.array_equal(radii, again)
        assert made.shape[1] == len(BLUNT_INPUTS)
        assert radii.min() >= math.log(SMALLEST_PX) - 1e-6

    def test_nothing_to_learn_from_is_said(self, tmp_path):
        np.savez(rows_path(tmp_path, "train", 5), rows=np.zeros((0, len(BLUNT_INPUTS)), np.float32),
                 radii=np.zeros(0, np.float32))  # fmt: skip
        with pytest.raises(BadScanError, match="no images"):
            rows_of(tmp_path, range(5, 6), "train")

    def test_the_loss_is_least_for_the_truth(self, rows):
        task = BluntnessTask(rows, self.SEEDS, self.HELD)
        seen, radii = task.batch(0, 0, 4)
        truth = radii[:, None].repeat(1, len(LEVELS))
        assert float(task.loss(truth, (seen, radii))) == 0.0
        assert float(task.loss(truth + 0.1, (seen, radii))) > 0.0
        assert torch.equal(seen, task.batch(0, 0, 4)[0])

    def test_it_ends_in_a_model_whose_quantiles_hold_on_what_was_held_out(self, rows, tmp_path):
        task, config = BluntnessTask(rows, self.SEEDS, self.HELD), quick(BLUNT_CONFIG, 20)
        run = train(task, config, tmp_path / "run")
        assert 0 <= run.scores["below 0.5"] <= 1
        card = finish(task, run, config, tmp_path / "model", name="mine", command="afmend train tip")
        kept = read_card(card)
        assert kept.task == "tip bluntness"
        assert kept.outputs == tuple(f"{level:g}" for level in LEVELS)
        said, radii = task.answers(run.average)
        moved = said + np.array([kept.calibration[name] for name in kept.outputs])
        assert np.mean(radii <= moved[:, LEVELS.index(0.5)] + 1e-3) == pytest.approx(0.5, abs=0.001 + 1 / len(radii))
        rng = np.random.default_rng(0)
        found = bluntness(20 * rng.random((60, 70)), (2.0, 3.0), model=str(card))
        assert list(found.radii_nm) == sorted(found.radii_nm)
