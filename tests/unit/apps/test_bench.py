"""``afmend bench``: commands, options, exit codes; and the example of the documentation."""

import json
import re
import sys

import pytest
from typer.testing import CliRunner

from afmend.apps.cli.main import app
from afmend.errors import AfmendError
from afmend.evaluation.bench.page_tables import against, number
from support import ROOT
from unit.evaluation.bench.standin import folder_of


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return folder_of(tmp_path_factory.mktemp("bench") / "data", 9)


def cli(*words, columns=200):
    done = CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": str(columns)})
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def test_quick_prints_tables_and_writes_both_files(data, tmp_path):
    done = cli("bench", "quick", "--data", data, "--out", tmp_path / "out", "--workers", 1)
    assert done.exit_code == 0, done.output
    for words in ("Leveling: leveling error", "Headroom, against oracles", "column polynomial 2", "Recall by kind",
                  "auto loses most often",
                  "Rank correlation of sigma_bg", "Figures to quote", "clean scans above 1.2 noise floors, %: auto",
                  "auto / the better row polynomial", "clean scans, marked, % of the pixels: gwyddion",
                  "bench.html"):  # fmt: skip
        assert words in done.output
    assert (tmp_path / "out" / "bench.html").stat().st_size > 10_000
    found = json.loads((tmp_path / "out" / "bench.json").read_text())
    assert found["settings"]["suite"] == "quick"
    same = cli("bench", "compare", tmp_path / "out/bench.json", tmp_path / "out/bench.json")
    assert "Nothing moved beyond doubt" in same.output
    everything = cli("bench", "compare", tmp_path / "out/bench.json", tmp_path / "out/bench.json", "--all")
    assert "undecided" in everything.output
    for scores in found["scores"]["level"].values():
        scores["rmse_percent_of_sq"] = [2 * x for x in scores["rmse_percent_of_sq"]]
    (tmp_path / "worse.json").write_text(json.dumps(found))
    moved = cli("bench", "compare", tmp_path / "out/bench.json", tmp_path / "worse.json")
    assert "× 2.00 [2.00, 2.00]" in moved.output
    lines = json.loads(cli("bench", "compare", tmp_path / "out/bench.json", tmp_path / "worse.json", "--json").output)
    assert {move["verdict"] for move in lines["moves"]} == {"", "worse"}


def test_80_columns_cut_no_interval(data, tmp_path):
    done = cli("bench", "quick", "--data", data, "--out", tmp_path, "--workers", 1, "--tasks", "level,mask", columns=80)
    lines = done.output.splitlines()
    tables = [line for line in lines if line.startswith(("auto  ", "row", "─", "nothing", "control", "oracle"))]
    assert len(tables) > 30
    assert max(map(len, tables)) <= 80
    assert "…" not in "".join(lines[: lines.index(next(line for line in lines if "Rank correlation" in line))])
    found = json.loads((tmp_path / "bench.json").read_text())
    for entry, key in zip(found["tables"], ("leveling_percent_of_sq", "iou_percent"), strict=True):
        for line in entry["methods"]:
            if line["against_auto"]:
                for spread in line["metrics"].values():
                    assert f" {number(spread['median'])}" in done.output
                assert against(line["against_auto"][key]) in done.output
    assert "auto/this [95 %]" in done.output
    same = cli("bench", "compare", tmp_path / "bench.json", tmp_path / "bench.json", "--all", columns=80)
    assert "× 1.00 [1.00, 1.00]" in same.output
    assert max(map(len, same.output.splitlines())) <= 80


def test_full_as_json(data, tmp_path):
    done = cli(
        "bench",
        "full",
        "--data",
        data,
        "--tasks",
        "harm,mask",
        "--count",
        2,
        "--json",
        "--out",
        tmp_path,
        "--workers",
        1,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    assert [table["task"] for table in found["tables"]] == ["mask"]
    assert found["without_cases"] == ["harm"], "both scans are damaged"
    assert "It needs scans without artifacts" in (tmp_path / "bench.html").read_text(encoding="utf-8")
    said = cli("bench", "quick", "--data", data, "--tasks", "harm", "--count", 1, "--workers", 1, "--out", tmp_path)
    assert "It needs scans without artifacts" in said.output
    assert found["settings"]["suite"] == "full"


def test_the_example_of_the_documentation(data, tmp_path, monkeypatch):
    text = (ROOT / "docs/how-to/bench.md").read_text(encoding="utf-8")
    again, block = re.findall(r"```python\n(.+?)```", text, re.DOTALL)
    names: dict[str, object] = {}
    exec(again, names)  # noqa: S102 (our own page)
    assert names["case"].name == "shifted-17"
    (tmp_path / "mine.py").write_text(block)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    done = cli("bench", "quick", "--data", data, "--tasks", "level,fill", "--count", 2, "--workers", 1,
               "--method", "mine:flat_median", "--method", "mine:zero_fill")  # fmt: skip
    assert done.exit_code == 0, done.output
    found = json.loads((tmp_path / "afmend-bench/bench.json").read_text())
    assert found["failures"] == []
    assert found["methods"]["level"]["mine:flat_median"] == "Subtract the median of each line."
    fill = {line["method"]: line for line in found["tables"][1]["methods"]}
    assert fill["mine:zero_fill"]["metrics"]["coverage_percent"]["count"] > 0


def test_failures_are_told(data, tmp_path, monkeypatch):
    (tmp_path / "broken.py").write_text("def f(scan):\n    raise ValueError('not today')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    done = cli("bench", "quick", "--data", data, "--tasks", "level,mask", "--workers", 1, "--count", 3,
               "--method", "broken:f")  # fmt: skip
    assert "(3 failed)" in done.output
    assert "broken:f failed on scan00.h5 (level): ValueError: not today" in done.output
    assert "more failures" not in done.output


def test_errors_are_sentences(data, tmp_path):
    with pytest.raises(AfmendError, match="no task"):
        cli("bench", "quick", "--data", data, "--tasks", "levels")
    with pytest.raises(AfmendError, match="cannot be read"):
        cli("bench", "compare", tmp_path / "a", tmp_path / "b")


def test_seed_tables_are_commands():
    words = ("--box", "train", "--count", 1, "--size", 64)
    assert "a constant image" in cli("bench", "seed-table-3", *words).output
    assert "SSIM to the input" in cli("bench", "seed-table-4", *words, columns=300).output
    found = json.loads(cli("bench", "seed-ripple", *words, "--json").output)
    assert "90°: Smart Flatten" in found["numbers"]


def test_roughness_is_a_command():
    found = json.loads(cli("bench", "roughness", "--box", "train", "--count", 2, "--size", 64, "--json").output)
    assert "lines: degree 2" in found["numbers"]
    assert "as measured" in cli("bench", "roughness", "--box", "train", "--count", 1, "--size", 64).output


def test_metrics_are_listed():
    said = cli("bench", "metrics").output
    assert "Sq bias" in said
    assert "ISO 25178-2" in said
    assert cli("bench", "metrics", "--markdown").output == (ROOT / "docs/reference/metrics.md").read_text("utf-8")
    found = json.loads(cli("bench", "metrics", "--json").output)
    assert found["sq_bias"]["better"] == "zero"
    assert found["sq_bias"]["unit"] == "%"
