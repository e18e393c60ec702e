"""Find what to subtract from each line, on heights from which every polynomial background is gone.

All that is decided here depends on the aligned image only, which line offsets and low polynomials cannot change;
that is why a leveled scan is left as it is when it is leveled again.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from afmend.leveling import background, line_anchor, line_model, settling
from afmend.leveling.evidence import Verdict, judge, nothing
from afmend.leveling.features import median, quantum
from afmend.leveling.line_bends import find_bends
from afmend.leveling.line_model import GAUGE_DEGREE, Path
from afmend.leveling.line_strays import place_strays
from afmend.leveling.settling import Sample
from afmend.leveling.structure import Blocks, Doubt, doubt_about
from afmend.scan.arrays import Heights, Mask


@dataclass(frozen=True, slots=True)
class LineFit:
    """What is subtracted from each row, which pixels are background, and how sure it is.

    Attributes
    ----------
    coefs : (rows, 2 or 4)
        Coefficients of powers of x in -1 .. 1: offset, slope, bends.
    ground : (rows, cols) bool
        Pixels to fit a background to.
    sigma : (rows,)
        Posterior standard deviation of each offset; 0 where no model was asked for.
    offsets : Verdict
    degree : int
        Highest degree of the polynomials that were fitted to single lines.
    doubt : Doubt
        Why nothing is subtracted although the lines differ; ``sigma`` then is the size of what may be line noise.
    """

    coefs: NDArray[np.float64]
    ground: Mask
    sigma: NDArray[np.float64]
    offsets: Verdict
    degree: int
    doubt: Doubt = field(default_factory=Doubt)


def find_lines(
    z: Heights, skip: Mask, *, model: str, shrink: bool, sigmas: float, aspect: float, sample: Sample | None = None
) -> LineFit:
    """Estimate the lines' offsets (and slopes) and judge how much of them is line noise.

    Parameters
    ----------
    z : (rows, cols)
    skip : (rows, cols) bool
        Pixels that must not be looked at.
    model : "auto", "offset", "offset_slope" or "none"
    shrink : bool
        False: believe the whole path.
    sigmas : float
        Feature threshold for the background of the anchors.
    aspect : float
        Length of the slow axis over that of the fast axis.
    sample : Sample or None
        Of ``z``, if there is one.
    """
    tests = line_model.test_functions(background.centered(z.shape[1]))
    lines = line_model.usable_lines(skip)
    sample = sample or Sample.of(z, skip)
    if model == "none" or tests.shape[0] < 2 or lines.size < 3:
        return _nothing(z, skip, sample, sigmas, 0.0, Doubt())
    fit = _estimate(z, skip, lines, tests, sample, model=model, shrink=shrink, sigmas=sigmas, aspect=aspect)
    if model != "auto" or not shrink or not fit.coefs.any():
        return fit
    before = settling.settle(sample, np.zeros((z.shape[0], 1)), sigmas)
    blocks, step = Blocks.of(z, skip), quantum(z, skip)
    steps = blocks.steps(before.coefs)

    def doubt_of(fit: LineFit) -> Doubt:
        after = settling.settle(sample, fit.coefs, sigmas)
        return doubt_about(steps, blocks.steps(after.coefs), before.heights, after.heights, step)

    doubt = doubt_of(fit)
    if str(doubt) == "blurred_heights":
        # Something large led the chain astray: try on the ground alone.
        ground = settling.ground_of(z, skip, before, sigmas)
        lines = line_model.usable_lines(~ground)
        if lines.size >= 3:
            few = Sample.of(z, ~ground)
            fit = _estimate(z, ~ground, lines, tests, few, model=model, shrink=shrink, sigmas=sigmas, aspect=aspect)
            doubt = doubt_of(fit)
    return _nothing(z, skip, sample, sigmas, float(np.std(fit.coefs[:, 0])), doubt) if doubt else fit


def _nothing(z: Heights, skip: Mask, sample: Sample, sigmas: float, sigma: float, doubt: Doubt) -> LineFit:
    none = np.zeros((z.shape[0], 2))
    ground = settling.ground_of(z, skip, settling.settle(sample, none, sigmas), sigmas)
    return LineFit(none, ground, np.full(z.shape[0], sigma), nothing(z.shape[0]), 0, doubt)


def _estimate(
    z: Heights,
    skip: Mask,
    lines: NDArray[np.int64],
    tests: NDArray[np.float64],
    sample: Sample,
    *,
    model: str,
    shrink: bool,
    sigmas: float,
    aspect: float,
) -> LineFit:
    """Estimate what line noise there is, whatever else could look like it."""
    from afmend.leveling import line_kernels as kernels

    rows, x = z.shape[0], background.centered(z.shape[1])
    flat = settling.without_gauge(z, sample, np.zeros((rows, 1)))
    lines, scales = line_model.without_broken(flat, skip, lines)
    path = line_model.follow(flat, skip, lines, tests, with_slope=model == "offset_slope", scales=scales)
    with_slope = model == "offset_slope"
    if model == "auto" and _slopes_are_likely(path, aspect):
        trial = line_model.follow(flat, skip, lines, tests, with_slope=True, scales=scales)
        left = kernels.residuals(flat, trial.coefficients(rows, tests), x)
        if line_model.relative_scale(left, skip, path) < _NARROWER:
            with_slope, path = True, trial
    if with_slope or skip.any():
        flat = settling.without_gauge(z, sample, path.coefficients(rows, tests), flat)
        path = line_model.refine(flat, skip, path, tests, with_slope=with_slope)
    settled = settling.settle(sample, path.coefficients(rows, tests), sigmas)
    ground, means = line_anchor.means_of_ground(z, skip, settled.coefs, sigmas * settled.sigma, tests)
    anchored = line_anchor.anchor(path, means)
    row, leaks = line_model.between(lines, anchored.offset), line_model.between(lines, anchored.leaks)
    offsets = judge(row, leaks, aspect=aspect, degree=GAUGE_DEGREE, shrink=shrink)
    slopes = np.zeros(row.size)
    if with_slope:
        slopes = _judge_slopes(path, path.slope, aspect, shrink=shrink).correction
    found = Path.of(np.arange(lines[0], lines[-1] + 1), offsets.correction, slopes)
    sigma = np.sqrt(offsets.variance * anchored.variance / float(np.mean(anchored.variance)))
    aligned = coefs = found.coefficients(rows, tests)

    def rest() -> Heights:
        return settling.without_gauge(z, sample, aligned, flat)

    degree = int(with_slope)
    if model == "auto" and shrink:
        bends = find_bends(rest, skip, path, x, tests, aspect)
        coefs = np.pad(coefs, ((0, 0), (0, 2))) + bends.coefs
        degree = max(degree, bends.degree)
    sigma = line_model.spread(lines, sigma, rows)
    if lines.size < rows:
        strays = place_strays(rest(), skip, lines, coefs)
        coefs[strays.rows, 0] += strays.offset
        sigma[strays.rows] = np.sqrt(sigma[strays.rows] ** 2 + strays.variance)
    return LineFit(coefs, ground, sigma, offsets, degree)


_NARROWER = 0.95
"""Slopes are believed if they narrow the differences of adjacent lines at least by this factor."""


def _slopes_are_likely(path: Path, aspect: float) -> bool:
    """Tell whether the differences tilt more than their other low orders undulate, in power and typically."""
    if median(np.abs(path.leak[:, 0])) <= 1.5 * median(np.abs(path.leak[:, 1:]).ravel()):
        return False
    verdict = _judge_slopes(path, line_model.integrate(path.leak[:, 0]), aspect, shrink=True)
    return verdict.noise > 0.5 * verdict.leak


def _judge_slopes(path: Path, slopes: NDArray[np.float64], aspect: float, *, shrink: bool) -> Verdict:
    leaks = line_model.between(path.lines, line_model.integrate(path.leak[:, 1:]))
    slopes = line_model.between(path.lines, slopes)
    return judge(slopes, leaks, aspect=aspect, degree=GAUGE_DEGREE - 1, shrink=shrink, order=1)
