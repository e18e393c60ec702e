"""What moved between two runs of the benchmark."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from afmend.errors import BadParameterError
from afmend.evaluation.bench.page_tables import decided
from afmend.evaluation.bench.summary import Json, difference_of, sized
from afmend.evaluation.bench.task import OPEN
from afmend.evaluation.metrics.compare import Estimate, paired_bootstrap

_ROUNDING = 1e-4
"""Relative changes below this are rounding of another machine."""


LOST = "lost"
"""Column of the row that says how many cases a method failed on or left open."""


@dataclass(frozen=True, slots=True)
class Move:
    """One number of one method in two runs, on the cases that both have.

    Attributes
    ----------
    task, method, column : str
    title : str
        Of the column.
    before, after : float
        Means over the common cases (NaN = nothing in common); for the column `LOST` counts of cases.
    kind : "ratio", "difference" or "count"
    change : Estimate
        after / before (geometric mean) or after - before (mean; of sizes of signed errors: median) with its 95 %
        interval over scans; of counts the plain difference.
    verdict : "better", "worse" or ""
        Only if the interval excludes no change. A method that newly fails or leaves holes open is "worse", and
        nothing of it is "better" on the cases that remain.
    """

    task: str
    method: str
    column: str
    title: str
    before: float
    after: float
    kind: str
    change: Estimate
    verdict: str


def compare(old: Json, new: Json) -> tuple[list[Move], list[str]]:
    """Compare two documents, method by method, on common cases.

    Returns
    -------
    moves : list of Move
        For every column with a direction, in the order of the new document.
    notes : list of str
        What could not be compared, and what differs in the settings.

    Raises
    ------
    BadParameterError
        If the two runs have no case in common, or two cases of one run cannot be told apart.
    """
    notes = [
        f"{key} was {old['settings'].get(key)!r}, is {value!r}"
        for key, value in new["settings"].items()
        if old["settings"].get(key) != value
    ]
    if old["afmend"] != new["afmend"]:
        notes.insert(0, f"afmend was {old['afmend']}, is {new['afmend']}")
    before = {table["task"]: table for table in old["tables"]}
    after = {table["task"]: table for table in new["tables"]}
    notes += [f"the new run has no table {task!r}" for task in before if task not in after]
    moves: list[Move] = []
    for task, table in after.items():
        if task not in before:
            notes.append(f"the old run has no table {task!r}")
            continue
        pairs = _common(task, old["cases"][task], new["cases"][task])
        if not pairs:
            notes.append(f"no case of the table {task!r} is in both runs")
            continue
        if len(pairs) < max(len(old["cases"][task]), len(new["cases"][task])):
            notes.append(
                f"{task}: {len(pairs)} cases are in both runs, of {len(old['cases'][task])} and "
                f"{len(new['cases'][task])}"
            )
        moves += _table(table, old["scores"][task], new["scores"][task], pairs, notes)
        gone = [line["method"] for line in before[task]["methods"] if line["method"] not in new["scores"][task]]
        moves += [_gone(task, method, len(pairs), notes) for method in gone]
    if not moves:
        raise BadParameterError("the two runs have no case in common", where="bench compare",
                                now="Compare runs with the same --box, --seed and --size.")  # fmt: skip
    return moves, notes


def _common(task: str, old: Sequence[Json], new: Sequence[Json]) -> list[tuple[int, int, int]]:
    """Pairs (index in old, index in new, scan) of the same case: name, size and groups are equal."""
    known, wanted = _places(task, old), _places(task, new)
    return [(known[key], index, new[index]["unit"]) for key, index in wanted.items() if key in known]


def _places(task: str, cases: Sequence[Json]) -> dict[str, int]:
    places: dict[str, int] = {}
    for index, case in enumerate(cases):
        key = repr(sorted((name, value) for name, value in case.items() if name != "unit"))
        if key in places:
            raise BadParameterError(f"two cases of the table {task!r} are called {case['case']!r}",
                                    where="bench compare", now="Run the benchmark again.")  # fmt: skip
        places[key] = index
    return places


def _table(
    table: Json, old: Mapping[str, Json], new: Mapping[str, Json], pairs: Sequence[tuple[int, int, int]],
    notes: list[str],
) -> list[Move]:  # fmt: skip
    moves = []
    for line in table["methods"]:
        method = line["method"]
        if method not in old:
            notes.append(f"{table['task']}: the old run has no method {method!r}")
            continue
        lost = _lost(table, method, old[method], new[method], pairs)
        worse = lost is not None and lost.verdict == "worse"
        if lost is not None:
            moves.append(lost)
        if worse:
            notes.append(f"{table['task']}: {method} newly fails or leaves holes open: nothing of it is called better")
        for column in table["columns"]:
            key = column["key"]
            if key in old[method] and key in new[method]:
                values = [(old[method][key][i], new[method][key][j], scan) for i, j, scan in pairs]
                if (move := _move(table["task"], method, column, values)) is not None:
                    moves.append(replace(move, verdict="") if worse and move.verdict == "better" else move)
    return moves


def _lost(
    table: Json, method: str, old: Json, new: Json, pairs: Sequence[tuple[int, int, int]]
) -> Move | None:  # fmt: skip
    """Count the cases without a result, or of fills with open holes, in one run and not, or less, in the other.

    Measurements take what a method left open as it stands: there it is a column like others.
    """
    key, filling = table["columns"][0]["key"], table["task"] == "fill"
    ends: list[tuple[float, float]] = []
    for i, j, _ in pairs:
        a, b = _at(old, key, i), _at(new, key, j)
        open_a, open_b = ((_at(scores, OPEN, k) or 0.0) if filling else 0.0 for scores, k in ((old, i), (new, j)))
        # No result in either run (a clean scan has no overlap of masks) is no loss.
        none = a is None and b is None
        ends.append((100.0 if a is None and not none else open_a, 100.0 if b is None and not none else open_b))
    more = sum(b - a > _ROUNDING * b for a, b in ends)
    fewer = sum(a - b > _ROUNDING * a for a, b in ends)
    if not more and not fewer:
        return None
    before, after = sum(a > 0 for a, _ in ends), sum(b > 0 for _, b in ends)
    change = Estimate(after - before, math.nan, math.nan, len({scan for _, _, scan in pairs}), 0)
    return Move(table["task"], method, LOST, "cases failed or left open", before, after, "count", change,
                "worse" if more else "better")  # fmt: skip


def _gone(task: str, method: str, cases: int, notes: list[str]) -> Move:
    notes.append(f"{task}: the new run has no method {method!r}")
    change = Estimate(cases, math.nan, math.nan, cases, 0)
    return Move(task, method, LOST, "cases failed or left open", 0, cases, "count", change, "worse")


def _at(scores: Json, key: str, index: int) -> float | None:
    found: float | None = scores[key][index] if key in scores else None
    return found


def _move(
    task: str, method: str, column: Json, values: Sequence[tuple[float | None, float | None, int]]
) -> Move | None:
    kept = [(a, b, scan) for a, b, scan in values if a is not None and b is not None]
    if not kept:
        return None
    kind = "ratio" if column["compare"] == "ratio" else "difference"
    scans: dict[int, list[tuple[float, float]]] = {}
    for a, b, scan in kept:
        scans.setdefault(scan, []).append((sized(kind, column["better"], a), sized(kind, column["better"], b)))
    before = np.array([np.mean([a for a, _ in pairs]) for pairs in scans.values()])
    after = np.array([np.mean([b for _, b in pairs]) for pairs in scans.values()])
    if kind == "ratio":
        change = paired_bootstrap(np.exp(after), np.exp(before), statistic="geometric_mean_ratio")
    else:
        change = paired_bootstrap(after, before, statistic=difference_of(column["better"]))
    return Move(
        task, method, column["key"], column["title"], float(np.mean([a for a, _, _ in kept])),
        float(np.mean([b for _, b, _ in kept])), kind, change,
        decided(kind, column["better"], change.low, change.high,
                _ROUNDING if kind == "ratio" else _ROUNDING * float(np.mean(np.abs(before)))),
    )  # fmt: skip
