"""Worker processes, each served by a thread that restarts it if it dies."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Self

from afmend.apps.batch.job import Job, JobResult
from afmend.pipeline.workers import ONE_THREAD, bury, end, pipe


class Stopped(Exception):  # noqa: N818 (no error: somebody asked for it)
    """The batch was asked to end early."""


class Crew:
    """A pool of worker processes. Every job given comes back as a result, whatever happens to its worker.

    Parameters
    ----------
    size : int
        Number of processes.
    timeout_s : float
        A job that takes longer is given up, and its worker replaced.
    """

    def __init__(self, size: int, timeout_s: float) -> None:
        self._jobs: queue.SimpleQueue[tuple[int, Job] | None] = queue.SimpleQueue()
        self._results: queue.SimpleQueue[tuple[int, JobResult]] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._workers = [_Worker(timeout_s) for _ in range(size)]
        self._threads = [threading.Thread(target=self._serve, args=(w,), daemon=True) for w in self._workers]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Let idle workers end; after an error (Ctrl-C) end the busy ones at once and drop what waits."""
        self._stopping.set()
        for _thread in self._threads:
            self._jobs.put(None)
        if kind is not None:
            for worker in self._workers:
                worker.kill()
        for thread in self._threads:
            thread.join()

    def give(self, index: int, job: Job) -> None:
        """Queue a job."""
        self._jobs.put((index, job))

    def take(self, stop: Callable[[], bool] | None = None) -> tuple[int, JobResult]:
        """Wait for a result; raise `Stopped` as soon as ``stop`` says so."""
        while True:
            if stop is not None and stop():
                raise Stopped
            with suppress(queue.Empty):
                # A bounded wait, so that Ctrl-C reaches the main thread.
                return self._results.get(timeout=0.5)

    def _serve(self, worker: _Worker) -> None:
        while (item := self._jobs.get()) is not None:
            if self._stopping.is_set():
                continue
            index, job = item
            try:
                result = worker.do(job)
            except (OSError, ValueError, KeyError, TypeError) as error:
                what = f"the worker could not be used ({type(error).__name__}: {error})"
                result = JobResult(job.path, error=_failure("CrashError", what, "Try fewer --workers."))
            self._results.put((index, result))
        worker.stop()


class _Worker:
    """One worker process, started on its first job and again after a crash. Used by one thread only, but for `kill`."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._process: subprocess.Popen[str] | None = None

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
            pipe(process.stdin).write(json.dumps(job.to_json()) + "\n")
            pipe(process.stdin).flush()
            answer = pipe(process.stdout).readline()
        except OSError:
            answer = ""
        finally:
            timer.cancel()
        if answer.endswith("\n"):
            return JobResult.from_json(json.loads(answer))
        self._process = None
        code = bury(process)
        if late.is_set():
            what = f"took longer than {self._timeout_s:g} s and was stopped"
            return JobResult(job.path, error=_failure("TimeoutError", what, "Give it more time with --timeout."))
        what = f"the process that worked on it died (code {code})"
        return JobResult(
            job.path, error=_failure("CrashError", what, "Out of memory? If not, please report this file.")
        )

    def kill(self) -> None:
        """End the process now; its thread notices."""
        process = self._process
        if process is not None:
            process.kill()

    def stop(self) -> None:
        """Let an idle process end by itself; end one that does not."""
        process = self._process
        if process is None:
            return
        end(process, patience_s=5)
        self._process = None

    def _start(self) -> subprocess.Popen[str]:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "afmend.apps.batch.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="ascii",
            env={**os.environ, **ONE_THREAD},
            start_new_session=True,  # Ctrl-C is for the batch, which then ends its workers
        )
        return self._process


def _failure(kind: str, what: str, now: str) -> dict[str, str]:
    return {"kind": kind, "what": what, "where": "", "now": now}
