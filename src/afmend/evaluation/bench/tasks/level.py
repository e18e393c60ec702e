"""Leveling: how far the leveled heights are from what a perfect instrument would have recorded."""

from __future__ import annotations

import math

import numpy as np

from afmend.evaluation.bench.cases import GAUGE, Case
from afmend.evaluation.bench.task import Column, Scores, Task, heights_of, run_on_scan, step_error
from afmend.evaluation.metrics.gauge import gauge_aligned, gauge_free_difference, gauge_free_rmse
from afmend.evaluation.metrics.leveling import leveling_error
from afmend.evaluation.metrics.metrology import roughness_bias
from afmend.evaluation.metrics.seed import sigma_bg
from afmend.evaluation.metrics.spectrum import anisotropy_excess
from afmend.scan import Scan
from afmend.scan.arrays import Heights


def score(case: Case, result: Scan) -> Scores:
    """Score leveled heights on the pixels that were measured rightly."""
    heights = heights_of(case, result)
    usable = case.usable
    error = gauge_free_rmse(heights, case.ideal, degree=GAUGE, usable=usable)
    found = leveling_error(heights, case.ideal, degree=GAUGE, usable=usable, details=case.details)
    percent = 100.0 / case.sq_nm
    aligned = gauge_aligned(heights, case.ideal, degree=GAUGE, usable=usable)
    bias = roughness_bias(heights, case.ideal, pixel_nm=case.pixel_nm, degree=GAUGE, usable=usable)
    return {
        "leveling_percent_of_sq": percent * found.total,
        "rmse_percent_of_sq": percent * error,
        "rmse_without_noise_percent_of_sq": percent * math.sqrt(max(error**2 - case.noise_nm**2, 0.0)),
        "rmse_nm": error,
        "lines_percent_of_sq": percent * line_error_nm(heights, case),
        "lost_percent_of_sq": percent * found.topography,
        "sq_error_percent": bias.Sq_percent,
        "sdq_error_percent": bias.Sdq_percent,
        "line_power_db": line_power_db(aligned, case),
        "step_error_percent": step_error(case, heights, usable),
        "sigma_bg_nm": sigma_bg(heights, background=usable),
    }


def line_error_nm(heights: Heights, case: Case) -> float:
    """RMS over lines of the mean error of a line, nm: what leveling can change, without the noise of the pixels."""
    rest = gauge_free_difference(heights, case.ideal, degree=GAUGE, usable=case.usable)
    pixels = np.count_nonzero(case.usable, axis=1)
    sums = np.sum(rest, axis=1, where=case.usable)
    means = sums[pixels > 0] / pixels[pixels > 0]
    return float(np.sqrt(np.mean(means**2)))


def line_power_db(aligned: Heights, case: Case) -> float:
    """Anisotropy excess of the result over that of the truth, in decibels; damaged pixels are taken from the truth."""
    whole = np.where(case.usable, aligned, case.ideal)
    found, true = (
        anisotropy_excess(heights, pixel_nm=case.pixel_nm, degree=GAUGE).geometric_mean
        for heights in (whole, case.ideal)
    )
    if not (found > 0 and true > 0):
        return math.nan
    return 10.0 * math.log10(found / true)


TASK = Task(
    "level",
    "Leveling",
    "Scans with line noise, drift and artifacts, against the surface that a perfect instrument would have recorded, on "
    "the pixels that were measured rightly. Errors that are a polynomial of degree 2 do not count: nobody can know "
    "tilt and bow. A recipe is stopped before its first fill. Ranked by the part of the error that leveling is "
    "answerable for: curves of whole lines or columns left in or put in, and topography taken away. The noise of the "
    "pixels, which only a blur lowers, is in the RMSE alone. Oracles know the truth and show what is possible; the "
    "control is a blur, not a leveling. Scans of which less than a tenth was measured rightly are left out.",
    (
        Column("leveling_percent_of_sq", "leveling error, % of Sq", "low", "ratio",
               "offsets, slopes and bows of lines or columns, background, and topography lost, relative to Sq"),
        Column("rmse_percent_of_sq", "RMSE, % of Sq", "low", "ratio",
               "root-mean-square error relative to Sq of the true surface; a blur lowers it"),
        Column("rmse_without_noise_percent_of_sq", "RMSE without white noise, % of Sq", "low", "",
               "the known noise of neighboring pixels taken out; 0 or too low after a blur"),
        Column("rmse_nm", "RMSE, nm", "low", "", "the same in nm: tall scans dominate its mean"),
        Column("lines_percent_of_sq", "error of whole lines, % of Sq", "low", "ratio",
               "RMS over lines of the mean error of a line: pixel noise hardly counts"),
        Column("lost_percent_of_sq", "topography lost, % of Sq", "low", "",
               "part of the error that looks like the surface itself, whatever its lines do"),
        Column("sq_error_percent", "error of Sq, %", "zero", "difference",
               "below 0 = leveling took topography away"),
        Column("sdq_error_percent", "error of Sdq, %", "zero", "difference",
               "slopes: mostly noise, and blur lowers it"),
        Column("line_power_db", "power across the lines, dB", "zero", "difference",
               "above 0 = line noise left, below 0 = topography removed"),
        Column("step_error_percent", "error of step heights, %", "zero", "difference",
               "between the terraces of the true surface, after a plane that leaves steps alone"),
        Column("sigma_bg_nm", "sigma_bg, nm", "low", "",
               "the seed paper's background variation: it does not know the truth, and a constant image scores 0"),
    ),
    run_on_scan,
    score,
)  # fmt: skip
