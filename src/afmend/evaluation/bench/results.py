"""The results of a run: one JSON document, the same for the same settings but for its part ``cost``."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from afmend import __version__
from afmend.errors import CorruptFileError, WriteError
from afmend.evaluation.bench.methods import UNTOUCHED, methods_of
from afmend.evaluation.bench.plan import Settings
from afmend.evaluation.bench.summary import Json, Vector, estimate_json, summarize
from afmend.evaluation.bench.worker import Row, methods_for
from afmend.evaluation.metrics.compare import mean_rank_correlation
from afmend.formats.register import replacing

FORMAT = "afmend-bench"
LAYOUT = 1
_DIGITS = 6


def document(settings: Settings, rows: Sequence[Row], seconds: float, workers: int) -> Json:
    """Put everything about a run together.

    Returns
    -------
    dict
        ``settings``, ``tables`` (averages, intervals, breakdowns), ``correlation``, ``cases`` and ``scores`` (every
        number of every case, six digits), ``failures``, and ``cost``: seconds and megabytes, which alone differ
        between two runs of the same settings.
    """
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
        "correlation": correlation(by_task.get("level", [])),
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
    """Return `rank_correlation` of the built-in levelings, and its value with the unleveled scan as one more method."""
    known = {method.name for method in methods_of("level")}
    rows = [row for row in rows if row.method in known]
    found = rank_correlation([row for row in rows if row.method != UNTOUCHED])
    everything = rank_correlation(rows)
    if found is None or everything is None:
        return None
    return {**found, "with_nothing": everything["value"]}


def rank_correlation(rows: Sequence[Row]) -> Json | None:
    """Rank correlation of the seed's sigma_bg with the true error, over methods, averaged over scans.

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
        np.array([[table[*case, method].get(key, math.nan) for method in methods] for case in cases])
        for key in ("sigma_bg_nm", "rmse_nm")
    )
    whole = np.isfinite(sigma).all(axis=1) & np.isfinite(error).all(axis=1)
    if np.count_nonzero(whole) < 2:
        return None
    sigma, error = sigma[whole], error[whole]
    each = np.array([mean_rank_correlation(s[None], e[None]).value for s, e in zip(sigma, error, strict=True)])
    return {
        **estimate_json(mean_rank_correlation(sigma, error)),
        "methods": methods,
        "negative": float(np.mean(each < 0)),
        "same_best": float(np.mean(np.argmin(sigma, axis=1) == np.argmin(error, axis=1))),
    }


def _key(row: Row) -> tuple[Any, ...]:
    return (row.unit, row.case, *row.groups.values())


def _cases(rows: Sequence[Row]) -> list[Json]:
    first = {_key(row): row for row in reversed(rows)}
    keys = dict.fromkeys(_key(row) for row in rows)
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
        seconds: Vector = np.array([row.seconds for row in part if math.isfinite(row.seconds)])
        found[method] = {
            "median_seconds": float(np.median(seconds)) if seconds.size else None,
            "p95_seconds": float(np.quantile(seconds, 0.95)) if seconds.size else None,
            "peak_megabytes": max(heavy) if heavy else None,
        }
    return found


def write_json(data: Mapping[str, Any], path: Path) -> None:
    """Write a document, all or nothing.

    Raises
    ------
    WriteError
        If the disk refuses.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"the folder cannot be made ({error.strerror})", where=str(path.parent),
                         now="Choose another --out.") from error  # fmt: skip
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        json.dump(data, file, allow_nan=False, separators=(",", ":"))
        file.write("\n")


def read_json(path: Path) -> Json:
    """Read a document written by `write_json`.

    Raises
    ------
    CorruptFileError
        If it is none, or of another layout.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CorruptFileError(f"cannot be read ({error})", where=str(path),
                               now="Give a bench.json written by `afmend bench`.") from error  # fmt: skip
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise CorruptFileError("is no result of `afmend bench`", where=str(path), now="Give a bench.json.")
    if data.get("layout") != LAYOUT:
        raise CorruptFileError(
            f"has layout {data.get('layout')}, this afmend reads layout {LAYOUT}", where=str(path),
            now="Compare runs of the same afmend, or run the benchmark again.",
        )  # fmt: skip
    return data
