"""The queue: jobs to workers, results to the journal, and a summary whatever happens."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self, TypeAlias

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


def run_batch(inputs: Sequence[Path], order: Order, watch: Watch | None = None) -> Outcome:
    """Run an order over files and folders.

    Outputs appear whole or not at all; the result does not depend on the number of workers; the summary is
    written even if the run is interrupted (then for what was done so far).

    Raises
    ------
    WriteError
        If the output folder cannot be written.
    """
    jobs = plan(inputs, order)
    journal = Journal(order.out)
    sweep(order.out)
    done: dict[int, JobResult] = {}
    try:
        if order.resume:
            done.update((i, kept) for i, job in enumerate(jobs) if (kept := journal.recall(job)) is not None)
        for count, index in enumerate(sorted(done), start=1):
            _tell(watch, done[index], count, len(jobs))
        waiting = [i for i in range(len(jobs)) if i not in done]
        with _Crew(min(order.workers, len(waiting)), order.timeout_s) as crew:
            for index in waiting:
                crew.give(index, jobs[index])
            for _ in waiting:
                index, result = crew.take()
                journal.keep(jobs[index], result)
                done[index] = result
                _tell(watch, result, len(done), len(jobs))
    finally:
        outcome = Outcome(tuple(done[i] for i in sorted(done)))
        write_summary(order, outcome.results, planned=len(jobs))
    return outcome


def _tell(watch: Watch | None, result: JobResult, count: int, total: int) -> None:
    if watch is not None:
        watch(result, count, total)


class _Crew:
    """Worker processes, each served by a thread that restarts it if it dies."""

    def __init__(self, size: int, timeout_s: float) -> None:
        self._jobs: queue.SimpleQueue[tuple[int, Job] | None] = queue.SimpleQueue()
        self._results: queue.SimpleQueue[tuple[int, JobResult]] = queue.SimpleQueue()
        self._processes: list[_Worker] = [_Worker(timeout_s) for _ in range(size)]
        self._threads = [threading.Thread(target=self._serve, args=(w,), daemon=True) for w in self._processes]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for _thread in self._threads:
            self._jobs.put(None)
        for worker in self._processes:
            worker.stop()

    def give(self, index: int, job: Job) -> None:
        self._jobs.put((index, job))

    def take(self) -> tuple[int, JobResult]:
        while True:
            try:
                # A bounded wait, so that Ctrl-C reaches the main thread.
                return self._results.get(timeout=0.5)
            except queue.Empty:
                continue

    def _serve(self, worker: _Worker) -> None:
        while (item := self._jobs.get()) is not None:
            index, job = item
            self._results.put((index, worker.do(job)))


class _Worker:
    """One worker process, started on its first job and again after a crash."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._process: subprocess.Popen[str] | None = None
        self._stopped = False

    def do(self, job: Job) -> JobResult:
        process = self._process or self._start()
        late = threading.Event()

        def give_up() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(self._timeout_s, give_up)
        timer.daemon = True
        timer.start()
        try:
            _pipe(process.stdin).write(json.dumps(job.to_json()) + "\n")
            _pipe(process.stdin).flush()
            answer = _pipe(process.stdout).readline()
        except OSError:
            answer = ""
        finally:
            timer.cancel()
        if answer.endswith("\n"):
            return JobResult.from_json(json.loads(answer))
        code = self._bury(process)
        return JobResult(job.path, error=_lost(code, late=late.is_set(), timeout_s=self._timeout_s))

    def stop(self) -> None:
        process = self._process
        if process is None:
            return
        with suppress(OSError):
            _pipe(process.stdin).close()  # an idle worker ends by itself
        try:
            process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            process.kill()
        self._bury(process)

    def _bury(self, process: subprocess.Popen[str]) -> int:
        """Wait for the end of a process, close what led to it, and return its exit code."""
        self._process = None
        code = process.wait()
        for pipe in (process.stdin, process.stdout):
            with suppress(OSError):  # what could not be delivered any more
                _pipe(pipe).close()
        return code

    def _start(self) -> subprocess.Popen[str]:
        threads = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "afmend.apps.batch.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="ascii",
            env={**os.environ, **threads},
        )
        return self._process


def _pipe(stream: IO[str] | None) -> IO[str]:
    if stream is None:  # pragma: no cover (both pipes are always asked for)
        raise OSError("the worker has no pipe")
    return stream


def _lost(code: int, *, late: bool, timeout_s: float) -> dict[str, str]:
    if late:
        what = f"took longer than {timeout_s:g} s and was stopped"
        return {"kind": "TimeoutError", "what": what, "where": "", "now": "Give it more time with --timeout."}
    what = f"the process that worked on it died (code {code})"
    return {"kind": "CrashError", "what": what, "where": "", "now": "Out of memory? If not, please report this file."}
