"""Clean scans through detectors: whatever is marked is marked wrongly."""

from __future__ import annotations

import numpy as np

from afmend.evaluation.bench.cases import KEY, Case
from afmend.evaluation.bench.task import Column, Scores, Task, heights_of, run_on_scan
from afmend.scan import Scan

ALONG_LINES, AS_DRAWN = "along the lines", "as drawn"
"""The two values of the group ``direction``."""


def score(case: Case, result: Scan) -> Scores:
    """Measure what was marked of the pixels that were measured rightly."""
    heights_of(case, result)
    return {"false_percent": 100.0 * float(np.mean(result.channels[KEY].artifact[case.usable]))}


TASK = Task(
    "clean",
    "False marks on clean scans",
    "Scans with tilt, bow and white noise, but without line noise or artifacts: all that a detector marks is wrong. "
    "Every other scan shows a grating, steps or fibers within a degree of the fast axis, which look like bad lines; "
    "the rest is as the box draws it. Pixels on which the twin's feedback loop could not follow do not count.",
    (
        Column("false_percent", "falsely marked, %", "low", "difference",
               "share of the pixels that were measured rightly; the aim is at most 0.2"),
    ),
    run_on_scan,
    score,
    groups=("direction", "family"),
)  # fmt: skip
