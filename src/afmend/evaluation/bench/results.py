"""The results of a run: one JSON document, the same for the same settings but for its part ``cost``."""

from __future__ import annotations

import math
import platform
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from afmend import __version__
from afmend.evaluation.bench.claims import claims
from afmend.evaluation.bench.documents import FORMAT, LAYOUT
from afmend.evaluation.bench.methods import UNTOUCHED, methods_of
from afmend.evaluation.bench.plan import Settings
from afmend.evaluation.bench.summary import Json, Vector, case_key, estimate_json, summarize
from afmend.evaluation.bench.worker import Done, Row, methods_for
from afmend.evaluation.metrics.compare import mean_rank_correlation, spearman

_DIGITS = 6
ERRORS = {"leveling": "leveling_percent_of_sq", "rmse": "rmse_nm"}
"""Name in ``correlation`` -> column: with what sigma_bg is compared."""


def document(settings: Settings, done: Done, seconds: float, workers: int) -> Json:
    """Put everything about a run together.

    Returns
    -------
    dict
        ``settings``, ``tables`` (averages, intervals, breakdowns), ``correlation``, ``claims`` (see
        `claims.claims`), ``cases`` and ``scores`` (every number of every case, six digits), ``failures``, and
        ``cost``: seconds and megabytes, which alone differ between two runs of the same settings;
        ``skipped`` names the scans that a task could not use, and why.
    """
    rows = done.rows
    tasks = list(dict.fromkeys(row.task for row in rows))
    by_task = {task: [row for row in rows if row.task == task] for task in tasks}
    return {
        "format": FORMAT,
        "layout": LAYOUT,
        "afmend": __version__,
        "settings": settings.to_json(),
        "methods": {task: {method.name: method.title for method in methods_for(task, settings)} for task in tasks},
        "built_in": {task: [method.name for method in methods_of(task)] for task in tasks},
        "tables": summarize(rows),
        "without_cases": [task for task in settings.tasks if task not in tasks],
        "skipped": [asdict(skip) for skip in done.skipped],
        "correlation": correlation(by_task.get("level", [])),
        "claims": claims(by_task),
        "failures": [
            {"task": row.task, "case": row.case, **row.groups, "method": row.method, "error": row.error}
            for row in rows if row.error
        ],
        "cases": {task: _cases(part) for task, part in by_task.items()},
        "scores": {task: _scores(part) for task, part in by_task.items()},
        "cost": {
            "seconds": seconds,
            "workers": workers,
            "machine": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
            "memory": "peak of what Python and NumPy allocated during one call (tracemalloc); what compiled loops "
            "and OpenCV allocate for themselves is not in it",
            "tasks": {task: _costs(part) for task, part in by_task.items()},
        },
    }  # fmt: skip


def correlation(rows: Sequence[Row]) -> Json | None:
    """Return `rank_correlation` of the built-in levelings with both errors: ``leveling`` and ``rmse``.

    Each holds as ``with_nothing`` its value with the unleveled scan as one more method. Oracles and controls take no
    part. None if either cannot be said.
    """
    known = {method.name for method in methods_of("level") if not method.role}
    rows = [row for row in rows if row.method in known]
    answer = {}
    for name, key in ERRORS.items():
        found = rank_correlation([row for row in rows if row.method != UNTOUCHED], key)
        everything = rank_correlation(rows, key)
        if found is None or everything is None:
            return None
        answer[name] = {**found, "with_nothing": everything["value"]}
    return answer


def rank_correlation(rows: Sequence[Row], key: str) -> Json | None:
    """Rank correlation of the seed's sigma_bg with an error, over methods, averaged over scans.

    Returns
    -------
    dict or None
        ``value``, ``low``, ``high`` (95 % interval over scans), ``scans``, ``methods``, ``negative`` (share of scans
        on which it is negative), and ``same_best``: on which share of scans the method of the lowest sigma_bg is
        that of the lowest error. None without two methods on two scans.
    """
    methods = list(dict.fromkeys(row.method for row in rows))
    cases = list(dict.fromkeys((row.unit, row.case) for row in rows))
    if len(methods) < 2 or len(cases) < 2:
        return None
    table = {(row.unit, row.case, row.method): row.scores for row in rows}
    sigma, error = (
        np.array([[table[*case, method].get(column, math.nan) for method in methods] for case in cases])
        for column in ("sigma_bg_nm", key)
    )
    whole = np.isfinite(sigma).all(axis=1) & np.isfinite(error).all(axis=1)
    if np.count_nonzero(whole) < 2:
        return None
    sigma, error = sigma[whole], error[whole]
    each = np.array([spearman(s, e) for s, e in zip(sigma, error, strict=True)])
    return {
        **estimate_json(mean_rank_correlation(sigma, error)),
        "methods": methods,
        "negative": float(np.mean(each < 0)),
        "same_best": float(np.mean(np.argmin(sigma, axis=1) == np.argmin(error, axis=1))),
    }


def _cases(rows: Sequence[Row]) -> list[Json]:
    first = {case_key(row): row for row in reversed(rows)}
    keys = dict.fromkeys(case_key(row) for row in rows)
    return [
        {"unit": first[key].unit, "case": first[key].case, "shape": list(first[key].shape), **first[key].groups}
        for key in keys
    ]


def _scores(rows: Sequence[Row]) -> dict[str, dict[str, list[float | None]]]:
    """List, per method and column, one number per case, in the order of ``cases``; None = none."""
    found: dict[str, dict[str, list[float | None]]] = {}
    for method in dict.fromkeys(row.method for row in rows):
        part = [row for row in rows if row.method == method]
        keys = sorted({key for row in part for key in row.scores})
        found[method] = {key: [_rounded(row.scores.get(key)) for row in part] for key in keys}
    return found


def _rounded(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(f"{value:.{_DIGITS}g}")


def _costs(rows: Sequence[Row]) -> dict[str, Json]:
    found = {}
    for method in dict.fromkeys(row.method for row in rows):
        part = [row for row in rows if row.method == method]
        heavy = [row.megabytes for row in part if row.megabytes is not None]
        timed = [row for row in part if math.isfinite(row.seconds)]
        # A method that ran once per process has nothing but first calls.
        seconds: Vector = np.array([row.seconds for row in [r for r in timed if not r.first] or timed])
        found[method] = {
            "median_seconds": float(np.median(seconds)) if seconds.size else None,
            "p95_seconds": float(np.quantile(seconds, 0.95)) if seconds.size else None,
            "peak_megabytes": max(heavy) if heavy else None,
        }
    return found
