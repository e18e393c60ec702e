"""The training loop learns, logs, stops in time, and goes on as if it had not stopped."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from afmend.errors import BadParameterError, CorruptFileError
from afmend.training.config import Training
from afmend.training.loop import CHECKPOINT, network_of, read_log, train

QUICK = Training(steps=40, batch=16, rate=0.05, average=0.5, save_every=10, judge_every=20, workers=0, threads=1)


class Line:
    """Fit a straight line."""

    name = "line"

    def network(self):
        return nn.Linear(1, 1)

    def batch(self, seed, number, size):
        rng = np.random.default_rng((seed, number))
        x = rng.normal(size=(size, 1)).astype(np.float32)
        return torch.from_numpy(x), torch.from_numpy(3 * x + 1)

    def loss(self, outputs, batch):
        return ((outputs - batch[1]) ** 2).mean()

    def judge(self, network):
        return {"slope": float(network.weight.detach())}


def weights(run) -> np.ndarray:
    return np.concatenate([p.detach().numpy().ravel() for p in run.average.parameters()])


def test_it_learns_and_keeps_a_log(tmp_path) -> None:
    seen = []
    run = train(Line(), QUICK.model_copy(update={"steps": 200}), tmp_path, watch=lambda *told: seen.append(told))
    assert abs(run.scores["slope"] - 3) < 0.2
    log = read_log(tmp_path)
    assert [entry["batches"] for entry in log] == list(range(10, 201, 10))
    assert [entry["batches"] for entry in log if "slope" in entry] == list(range(20, 201, 20))
    assert log[-1]["loss"] < 0.1 * log[0]["loss"]
    assert seen[-1][:2] == (200, 200)


def test_a_resumed_run_ends_where_an_uninterrupted_one_does(tmp_path) -> None:
    whole = train(Line(), QUICK, tmp_path / "whole")
    with pytest.raises(_Stopped):
        train(Line(), QUICK, tmp_path / "parts", watch=_stop_after(17))
    again = train(Line(), QUICK, tmp_path / "parts", resume=True)
    assert again.done == 40
    assert float(np.abs(weights(whole) - weights(again)).max()) < 1e-6


class _Stopped(Exception):  # noqa: N818 (not an error)
    pass


def _stop_after(batches):
    def watch(done, _of, _numbers):
        if done == batches:
            raise _Stopped

    return watch


def test_time_that_is_up_stops_it_and_leaves_something_to_resume(tmp_path) -> None:
    run = train(Line(), QUICK, tmp_path, minutes=0.0)
    assert run.done == 0
    assert (tmp_path / CHECKPOINT).exists()
    assert train(Line(), QUICK, tmp_path, resume=True).done == 40


def test_other_runs_and_broken_checkpoints_are_refused(tmp_path) -> None:
    train(Line(), QUICK, tmp_path)
    with pytest.raises(BadParameterError, match="holds a training run already"):
        train(Line(), QUICK, tmp_path)
    with pytest.raises(BadParameterError, match=r"another run .other rate"):
        train(Line(), QUICK.model_copy(update={"rate": 0.01}), tmp_path, resume=True)
    (tmp_path / CHECKPOINT).write_bytes(b"nonsense")
    with pytest.raises(CorruptFileError, match="cannot be read as a checkpoint"):
        train(Line(), QUICK, tmp_path, resume=True)


def test_a_gpu_that_is_not_there_is_refused(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(BadParameterError, match="no GPU"):
        train(Line(), QUICK.model_copy(update={"device": "cuda"}), tmp_path)


def test_precision_can_be_chosen(tmp_path) -> None:
    run = train(Line(), QUICK.model_copy(update={"precision": "bf16", "steps": 200}), tmp_path)
    assert abs(run.scores["slope"] - 3) < 0.3


def test_the_rate_falls_with_the_time_if_that_sets_the_pace(tmp_path) -> None:
    run = train(Line(), QUICK.model_copy(update={"steps": 10**6}), tmp_path, minutes=0.02, pace=True)
    rates = [entry["rate"] for entry in read_log(tmp_path)]
    assert 10 <= run.done < 10**6
    assert run.minutes < 0.5
    assert rates[-1] < 0.5 * max(rates)


def test_weights_of_another_size_are_refused(tmp_path) -> None:
    train(Line(), QUICK.model_copy(update={"steps": 10}), tmp_path / "first")
    wide = Line()
    wide.network = lambda: nn.Linear(2, 1)
    with pytest.raises(BadParameterError, match="another size"):
        train(wide, QUICK, tmp_path / "second", start=tmp_path / "first")


def test_the_network_of_an_earlier_run_can_be_asked(tmp_path) -> None:
    first = train(Line(), QUICK.model_copy(update={"steps": 200}), tmp_path)
    asked, facts = network_of(Line(), tmp_path)
    assert not asked.training
    assert not any(p.requires_grad for p in asked.parameters())
    assert torch.equal(asked.state_dict()["weight"], first.average.state_dict()["weight"])
    assert facts["batches"] == 200
    assert facts["weights"] == network_of(Line(), tmp_path)[1]["weights"]
    other, wide = Line(), Line()
    other.name, wide.network = "another line", lambda: nn.Linear(2, 1)
    for task, folder, why in (
        (Line(), "nowhere", "no training run"),
        (other, ".", "another task"),
        (wide, ".", "size"),
    ):
        with pytest.raises(BadParameterError, match=why):
            network_of(task, tmp_path / folder)
    (tmp_path / CHECKPOINT).write_bytes(b"none")
    with pytest.raises(CorruptFileError):
        network_of(Line(), tmp_path)


def test_a_resumed_run_must_learn_from_the_same(tmp_path) -> None:
    taught = Line()
    taught.identity = {"teachers": ["a"]}
    short = QUICK.model_copy(update={"steps": 4})
    train(taught, short, tmp_path)
    with pytest.raises(BadParameterError, match="other teachers"):
        train(Line(), short, tmp_path, resume=True)
    assert train(taught, short, tmp_path, resume=True).done == 4


def test_a_run_may_begin_with_the_weights_of_another(tmp_path) -> None:
    first = train(Line(), QUICK.model_copy(update={"steps": 200}), tmp_path / "first")
    short = QUICK.model_copy(update={"steps": 1, "rate": 1e-9})
    second = train(Line(), short, tmp_path / "second", start=tmp_path / "first")
    assert second.done == 1
    assert float(np.abs(weights(first) - weights(second)).max()) < 1e-4
    other = Line()
    other.name = "another line"
    with pytest.raises(BadParameterError, match="another task"):
        train(other, short, tmp_path / "third", start=tmp_path / "first")
    with pytest.raises(BadParameterError, match="no training run"):
        train(Line(), short, tmp_path / "fourth", start=tmp_path / "nowhere")
