"""Two documents of runs: what moved, and what is no document."""

import copy
import json
import math

import numpy as np
import pytest

from afmend.errors import BadParameterError, CorruptFileError, WriteError
from afmend.evaluation.bench.compare import LOST, compare
from afmend.evaluation.bench.documents import read_json, write_json
from afmend.evaluation.bench.results import document
from afmend.evaluation.bench.worker import Done

from .standin import SCANS


def test_files_that_are_no_document(tmp_path):
    for text, words in (("{", "cannot be read"), ("[]", "is no result"), ('{"format": "afmend-bench"}', "has layout")):
        (tmp_path / "a.json").write_text(text)
        with pytest.raises(CorruptFileError, match=words):
            read_json(tmp_path / "a.json")
    with pytest.raises(WriteError):
        write_json({}, tmp_path / "a.json" / "below" / "b.json")


def test_compare_says_what_moved(whole):
    settings, rows = whole
    old = document(settings, rows, 1.0, 1)
    moves, notes = compare(old, old)
    assert notes == []
    assert {move.verdict for move in moves} == {""}
    assert {move.change.value for move in moves} == {0.0, 1.0}
    assert all(move.before == move.after for move in moves)
    still = {x for move in moves for x in move.change.triple if not np.isnan(x)}
    assert still == {0.0, 1.0}, "not a digit moves between a document and itself"
    new = copy.deepcopy(old)
    new["afmend"], new["settings"]["seed"] = "9.9", 5
    level = new["scores"]["level"]["auto"]
    level["rmse_percent_of_sq"] = [0.5 * x for x in level["rmse_percent_of_sq"]]
    level["sq_error_percent"] = [-3 * abs(x) - 1 for x in level["sq_error_percent"]]
    masks = new["scores"]["mask"]["seed"]
    masks["iou_percent"] = [None if x is None else x * (1 + 1e-9) for x in masks["iou_percent"]]
    masks["false_percent"] = [x + 10 for x in masks["false_percent"]]
    moves, notes = compare(old, new)
    found = {(m.task, m.method, m.column): m for m in moves if m.verdict}
    assert len(found) == 3
    ratio = found["level", "auto", "rmse_percent_of_sq"]
    assert (ratio.verdict, ratio.kind) == ("better", "ratio")
    assert max(abs(x - 0.5) for x in ratio.change.triple) < 1e-9
    assert abs(ratio.after - 0.5 * ratio.before) < 1e-9
    assert found["level", "auto", "sq_error_percent"].verdict == "worse"
    assert found["mask", "seed", "false_percent"].verdict == "worse"
    assert notes[0].startswith("afmend was")
    assert "seed was 0, is 5" in notes


def test_compare_uses_common_cases_only(whole):
    settings, rows = whole
    old = document(settings, rows, 1.0, 1)
    new = copy.deepcopy(old)
    new["cases"]["level"][0]["case"] = "another"
    del old["scores"]["harm"]["experts"]
    old["tables"] = [table for table in old["tables"] if table["task"] != "fill"]
    new["tables"] = [table for table in new["tables"] if table["task"] != "metrology"]
    for case in new["cases"]["mask"]:
        case["case"] += "x"
    moves, notes = compare(old, new)
    assert {move.change.count for move in moves if move.task == "level" and move.column == "rmse_nm"} == {SCANS - 1}
    words = " ".join(notes)
    assert f"level: {SCANS - 1} cases are in both runs, of {SCANS} and {SCANS}" in words
    assert "the old run has no table 'fill'" in words
    assert "the new run has no table 'metrology'" in words
    assert "no case of the table 'mask'" in words
    assert "harm: the old run has no method 'experts'" in words
    for cases in new["cases"].values():
        for case in cases:
            case["case"] += "y"
    with pytest.raises(BadParameterError, match="no case in common"):
        compare(old, new)


