"""Printing: results to standard output, everything about the run to standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from afmend.apps.batch import JobResult
    from afmend.apps.batch.run import Watch


def out() -> Console:
    """Console for results."""
    from rich.console import Console

    return Console(highlight=False, soft_wrap=True)


def err() -> Console:
    """Console for progress and errors."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=True)


def printable(text: str) -> str:
    """Show any file name, stray bytes included."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def complain(text: str) -> None:
    """Print one line to standard error, as it is (no markup)."""
    sys.stderr.write(printable(" ".join(text.split())) + "\n")


def emit(data: Mapping[str, Any]) -> None:
    """Print one JSON object on one line of standard output."""
    sys.stdout.write(json.dumps(data, allow_nan=False) + "\n")


@contextmanager
def bar(title: str, *, quiet: bool = False) -> Iterator[Callable[[str, int, int], None] | None]:
    """Show a bar on a terminal: what to call with (title, done, of); None elsewhere."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description:9s}", markup=False), BarColumn(), MofNCompleteColumn(),
               TimeRemainingColumn())  # fmt: skip
    with Progress(*columns, console=err(), transient=True) as shown:
        task = shown.add_task(title, total=None)
        yield lambda title, done, of: shown.update(task, description=title, completed=done, total=of)


@contextmanager
def progress(title: str, *, quiet: bool) -> Iterator[Watch | None]:
    """Show a bar on a terminal; elsewhere one line per failed file."""
    from afmend.apps.batch.summary import sentence

    def failed(result: JobResult) -> None:
        for error in (result.error, *(scan.error for scan in result.scans)):
            if error is not None:
                complain(f"{result.path}: {sentence(error)}")

    if quiet or not sys.stderr.isatty():
        yield lambda result, _done, _of: failed(result)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    name = TextColumn("{task.description}", markup=False)
    file = TextColumn("{task.fields[file]}", markup=False)
    columns = (name, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), file)
    with Progress(*columns, console=err(), transient=True) as bar:
        task = bar.add_task(title, total=None, file="")

        def show(result: JobResult, done: int, of: int) -> None:
            bar.update(task, completed=done, total=of, file=printable(result.path)[-50:])
            failed(result)

        yield show
