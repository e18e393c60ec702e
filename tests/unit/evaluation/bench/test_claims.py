"""Figures to quote, against numbers that were made up."""

import numpy as np
import pytest

from afmend.evaluation.bench.claims import claims, in_hindsight
from afmend.evaluation.bench.task import Column
from afmend.evaluation.bench.tasks.clean import ALONG_LINES, AS_DRAWN
from afmend.evaluation.bench.worker import Row


def row(task, method, unit, scores, hole="", versus=None, **groups):
    groups = {"family": "rough", **({"hole": hole} if hole else {}), **groups}
    return Row(task, unit, f"s{unit}", groups, (3, 4), method, scores, versus_auto=versus or {})


def said(found, words):
    (claim,) = [claim for claim in found if words in claim["claim"]]
    return claim


def test_fills_against_the_best_of_each_case():
    key = "rmse_percent_of_sq"
    rows = [row("fill", "auto", u, {key: 4.0}, h) for u in range(9) for h in "ab"]
    rows += [row("fill", "kriging", u, {key: 5.0 if h == "a" else 8.0}, h) for u in range(9) for h in "ab"]
    rows += [row("fill", "telea", u, {key: 10.0 if h == "a" else 2.0}, h) for u in range(9) for h in "ab"]
    rows += [row("fill", "my own", u, {key: 0.1}, h) for u in range(9) for h in "ab"]
    (found,) = claims({"fill": rows})
    assert found["value"] == pytest.approx(np.sqrt(4 / 5 * 4 / 2)), "what the user adds is no baseline"
    assert (found["scans"], found["low"]) == (9, pytest.approx(found["value"]))


def test_who_left_pixels_open_counts_on_common_pixels():
    column = Column("x", "x", "low", "ratio")
    auto = [row("fill", "auto", u, {"x": 4.0}) for u in range(2)]
    whole = [row("fill", "whole", u, {"x": 5.0}) for u in range(2)]
    gaps = [row("fill", "gaps", 0, {"x": 1.0}, versus={"x": (0.5, 1.0)}), row("fill", "gaps", 1, {"x": 2.0})]
    failed = [row("fill", "failed", u, {}) for u in range(2)]
    assert [best.method for best in in_hindsight(column, auto, [whole, gaps, failed])] == ["whole", "gaps"]
    high = Column("x", "x", "high", "difference")
    assert [best.method for best in in_hindsight(high, auto, [whole, gaps[1:]])] == ["whole", "whole"]
    assert in_hindsight(column, auto[:1], [whole[1:]]) == []


def test_harm_counts_scans_above_the_floor():
    errors = [1.0] * 15 + [1.2, 1.3, 5.0, 11.0, 12.0]
    rows = [row("harm", "auto", u, {"error_over_floor": error}) for u, error in enumerate(errors)]
    found = claims({"harm": rows})
    assert said(found, "median")["value"] == 1
    above, far = said(found, "above 1.2 noise"), said(found, "above 10 noise")
    assert (above["value"], far["value"]) == (pytest.approx(20), pytest.approx(10))
    assert 0 < far["low"] < 10 < far["high"] < 35
    assert len(found) == 3, "the other method did not run"


def test_false_marks_of_every_method_by_direction():
    rows = []
    for name, along, drawn in (("auto", 0.4, 0.0), ("seed", 8.0, 2.0)):
        for u in range(20):
            groups = {"direction": ALONG_LINES if u % 2 else AS_DRAWN}
            rows.append(row("clean", name, u, {"false_percent": along if u % 2 else drawn}, **groups))
    found = claims({"clean": rows})
    assert len(found) == 6
    assert said(found, "clean scans, marked, % of the pixels: auto")["value"] == pytest.approx(0.2)
    assert said(found, "degree of the lines, marked, % of the pixels: auto")["value"] == pytest.approx(0.4)
    assert said(found, "box draws, marked, % of the pixels: seed")["value"] == pytest.approx(2)
    pooled = said(found, "clean scans, marked, % of the pixels: seed")
    assert pooled["value"] == pytest.approx(5)
    assert 2 < pooled["low"] < 5 < pooled["high"] < 8
    assert claims({"clean": rows[20:]}) == [], "figures are about auto and what stands beside it"
