"""Do no harm: scans with nothing but noise must come back as they were."""

from __future__ import annotations

import numpy as np

from afmend.evaluation.bench.cases import GAUGE, KEY, Case
from afmend.evaluation.bench.task import Column, Scores, Task, heights_of, run_on_scan
from afmend.evaluation.metrics.gauge import gauge_free_difference, gauge_free_rmse
from afmend.scan import Scan

CHANGED_SIGMAS = 1.0
"""A pixel counts as changed if it moved, beyond the gauge, by more than this many standard deviations of the noise."""


def score(case: Case, result: Scan) -> Scores:
    """Score what a whole recipe did to a scan that needed nothing but leveling."""
    heights = heights_of(case, result)
    channel = result.channels[KEY]
    floor = gauge_free_rmse(case.heights, case.ideal, degree=GAUGE, usable=case.usable)
    error = gauge_free_rmse(heights, case.ideal, degree=GAUGE, usable=case.usable)
    moved = np.abs(gauge_free_difference(heights, case.heights, degree=GAUGE, usable=case.usable))
    return {
        "error_over_floor": error / floor,
        "changed_percent": 100.0 * float(np.mean(moved[case.usable] > CHANGED_SIGMAS * case.noise_nm)),
        "rmse_nm": error,
        "marked_percent": 100.0 * float(np.mean(channel.artifact[case.recorded])),
        "filled_percent": 100.0 * float(np.mean(channel.invented[case.recorded])),
    }


TASK = Task(
    "harm",
    "Do no harm",
    "Scans with tilt, bow and white noise, but without line noise or artifacts. The floor is what the noise alone "
    "costs: the error of the scan as measured, after the polynomial of degree 2 that nobody can know. Below 1 = noise "
    "was smoothed away. Pixels on which the twin's feedback loop could not follow do not count for errors.",
    (
        Column("error_over_floor", "error / noise floor", "low", "ratio", "1 = no harm; the aim is at most 1.2"),
        Column("changed_percent", "pixels changed by more than the noise, %", "low", "difference",
               "beyond a polynomial of degree 2"),
        Column("rmse_nm", "RMSE, nm", "low"),
        Column("marked_percent", "falsely marked, %", "low", "difference",
               "of all recorded pixels, those included on which the loop could not follow"),
        Column("filled_percent", "invented, %", "low", "", "of all recorded pixels"),
    ),
    run_on_scan,
    score,
)  # fmt: skip
