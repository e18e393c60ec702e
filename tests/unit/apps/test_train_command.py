"""`afmend train masks` simulates, trains, exports and says where the model is."""

from __future__ import annotations

import json
import sys

import pytest
from typer.testing import CliRunner

from afmend.apps.cli import main, train_run
from afmend.artifacts.learned import Learned, learned
from afmend.errors import BadParameterError
from afmend.formats import write
from afmend.pipeline import Field
from support import rough, scan_of


def test_a_short_training_ends_in_a_model_that_marks(tmp_path, monkeypatch) -> None:
    from afmend.training.masks import examples, task

    monkeypatch.setattr(examples, "SHAPES", ((64, 96),))
    monkeypatch.setattr(task, "CONFIG", task.CONFIG.model_copy(update={"batch": 2, "workers": 0, "threads": 1}))
    (tmp_path / "own").mkdir()
    write(scan_of(rough((40, 64))), tmp_path / "own" / "clean.h5")
    order = ["train", "masks", "-o", str(tmp_path / "run"), "--data", str(tmp_path / "scans"), "--scans", "8",
             "--steps", "2", "--workers", "1", "--from", str(tmp_path / "own"), "--name", "mine"]  # fmt: skip
    done = CliRunner().invoke(main.app, order)
    assert done.exit_code == 0, done.output
    card = tmp_path / "run" / "model" / "mine.json"
    assert str(card) in done.stdout
    made = json.loads(card.read_text())["made_with"]
    assert made["command"] == "afmend train masks --box train,wide --scans 8 --steps 2 --seed 0 --from own"
    assert made["batches"] == 2
    assert set(learned(Field(rough((32, 64))), Learned(model=str(card))).masks) >= {"scar", "bad_line"}


def test_a_run_learns_from_earlier_ones(tmp_path, monkeypatch) -> None:
    from afmend.training.masks import examples, task

    monkeypatch.setattr(examples, "SHAPES", ((64, 96),))
    monkeypatch.setattr(task, "CONFIG", task.CONFIG.model_copy(update={"batch": 1, "workers": 0, "threads": 1}))
    order = ["train", "masks", "--data", str(tmp_path / "scans"), "--scans", "2", "--steps", "1", "--workers", "1",
             "--box", "train"]  # fmt: skip
    assert CliRunner().invoke(main.app, [*order, "-o", str(tmp_path / "old")]).exit_code == 0
    more = ["-o", str(tmp_path / "new"), "--first", "200001", "--rate", "1e-3", "--start", str(tmp_path / "old")]
    teachers = ["--teacher", str(tmp_path / "old")]
    done = CliRunner().invoke(main.app, [*order, *more, *teachers, *teachers])
    assert done.exit_code == 0, done.output
    made = json.loads((tmp_path / "new" / "model" / "masks.json").read_text())["made_with"]
    assert made["command"] == (
        "afmend train masks --box train --scans 2 --steps 1 --seed 0 --first 200001 --rate 0.001 --start old "
        "--teacher old --teacher old"
    )
    assert made["seeds"] == [200_001, 200_003]
    assert made["begun_with"]["batches"] == 1
    assert made["config"]["rate"] == 1e-3
    assert [taught["batches"] for taught in made["taught_by"]] == [1, 1]
    for wrong, why in ((["--teacher", str(tmp_path)], "no training run"), (["--start", str(tmp_path)], "no training"),
                       (["--first", "1000"], "others judge"), (["--first", "499999"], "others judge")):  # fmt: skip
        refused = CliRunner().invoke(main.app, [*order, "-o", str(tmp_path / "third"), *wrong])
        assert isinstance(refused.exception, BadParameterError), wrong
        assert why in str(refused.exception)


def test_within_a_limit_for_all_items_are_made_beside_the_training(tmp_path, monkeypatch) -> None:
    from afmend.training.masks import examples, task

    monkeypatch.setattr(examples, "SHAPES", ((64, 96),))
    monkeypatch.setattr(task, "CONFIG", task.CONFIG.model_copy(update={"batch": 1, "threads": 1}))
    order = ["train", "masks", "-o", str(tmp_path / "run"), "--data", str(tmp_path / "scans"), "--scans", "2",
             "--box", "wide", "--steps", "1", "--workers", "1", "--in-all", "0.2"]  # fmt: skip
    done = CliRunner().invoke(main.app, order)
    assert done.exit_code == 0, done.output
    made = json.loads((tmp_path / "run" / "model" / "masks.json").read_text())["made_with"]
    assert made["command"] == "afmend train masks --box wide --scans 2 --steps 1 --seed 0 --in-all 0.2"
    assert made["boxes"] == ["wide"]
    assert made["seeds"][0] == task.FIRST
    assert made["items"] in (8, 16)
    refused = CliRunner().invoke(main.app, [*order, "--box", "mine"])
    assert isinstance(refused.exception, BadParameterError)
    assert "no box 'mine'" in str(refused.exception)


def test_the_tips_correction_is_trained_by_recipe(tmp_path, monkeypatch) -> None:
    from afmend.training.tip import bluntness_task, examples, task

    monkeypatch.setattr(bluntness_task, "HELD_OUT", range(300_000, 300_003))
    monkeypatch.setattr(bluntness_task.prepare_rows, "__kwdefaults__",
                        {**bluntness_task.prepare_rows.__kwdefaults__, "sides": (64,)})  # fmt: skip
    monkeypatch.setattr(examples.prepare, "__kwdefaults__", {**examples.prepare.__kwdefaults__, "shape": (96, 112)})
    monkeypatch.setattr(task, "HELD_OUT", range(200_000, 200_003))
    for recipe, told in (("ours", ""), ("bluntness", ""), ("seed-2", " --blunting gaussian")):
        order = ["train", "tip", "-o", str(tmp_path / recipe), "--data", str(tmp_path / "images"), "--scans", "8",
                 "--steps", "2", "--workers", "1", "--recipe", recipe, "--name", "mine", *told.split()]  # fmt: skip
        done = CliRunner().invoke(main.app, order)
        assert done.exit_code == 0, done.output
        card = tmp_path / recipe / "model" / "mine.json"
        assert str(card) in done.stdout
        made = json.loads(card.read_text())["made_with"]
        assert made["command"] == f"afmend train tip --recipe {recipe} --scans 8 --steps 2 --seed 0{told}"
    for wrong in (["--recipe", "seed-9"], ["--blunting", "kiss"]):
        found = CliRunner().invoke(main.app, ["train", "tip", *wrong])
        assert isinstance(found.exception, BadParameterError)


def test_without_torch_it_says_how_to_install_it(monkeypatch) -> None:
    monkeypatch.setattr(train_run, "find_spec", lambda name: None if name == "torch" else object())
    with pytest.raises(BadParameterError, match=r"afmend\[train\]"):
        train_run.need_torch()


def test_on_a_terminal_there_is_a_bar(monkeypatch) -> None:
    monkeypatch.setattr(sys, "stderr", _Terminal())
    with train_run.shown_bar("Simulating") as watch:
        train_run.told(watch)(1, 2, {"loss": 1.0})
    assert train_run.told(None) is None


class _Terminal:
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        pass
