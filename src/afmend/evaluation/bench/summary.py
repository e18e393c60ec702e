"""From rows to tables: averages, intervals, breakdowns, and the scans on which ``auto`` loses."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from afmend.evaluation.bench.methods import AUTO, TaskName, methods_of
from afmend.evaluation.bench.task import Column, Task
from afmend.evaluation.bench.tasks import find_task
from afmend.evaluation.bench.tasks.mask import RECALL_OF
from afmend.evaluation.bench.worker import Row
from afmend.evaluation.metrics.compare import Estimate, paired_bootstrap

Json: TypeAlias = dict[str, Any]
Vector: TypeAlias = NDArray[np.float64]
WORST = 3
"""So many scans on which ``auto`` loses are named."""
_MARGIN = {"ratio": math.log(1.01), "difference": 0.1, "": 0.0}
"""A loss is a difference beyond rounding: 1 % of an error, a tenth of a percent point of a share."""
_TINY = 1e-12
"""Scores below this count as this in a ratio: an exact zero has no logarithm."""


def summarize(rows: Sequence[Row]) -> list[Json]:
    """Return one table per task, in the order of the rows."""
    names: list[TaskName] = list(dict.fromkeys(row.task for row in rows))
    return [_table(find_task(name), [row for row in rows if row.task == name]) for name in names]


def _table(task: Task, rows: Sequence[Row]) -> Json:
    methods = list(dict.fromkeys(row.method for row in rows))
    by_method = {name: [row for row in rows if row.method == name] for name in methods}
    roles = {method.name: method.role for method in methods_of(task.name) if method.role and method.name in methods}
    found = [_line(task, name, by_method, roles) for name in methods]
    return {
        "task": task.name,
        "title": task.title,
        "about": task.about,
        "columns": [_column(column) for column in task.columns],
        "scans": len({row.unit for row in rows}),
        "cases": len(by_method[methods[0]]),
        "methods": found,
        "roles": roles,
        "kinds": _kinds(by_method),
        "groups": {group: _group(task, group, by_method) for group in task.groups},
    }


def _column(column: Column) -> Json:
    return {name: getattr(column, name) for name in ("key", "title", "better", "compare", "about")}


def _kinds(by_method: Mapping[str, Sequence[Row]]) -> Json:
    """Recall of every kind of artifact by every method, percent; empty for tasks that find none."""
    keys = {key for rows in by_method.values() for row in rows for key in row.scores if key.startswith(RECALL_OF)}
    return {
        key.removeprefix(RECALL_OF): {name: spread(_values(rows, key)) for name, rows in by_method.items()}
        for key in sorted(keys)
    }


def _line(task: Task, name: str, by_method: Mapping[str, Sequence[Row]], roles: Mapping[str, str]) -> Json:
    rows = by_method[name]
    failed = [row for row in rows if row.error]
    keys = dict.fromkeys(key for row in rows for key in row.scores if not key.startswith(RECALL_OF))
    signed = {column.key for column in task.columns if column.better == "zero"}
    line: Json = {
        "method": name,
        "cases": len(rows),
        "failed": len(failed),
        "metrics": {key: spread(_values(rows, key), signed=key in signed) for key in keys},
        "against_auto": {},
    }
    if name != AUTO and AUTO in by_method:
        mine = by_method[AUTO]
        line["against_auto"] = {c.key: _against(c, mine, rows) for c in task.columns if c.compare}
        if name not in roles:
            line["auto_loses"] = losses(task.primary, mine, rows)
    return line


def _values(rows: Sequence[Row], key: str) -> Vector:
    return np.array([row.scores.get(key, math.nan) for row in rows], dtype=np.float64)


def spread(values: Vector, *, signed: bool = False) -> Json:
    """Return averages of the numbers that are there; of signed errors those of the sizes, and the mean as ``bias``."""
    kept = values[np.isfinite(values)]
    names = ("mean", "median", "p95", "std", *(("bias",) if signed else ()))
    if kept.size == 0:
        return {"count": 0, **dict.fromkeys(names)}
    sizes = np.abs(kept) if signed else kept
    numbers = (np.mean(sizes), np.median(sizes), np.quantile(sizes, 0.95), np.std(sizes), np.mean(kept))
    return {"count": int(kept.size), **dict(zip(names, map(float, numbers), strict=False))}


def _against(column: Column, mine: Sequence[Row], theirs: Sequence[Row]) -> Json:
    found = {"kind": column.compare, **estimate_json(compared(column, mine, theirs))}
    if difference_of(column.better) == "mean_difference" and column.compare == "difference":
        found["median"] = estimate_json(compared(column, mine, theirs, "median_difference"))
    return found


def estimate_json(found: Estimate) -> Json:
    """Return an estimate as plain JSON types; NaN becomes None."""
    numbers = {"value": found.value, "low": found.low, "high": found.high}
    return {
        **{key: float(value) if math.isfinite(value) else None for key, value in numbers.items()},
        "scans": found.count,
        "dropped": found.dropped,
    }


def compared(
    column: Column,
    mine: Sequence[Row],
    theirs: Sequence[Row],
    difference: Literal["median_difference", "mean_difference"] | None = None,
) -> Estimate:
    """Compare two methods on the cases that both have: cases of one scan are averaged first, scans are resampled."""
    pairs = _per_scan(column, mine, theirs)
    a = np.array([pair[0] for pair in pairs], dtype=np.float64)
    b = np.array([pair[1] for pair in pairs], dtype=np.float64)
    if column.compare == "ratio":
        return paired_bootstrap(np.exp(a), np.exp(b), statistic="geometric_mean_ratio")
    return paired_bootstrap(a, b, statistic=difference or difference_of(column.better))


def difference_of(better: str) -> Literal["median_difference", "mean_difference"]:
    """Say which difference compares methods: signed errors span decades, and one scan would rule their mean."""
    return "median_difference" if better == "zero" else "mean_difference"


def _per_scan(column: Column, mine: Sequence[Row], theirs: Sequence[Row]) -> list[tuple[float, float]]:
    """Mean score of each scan for both methods, over common cases: of logarithms for a ratio; NaN = none in common."""
    other = {case_key(row): row for row in theirs}
    scans: dict[int, list[tuple[float, float]]] = {}
    for row in mine:
        pairs = scans.setdefault(row.unit, [])
        pair = [
            sized(column.compare, column.better, value) for value in scores_of(column, row, other.get(case_key(row)))
        ]
        if all(map(math.isfinite, pair)):
            pairs.append((pair[0], pair[1]))
    return [
        (float(np.mean([a for a, _ in pairs])), float(np.mean([b for _, b in pairs])))
        if pairs
        else (math.nan, math.nan)
        for pairs in scans.values()
    ]


def scores_of(column: Column, row: Row, partner: Row | None) -> tuple[float, float]:
    """Return the scores of ``auto`` and of another method on one case: on common pixels, where these differ."""
    if partner is None:
        return (math.nan, math.nan)
    if column.key in partner.versus_auto:
        return partner.versus_auto[column.key]
    return (row.scores.get(column.key, math.nan), partner.scores.get(column.key, math.nan))


def case_key(row: Row) -> tuple[Any, ...]:
    """Return what tells one case from all others."""
    return (row.unit, row.case, *row.groups.values())


def sized(compare: str, better: str, value: float) -> float:
    """Return what of a score is compared: the size of a signed error, and of that, for a ratio, the logarithm."""
    size = abs(value) if better == "zero" else value
    return math.log(max(size, _TINY)) if compare == "ratio" else size


def losses(column: Column, mine: Sequence[Row], theirs: Sequence[Row]) -> Json:
    """Say on which share of the common cases the first of two methods is worse, and name the worst."""
    sign = -1.0 if column.better == "high" else 1.0
    other = {case_key(row): row for row in theirs}
    worse: list[tuple[float, Row, tuple[float, float]]] = []
    common = 0
    for row in mine:
        pair = scores_of(column, row, other.get(case_key(row)))
        a, b = (sized(column.compare, column.better, value) for value in pair)
        if not (math.isfinite(a) and math.isfinite(b)):
            continue
        common += 1
        if sign * (a - b) > _MARGIN[column.compare]:
            worse.append((sign * (a - b), row, pair))
    worse.sort(key=lambda item: (-item[0], item[1].case))
    return {
        "share": len(worse) / common if common else None,
        "common": common,
        "worst": [
            {"case": row.case, **row.groups, "auto": pair[0], "other": pair[1]} for _, row, pair in worse[:WORST]
        ],
    }


def _group(task: Task, group: str, by_method: Mapping[str, Sequence[Row]]) -> Json:
    """Median of the primary score of every method for every value of a group."""
    column = task.primary
    values = sorted({row.groups[group] for rows in by_method.values() for row in rows})
    return {
        value: {
            name: {
                **spread(_values(part, column.key), signed=column.better == "zero"),
                "scans": len({row.unit for row in part}),
                "against_auto": _against(column, chosen(by_method.get(AUTO, ())), part) if name != AUTO else None,
            }
            for name, rows in by_method.items()
            if (part := chosen(rows))
        }
        for value in values
        for chosen in (_chooser(group, value),)
    }


def _chooser(group: str, value: str) -> Callable[[Sequence[Row]], list[Row]]:
    return lambda rows: [row for row in rows if row.groups[group] == value]
