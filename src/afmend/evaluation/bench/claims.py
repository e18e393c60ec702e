"""Figures about ``auto`` that pages quote: against the best other method in hindsight, harm, false marks."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from afmend.evaluation.bench.methods import AUTO, TaskName, methods_of
from afmend.evaluation.bench.summary import Json, case_key, compared, estimate_json, scores_of, sized
from afmend.evaluation.bench.task import Column
from afmend.evaluation.bench.tasks import find_task
from afmend.evaluation.bench.tasks.clean import ALONG_LINES
from afmend.evaluation.bench.worker import Row
from afmend.evaluation.metrics.compare import Estimate, paired_bootstrap, share_estimate

ROW_POLYNOMIALS = ("row polynomial 1", "row polynomial 2")
HARM_FACTORS = (1.2, 10.0)
"""Errors of clean scans above so many noise floors are counted."""
HARM_METHODS = (AUTO, "median of differences")


def claims(by_task: Mapping[TaskName, Sequence[Row]]) -> list[Json]:
    """Return the figures that the rows of a run allow.

    Returns
    -------
    list of dict
        ``claim`` (a sentence with the unit), ``task``, ``value``, ``low``, ``high`` (95 % interval over scans),
        ``scans``, ``dropped``.
    """
    found: list[Json] = []
    tellers: dict[TaskName, Callable[[Methods], Claims]] = {
        "level": _level, "fill": _fill, "harm": _harm, "clean": _clean,
    }  # fmt: skip
    for task, tell in tellers.items():
        methods = _by_method(by_task.get(task, ()))
        if AUTO in methods:
            found += [{"task": task, "claim": claim, **estimate_json(estimate)} for claim, estimate in tell(methods)]
    return found


Methods = Mapping[str, Sequence[Row]]
Claims = list[tuple[str, Estimate]]


def _by_method(rows: Sequence[Row]) -> Methods:
    return {name: [row for row in rows if row.method == name] for name in dict.fromkeys(row.method for row in rows)}


def _level(methods: Methods) -> Claims:
    others = [methods[name] for name in ROW_POLYNOMIALS if name in methods]
    columns = [find_task("level").column(key) for key in ("leveling_percent_of_sq", "rmse_percent_of_sq")]
    return [
        (f"{column.title.removesuffix(', % of Sq')}: auto / the better row polynomial (degree 1 or 2) of each scan",
         compared(column, methods[AUTO], in_hindsight(column, methods[AUTO], others)))
        for column in columns
    ]  # fmt: skip


def _fill(methods: Methods) -> Claims:
    built_in = [method.name for method in methods_of("fill") if method.name != AUTO]
    column = find_task("fill").primary
    best = in_hindsight(column, methods[AUTO], [methods[name] for name in built_in if name in methods])
    return [("RMSE in the holes: auto / the best other method of each case", compared(column, methods[AUTO], best))]


def in_hindsight(column: Column, mine: Sequence[Row], others: Sequence[Sequence[Row]]) -> list[Row]:
    """Return for every case the row of the method that does best against ``auto``, as only the truth can tell.

    Methods are measured where they and ``auto`` both have something; cases that no method has are left out.
    """
    auto = {case_key(row): row for row in mine}
    best: dict[object, tuple[float, Row]] = {}
    for row in (row for rows in others for row in rows):
        key = case_key(row)
        if key not in auto:
            continue
        a, b = (sized(column.compare, column.better, value) for value in scores_of(column, auto[key], row))
        lead = (b - a) if column.better == "high" else (a - b)
        if math.isfinite(lead) and (key not in best or lead > best[key][0]):
            best[key] = (lead, row)
    return [row for _, row in best.values()]


def _harm(methods: Methods) -> Claims:
    found: Claims = []
    for name in HARM_METHODS:
        errors = _values(methods.get(name, ()), "error_over_floor")
        if not errors.size:
            continue
        found.append((f"clean scans, error over the noise floor: {name}, median", _middle(errors, "median_difference")))
        found += [
            (f"clean scans above {factor:g} noise floors, %: {name}",
             share_estimate(int(np.count_nonzero(errors > factor)), errors.size))
            for factor in HARM_FACTORS
        ]  # fmt: skip
    return found


def _clean(methods: Methods) -> Claims:
    found: Claims = []
    for words, along in (("", None), (", ridges within a degree of the lines", True), (", as the box draws", False)):
        for name, rows in methods.items():
            kept = [row for row in rows if along is None or (row.groups["direction"] == ALONG_LINES) == along]
            values = _values(kept, "false_percent")
            if values.size:
                found.append((f"clean scans{words}, marked, % of the pixels: {name}, mean",
                              _middle(values, "mean_difference")))  # fmt: skip
    return found


def _values(rows: Sequence[Row], key: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    found = np.array([row.scores.get(key, math.nan) for row in rows], dtype=np.float64)
    kept: np.ndarray[tuple[int], np.dtype[np.float64]] = found[np.isfinite(found)]
    return kept


def _middle(values: np.ndarray[tuple[int], np.dtype[np.float64]], statistic: str) -> Estimate:
    """Mean or median with its interval: one case is one scan here."""
    return paired_bootstrap(values, np.zeros(values.size), statistic=statistic)  # type: ignore[arg-type]
