"""The queue: jobs to workers, results to the journal, and a summary whatever happens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from afmend.apps.batch.crew import Crew, Stopped
from afmend.apps.batch.job import Job, JobResult
from afmend.apps.batch.journal import Journal, sweep
from afmend.apps.batch.plan import Order, plan
from afmend.apps.batch.summary import write_summary

Watch: TypeAlias = Callable[[JobResult, int, int], None]
"""Called in the main thread after each file with (result, done, of)."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a batch, in the order of the inputs."""

    results: tuple[JobResult, ...]

    @property
    def exit_code(self) -> int:
        """0 = all good, 1 = some failed, 2 = nothing usable."""
        if not any(result.usable for result in self.results):
            return 2
        return 0 if all(result.good for result in self.results) else 1


Change: TypeAlias = Callable[[Job], Job]
"""Gives single files another recipe than the order's."""


def run_batch(
    inputs: Sequence[Path],
    order: Order,
    watch: Watch | None = None,
    *,
    change: Change | None = None,
    stop: Callable[[], bool] | None = None,
) -> Outcome:
    """Run an order over files and folders.

    Outputs appear whole or not at all; the result does not depend on the number of workers; the summary is
    written even if the run is interrupted (then for what was done so far), or ``stop`` asked for that.

    Raises
    ------
    WriteError
        If the output folder cannot be written.
    """
    jobs = plan(inputs, order) if change is None else [change(job) for job in plan(inputs, order)]
    journal = Journal(order.out)
    sweep(order.out)
    done: dict[int, JobResult] = {}
    try:
        if order.resume:
            done.update((i, kept) for i, job in enumerate(jobs) if (kept := journal.recall(job)) is not None)
        for count, index in enumerate(sorted(done), start=1):
            _tell(watch, done[index], count, len(jobs))
        waiting = [i for i in range(len(jobs)) if i not in done]
        with Crew(max(1, min(order.workers, len(waiting))), order.timeout_s) as crew:
            for index in waiting:
                crew.give(index, jobs[index])
            for _ in waiting:
                index, result = crew.take(stop)
                journal.keep(jobs[index], result)
                done[index] = result
                _tell(watch, result, len(done), len(jobs))
    except Stopped:
        pass
    finally:
        outcome = Outcome(tuple(done[i] for i in sorted(done)))
        write_summary(order, outcome.results, planned=len(jobs))
    return outcome


def _tell(watch: Watch | None, result: JobResult, count: int, total: int) -> None:
    if watch is not None:
        watch(result, count, total)