def test_compare_never_praises_what_fails(whole):
    settings, rows = whole
    old = document(settings, rows, 1.0, 1)
    new = copy.deepcopy(old)
    level, fill = new["scores"]["level"], new["scores"]["fill"]
    for column, values in level["auto"].items():
        level["auto"][column] = [None, *(None if x is None else 0.5 * x for x in values[1:])]
    fill["kriging"]["left_open_percent"][3] = 7.0
    fill["kriging"]["rmse_percent_of_sq"] = [0.5 * x for x in fill["kriging"]["rmse_percent_of_sq"]]
    fill["telea"] = {}
    del level["experts"]
    new["tables"][0]["methods"] = [line for line in new["tables"][0]["methods"] if line["method"] != "experts"]
    moves, notes = compare(old, new)
    for task, method, counts in (("level", "auto", (0, 1)), ("fill", "kriging", (0, 1)), ("fill", "telea", (0, 54)),
                                 ("level", "experts", (0, 9))):  # fmt: skip
        said = [move for move in moves if (move.task, move.method) == (task, method)]
        assert {move.verdict for move in said} <= {"", "worse"}
        (lost,) = [move for move in said if move.column == LOST]
        assert (lost.before, lost.after, lost.verdict, lost.kind) == (*counts, "worse", "count")
    assert len([note for note in notes if "newly fails" in note]) == 3
    assert "level: the new run has no method 'experts'" in notes
    back, _ = compare(new, old)
    assert {move.verdict for move in back if move.column == LOST} == {"better"}


def test_what_measurements_leave_open_is_no_loss(whole):
    settings, rows = whole
    old = document(settings, rows, 1.0, 1)
    new = copy.deepcopy(old)
    open_ = new["scores"]["metrology"]["auto"]["left_open_percent"]
    new["scores"]["metrology"]["auto"]["left_open_percent"] = [x + 5 for x in open_]
    old["scores"]["fill"]["telea"]["left_open_percent"][3] = 7.0
    new["scores"]["fill"]["telea"]["left_open_percent"][3] = 7.0 + 1e-5
    moves, notes = compare(old, new)
    assert not [move for move in moves if move.column == LOST]
    assert notes == []
    (worse,) = [move for move in moves if move.verdict]
    assert (worse.task, worse.method, worse.column, worse.verdict) == (
        "metrology",
        "auto",
        "left_open_percent",
        "worse",
    )
    new["scores"]["fill"]["telea"]["left_open_percent"][3] = 7.1
    (lost,) = [move for move in compare(old, new)[0] if move.column == LOST]
    assert (lost.task, lost.method, lost.verdict) == ("fill", "telea", "worse")


def test_compare_refuses_cases_that_cannot_be_told_apart(whole):
    settings, rows = whole
    old = document(settings, rows, 1.0, 1)
    new = copy.deepcopy(old)
    new["cases"]["level"][0] = new["cases"]["level"][3]
    with pytest.raises(BadParameterError, match=r"two cases of the table 'level' are called 'scan03\.h5'"):
        compare(old, new)


def test_documents_that_are_damaged(whole, tmp_path):
    settings, rows = whole
    good = document(settings, Done([row for row in rows.rows if row.task == "mask"]), 1.0, 1)

    def refused(change, words):
        bad = copy.deepcopy(good)
        change(bad)
        (tmp_path / "a.json").write_text(json.dumps(bad))
        with pytest.raises(CorruptFileError, match=words):
            read_json(tmp_path / "a.json")

    refused(lambda bad: bad.pop("settings"), r"is damaged \(settings: Field required")
    refused(lambda bad: bad["tables"][0].pop("task"), r"tables\.0\.task")
    refused(lambda bad: bad["tables"][0].update(columns=[]), "columns")
    refused(lambda bad: bad["tables"][0]["columns"][0].update(better="up"), "better")
    refused(lambda bad: bad.update(cases={}), "'mask' has no cases or scores")
    refused(lambda bad: bad["scores"]["mask"].pop("auto"), "'auto' of the table 'mask' has no scores")
    refused(lambda bad: bad["scores"]["mask"]["auto"]["iou_percent"].pop(), "are not 9 numbers")
    refused(lambda bad: bad["scores"]["mask"]["auto"]["iou_percent"].__setitem__(0, "7"), "is damaged")
    refused(lambda bad: bad["scores"]["mask"]["auto"]["iou_percent"].__setitem__(0, math.nan), "is damaged")
    refused(lambda bad: bad["cases"]["mask"][0].pop("case"), "is damaged")
    (tmp_path / "deep.json").write_text("[" * 100_000)
    with pytest.raises(CorruptFileError, match="cannot be read"):
        read_json(tmp_path / "deep.json")
