"""Running every method on the cases of a unit: scores, seconds, memory, and failures told by name."""

from __future__ import annotations

import math
import time
import tracemalloc
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from afmend.errors import AfmendError
from afmend.evaluation.bench.cases import Case
from afmend.evaluation.bench.makers import make_cases
from afmend.evaluation.bench.methods import Method, TaskName, methods_of, unique
from afmend.evaluation.bench.plan import Settings, Unit
from afmend.evaluation.bench.task import Scores, Task
from afmend.evaluation.bench.tasks import find_task
from afmend.evaluation.bench.third_party import third_parties
from afmend.pipeline.run import one_blas_thread

WEIGHED = 2
"""Scans of a task on which memory is measured: measuring it takes a second run."""


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
    megabytes : float or None
        Peak of what Python and NumPy allocated (tracemalloc); None = not measured on this case.
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
    megabytes: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types (NaN included)."""
        return asdict(self)


def methods_for(task: TaskName, settings: Settings) -> tuple[Method, ...]:
    """List the methods of a table: the built-in ones, the user's, and the peers that were found."""
    from afmend.evaluation.bench.peers import peer_methods

    own = third_parties(settings.methods, task)
    return unique((*methods_of(task), *own, *peer_methods(settings.peers, task)))


def do_unit(settings: Settings, unit: Unit) -> list[Row]:
    """Do one unit of work; deterministic but for seconds and megabytes."""
    task, methods = find_task(unit.task), methods_for(unit.task, settings)
    with one_blas_thread():
        return [
            _row(task, unit, case, method, weigh=unit.index < WEIGHED)
            for case in make_cases(settings, unit)
            for method in methods
        ]


def _row(task: Task, unit: Unit, case: Case, method: Method, *, weigh: bool) -> Row:
    error, scores, seconds, megabytes = "", {}, math.nan, None
    try:
        began = time.perf_counter()
        result = task.run(method, case)
        seconds = time.perf_counter() - began
        scores = _plain(task.score(case, result))
        megabytes = _peak(task, method, case) if weigh else None
    except AfmendError as problem:
        error, scores = str(problem), {}
    except Exception as problem:  # noqa: BLE001 (a method of somebody else may raise anything; it is told, not dropped)
        error, scores = f"{type(problem).__name__}: {problem}", {}
    return Row(unit.task, unit.index, case.name, dict(case.groups), case.ideal.shape, method.name, scores, error,
               seconds, megabytes)  # fmt: skip


def _plain(scores: Scores) -> Scores:
    return {key: float(value) for key, value in scores.items()}


def _peak(task: Task, method: Method, case: Case) -> float:
    tracemalloc.start()
    try:
        task.run(method, case)
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()
