"""What moved between two runs of the benchmark."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from afmend.errors import BadParameterError
from afmend.evaluation.bench.summary import Json, difference_of
from afmend.evaluation.metrics.compare import Estimate, paired_bootstrap

_TINY = 1e-12
_ROUNDING = 1e-4
"""Relative changes below this are rounding of another machine."""


@dataclass(frozen=True, slots=True)
class Move:
    """One number of one method in two runs, on the cases that both have.

    Attributes
    ----------
    task, method, column : str
    title : str
        Of the column.
    before, after : float
        Means over the common cases (NaN = nothing in common).
    kind : "ratio" or "difference"
    change : Estimate
        after / before (geometric mean) or after - before (mean; of sizes of signed errors: median) with its 95 %
        interval over scans.
    verdict : "better", "worse" or ""
        Only if the interval excludes no change.
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
        If the two runs have no case in common.
    """
    notes = [
        f"{key} was {old['settings'].get(key)!r}, is {value!r}"
        for key, value in new["settings"].items()
        if old["settings"].get(key) != value
    ]
    if old["afmend"] != new["afmend"]:
        notes.insert(0, f"afmend was {old['afmend']}, is {new['afmend']}")
    moves: list[Move] = []
    for table in new["tables"]:
        task = table["task"]
        if task not in old["cases"]:
            notes.append(f"the old run has no table {task!r}")
            continue
        pairs = _common(old["cases"][task], new["cases"][task])
        if not pairs:
            notes.append(f"no case of the table {task!r} is in both runs")
            continue
        if len(pairs) < len(new["cases"][task]):
            notes.append(f"{task}: {len(pairs)} of {len(new['cases'][task])} cases are in both runs")
        moves += _table(table, old["scores"][task], new["scores"][task], pairs, notes)
    if not moves:
        raise BadParameterError("the two runs have no case in common", where="bench compare",
                                now="Compare runs with the same --box, --seed and --size.")  # fmt: skip
    return moves, notes


def _common(old: Sequence[Json], new: Sequence[Json]) -> list[tuple[int, int, int]]:
    """Pairs (index in old, index in new, scan) of the same case: name, size and groups are equal."""

    def key(case: Json) -> str:
        return repr(sorted((name, value) for name, value in case.items() if name != "unit"))

    known = {key(case): index for index, case in enumerate(old)}
    return [(known[key(case)], index, case["unit"]) for index, case in enumerate(new) if key(case) in known]


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
        for column in table["columns"]:
            key = column["key"]
            if key in old[method] and key in new[method]:
                values = [(old[method][key][i], new[method][key][j], scan) for i, j, scan in pairs]
                if (move := _move(table["task"], method, column, values)) is not None:
                    moves.append(move)
    return moves


def _move(
    task: str, method: str, column: Json, values: Sequence[tuple[float | None, float | None, int]]
) -> Move | None:
    kept = [(a, b, scan) for a, b, scan in values if a is not None and b is not None]
    if not kept:
        return None
    kind = "ratio" if column["compare"] == "ratio" else "difference"
    scans: dict[int, list[tuple[float, float]]] = {}
    for a, b, scan in kept:
        scans.setdefault(scan, []).append((_sized(column, kind, a), _sized(column, kind, b)))
    before = np.array([np.mean([a for a, _ in pairs]) for pairs in scans.values()])
    after = np.array([np.mean([b for _, b in pairs]) for pairs in scans.values()])
    if kind == "ratio":
        change = paired_bootstrap(np.exp(after), np.exp(before), statistic="geometric_mean_ratio")
    else:
        change = paired_bootstrap(after, before, statistic=difference_of(column["better"]))
    return Move(
        task, method, column["key"], column["title"], float(np.mean([a for a, _, _ in kept])),
        float(np.mean([b for _, b, _ in kept])), kind, change,
        _verdict(column, kind, change, _ROUNDING if kind == "ratio" else _ROUNDING * float(np.mean(np.abs(before)))),
    )  # fmt: skip


def _sized(column: Json, kind: str, value: float) -> float:
    size = abs(value) if column["better"] == "zero" else value
    return math.log(max(size, _TINY)) if kind == "ratio" else size


def _verdict(column: Json, kind: str, change: Estimate, rounding: float) -> str:
    still = 1.0 if kind == "ratio" else 0.0
    if not (change.high < still - rounding or change.low > still + rounding):
        return ""
    sinks = change.high < still
    return "better" if sinks != (column["better"] == "high") else "worse"
