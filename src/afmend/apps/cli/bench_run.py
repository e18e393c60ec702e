"""Running ``afmend bench`` and printing its tables."""

from __future__ import annotations

import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from afmend.apps.cli import say
from afmend.apps.cli.bench_tables import main_table, text_table, wide_table
from afmend.evaluation.bench.compare import Move, compare
from afmend.evaluation.bench.documents import read_json, write_json
from afmend.evaluation.bench.page import write_page
from afmend.evaluation.bench.page_tables import (
    AGAINST,
    claim_rows,
    correlation_sentences,
    guard_columns,
    headroom,
    heads,
    lines_of,
    number,
    ranked,
    recall_rows,
    skipped_sentences,
    without_cases,
)
from afmend.evaluation.bench.peers import find_peers
from afmend.evaluation.bench.plan import settings_of
from afmend.evaluation.bench.results import document
from afmend.evaluation.bench.run import run_units
from afmend.evaluation.bench.summary import Json
from afmend.evaluation.metrics.compare import FEWEST

if TYPE_CHECKING:
    from rich.console import Console


SEED_SCANS = 24
"""Scans for the seed paper's tables, unless told otherwise (the paper has 35)."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What ``afmend bench quick`` and ``full`` are told."""

    suite: str
    box: str
    seed: int
    count: int | None
    size: int | None
    workers: int
    tasks: str
    out: Path
    as_json: bool
    methods: tuple[str, ...]
    data: Path | None
    peers: bool
    peer_python: Path | None


def run_suite(wish: Wish) -> int:
    """Run a suite, print its tables, write JSON and page; return the exit code."""
    found, missing = find_peers(wish.peer_python) if wish.peers else ((), ())
    for sentence in missing:
        say.complain(sentence)
    settings = settings_of(
        wish.suite, tasks=[name.strip() for name in wish.tasks.split(",") if name.strip()], count=wish.count,
        size=wish.size, data=wish.data, box=wish.box, seed=wish.seed, methods=wish.methods, peers=tuple(found),
        peer_python=None if wish.peer_python is None else str(wish.peer_python),
    )  # fmt: skip
    began = time.perf_counter()
    with say.bar("compiling", quiet=wish.as_json) as watch:
        done = run_units(settings, wish.workers, watch)
    data = document(settings, done, time.perf_counter() - began, wish.workers)
    write_json(data, wish.out / "bench.json")
    write_page(data, wish.out / "bench.html")
    if wish.as_json:
        say.emit(data)
    else:
        _print(say.out(), data)
        say.out().print(f"Wrote {wish.out / 'bench.json'} and {wish.out / 'bench.html'}.", markup=False)
    return 0


def _print(console: Console, data: Json) -> None:
    for entry in data["tables"]:
        primary = entry["columns"][0]
        console.print(f"\n{entry['title']}: {primary['title']} ({primary['about']})", style="bold", markup=False)
        console.print(f"{entry['cases']} cases of {entry['scans']} scans", markup=False)
        lines = [(cells, said) for cells, said in lines_of(entry, data["cost"]["tasks"][entry["task"]])]
        main_table(console, heads(entry), [cells for cells, _ in lines],
                   [{"better": "green", "worse": "red"}.get(said, "") for _, said in lines], AGAINST)  # fmt: skip
        if headroom(entry):
            console.print(headroom(entry), markup=False)
        _guards(console, entry)
        _kinds(console, entry)
        _worst(console, entry)
    for task in data["without_cases"]:
        console.print(f"\n{without_cases(task)}", markup=False)
    for sentence in correlation_sentences(data["correlation"] or {}):
        console.print(f"\n{sentence}", style="bold", markup=False)
    if data["claims"]:
        console.print("\nFigures to quote:", style="bold", markup=False)
        text_table(console, *claim_rows(data["claims"]), texts=1)
    for sentence in skipped_sentences(data):
        console.print(sentence, markup=False)
    for failure in data["failures"][:10]:
        say.complain(f"{failure['method']} failed on {failure['case']} ({failure['task']}): {failure['error']}")
    if len(data["failures"]) > 10:
        say.complain(f"... and {len(data['failures']) - 10} more failures: see bench.json.")
    seconds = data["cost"]["seconds"]
    console.print(f"\n{seconds:.0f} s with {data['cost']['workers']} workers, compiling included.", markup=False)
    console.print(
        f"Intervals are over scans (none below {FEWEST}); no correction is made for the number of comparisons.",
        markup=False,
    )


