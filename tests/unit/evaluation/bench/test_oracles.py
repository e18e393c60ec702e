"""Oracles and the blur control: what is possible, and what is a trick."""

import numpy as np

from afmend.evaluation.bench.cases import case_of
from afmend.evaluation.bench.methods import methods_of
from afmend.evaluation.bench.oracles import BLUR, OFFSETS, SLOPES
from afmend.evaluation.bench.tasks import find_task

from .standin import twin_scan


def test_oracles_know_the_truth_and_leave_the_noise():
    task, methods = find_task("level"), {method.name: method for method in methods_of("level")}
    for seed in range(3):
        case = case_of(twin_scan(seed))
        found = {name: task.score(case, task.run(methods[name], case)) for name in (OFFSETS, SLOPES, "auto", "nothing")}
        best, offsets = found[SLOPES]["rmse_nm"], found[OFFSETS]["rmse_nm"]
        assert 0.09 < best < 0.11, "the noise of the pixels is left"
        assert best < offsets
        assert best < min(found["auto"]["rmse_nm"], found["nothing"]["rmse_nm"])
        assert found[SLOPES]["leveling_percent_of_sq"] < found["nothing"]["leveling_percent_of_sq"]
        assert found[SLOPES]["rmse_without_noise_percent_of_sq"] < 0.5 * found[SLOPES]["rmse_percent_of_sq"]


def test_blur_wins_by_rmse_and_not_by_the_leveling_error():
    task, methods = find_task("level"), {method.name: method for method in methods_of("level")}
    case = case_of(twin_scan(0, shape=(96, 128)))
    auto, blurred = (task.score(case, task.run(methods[name], case)) for name in ("auto", BLUR))
    assert blurred["leveling_percent_of_sq"] > auto["leveling_percent_of_sq"]
    assert blurred["lost_percent_of_sq"] > 2 * auto["lost_percent_of_sq"]
    assert {method.role for method in methods.values()} == {"", "oracle", "control"}
    assert np.array_equal(case.heights, case_of(twin_scan(0, shape=(96, 128))).heights)
