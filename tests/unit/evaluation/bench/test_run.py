"""A run: the same numbers twice, for any number of workers; failures are told; documents, comparison, page."""

import copy
import json
import re

import numpy as np
import pytest

from afmend.errors import BadParameterError, CorruptFileError, WriteError
from afmend.evaluation.bench.compare import compare
from afmend.evaluation.bench.page import write_page
from afmend.evaluation.bench.plan import Unit, settings_of
from afmend.evaluation.bench.results import correlation, document, read_json, write_json
from afmend.evaluation.bench.run import run_units
from afmend.evaluation.bench.summary import compared, losses, summarize
from afmend.evaluation.bench.task import Column
from afmend.evaluation.bench.worker import Row, do_unit

from .standin import folder_of

MODULE = '''
def half(scan):
    """Works on every other scan."""
    heights = scan.channel("height/trace").values
    if round(float(heights[0, 0]) * 1e6) % 2:
        raise ValueError("I <b>do not</b> like this scan")
    return scan

def lost(heights, holes, pixel_nm):
    raise RuntimeError("never works")
'''


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return folder_of(tmp_path_factory.mktemp("bench") / "data", 6)


@pytest.fixture
def mine(tmp_path, monkeypatch):
    (tmp_path / "own_methods.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.fixture(scope="module")
def whole(data):
    settings = settings_of("quick", data=data)
    return settings, run_units(settings, 1)


def numbers(rows):
    return [(row.task, row.case, row.method, json.dumps(row.scores), row.error) for row in rows]


def test_same_numbers_twice_for_any_number_of_workers(data):
    settings = settings_of("quick", data=data, count=2, tasks=["mask", "level"])
    seen = []
    one = run_units(settings, 1, lambda task, done, of: seen.append((task, done, of)))
    two = run_units(settings, 2)
    assert numbers(one) == numbers(two) != []
    assert seen[-1][1:] == (4, 4)
    assert all(row.megabytes is not None and row.megabytes >= 0 for row in one)
    assert document(settings, one, 1.0, 1)["scores"] == document(settings, two, 2.0, 2)["scores"]
    assert document(settings, one, 1.0, 1)["tables"] == document(settings, two, 2.0, 2)["tables"]


def test_the_document(whole, tmp_path):
    settings, rows = whole
    found = document(settings, rows, 3.5, 1)
    write_json(found, tmp_path / "new" / "bench.json")
    again = read_json(tmp_path / "new" / "bench.json")
    assert again == json.loads(json.dumps(found))
    parts = "format layout afmend settings methods built_in tables without_cases correlation failures cases scores cost"
    assert set(found) == set(parts.split())
    assert found["failures"] == []
    level = found["tables"][0]
    assert (level["task"], level["cases"], level["scans"]) == ("level", 6, 6)
    assert {"family"} == set(level["groups"])
    auto = next(line for line in level["methods"] if line["method"] == "auto")
    assert auto["against_auto"] == {}
    other = next(line for line in level["methods"] if line["method"] == "column polynomial 2")
    ratio = other["against_auto"]["rmse_percent_of_sq"]
    assert ratio["low"] <= ratio["value"] <= ratio["high"] < 1
    assert ratio["scans"] == 6
    mine = np.array(found["scores"]["level"]["auto"]["rmse_percent_of_sq"])
    theirs = np.array(found["scores"]["level"]["column polynomial 2"]["rmse_percent_of_sq"])
    assert abs(ratio["value"] - np.exp(np.mean(np.log(mine / theirs)))) < 1e-5
    assert abs(other["metrics"]["rmse_percent_of_sq"]["p95"] - np.quantile(theirs, 0.95)) < 1e-3
    fill = next(table for table in found["tables"] if table["task"] == "fill")
    assert (fill["cases"], fill["scans"]) == (36, 6)
    assert set(fill["groups"]) == {"family", "hole"}
    harm = next(table for table in found["tables"] if table["task"] == "harm")
    assert harm["scans"] == 2, "only the clean scans"
    masks = next(table for table in found["tables"] if table["task"] == "mask")
    assert set(masks["kinds"]) == {"scar"}
    assert masks["kinds"]["scar"]["gwyddion"]["count"] == 4
    assert level["kinds"] == {}
    worth = found["correlation"]
    assert -1 <= worth["low"] <= worth["value"] <= worth["high"] <= 1
    assert "nothing" not in worth["methods"]
    assert worth["scans"] == 6
    assert set(found["cost"]["tasks"]["level"]["auto"]) == {"median_seconds", "p95_seconds", "peak_megabytes"}


def test_files_that_are_no_document(tmp_path):
    for text, words in (("{", "cannot be read"), ("[]", "is no result"), ('{"format": "afmend-bench"}', "has layout")):
        (tmp_path / "a.json").write_text(text)
        with pytest.raises(CorruptFileError, match=words):
            read_json(tmp_path / "a.json")
    with pytest.raises(WriteError):
        write_json({}, tmp_path / "a.json" / "below" / "b.json")


@pytest.mark.usefixtures("mine")
def test_a_method_that_fails_is_told_not_dropped(data, tmp_path):
    settings = settings_of(
        "quick", data=data, tasks=["level", "fill"], methods=("own_methods:half", "own_methods:lost")
    )
    rows = run_units(settings, 1)
    found = document(settings, rows, 1.0, 1)
    line = next(line for line in found["tables"][0]["methods"] if line["method"] == "own_methods:half")
    assert line["cases"] == 6
    assert 0 < line["failed"] < 6
    assert line["metrics"]["rmse_nm"]["count"] == 6 - line["failed"]
    assert line["against_auto"]["rmse_percent_of_sq"]["scans"] == 6 - line["failed"]
    assert line["auto_loses"]["common"] == 6 - line["failed"]
    lost = next(line for line in found["tables"][1]["methods"] if line["method"] == "own_methods:lost")
    assert lost["failed"] == lost["cases"] == 36
    assert lost["against_auto"]["rmse_percent_of_sq"]["value"] is None
    assert lost["auto_loses"] == {"share": None, "common": 0, "worst": []}
    assert {failure["error"] for failure in found["failures"]} == {
        "ValueError: I <b>do not</b> like this scan", "RuntimeError: never works",
    }  # fmt: skip
    write_page(found, tmp_path / "bench.html")
    page = (tmp_path / "bench.html").read_text(encoding="utf-8")
    assert "<b>do not</b>" not in page
    assert "&lt;b&gt;do not&lt;/b&gt;" in page
    assert "(6 failed)" not in page
    assert f"({line['failed']} failed)" in page


def test_methods_are_loaded_before_anything_runs(data):
    with pytest.raises(BadParameterError, match="cannot be loaded"):
        run_units(settings_of("quick", data=data, methods=("nowhere_at_all:f",)), 1)


def hostile(found):
    """Put text that wants to be HTML into every string that comes from outside."""
    evil = '"><script>alert(1)</script>'
    bad = json.loads(json.dumps(found).replace("scan00.h5", evil.replace('"', '\\"')).replace("particles", "<i>x</i>"))
    bad["settings"]["box"] = bad["settings"]["suite"] = bad["settings"]["data"] = evil
    text = json.dumps(bad).replace("row polynomial 1", evil.replace('"', '\\"'))
    return json.loads(text)


def test_the_page_lets_nothing_in(whole, tmp_path):
    settings, rows = whole
    found = document(settings, rows, 3.5, 1)
    write_page(found, tmp_path / "a.html")
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    for words in ("Leveling", "Finding artifacts", "Filling holes", "Do no harm", "Are the error bars honest?",
                  "What sigma_bg is worth", "Where auto loses", "column polynomial 2"):  # fmt: skip
        assert words in page
    assert page.count("<svg") == 5 + 6 + 1 + 1
    assert not re.search(r"(src|href)=\"(?!#)", page)
    write_page(hostile(found), tmp_path / "b.html")
    page = (tmp_path / "b.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "<i>x" not in page
    assert "&lt;script&gt;" in page


def test_a_page_with_next_to_nothing(data, tmp_path):
    settings = settings_of("quick", data=data, tasks=["mask"], count=1)
    found = document(settings, run_units(settings, 1), 1.0, 1)
    assert found["correlation"] is None
    found["failures"] = [{"task": "mask", "case": "x", "method": "y", "error": "z"}] * 201
    write_page(found, tmp_path / "a.html")
    assert "1 more in bench.json" in (tmp_path / "a.html").read_text(encoding="utf-8")


def test_compare_says_what_moved(whole):
    settings, rows = whole
    old = document(settings, rows, 1.0, 1)
    moves, notes = compare(old, old)
    assert notes == []
    assert {move.verdict for move in moves} == {""}
    new = copy.deepcopy(old)
    new["afmend"], new["settings"]["seed"] = "9.9", 5
    level = new["scores"]["level"]["auto"]
    level["rmse_percent_of_sq"] = [0.5 * x for x in level["rmse_percent_of_sq"]]
    level["sq_error_percent"] = [-3 * abs(x) - 1 for x in level["sq_error_percent"]]
    masks = new["scores"]["mask"]["seed"]
    masks["iou_percent"] = [None if x is None else x + 10 for x in masks["iou_percent"]]
    masks["false_percent"] = [x * (1 + 1e-9) for x in masks["false_percent"]]
    moves, notes = compare(old, new)
    found = {(m.task, m.method, m.column): m for m in moves if m.verdict}
    assert len(found) == 3
    ratio = found["level", "auto", "rmse_percent_of_sq"]
    assert (ratio.verdict, ratio.kind) == ("better", "ratio")
    assert max(abs(x - 0.5) for x in ratio.change.triple) < 1e-9
    assert abs(ratio.after - 0.5 * ratio.before) < 1e-9
    assert found["level", "auto", "sq_error_percent"].verdict == "worse"
    assert found["mask", "seed", "iou_percent"].verdict == "better"
    assert notes[0].startswith("afmend was")
    assert "seed was 0, is 5" in notes


def test_compare_uses_common_cases_only(whole):
    settings, rows = whole
    old = document(settings, rows, 1.0, 1)
    new = copy.deepcopy(old)
    new["cases"]["level"][0]["case"] = "another"
    del old["scores"]["harm"]["experts"]
    del old["cases"]["fill"]
    for case in new["cases"]["mask"]:
        case["case"] = "x"
    moves, notes = compare(old, new)
    assert {move.change.count for move in moves if move.task == "level" and move.column == "rmse_nm"} == {5}
    words = " ".join(notes)
    assert "level: 5 of 6 cases" in words
    assert "no table 'fill'" in words
    assert "no case of the table 'mask'" in words
    assert "harm: the old run has no method 'experts'" in words
    for cases in new["cases"].values():
        for case in cases:
            case["case"] = "y"
    with pytest.raises(BadParameterError, match="no case in common"):
        compare(old, new)


def row(method, unit, value, case="", **rest):
    groups = {"family": "rough", **rest}
    return Row("harm", unit, case or f"s{unit}", groups, (3, 4), method, {} if value is None else {"x": value})


def test_scans_are_resampled_not_cases():
    ratio = Column("x", "x", "low", "ratio")
    mine = [row("auto", u, 2.0 * (u + 1), hole=h) for u in range(4) for h in "ab"]
    theirs = [row("b", u, 4.0 * (u + 1) if u or h == "a" else None, hole=h) for u in range(4) for h in "ab"]
    found = compared(ratio, mine, theirs)
    assert (found.count, found.dropped) == (4, 0)
    assert max(abs(x - 0.5) for x in found.triple) < 1e-12
    signed = Column("x", "x", "zero", "difference")
    found = compared(signed, [row("a", u, -3.0) for u in range(3)], [row("b", u, 1.0) for u in range(3)])
    assert found.value == 2
    assert compared(ratio, mine, []).count == 0
    again = compared(ratio, [row("a", u, 1.0 + u) for u in range(5)], [row("b", u, 2.0) for u in range(5)])
    assert again == compared(ratio, [row("a", u, 1.0 + u) for u in range(5)], [row("b", u, 2.0) for u in range(5)])


def test_losses_name_the_worst():
    mine = [row("auto", u, value) for u, value in enumerate([1.0, 2.0, 8.0, 4.0, 1.001, 16.0])]
    theirs = [row("b", u, 1.0) for u in range(5)]
    found = losses(Column("x", "x", "low", "ratio"), mine, theirs)
    assert (found["common"], found["share"]) == (5, 0.6)
    assert [one["case"] for one in found["worst"]] == ["s2", "s3", "s1"]
    assert found["worst"][0]["auto"] == 8
    high = losses(Column("x", "x", "high", "difference"), theirs, mine)
    assert [one["case"] for one in high["worst"]] == ["s2", "s3", "s1"]


def test_a_table_without_auto_compares_nothing():
    (table,) = summarize([row("a", 0, 1.0), row("a", 1, 3.0)])
    assert table["methods"][0]["against_auto"] == {}
    assert "auto_loses" not in table["methods"][0]


def test_correlation_needs_methods_and_scans():
    def leveled(method, unit, sigma, error):
        scores = {} if sigma is None else {"sigma_bg_nm": sigma, "rmse_nm": error}
        return Row("level", unit, f"s{unit}", {"family": "rough"}, (3, 4), method, scores)

    rows = [leveled(m, u, k, 5.0 - k) for u in range(3) for k, m in enumerate(("seed", "auto", "row median"))]
    found = correlation(rows)
    assert (found["value"], found["negative"], found["same_best"]) == (-1, 1, 0)
    assert correlation([*rows, *(leveled("mine", u, 9, 9) for u in range(3))]) == found, "only built-in levelings"
    assert correlation(rows[:3]) is None
    assert correlation([leveled("auto", u, 1, 1) for u in range(3)]) is None
    assert (
        correlation([*rows[:3], leveled("seed", 1, 1, 1), leveled("auto", 1, None, 1), leveled("row median", 1, 1, 1)])
        is None
    )


def test_units_do_not_depend_on_each_other(data):
    settings = settings_of("quick", data=data, tasks=["level"])
    alone = do_unit(settings, Unit("level", 3))
    assert numbers(alone) == numbers([r for r in run_units(settings, 1) if r.unit == 3])
