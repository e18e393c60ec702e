"""Rows of the leveling table that are no methods: what is possible at best, and what blur alone would gain."""

from __future__ import annotations

from functools import partial

import numpy as np

from afmend.evaluation.bench.cases import KEY, Case
from afmend.evaluation.bench.methods import AUTO, Method
from afmend.evaluation.metrics.leveling import without_line_fits
from afmend.recipes import mark
from afmend.scan import Scan
from afmend.scan.arrays import adopted

BLUR_PX = 1.5
OFFSETS, SLOPES, BLUR = "oracle: offsets", "oracle: offsets + slopes", "control: auto + blur"


def best_lines(degree: int, case: Case) -> Scan:
    """Take from each line the polynomial of its error that only the truth tells, fitted to rightly measured pixels."""
    usable = case.usable
    error = np.where(usable, case.heights - case.ideal, 0.0)
    some = np.count_nonzero(usable, axis=1) > degree
    wrong = error - without_line_fits(error, usable, some, degree)
    channel = case.measured.channels[KEY]
    return case.measured.with_channel(channel.evolve(values=adopted(case.heights - wrong)))


def blurred(scan: Scan) -> Scan:
    """Level with ``auto``, then blur by a Gaussian of `BLUR_PX`."""
    from scipy.ndimage import gaussian_filter

    done = mark(scan, AUTO, KEY)
    channel = done.channels[KEY]
    heights = gaussian_filter(np.asarray(channel.values, dtype=np.float64), BLUR_PX, mode="nearest")
    return done.with_channel(channel.evolve(values=adopted(heights)))


BEYOND: tuple[Method, ...] = (
    Method(OFFSETS, "knows the truth: the best possible offset of each line", partial(best_lines, 0), "oracle"),
    Method(
        SLOPES, "knows the truth: the best possible offset and slope of each line", partial(best_lines, 1), "oracle"
    ),
    Method(BLUR, f"blur control, not a leveling: auto, then a Gaussian of {BLUR_PX:g} px", blurred, "control"),
)
"""Stand in the table of leveling, and take no part in its losses and correlations."""
