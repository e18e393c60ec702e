"""Models are found, checked against their cards, and run; whatever is wrong is said once, clearly."""

from __future__ import annotations

import json

import numpy as np
import pytest

from afmend.errors import ModelError
from afmend.inference.card import checked_bytes, find_card, read_card, write_card
from afmend.inference.model import load_made_for, load_model
from afmend.inference.tiling import Tiling, run_tiled
from tiny_models import network, spike_model


@pytest.fixture
def card(tmp_path):
    return spike_model(tmp_path)


def test_a_model_answers_and_its_card_survives_a_round_trip(card) -> None:
    model = load_model(str(card), "masks")
    answer = model.run({"maps": np.zeros((1, 17, 5, 9), np.float32)})["probability"]
    assert answer.shape == (1, 7, 5, 9)
    assert float(np.abs(answer - 1 / (1 + np.exp(5.0))).max()) < 1e-7
    write_card(model.card, card.with_name("copy.json"))
    assert read_card(card.with_name("copy.json")) == model.card


@pytest.mark.parametrize("name", ["no-such-model", "../models/masks", "elsewhere/none.json"])
def test_a_missing_model_is_one_clear_error(name) -> None:
    with pytest.raises(ModelError, match=r"no model|no such model card"):
        find_card(name)


def test_a_file_that_is_not_the_one_of_the_card_is_refused(card) -> None:
    file = card.with_name("tiny-int8.onnx")
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    with pytest.raises(ModelError, match="not the file that the model's card describes"):
        load_model(str(card), "masks")
    file.unlink()
    with pytest.raises(ModelError, match="file is missing"):
        checked_bytes(read_card(card), card, "int8")
    with pytest.raises(ModelError, match="no fp32 file"):
        checked_bytes(read_card(card), card, "fp32")


def test_another_task_a_broken_card_and_foreign_inputs_are_refused(card) -> None:
    with pytest.raises(ModelError, match="needed is one for 'gate'"):
        load_model(str(card), "gate")
    with pytest.raises(ModelError, match="cannot take these inputs"):
        load_model(str(card), "masks").run({"maps": np.zeros((1, 3, 5, 9), np.float32)})
    card.write_text("{}")
    with pytest.raises(ModelError, match="not a model card"):
        read_card(card)


def test_a_file_with_the_right_hash_that_is_no_network_is_refused(card) -> None:
    import hashlib

    card.with_name("tiny-int8.onnx").write_bytes(b"nonsense")
    facts = json.loads(card.read_text())
    facts["files"]["int8"]["sha256"] = hashlib.sha256(b"nonsense").hexdigest()
    card.write_text(json.dumps(facts))
    with pytest.raises(ModelError, match="ONNX Runtime cannot load it"):
        load_model(str(card), "masks")


class Wide:
    """A network that looks two pixels far along both axes."""

    def __init__(self) -> None:
        import onnxruntime

        weights = np.random.default_rng(0).normal(size=(3, 2, 5, 5))
        data = network(weights, np.zeros(3), (5, 5)).SerializeToString()
        self.session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
        self.shapes: list[tuple[int, ...]] = []

    def run(self, inputs):
        self.shapes.append(inputs["maps"].shape)
        return {"probability": self.session.run(None, inputs)[0]}


def test_tiles_give_what_one_piece_gives() -> None:
    maps = np.random.default_rng(1).normal(size=(2, 45, 70)).astype(np.float32)
    whole = run_tiled(Wide(), maps, Tiling((1, 1), (64, 128), (4, 4)))
    net = Wide()
    tiled = run_tiled(net, maps, Tiling((4, 8), (16, 24), (4, 8)))
    assert tiled.shape == (3, 45, 70)
    assert len(net.shapes) > 10
    assert all(rows % 4 == 0 and cols % 8 == 0 for _, _, rows, cols in net.shapes)
    assert float(np.abs(whole - tiled).max()) < 1e-6


def test_all_models_that_come_along_are_small_together() -> None:
    files = [path for path in find_card("masks").parent.iterdir() if path.suffix in (".json", ".onnx")]
    assert {"gate.onnx", "masks-int8.onnx", "sight-int8.onnx", "doubles.onnx", "tip.onnx"} <= {
        path.name for path in files
    }
    assert sum(path.stat().st_size for path in files) < 5e6


@pytest.mark.parametrize(
    ("name", "task", "precision"),
    [("masks", "masks", "int8"), ("sight", "sight", "int8"), ("doubles", "doubles", "fp32")],
)
def test_a_model_made_for_other_inputs_is_refused(name: str, task: str, precision: str) -> None:
    card = load_model(name, task, precision=precision).card
    same = (card.inputs, card.outputs, card.inputs_version)
    assert load_made_for(name, name, same, "Again.", precision=precision).card.name == name
    for other in ((card.inputs[1:], *same[1:]), (same[0], ("x",), same[2]), (*same[:2], same[2] + 1)):
        with pytest.raises(ModelError, match="other inputs") as refused:
            load_made_for(name, name, other, "Again.", precision=precision)
        assert "Again." in str(refused.value)
