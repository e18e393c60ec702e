"""Running ``afmend bench`` and printing its tables."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from afmend.apps.cli import say
from afmend.evaluation.bench.compare import Move, compare
from afmend.evaluation.bench.page import write_page
from afmend.evaluation.bench.page_tables import HEAD, lines_of, number, ranked, without_cases
from afmend.evaluation.bench.peers import find_peers
from afmend.evaluation.bench.plan import settings_of
from afmend.evaluation.bench.results import document, read_json, write_json
from afmend.evaluation.bench.run import Watch, run_units
from afmend.evaluation.bench.summary import Json

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
    )  # fmt: skip
    began = time.perf_counter()
    with _progress(quiet=wish.as_json) as watch:
        rows = run_units(settings, wish.workers, watch)
    data = document(settings, rows, time.perf_counter() - began, wish.workers)
    write_json(data, wish.out / "bench.json")
    write_page(data, wish.out / "bench.html")
    if wish.as_json:
        say.emit(data)
    else:
        _print(say.out(), data)
        say.out().print(f"Wrote {wish.out / 'bench.json'} and {wish.out / 'bench.html'}.", markup=False)
    return 0


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Watch | None]:
    console = say.err()
    if quiet or not console.is_terminal:
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        shown = bar.add_task("compiling", total=None)
        yield lambda task, done, of: bar.update(shown, description=f"{task:9s}", completed=done, total=of)


def _print(console: Console, data: Json) -> None:
    for entry in data["tables"]:
        primary = entry["columns"][0]
        console.print(f"\n{entry['title']}: {primary['title']} ({primary['about']})", style="bold", markup=False)
        console.print(f"{entry['cases']} cases of {entry['scans']} scans", markup=False)
        lines = [(cells, said) for cells, said in lines_of(entry, data["cost"]["tasks"][entry["task"]])]
        _table(console, HEAD, [cells for cells, _ in lines],
               [{"better": "green", "worse": "red"}.get(said, "") for _, said in lines])  # fmt: skip
        _guards(console, entry)
        _kinds(console, entry)
        _worst(console, entry)
    for task in data["without_cases"]:
        console.print(f"\n{without_cases(task)}", markup=False)
    if data["correlation"]:
        console.print(f"\n{correlation_sentence(data['correlation'])}", style="bold", markup=False)
    for failure in data["failures"][:10]:
        say.complain(f"{failure['method']} failed on {failure['case']} ({failure['task']}): {failure['error']}")
    if len(data["failures"]) > 10:
        say.complain(f"... and {len(data['failures']) - 10} more failures: see bench.json.")
    seconds = data["cost"]["seconds"]
    console.print(f"\n{seconds:.0f} s with {data['cost']['workers']} workers, compiling included.", markup=False)


def correlation_sentence(found: Json) -> str:
    """Say what sigma_bg is worth."""
    return (
        f"Rank correlation of sigma_bg with the true error, over {len(found['methods'])} levelings, mean of "
        f"{found['scans']} scans: {number(found['value'])} [{number(found['low'])}, {number(found['high'])}]; "
        f"negative on {100 * found['negative']:.0f} %; its best leveling is truly the best on "
        f"{100 * found['same_best']:.0f} % of the scans."
    )


def _guards(console: Console, entry: Json) -> None:
    columns = [c for c in entry["columns"][1:] if any(c["key"] in line["metrics"] for line in entry["methods"])]
    if not columns:
        return
    rows = [
        (line["method"], *(number((line["metrics"].get(c["key"]) or {}).get("median")) for c in columns))
        for line in ranked(entry)
    ]
    console.print("Medians of everything else (sizes, where errors have a sign):", markup=False)
    _table(console, ("method", *(column["title"] for column in columns)), rows)


def _kinds(console: Console, entry: Json) -> None:
    if not entry["kinds"]:
        return
    rows = [
        (kind.replace("_", " "), str(max(cell["count"] for cell in found.values())),
         *(number(cell["mean"]) for cell in found.values()))
        for kind, found in entry["kinds"].items()
    ]  # fmt: skip
    console.print("Recall by kind, %, mean over the scans that have it:", markup=False)
    _table(console, ("kind", "scans", *next(iter(entry["kinds"].values()))), rows)


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


def _table(console: Console, head: Sequence[str], rows: Sequence[Sequence[str]], styles: Sequence[str] = ()) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=SIMPLE_HEAD, pad_edge=False)
    for k, title in enumerate(head):
        shown.add_column(title, justify="right" if k else "left", no_wrap=k == 0)
    for row, style in zip(rows, styles or [""] * len(rows), strict=True):
        shown.add_row(*(Text(say.printable(cell), style=style if k == 4 else "") for k, cell in enumerate(row)))
    console.print(shown, soft_wrap=False)


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
    _table(console, ("table: method", "number", "mean before", "mean after", "change [95 % interval]", "verdict"), rows)
    console.print(f"{len(shown)} of {len(moves)} numbers.", markup=False)


def _change(move: Move) -> str:
    value, low, high = move.change.triple
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
    """Run and print one of the seed paper's tables."""
    from afmend.evaluation.bench.seed_tables import seed_table

    found = seed_table(which, settings_of("quick", count=count or SEED_SCANS, size=size, box=box, seed=seed))
    if as_json:
        say.emit(found)
        return
    console = say.out()
    console.print(found["title"], style="bold", markup=False)
    _table(console, found["head"], found["rows"])
    for note in found["notes"]:
        console.print(note, markup=False)
