"""The automatic leveler: robust line offsets, a background of low order, and no more than the evidence supports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from afmend.errors import StepError
from afmend.leveling import background, line_model
from afmend.leveling.evidence import Verdict, judge
from afmend.leveling.features import Ground, measure_ground
from afmend.leveling.terraces import facet_polynomial
from afmend.pipeline import Field, Knob, Leveled, Params, step
from afmend.scan.arrays import Heights, Mask

_GAUGE_DEGREE = 2
_TERRACE_GAIN = 0.15


class Auto(Params):
    """Level automatically: line offsets, background and features, as far as the evidence goes."""

    line_model: Literal["auto", "offset", "offset_slope", "none"] = Knob(
        "auto", "What is removed from each line: nothing, an offset, an offset and a slope, or what the data show."
    )
    max_degree: int = Knob(2, "Highest degree of the polynomial background; 0 removes a constant only.", ge=0, le=3)
    shrink: bool = Knob(True, "Remove only that part of the line offsets which topography cannot explain.")
    feature_sigmas: float = Knob(
        3.0, "Pixels farther from the ground than this are features.", unit="sigma", ge=1.5, le=10.0, step=0.1,
        recommended=(2.5, 5.0),
    )  # fmt: skip
    reference: Literal["background", "mean", "none"] = Knob(
        "background", "Which height becomes zero: the background's median, the mean, or none (the mean is kept).",
        advanced=True,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Lines:
    """What is subtracted from each row, which pixels are background, and what the history should tell."""

    coefs: NDArray[np.float64]
    background: Mask
    sigma: NDArray[np.float64]
    offsets: Verdict
    slopes: Verdict | None


@step("level.auto", Auto, version="1")
def level_auto(field: Field, params: Auto) -> Leveled:
    """Subtract line offsets and a polynomial background, each as far as the evidence supports it."""
    from afmend.leveling import line_kernels as kernels

    skip = field.excluded
    if skip.all():
        raise StepError("no usable pixel to level by", now="Shrink the masks.")
    rows, cols = field.shape
    x = background.centered(cols)
    z = field.heights - float(np.median(field.heights[~skip]))
    lines = _find_lines(z, skip, x, params, rows * field.pixel_nm[0] / (cols * field.pixel_nm[1]))
    z = kernels.residuals(z, lines.coefs, x)
    sums = background.collect(z, ~lines.background, params.max_degree)
    degree, _ = background.choose_degree(sums, params.max_degree)
    fit = background.solve(sums, degree)
    facet_degree = min(2, params.max_degree)
    terraces = False
    if facet_degree:
        facet, gain = facet_polynomial(z, skip, facet_degree, fit)
        terraces = gain > _TERRACE_GAIN
        fit = facet if terraces else fit
    z = kernels.residuals(z, background.per_line(fit, sums.powers, rows), x)
    ground = measure_ground(z, skip)
    features = ground.features(z, skip, params.feature_sigmas)
    if params.reference == "background":
        z -= float(np.median(z[~(features | skip)]))
    elif params.reference == "mean":
        z -= float(np.mean(z[~skip]))
    else:
        z += float(np.mean(field.heights[~skip])) - float(np.mean(z[~skip]))
    return Leveled(z, features, _facts(lines, degree, ground, features, terraces=terraces))


def _find_lines(z: Heights, skip: Mask, x: NDArray[np.float64], params: Auto, aspect: float) -> _Lines:
    """Estimate line offsets on heights from which all polynomials are gone, and judge them."""
    from afmend.leveling import line_kernels as kernels

    rows = z.shape[0]
    tests = line_model.test_functions(x)
    usable = line_model.usable_lines(skip)
    active = params.line_model != "none" and tests.shape[0] >= 2 and usable.size >= 3
    coefs = _coarse(z, skip, np.zeros((rows, _GAUGE_DEGREE + 1)), x)
    slopes = None
    if not active:
        background_mask, _ = _settle(z, skip, coefs, x, params)
        none = np.zeros(rows)
        return _Lines(np.zeros((rows, 2)), background_mask, none, Verdict(none, 0.0, 0.0, 0.0, 0), None)
    with_slope = params.line_model == "offset_slope"
    path = line_model.follow(kernels.residuals(z, coefs, x), skip, usable, tests, with_slope=with_slope)
    if params.line_model == "auto":
        slopes = judge(
            line_model._integrate(path.leak[:, 0]),
            line_model._integrate(path.leak[:, 1:]),
            aspect=aspect,
            degree=_GAUGE_DEGREE - 1,
            shrink=True,
        )
        if slopes.noise > 0.5 * slopes.leak:
            with_slope = True
            path = line_model.follow(kernels.residuals(z, coefs, x), skip, usable, tests, with_slope=True)
        slopes = judge(line_model._integrate(path.leak[:, 0]), line_model._integrate(path.leak[:, 1:]), aspect=aspect, degree=_GAUGE_DEGREE - 1, shrink=True)
        others = float(np.median(np.abs(path.leak[:, 1:])))
        if slopes.noise > 0.5 * slopes.leak and np.median(np.abs(path.leak[:, 0])) > 1.5 * others:
            r = kernels.residuals(z, coefs, x)
            trial = line_model.follow(r, skip, usable, tests, with_slope=True)
            left = np.zeros((rows, 2))
            left[usable] = np.column_stack([trial.offset, trial.slope * tests[0, -1] / x[-1]])
            if line_model.typical_scale(kernels.residuals(r, left, x), skip, usable, path) < 0.95:
                with_slope, path = True, trial
    per_x = tests[0, -1] / x[-1]

    def aligned(path):
        out = np.zeros((rows, 2))
        out[:, 0] = line_model.spread(usable, path.offset, rows)
        out[:, 1] = line_model.spread(usable, path.slope * per_x, rows)
        return out

    if with_slope or skip.any():
        z1 = kernels.residuals(z, aligned(path), x)
        coefs = _coarse(z1, skip, np.zeros((rows, _GAUGE_DEGREE + 1)), x)
        path = line_model.refine(kernels.residuals(z1, coefs, x), skip, path, tests, with_slope=with_slope)
    z1 = kernels.residuals(z, aligned(path), x)
    coefs = _coarse(z1, skip, np.zeros((rows, _GAUGE_DEGREE + 1)), x)
    mask, r = _settle(z1, skip, coefs, x, params)
    anchored = line_model.anchor(path, r, ~mask, tests)
    import os

    if os.environ.get("NOANCHOR"):
        anchored = line_model.Anchored(path.offset, np.ones(usable.size), line_model._integrate(path.leak[:, 1:]))
    offsets = judge(anchored.offset, anchored.leaks, aspect=aspect, degree=_GAUGE_DEGREE, shrink=params.shrink)
    out = np.zeros((rows, 2))
    out[:, 0] = line_model.spread(usable, offsets.correction, rows)
    slopes = None
    if with_slope:
        slopes = judge(
            path.slope,
            line_model._integrate(path.leak[:, 1:]),
            aspect=aspect,
            degree=_GAUGE_DEGREE - 1,
            shrink=params.shrink,
        )
        out[:, 1] = line_model.spread(usable, slopes.correction * per_x, rows)
    level = float(np.mean(anchored.variance))
    shape = anchored.variance / level if level > 0 else np.ones(usable.size)
    sigma = line_model.spread(usable, np.sqrt(offsets.variance * shape), rows)
    return _Lines(out, mask, sigma, offsets, slopes)


def _coarse(z: Heights, skip: Mask, coefs: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
    sums = background.collect(z, skip, _GAUGE_DEGREE)
    return coefs + background.per_line(background.solve(sums, _GAUGE_DEGREE), sums.powers, z.shape[0])


def _settle(
    z: Heights, skip: Mask, coefs: NDArray[np.float64], x: NDArray[np.float64], params: Auto
) -> tuple[Mask, Heights]:
    """Mask features and fit the background again, in turns."""
    from afmend.leveling import line_kernels as kernels

    for turn in range(5):
        r = kernels.residuals(z, coefs, x)
        ground = measure_ground(r, skip)
        out = ground.features(r, skip, params.feature_sigmas) | skip
        if turn == 4:
            break
        coefs = _coarse(r, out, coefs, x)
    return ~out, r - ground.level


def _facts(lines: _Lines, degree: int, ground: Ground, features: Mask, *, terraces: bool) -> dict[str, Any]:
    sigma = lines.sigma
    return {
        "line_model": "none"
        if not lines.offsets.correction.any()
        else "offset"
        if lines.slopes is None
        else "offset_slope",
        "line_noise_nm": float(np.sqrt(lines.offsets.noise)),
        "line_jumps": lines.offsets.jumps,
        "line_sigma_median_nm": float(np.median(sigma)),
        "line_sigma_max_nm": float(np.max(sigma)),
        "line_sigma_nm": [float(f"{value:.4g}") for value in sigma],
        "background": "facets" if terraces else "polynomial",
        "degree": degree,
        "ground_sigma_nm": ground.sigma,
        "features": float(np.count_nonzero(features)) / features.size,
    }
