"""A run: the same numbers twice, for any number of workers; failures are told; documents, comparison, page."""

import json
import math
import os
import re
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from afmend.errors import BadParameterError
from afmend.evaluation.bench.documents import read_json, write_json
from afmend.evaluation.bench.oracles import BLUR, OFFSETS, SLOPES
from afmend.evaluation.bench.page import command, write_page
from afmend.evaluation.bench.page_tables import MEDIAN, headroom, heads, lines_of, ranked
from afmend.evaluation.bench.plan import Unit, settings_of
from afmend.evaluation.bench.results import correlation, document
from afmend.evaluation.bench.run import run_units
from afmend.evaluation.bench.summary import compared, losses, summarize
from afmend.evaluation.bench.task import Column
from afmend.evaluation.bench.worker import Done, Row, do_unit

from .standin import SCANS

MODULE = '''
def half(scan):
    """Works on every other scan."""
    heights = scan.channel("height/trace").values
    if round(float(heights[0, 0]) * 1e6) % 2:
        raise ValueError("I <b>do not</b> like this scan")
    return scan

def gaps(heights, holes, pixel_nm):
    from afmend.evaluation.bench.methods import bilinear
    filled = bilinear(heights, holes, pixel_nm)
    filled[:, ::2][holes[:, ::2]] = float("nan")
    return filled

def lost(heights, holes, pixel_nm):
    raise SystemExit("never works")
'''


