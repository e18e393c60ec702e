"""What a task of the benchmark is: cases, a way to run a method on one, and scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from afmend.evaluation.bench.cases import Case
from afmend.evaluation.bench.methods import Method, TaskName

Scores: TypeAlias = dict[str, float]
"""Column -> number; NaN = cannot be said of this case."""


@dataclass(frozen=True, slots=True)
class Column:
    """One quantity of a table.

    Attributes
    ----------
    key : str
        Name in the scores and in the JSON; ends with the unit.
    title : str
        Head of the column.
    better : "low", "high" or "zero"
        Which way is good; "zero" is a signed error.
    compare : "ratio", "difference" or ""
        How ``auto`` is compared with the others: geometric mean of auto / other, or mean of auto - other (if
        ``better`` is "zero": median of the differences of absolute values); "" = not at all.
    about : str
        What it is, in one sentence.
    """

    key: str
    title: str
    better: Literal["low", "high", "zero"] = "low"
    compare: Literal["ratio", "difference", ""] = ""
    about: str = ""


@dataclass(frozen=True, slots=True)
class Task:
    """One table of the benchmark.

    Attributes
    ----------
    name : TaskName
    title : str
    about : str
        What is measured on what, and what to be careful about.
    columns : tuple of Column
        The first one is the primary one.
    groups : tuple of str
        By what the table is broken down, besides the family of the surface.
    run : callable
        ``(method, case) -> result``: this is what is timed.
    score : callable
        ``(case, result) -> scores``.
    """

    name: TaskName
    title: str
    about: str
    columns: tuple[Column, ...]
    run: Callable[[Method, Case], Any]
    score: Callable[[Case, Any], Scores]
    groups: tuple[str, ...] = ("family",)

    @property
    def primary(self) -> Column:
        """The column by which methods are ranked."""
        return self.columns[0]

    def column(self, key: str) -> Column:
        """Find a column by its key."""
        return next(column for column in self.columns if column.key == key)


def run_on_scan(method: Method, case: Case) -> Any:
    """Run a method that takes and returns a scan; an oracle sees the whole case."""
    return method.run(case if method.role == "oracle" else case.measured)
