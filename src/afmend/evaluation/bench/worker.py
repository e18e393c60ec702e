"""Running every method on the cases of a unit: scores, seconds, memory, and failures told by name."""

from __future__ import annotations

import math
import time
import tracemalloc
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from afmend.errors import AfmendError
from afmend.evaluation.bench.cases import Case, UnfitScanError
from afmend.evaluation.bench.makers import make_cases
from afmend.evaluation.bench.methods import AUTO, Method, TaskName, methods_of, unique
from afmend.evaluation.bench.plan import Settings, Unit
from afmend.evaluation.bench.task import Scores, Task
from afmend.evaluation.bench.tasks import find_task
from afmend.evaluation.bench.third_party import third_parties
from afmend.pipeline.run import one_blas_thread

WEIGHED = 2
"""Scans of a task on which memory is measured: measuring it takes a second run."""


_CALLED: set[tuple[str, str]] = set()
"""(task, method) that ran in this process before."""


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one method on one case.

    Attributes
    ----------
    task : TaskName
    unit : int
        Which scan: cases of one scan are not independent.
    case : str
    groups : mapping
        "family" and what else the task breaks down by.
    shape : (rows, cols)
    method : str
    scores : mapping
        Empty if it failed.
    error : str
        Empty if it did not.
    seconds : float
    first : bool
        Whether it was the method's first call in this process, which compiles and loads what it needs.
    megabytes : float or None
        Peak of what Python and NumPy allocated (tracemalloc); None = not measured on this case.
    versus_auto : mapping of column to (float, float)
        Scores of ``auto`` and of this method on the pixels that both have, where these are not all.
    """

    task: TaskName
    unit: int
    case: str
    groups: Mapping[str, str]
    shape: tuple[int, int]
    method: str
    scores: Mapping[str, float]
    error: str = ""
    seconds: float = math.nan
    first: bool = False
    megabytes: float | None = None
    versus_auto: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types (NaN included)."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Skip:
    """A scan that a task could not use, and why."""

    task: TaskName
    case: str
    reason: str


@dataclass(frozen=True, slots=True)
class Done:
    """What became of one unit: rows, or the reason why there are none."""

    rows: list[Row]
    skipped: list[Skip] = field(default_factory=list)


def methods_for(task: TaskName, settings: Settings) -> tuple[Method, ...]:
    """List the methods of a table: the built-in ones, the user's, and the peers that were found."""
    from afmend.evaluation.bench.peers import peer_methods

    own = third_parties(settings.methods, task)
    return unique((*methods_of(task), *own, *peer_methods(settings.peers, task)))


def do_unit(settings: Settings, unit: Unit) -> Done:
    """Do one unit of work; deterministic but for seconds and megabytes."""
    task, methods = find_task(unit.task), methods_for(unit.task, settings)
    with one_blas_thread():
        try:
            cases = make_cases(settings, unit)
        except UnfitScanError as error:
            return Done([], [Skip(unit.task, error.where, error.what)])
        return Done([row for case in cases for row in _rows(task, unit, case, methods)])


def _rows(task: Task, unit: Unit, case: Case, methods: Sequence[Method]) -> list[Row]:
    rows, auto = [], None
    for method in methods:
        row, result = _row(task, unit, case, method)
        if method.name == AUTO:
            auto = result
        elif task.pair is not None and auto is not None and result is not None:
            row = replace(row, versus_auto=dict(task.pair(case, auto, result)))
        rows.append(row)
    return rows


def _row(task: Task, unit: Unit, case: Case, method: Method) -> tuple[Row, Any]:
    """Return the row, and what the method made (None if it failed)."""
    error, scores, seconds, megabytes, result = "", {}, math.nan, None, None
    first = (task.name, method.name) not in _CALLED
    _CALLED.add((task.name, method.name))
    try:
        began = time.perf_counter()
        result = task.run(method, case)
        seconds = time.perf_counter() - began
        scores = _plain(task.score(case, result))
        megabytes = _peak(task, method, case) if unit.index < WEIGHED else None
    except AfmendError as problem:
        error = str(problem)
    except (Exception, SystemExit) as problem:  # noqa: BLE001 (code of somebody else may raise anything; it is told)
        error = f"{type(problem).__name__}: {problem}"
    if error:
        scores, result = {}, None
    return Row(unit.task, unit.index, case.name, dict(case.groups), case.ideal.shape, method.name, scores, error,
               seconds, first, megabytes), result  # fmt: skip


def _plain(scores: Scores) -> Scores:
    return {key: float(value) for key, value in scores.items()}


def _peak(task: Task, method: Method, case: Case) -> float:
    tracemalloc.start()
    try:
        task.run(method, case)
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()