@pytest.fixture
def mine(tmp_path, monkeypatch):
    (tmp_path / "own_methods.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))


def numbers(done):
    return [(row.task, row.case, row.method, json.dumps(row.scores), row.error) for row in done.rows]


def test_same_numbers_twice_for_any_number_of_workers(data):
    settings = settings_of("quick", data=data, count=2, tasks=["mask", "level"])
    seen = []
    one = run_units(settings, 1, lambda task, done, of: seen.append((task, done, of)))
    two = run_units(settings, 2)
    assert numbers(one) == numbers(two) != []
    assert seen[-1][1:] == (4, 4)
    assert all(row.megabytes is not None and row.megabytes >= 0 for row in one.rows)
    assert document(settings, one, 1.0, 1)["scores"] == document(settings, two, 2.0, 2)["scores"]
    assert document(settings, one, 1.0, 1)["tables"] == document(settings, two, 2.0, 2)["tables"]


def test_the_document(whole, tmp_path):
    settings, rows = whole
    found = document(settings, rows, 3.5, 1)
    write_json(found, tmp_path / "new" / "bench.json")
    again = read_json(tmp_path / "new" / "bench.json")
    assert again == json.loads(json.dumps(found))
    parts = (
        "format layout afmend settings methods built_in tables without_cases skipped correlation claims failures cases"
    )
    assert set(found) == {*parts.split(), "scores", "cost"}
    assert {(skip["task"], skip["reason"]) for skip in found["skipped"]} == {
        ("harm", "it is not clean"),
        ("clean", "it is not clean"),
    }
    assert len(found["skipped"]) == 12
    assert found["failures"] == []
    level = found["tables"][0]
    assert (level["task"], level["cases"], level["scans"]) == ("level", SCANS, SCANS)
    assert {"family"} == set(level["groups"])
    assert level["roles"] == {OFFSETS: "oracle", SLOPES: "oracle", BLUR: "control"}
    beyond = [line for line in level["methods"] if line["method"] in level["roles"]]
    assert all("auto_loses" not in line and line["against_auto"] for line in beyond)
    assert headroom(level).count("oracle:") == 2
    assert headroom(found["tables"][1]) == ""
    auto = next(line for line in level["methods"] if line["method"] == "auto")
    assert auto["against_auto"] == {}
    other = next(line for line in level["methods"] if line["method"] == "column polynomial 2")
    ratio = other["against_auto"]["rmse_percent_of_sq"]
    assert ratio["low"] <= ratio["value"] <= ratio["high"] < 1
    assert ratio["scans"] == SCANS
    assert ratio["dropped"] == 0
    mine = np.array(found["scores"]["level"]["auto"]["rmse_percent_of_sq"])
    theirs = np.array(found["scores"]["level"]["column polynomial 2"]["rmse_percent_of_sq"])
    assert abs(ratio["value"] - np.exp(np.mean(np.log(mine / theirs)))) < 1e-5
    assert abs(other["metrics"]["rmse_percent_of_sq"]["p95"] - np.quantile(theirs, 0.95)) < 1e-3
    said = {claim["claim"]: claim for claim in found["claims"]}
    better = np.minimum(
        *(found["scores"]["level"][f"row polynomial {degree}"]["rmse_percent_of_sq"] for degree in (1, 2))
    )
    hindsight = said["RMSE: auto / the better row polynomial (degree 1 or 2) of each scan"]
    assert abs(hindsight["value"] - np.exp(np.mean(np.log(mine / better)))) < 1e-5
    assert hindsight["scans"] == SCANS
    fill = next(table for table in found["tables"] if table["task"] == "fill")
    assert (fill["cases"], fill["scans"]) == (6 * SCANS, SCANS)
    assert set(fill["groups"]) == {"family", "hole"}
    assert fill["groups"]["hole"]["blobs"]["auto"]["scans"] == SCANS
    harm = next(table for table in found["tables"] if table["task"] == "harm")
    assert harm["scans"] == 3, "only the clean scans"
    masks = next(table for table in found["tables"] if table["task"] == "mask")
    assert set(masks["kinds"]) == {"scar"}
    against = masks["methods"][1]["against_auto"]["iou_percent"]
    assert set(against["median"]) == {"value", "low", "high", "scans", "dropped"}
    cells = {line[0][0]: line[0] for line in lines_of(masks, found["cost"]["tasks"]["mask"])}
    assert cells["nothing"][heads(masks).index(MEDIAN)].startswith("Δ ")
    assert cells["auto"][heads(masks).index(MEDIAN)] == ""
    assert masks["kinds"]["scar"]["gwyddion"]["count"] == 6
    assert level["kinds"] == {}
    assert set(found["correlation"]) == {"leveling", "rmse"}
    worth = found["correlation"]["leveling"]
    assert -1 <= worth["low"] <= worth["value"] <= worth["high"] <= 1
    assert not {"nothing", OFFSETS, SLOPES, BLUR} & set(worth["methods"])
    assert worth["scans"] == SCANS
    assert set(found["cost"]["tasks"]["level"]["auto"]) == {"median_seconds", "p95_seconds", "peak_megabytes"}


@pytest.mark.usefixtures("mine")
def test_a_method_that_fails_is_told_not_dropped(data, tmp_path):
    settings = settings_of(
        "quick", data=data, tasks=["level", "fill"], methods=("own_methods:half", "own_methods:lost")
    )
    rows = run_units(settings, 1)
    found = document(settings, rows, 1.0, 1)
    line = next(line for line in found["tables"][0]["methods"] if line["method"] == "own_methods:half")
    assert line["cases"] == SCANS
    assert 0 < line["failed"] < SCANS
    assert line["metrics"]["rmse_nm"]["count"] == SCANS - line["failed"]
    assert line["against_auto"]["rmse_percent_of_sq"]["scans"] == SCANS - line["failed"]
    assert line["against_auto"]["rmse_percent_of_sq"]["dropped"] == line["failed"]
    assert line["auto_loses"]["common"] == SCANS - line["failed"]
    lost = next(line for line in found["tables"][1]["methods"] if line["method"] == "own_methods:lost")
    assert lost["failed"] == lost["cases"] == 6 * SCANS
    assert lost["against_auto"]["rmse_percent_of_sq"]["value"] is None
    assert lost["auto_loses"] == {"share": None, "common": 0, "worst": []}
    assert {failure["error"] for failure in found["failures"]} == {
        "ValueError: I <b>do not</b> like this scan", "SystemExit: never works",
    }  # fmt: skip
    write_page(found, tmp_path / "bench.html")
    page = (tmp_path / "bench.html").read_text(encoding="utf-8")
    assert "<b>do not</b>" not in page
    assert "&lt;b&gt;do not&lt;/b&gt;" in page
    assert f"({SCANS} failed)" not in page
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


def test_the_page_says_how_to_run_it_again(whole, data):
    settings, done = whole
    found = document(settings, done, 1.0, 1)
    assert command(found) == f"afmend bench quick --data {data} --seed 0 --count {SCANS} --size 256"
    other = settings_of("full", box="my box.yaml", seed=3, tasks=["fill", "level"], methods=("a:b", "fill=c:d"),
                        peers=("Gwyddion|2.67|python",))  # fmt: skip
    assert command({"settings": other.to_json()}) == (
        "afmend bench full --box 'my box.yaml' --seed 3 --count 204 --tasks level,fill --method a:b --method fill=c:d "
        "--peers"
    )
    elsewhere = replace(other, tasks=("level",), methods=(), peer_python="/opt/other one/bin/python")
    assert command({"settings": elsewhere.to_json()}).endswith("--peers --peer-python '/opt/other one/bin/python'")
    assert command({"settings": settings_of("full", size=300).to_json()}).endswith("--count 204 --size 300")


def test_the_page_lets_nothing_in(whole, tmp_path):
    settings, rows = whole
    found = document(settings, rows, 3.5, 1)
    write_page(found, tmp_path / "a.html")
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    for words in ("Leveling", "Finding artifacts", "Filling holes", "Do no harm", "Are the error bars honest?",
                  "What sigma_bg is worth", "Where auto loses", "column polynomial 2"):  # fmt: skip
        assert words in page
    assert page.count("<svg") == 6 + 8 + 1 + 1
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


ORPHANS = """
import multiprocessing, os, sys, time
from concurrent.futures import ProcessPoolExecutor
from afmend.pipeline.workers import end_with_parent

if __name__ == "__main__":
    pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"), initializer=end_with_parent)
    print(pool.submit(os.getpid).result(), flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="asks for processes by signals")
def test_workers_end_with_their_parent(tmp_path):
    (tmp_path / "orphans.py").write_text(ORPHANS)
    with subprocess.Popen([sys.executable, str(tmp_path / "orphans.py")], stdout=subprocess.PIPE, text=True) as parent:
        worker = int(parent.stdout.readline())
        parent.kill()
    for _ in range(100):
        try:
            os.kill(worker, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    pytest.fail("the worker is still there")


def test_the_first_call_is_not_timed(whole):
    settings, done = whole
    rows = [row for row in done.rows if (row.task, row.method) == ("level", "auto")]
    slow = [replace(row, seconds=9.0 if k == 0 else 0.5, first=k == 0) for k, row in enumerate(rows)]
    found = document(settings, Done(slow), 1.0, 1)["cost"]["tasks"]["level"]["auto"]
    assert (found["median_seconds"], found["p95_seconds"]) == (0.5, 0.5)
    assert document(settings, Done(slow[:1]), 1.0, 1)["cost"]["tasks"]["level"]["auto"]["median_seconds"] == 9
    one = do_unit(settings, Unit("level", 3)), do_unit(settings, Unit("level", 4))
    assert not any(row.first for row in one[1].rows)


def row(method, unit, value, case="", **rest):
    groups = {"family": "rough", **rest}
    return Row("harm", unit, case or f"s{unit}", groups, (3, 4), method, {} if value is None else {"x": value})


def test_scans_are_resampled_not_cases():
    ratio = Column("x", "x", "low", "ratio")
    mine = [row("auto", u, 2.0 * (u + 1), hole=h) for u in range(9) for h in "ab"]
    theirs = [row("b", u, 4.0 * (u + 1) if u or h == "a" else None, hole=h) for u in range(9) for h in "ab"]
    found = compared(ratio, mine, theirs)
    assert (found.count, found.dropped) == (9, 0)
    assert max(abs(x - 0.5) for x in found.triple) < 1e-12
    fewer = compared(ratio, mine[:-2], [*theirs[2:], row("b", 99, 1.0)])
    assert (fewer.count, fewer.dropped) == (7, 1), "scans without a partner are dropped and counted"
    assert np.isnan(fewer.low)
    signed = Column("x", "x", "zero", "difference")
    found = compared(signed, [row("a", u, -3.0) for u in range(3)], [row("b", u, 1.0) for u in range(3)])
    assert found.value == 2
    assert compared(ratio, mine, []).count == 0
    again = compared(ratio, [row("a", u, 1.0 + u) for u in range(25)], [row("b", u, 2.0) for u in range(25)])
    assert again == compared(ratio, [row("a", u, 1.0 + u) for u in range(25)], [row("b", u, 2.0) for u in range(25)])


def test_common_pixels_decide_where_one_left_some_open():
    ratio = Column("x", "x", "low", "ratio")
    mine = [row("auto", u, 4.0) for u in range(9)]
    theirs = [replace(row("b", u, 1.0), versus_auto={"x": (2.0, 3.0)}) for u in range(9)]
    assert compared(ratio, mine, theirs).value == pytest.approx(2 / 3)
    assert losses(ratio, mine, theirs)["share"] == 0
    none = [replace(row("b", u, 1.0), versus_auto={"x": (math.nan, math.nan)}) for u in range(9)]
    assert compared(ratio, mine, none).dropped == 9


@pytest.mark.usefixtures("mine")
def test_who_leaves_holes_open_is_ranked_last(data):
    settings = settings_of("quick", data=data, tasks=["fill"], count=2, methods=("own_methods:gaps",))
    found = document(settings, run_units(settings, 1), 1.0, 1)
    (entry,) = found["tables"]
    assert [line["method"] for line in ranked(entry)][-1] == "own_methods:gaps"
    cells = {line[0][0]: line[0] for line in lines_of(entry, found["cost"]["tasks"]["fill"])}
    assert float(cells["own_methods:gaps"][heads(entry).index("left open, %")]) > 40
    assert cells["auto"][heads(entry).index("left open, %")] == "0"


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
        scores = {} if sigma is None else {"sigma_bg_nm": sigma, "rmse_nm": error, "leveling_percent_of_sq": -error}
        return Row("level", unit, f"s{unit}", {"family": "rough"}, (3, 4), method, scores)

    rows = [leveled(m, u, k, 5.0 - k) for u in range(3) for k, m in enumerate(("seed", "auto", "row median"))]
    found = correlation(rows)
    assert [found["rmse"][key] for key in ("value", "negative", "same_best")] == [-1, 1, 0]
    assert [found["leveling"][key] for key in ("value", "negative", "same_best")] == [1, 0, 1]
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
    assert numbers(alone) == numbers(Done([r for r in run_units(settings, 1).rows if r.unit == 3]))
