"""The seed's recipe, and a user's own classes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import afmend
from afmend.apps.cli.main import app
from afmend.artifacts.classes import class_inputs, heights_of, load_classes
from afmend.errors import BadParameterError, CorruptFileError, ModelError, StepError
from afmend.scan import Masks
from afmend.training.classify.folder import collect, groups_of
from afmend.training.classify.own import ClassTraining, folds_of
from afmend.training.classify.pictures import jittered, picture_of
from afmend.training.classify.seed_recipe import SeedRecipe, focal_loss, radar_svg, split_of, train_seed
from afmend.training.gate import scenes
from afmend.training.resnet import ResNet18, freeze, load_weights
from support import rough, scan_of

runner = CliRunner()
SHAPE = (40, 52)


def test_resnet_has_the_names_and_sizes_of_the_usual_weights() -> None:
    state = ResNet18(1000).state_dict()
    assert len(state) == 122
    assert sum(v.numel() for k, v in state.items() if "running" not in k and "num_batches" not in k) == 11_689_512
    for name in ("conv1.weight", "bn1.running_mean", "layer1.0.conv1.weight", "layer2.0.downsample.0.weight",
                 "layer4.1.bn2.bias", "fc.weight"):  # fmt: skip
        assert name in state
    assert ResNet18(4)(torch.zeros(2, 3, 64, 96)).shape == (2, 4)


def test_weights_load_but_for_the_head(tmp_path: Path) -> None:
    torch.manual_seed(0)
    old, new = ResNet18(1000), ResNet18(4)
    torch.save(old.state_dict(), tmp_path / "w.pt")
    head = new.fc.weight.clone()
    load_weights(new, tmp_path / "w.pt")
    assert torch.equal(new.conv1.weight, old.conv1.weight)
    assert torch.equal(new.fc.weight, head)
    torch.save({"conv1.weight": torch.zeros(1)}, tmp_path / "no.pt")
    with pytest.raises(BadParameterError, match="parameters of a ResNet-18"):
        load_weights(new, tmp_path / "no.pt")
    (tmp_path / "broken.pt").write_bytes(b"nothing")
    with pytest.raises(CorruptFileError):
        load_weights(new, tmp_path / "broken.pt")


def test_frozen_parts_do_not_learn() -> None:
    network = ResNet18(4)
    freeze(network, ("layer4", "fc"))
    learning = {name.split(".")[0] for name, p in network.named_parameters() if p.requires_grad}
    assert learning == {"layer4", "fc"}
    assert not network.layer1.training
    assert network.layer4.training


def test_focal_loss_is_cross_entropy_without_focus_and_less_for_easy_ones() -> None:
    logits, labels = torch.tensor([[4.0, 0.0], [0.2, 0.0]]), torch.tensor([0, 0])
    plain = torch.nn.functional.cross_entropy(logits, labels)
    assert float(focal_loss(logits, labels, torch.ones(2), 0.0)) == pytest.approx(float(plain), abs=1e-6)
    easy, hard = (float(focal_loss(logits[k : k + 1], labels[k : k + 1], torch.ones(2), 2.0)) for k in range(2))
    assert easy < 0.001 < hard
    doubled = float(focal_loss(logits, labels, torch.tensor([2.0, 1.0]), 2.0))
    assert doubled == pytest.approx(2 * float(focal_loss(logits, labels, torch.ones(2), 2.0)), abs=1e-6)


def test_splits_keep_groups_together() -> None:
    groups = np.repeat(np.arange(100), 3)
    part = split_of(300, groups, 1)
    assert np.bincount(part).tolist() == [225, 45, 30]
    for name in range(100):
        assert len(set(part[groups == name])) == 1


def test_pictures_are_eight_bit_and_jitter_keeps_their_size() -> None:
    picture = picture_of(rough(SHAPE), 32)
    assert picture.shape == (3, 32, 32)
    assert np.array_equal(np.round(picture * 255), np.round(picture * 255, 3))
    turned = jittered(torch.from_numpy(np.stack([picture] * 4)), np.random.default_rng(0))
    assert turned.shape == (4, 3, 32, 32)
    assert not torch.equal(turned[0], turned[1])
    assert float(turned.min()) >= 0
    assert float(turned.max()) <= 1


def test_the_seed_recipe_runs_and_draws_its_radar() -> None:
    rng = np.random.default_rng(0)
    pictures = rng.random((40, 3, 32, 32)).astype(np.float32)
    labels = np.arange(40) % 2
    epochs: list[int] = []
    result = train_seed(pictures, labels, ("a", "b"), config=SeedRecipe(epochs=1, batch=16, threads=1),
                        watch=lambda done, _of: epochs.append(done))  # fmt: skip
    assert epochs == [1, 2]
    assert result.scores["test"]["scans"] == 4
    assert set(result.scores["training"]) >= {"accuracy", "macro_f1", "weighted_f1", "confusion", "classes"}
    svg = radar_svg(result.scores, ("a", "b"))
    assert svg.count("<polygon") == 4 + 3
    assert "validation" in svg


def test_the_seed_recipe_from_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scenes, "SHAPES", ((64, 80),))
    done = runner.invoke(
        app, ["train", "gate", "--recipe", "seed", "--out", str(tmp_path / "run"), "--data", str(tmp_path / "data"),
              "--scans", "50", "--tested", "10", "--epochs", "1", "--workers", "1"],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    scores = json.loads((tmp_path / "run" / "seed-recipe.json").read_text())["scores"]
    assert {"training", "validation", "test", "shifted box"} <= set(scores)
    assert (tmp_path / "run" / "seed-radar.svg").read_text().startswith("<svg")


def test_groups_join_files_and_places_and_part_others() -> None:
    maps = np.stack([rough((96, 96), seed, 1.0, 4.0) for seed in range(4)]).astype(np.float32)
    shifted = np.roll(maps[0], (20, 31), axis=(0, 1))
    groups = groups_of(np.concatenate([maps, shifted[None]]), ["a", "b", "b", "c", "d"])
    assert groups[0] == groups[4]
    assert groups[1] == groups[2]
    assert len(set(groups.tolist())) == 3


def test_folds_spread_classes_and_keep_groups() -> None:
    labels, groups = np.repeat([0, 1], 30), np.arange(60) // 2
    folds = folds_of(labels, groups, 5, 0)
    assert all((folds[groups == g] == folds[groups == g][0]).all() for g in range(30))
    counts = [np.bincount(labels[folds == k], minlength=2).tolist() for k in range(5)]
    assert counts == [[6, 6]] * 5


def fill(folder: Path, count: int = 10) -> None:
    for name, sq in (("calm", 1.0), ("wild", 4.0)):
        (folder / name).mkdir(parents=True)
        for k in range(count):
            z = rough(SHAPE, 100 * len(name) + k + int(10 * sq), sq, 3.0 if name == "calm" else 1.5)
            afmend.write(scan_of(z), folder / name / f"{k}.h5")


def test_a_users_classes_are_learned_and_told(tmp_path: Path) -> None:
    fill(tmp_path / "scans", 10)
    (tmp_path / "scans" / "calm" / "notes.txt").write_text("hello")
    done = runner.invoke(
        app, ["train", "classify", str(tmp_path / "scans"), "--out", str(tmp_path / "run"), "--folds", "2",
              "--steps", "12", "--json"],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout.strip().splitlines()[-1])
    assert said["names"] == ["calm", "wild"]
    assert said["scans"] == 20
    assert said["accuracy"][0] > 0.8
    assert "Only 10 scans of class 'calm'" in done.output
    card = said["card"]
    assert any("Only 10" in text for text in json.loads(Path(card).read_text())["known_failures"])
    z = rough(SHAPE, 999, 4.0, 1.5)
    found = afmend.classify(scan_of(z), card)
    assert found.label == "wild"
    assert found.activation.shape == (2, *SHAPE)
    asked = runner.invoke(
        app,
        [
            "classify",
            str(tmp_path / "scans" / "calm" / "0.h5"),
            "--model",
            card,
            "--json",
            "--cam",
            str(tmp_path / "cam"),
        ],
    )
    assert asked.exit_code == 0, asked.output
    assert json.loads(asked.stdout)["label"] == "calm"
    assert (tmp_path / "cam" / "0.class.png").exists()
    plain = runner.invoke(app, ["classify", str(tmp_path / "scans" / "calm"), "--model", card])
    assert plain.exit_code == 1  # notes.txt
    assert "0.h5: calm" in plain.stdout


def test_too_little_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadParameterError, match="one subfolder"):
        collect(tmp_path / "none")
    fill(tmp_path / "few", 3)
    with pytest.raises(BadParameterError, match="too few"):
        collect(tmp_path / "few")
    done = runner.invoke(app, ["train", "classify", str(tmp_path / "few"), "--out", str(tmp_path / "o")])
    assert "too few" in str(done.exception)
    with pytest.raises(StepError, match="nothing was measured"):
        heights_of(scan_of(rough(SHAPE), masks=Masks(missing=np.ones(SHAPE, np.bool_))))


def test_more_folds_than_places_are_refused(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for k in range(8):
            afmend.write(scan_of(np.roll(rough(SHAPE, 5, 1.0, 3.0), k, axis=1)), tmp_path / name / f"{k}.h5")
    done = runner.invoke(app, ["train", "classify", str(tmp_path), "--out", str(tmp_path.parent / "o")])
    assert "different places" in str(done.exception)


def test_a_model_for_another_task_is_refused() -> None:
    with pytest.raises(ModelError, match="gate"):
        load_classes("gate")


def test_heights_count_not_only_shapes() -> None:
    z = np.asarray(rough((96, 96), 1), np.float32)
    one, other = class_inputs(z, 1.0), class_inputs(3 * z, 1.0)
    assert np.abs(one[0] - other[0]).max() > 0.5
    assert np.abs(one[1] - other[1]).max() < 1e-4
    assert ClassTraining().folds == 5