def _guards(console: Console, entry: Json) -> None:
    columns = guard_columns(entry)
    if not columns:
        return
    common = {column["key"]: _common_count(entry, column["key"]) for column in columns}
    head = [f"{c['title']} n={common[c['key']]}" if common[c["key"]] not in (0, entry["cases"]) else c["title"]
            for c in columns]  # fmt: skip
    rows = [
        (line["method"], *(_median(line["metrics"].get(c["key"]) or {}, common[c["key"]]) for c in columns))
        for line in ranked(entry)
    ]
    console.print("Medians of everything else (sizes, where errors have a sign), n where not of all cases:",
                  markup=False)  # fmt: skip
    wide_table(console, ("method", *head), rows)


def _common_count(entry: Json, key: str) -> int:
    """Of how many cases every method that has the number has it; 0 if they differ."""
    counts = {spread["count"] for line in entry["methods"] if (spread := line["metrics"].get(key)) and spread["count"]}
    return counts.pop() if len(counts) == 1 else 0


def _median(spread: Json, common: int) -> str:
    median = number(spread.get("median"))
    return median if spread.get("count", 0) in (0, common) else f"{median} n={spread['count']}"


def _kinds(console: Console, entry: Json) -> None:
    head, rows = recall_rows(entry)
    if rows:
        console.print("Recall by kind, %, mean over the scans that have it:", markup=False)
        wide_table(console, head, rows)


def _worst(console: Console, entry: Json) -> None:
    """Name the cases on which ``auto`` loses most, against the method that beats it most often."""
    lost = [line for line in entry["methods"] if (line.get("auto_loses") or {}).get("worst")]
    if not lost:
        return
    line = max(lost, key=lambda one: one["auto_loses"]["share"])
    worst = ", ".join(f"{one['case']} ({number(one['auto'])} against {number(one['other'])})"
                      for one in line["auto_loses"]["worst"])  # fmt: skip
    share = 100 * line["auto_loses"]["share"]
    console.print(f"auto loses most often to {line['method']} ({share:.0f} %), worst on: {worst}", markup=False)


def compare_files(before: Path, after: Path, *, everything: bool, as_json: bool) -> None:
    """Print what moved between two runs."""
    moves, notes = compare(read_json(before), read_json(after))
    if as_json:
        say.emit({"notes": notes, "moves": [_move_json(move) for move in moves]})
        return
    console = say.out()
    for note in notes:
        console.print(note, markup=False)
    shown = [move for move in moves if move.verdict or everything]
    if not shown:
        console.print(f"Nothing moved beyond doubt ({len(moves)} numbers compared).", markup=False)
        return
    rows = [
        (f"{m.task}: {m.method}", m.title, number(m.before), number(m.after), _change(m), m.verdict or "undecided")
        for m in shown
    ]
    head = ("table: method", "number", "mean before", "mean after", "change [95 %]", "verdict")
    text_table(console, head, rows, texts=2)
    console.print(f"{len(shown)} of {len(moves)} numbers.", markup=False)


def _change(move: Move) -> str:
    value, low, high = move.change.triple
    if move.kind == "count":
        return f"{value:+.0f} cases"
    sign = "× " if move.kind == "ratio" else "+ "
    if math.isnan(low):
        return f"{sign}{number(value)}"
    return f"{sign}{number(value)} [{number(low)}, {number(high)}]"


def _move_json(move: Move) -> dict[str, Any]:
    value, low, high = (None if math.isnan(x) else x for x in move.change.triple)
    return {
        "task": move.task, "method": move.method, "column": move.column, "before": move.before, "after": move.after,
        "kind": move.kind, "change": value, "low": low, "high": high, "scans": move.change.count,
        "verdict": move.verdict,
    }  # fmt: skip


def show_seed_table(which: str, box: str, seed: int, count: int | None, size: int | None, *, as_json: bool) -> None:
    """Run and print one of the seed paper's tables, or that of roughness."""
    from afmend.evaluation.bench.roughness_table import roughness_table
    from afmend.evaluation.bench.seed_tables import seed_table

    settings = settings_of("quick", count=count or SEED_SCANS, size=size, box=box, seed=seed)
    found = roughness_table(settings) if which == "roughness" else seed_table(which, settings)
    if as_json:
        say.emit(found)
        return
    console = say.out()
    console.print(found["title"], style="bold", markup=False)
    wide_table(console, found["head"], found["rows"])
    for note in found["notes"]:
        console.print(note, markup=False)


def show_metrics(*, markdown: bool, as_json: bool) -> None:
    """Print the register of metrics."""
    from afmend.evaluation.metrics.register import METRICS, metrics_markdown

    if as_json:
        names = ("title", "unit", "better", "what", "fooled_by", "sources")
        say.emit({name: {part: getattr(metric, part) for part in names} for name, metric in METRICS.items()})
    elif markdown:
        sys.stdout.write(metrics_markdown())
    else:
        rows = [(m.title, m.what, m.unit or "–", m.better, m.sources) for m in METRICS.values()]
        text_table(say.out(), ("metric", "what it measures", "unit", "better", "source"), rows, texts=5)
