"""Filling: known surfaces with holes of the shapes that artifacts have."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import numpy as np

from afmend.errors import StepError
from afmend.evaluation.bench.cases import Case
from afmend.evaluation.bench.methods import Method
from afmend.evaluation.bench.task import OPEN, Column, Scores, Task, real_map
from afmend.evaluation.metrics.fill import (
    fill_crps,
    fill_rmse,
    fill_std_ratio,
    interval_coverage,
    seam_gradient,
    touched_outside,
)
from afmend.scan.arrays import Heights, Mask

LEVELS = {level: NormalDist().inv_cdf((1 + level / 100) / 2) for level in (50, 68, 80, 90, 95, 99)}
"""Nominal coverage in percent -> half width of the interval in error bars."""


def run(method: Method, case: Case) -> Any:
    """Hand over a private copy: methods may write into it."""
    return method.run(case.heights.copy(), _holes(case).copy(), case.pixel_nm)


def score(case: Case, result: Any) -> Scores:
    """Score the filled pixels against the surface without its noise.

    Raises
    ------
    StepError
        If the method did not return heights of the right shape.
    """
    heights, sigma = _parts(case, result)
    holes = _holes(case)
    left_open = holes & np.isnan(heights)
    filled = holes & ~left_open
    if not np.isfinite(heights[filled]).all():
        raise StepError("the fill holds numbers that are not finite", now="NaN = left open; nothing else.")
    sq = case.sq_nm
    scores = {
        "rmse_percent_of_sq": 100.0 * fill_rmse(heights, case.ideal, filled) / sq,
        OPEN: 100.0 * float(np.count_nonzero(left_open)) / float(np.count_nonzero(holes)),
        "touched_outside_px": float(touched_outside(case.heights, heights, holes)),
        "std_ratio": fill_std_ratio(heights, case.ideal, filled),
        # The edges of the holes are compared with a surface that has the same noise: noise is no seam.
        "seam_ratio": seam_gradient(heights, _noisy_truth(case), filled, usable=~left_open),
    }
    return scores | _honesty(case, heights, sigma, filled, sq)


def _honesty(case: Case, heights: Heights, sigma: Heights | None, filled: Mask, sq: float) -> Scores:
    keys = ("coverage_percent", "width_percent_of_sq", "crps_percent_of_sq")
    nothing = dict.fromkeys((*keys, *(f"coverage_{level}_percent" for level in LEVELS)), float("nan"))
    if sigma is None or not filled.any():
        return nothing
    at = {level: interval_coverage(heights, sigma, case.ideal, filled, sigmas=half) for level, half in LEVELS.items()}
    if at[95].pixels == 0:
        return nothing
    return {
        "coverage_percent": 100.0 * at[95].coverage,
        "width_percent_of_sq": 100.0 * at[95].mean_width_nm / sq,
        "crps_percent_of_sq": 100.0 * fill_crps(heights, sigma, case.ideal, filled) / sq,
        **{f"coverage_{level}_percent": 100.0 * found.coverage for level, found in at.items()},
    }


def _parts(case: Case, result: Any) -> tuple[Heights, Heights | None]:
    pair = result if isinstance(result, tuple) else (result, None)
    if len(pair) != 2:
        raise StepError(f"a fill returned {len(pair)} things", now="Return heights, or (heights, sigma).")
    return real_map("heights", pair[0], case), None if pair[1] is None else real_map("sigma", pair[1], case)


def pair(case: Case, result: Any, other: Any) -> dict[str, tuple[float, float]]:
    """Score two fills on the pixels that both filled, unless these are the same."""
    holes, maps = _holes(case), (_parts(case, result)[0], _parts(case, other)[0])
    filled = [holes & ~np.isnan(heights) for heights in maps]
    if np.array_equal(filled[0], filled[1]):
        return {}
    both = filled[0] & filled[1]
    one, two = (100.0 * fill_rmse(heights, case.ideal, both) / case.sq_nm for heights in maps)
    return {"rmse_percent_of_sq": (one, two)}


def _holes(case: Case) -> Mask:
    if case.holes is None:  # pragma: no cover (cases of this task have holes)
        raise StepError("this case has no holes")
    return case.holes


def _noisy_truth(case: Case) -> Heights:
    """Return the surface under the holes, and the noisy measurement outside."""
    return np.where(_holes(case), case.ideal, case.heights)


TASK = Task(
    "fill",
    "Filling holes",
    "Surfaces with 5 % noise (of their Sq) lose whole lines (1, 2, 4 or 8 side by side), scars or blobs; what was "
    "under the holes is known without noise. Two methods are compared on the pixels that both filled; one that leaves "
    "any open is ranked after all that do not. Coverage counts only methods that state an error bar.",
    (
        Column("rmse_percent_of_sq", "RMSE in the holes, % of Sq", "low", "ratio",
               "root-mean-square error of the filled pixels, relative to Sq of the surface"),
        Column("crps_percent_of_sq", "CRPS, % of Sq", "low", "ratio",
               "error and honesty of the error bars in one number"),
        Column("coverage_percent", "95 % interval covers, %", "high", "", "should be 95"),
        Column("width_percent_of_sq", "width of the 95 % interval, % of Sq", "low"),
        Column("std_ratio", "std of fill / truth", "high", "", "1 = as rough as the surface, below 1 = smoothed"),
        Column("seam_ratio", "step at the rim / truth", "low", "", "1 = no seam"),
        Column("touched_outside_px", "pixels changed outside the holes", "low", "", "should be 0"),
        Column(OPEN, "left open, %", "low", "", "of the pixels to fill; should be 0"),
    ),
    run,
    score,
    groups=("family", "hole"),
    pair=pair,
)  # fmt: skip
