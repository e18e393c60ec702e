"""Leveling: how far the leveled heights are from what a perfect instrument would have recorded."""

from __future__ import annotations

import numpy as np

from afmend.evaluation.bench.cases import KEY, Case
from afmend.evaluation.bench.task import Column, Scores, Task, relative, run_on_scan
from afmend.evaluation.bench.tasks.surface_numbers import anisotropy, numbers, steps_error
from afmend.evaluation.metrics.gauge import gauge_aligned, gauge_free_rmse
from afmend.evaluation.metrics.seed import background_sigma
from afmend.scan import Scan
from afmend.scan.arrays import Heights

GAUGE = 2
"""Nobody can know a tilt or a bow: errors that are a polynomial of this degree do not count."""


def score(case: Case, result: Scan) -> Scores:
    """Score leveled heights on the pixels that were measured rightly."""
    heights = np.asarray(result.channels[KEY].values, dtype=np.float64)
    error = gauge_free_rmse(heights, case.ideal, degree=GAUGE, usable=case.usable)
    aligned = gauge_aligned(heights, case.ideal, degree=GAUGE, usable=case.usable)
    true = numbers(case.ideal, case)
    found = numbers(aligned, case)
    return {
        "rmse_nm": error,
        "rmse_percent_of_sq": 100.0 * error / flat_sq(case),
        "sq_bias_percent": relative(found["Sq"], true["Sq"]),
        "sdq_bias_percent": relative(found["Sdq"], true["Sdq"]),
        "anisotropy_excess": anisotropy(aligned, case),
        "step_error_percent": steps_error(aligned, case),
        "sigma_bg_nm": background_sigma(heights, case.damaged | ~case.usable),
    }


def flat_sq(case: Case) -> float:
    """Sq of the ideal surface without the background that nobody can know, nm."""
    nothing: Heights = np.zeros(case.ideal.shape)
    return gauge_free_rmse(case.ideal, nothing, degree=GAUGE, usable=case.usable)
