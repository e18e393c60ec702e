"""Running a benchmark: units go over processes, rows come back in the order of the plan."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TypeAlias

from afmend.errors import StepError
from afmend.evaluation.bench.plan import Settings, Unit, units_of
from afmend.evaluation.bench.worker import Done, do_unit, methods_for
from afmend.pipeline.workers import ONE_THREAD, end_with_parent

Watch: TypeAlias = Callable[[str, int, int], None]
"""Called after each unit with (task, done, of)."""


def run_units(settings: Settings, workers: int, watch: Watch | None = None) -> Done:
    """Run everything that the settings ask for.

    Parameters
    ----------
    settings : Settings
    workers : int
        Processes side by side; the numbers do not depend on it. 1 = in this process.
    watch : callable, optional

    Returns
    -------
    Done
        Rows by task, scan, case and method, and the scans that were left out.

    Raises
    ------
    BadParameterError, BadRecipeError
        Before anything runs, if a method cannot be loaded or there is no such box.
    StepError
        If a worker process dies.
    """
    for task in settings.tasks:
        methods_for(task, settings)
    units = units_of(settings)
    done: dict[Unit, Done] = {}
    for unit, found in _finished(settings, units, max(1, min(workers, len(units)))):
        done[unit] = found
        if watch is not None:
            watch(unit.task, len(done), len(units))
    return Done([row for unit in units for row in done[unit].rows],
                [skip for unit in units for skip in done[unit].skipped])  # fmt: skip


def _finished(settings: Settings, units: Sequence[Unit], workers: int) -> Iterator[tuple[Unit, Done]]:
    if workers == 1:
        yield from ((unit, do_unit(settings, unit)) for unit in units)
        return
    # Fresh processes: a fork of a process with threads may hang.
    context = multiprocessing.get_context("spawn")
    with (
        _environment(ONE_THREAD),
        ProcessPoolExecutor(workers, mp_context=context, initializer=end_with_parent) as pool,
    ):
        waiting = {pool.submit(do_unit, settings, unit): unit for unit in units}
        try:
            for future in as_completed(waiting):
                yield waiting[future], future.result()
        except BrokenProcessPool as error:
            raise StepError(
                "a worker process died", where="bench", now="Out of memory? Try fewer --workers."
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _environment(changes: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
