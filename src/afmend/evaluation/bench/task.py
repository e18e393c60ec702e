"""What a task of the benchmark is: cases, a way to run a method on one, and scores."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, TypeAlias

import numpy as np

from afmend.errors import StepError
from afmend.evaluation.bench.cases import KEY, Case
from afmend.evaluation.bench.methods import Method, TaskName
from afmend.evaluation.metrics.metrology import step_height_in_error
from afmend.scan import Scan
from afmend.scan.arrays import Heights, Mask

OPEN = "left_open_percent"
"""Column of what a method left open: it stands in the main table, and such methods are ranked after all others."""
FEWEST_PX = 30
"""Terraces with fewer pixels that count have no height."""
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
    pair : callable or None
        ``(case, result, other) -> column -> (score, other score)`` where the two must be scored on other pixels than
        each alone; empty where they need not.
    """

    name: TaskName
    title: str
    about: str
    columns: tuple[Column, ...]
    run: Callable[[Method, Case], Any]
    score: Callable[[Case, Any], Scores]
    groups: tuple[str, ...] = ("family",)
    pair: Callable[[Case, Any, Any], Mapping[str, tuple[float, float]]] | None = None

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


def heights_of(case: Case, result: Any) -> Heights:
    """Return the heights of a scan that a method returned, nm.

    Raises
    ------
    StepError
        If it is no scan, or not the one that was handed over.
    """
    if not isinstance(result, Scan):
        raise StepError(f"returned a {type(result).__name__}", now="Return a scan.")
    channel = result.channels.get(KEY)
    if channel is None or channel.unit != "nm":
        raise StepError(f"the returned scan has no {KEY} in nm", now="Return the scan with its channel changed.")
    return real_map("heights", channel.values, case)


def step_error(case: Case, heights: Heights, usable: Mask) -> float:
    """Signed error in % of the steps between the terraces of the case, mean over neighbors; NaN if it has none."""
    areas = [area & usable for area in case.terraces]
    errors = [
        step_height_in_error(heights, case.ideal, upper, lower)
        for lower, upper in pairwise(areas)
        if min(np.count_nonzero(lower), np.count_nonzero(upper)) >= FEWEST_PX
    ]
    return float(np.mean(errors)) if errors else math.nan


def real_map(name: str, values: Any, case: Case) -> Heights:
    """Return an array as float64; raise `StepError` unless it is of real numbers and of the scan's shape."""
    made = np.asarray(values)
    if made.dtype.kind not in "fiub":
        raise StepError(f"the {name} are of type {made.dtype}", now="Return real numbers.")
    if made.shape != case.ideal.shape:
        raise StepError(f"the {name} have shape {made.shape}, the scan {case.ideal.shape}", now="Return whole images.")
    return np.asarray(made, dtype=np.float64)
