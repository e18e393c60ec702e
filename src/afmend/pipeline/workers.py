"""Worker processes that do not outlive the program that started them."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.process import BaseProcess
from typing import IO, AnyStr, TypeVar

Order = TypeVar("Order")

ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""What the environment says to a worker where there is one per core."""


def end_with_parent() -> None:
    """Let this process end when the one that started it is gone, even if that was killed and could not say so.

    The initializer of every pool of processes.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_wait_and_end, args=(parent,), daemon=True).start()


def _wait_and_end(parent: BaseProcess) -> None:  # pragma: no cover (ends its process, in which nothing is counted)
    parent.join()
    os._exit(1)


def for_each(
    work: Callable[[Order], object],
    orders: Sequence[Order],
    workers: int,
    watch: Callable[[int, int], None] | None = None,
    enough: Callable[[], bool] | None = None,
) -> None:
    """Do ``work`` for every order, in a pool of fresh processes if there are more than one of both.

    ``work`` and the orders travel to other processes: a function of a module, and plain data. ``watch`` is called
    after each with (done, of); once ``enough`` says so, nothing more is begun.
    """
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    workers = min(workers, len(orders))
    if workers <= 1:
        for done, order in enumerate(orders, start=1):
            work(order)
            if watch is not None:
                watch(done, len(orders))
            if enough is not None and enough():
                return
        return
    with ProcessPoolExecutor(workers, get_context("spawn"), initializer=end_with_parent) as pool:
        for done, _ in enumerate(pool.map(work, orders, chunksize=4), start=1):
            if watch is not None:
                watch(done, len(orders))
            if enough is not None and enough():
                pool.shutdown(wait=True, cancel_futures=True)
                return


def end(process: subprocess.Popen[AnyStr], patience_s: float) -> int:
    """Let an idle process that reads orders end by itself, end one that does not, and `bury` it."""
    with suppress(OSError):
        pipe(process.stdin).close()
    try:
        process.wait(timeout=patience_s)
    except subprocess.TimeoutExpired:
        process.kill()
    return bury(process)


def bury(process: subprocess.Popen[AnyStr]) -> int:
    """Wait for the end of a process, close what led to it, and return its exit code."""
    code = process.wait()
    for stream in (process.stdin, process.stdout):
        with suppress(OSError):  # what could not be delivered any more
            pipe(stream).close()
    return code


def pipe(stream: IO[AnyStr] | None) -> IO[AnyStr]:
    """Return a pipe of a process that was asked for."""
    if stream is None:  # pragma: no cover (both pipes are always asked for)
        raise OSError("the process has no pipe")
    return stream
