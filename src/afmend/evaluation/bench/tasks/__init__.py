"""The tasks, one file each: what is measured, and how a result is scored."""

from __future__ import annotations

from functools import cache

from afmend.evaluation.bench.methods import TaskName
from afmend.evaluation.bench.task import Task


@cache
def find_task(name: TaskName) -> Task:
    """Return a task by its name."""
    from importlib import import_module

    found: Task = import_module(f"afmend.evaluation.bench.tasks.{name}").TASK
    return found
