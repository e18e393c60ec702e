"""The automatic leveler: robust line offsets, a background of low order, and no more than the evidence supports."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from afmend.errors import StepError
from afmend.leveling import background
from afmend.leveling.features import median
from afmend.leveling.finishing import finish
from afmend.leveling.line_axis import find_line_axis
from afmend.leveling.line_search import LineFit, find_lines
from afmend.leveling.opposite import Apart, offsets_apart
from afmend.leveling.settling import Sample, joined
from afmend.leveling.terraces import facet_polynomial
from afmend.pipeline import Field, Knob, Leveled, Params, step
from afmend.scan.arrays import Heights, Mask

_TERRACE_GAIN = 0.15
"""Nats by which the height histogram must become sharper before the facets decide about the tilt."""

Other: TypeAlias = tuple[Heights, Mask]


class Auto(Params):
    """Level automatically: line offsets, background and features, as far as the evidence goes."""

    line_model: Literal["auto", "offset", "offset_slope", "none"] = Knob(
        "auto",
        "What is removed from each line: nothing, an offset, an offset and a slope, or what the data show of offset, "
        "slope and bend.",
    )
    max_degree: int = Knob(2, "Highest degree of the polynomial background; 0 removes a constant only.", ge=0, le=3)
    shrink: bool = Knob(True, "Remove only that part of the line offsets which topography cannot explain.")
    feature_sigmas: float = Knob(
        3.0, "Pixels farther from the ground than this are features.", unit="sigma", ge=1.5, le=10.0, step=0.1,
        recommended=(2.5, 5.0),
    )  # fmt: skip
    line_axis: Literal["auto", "rows", "columns"] = Knob(
        "auto", "Along which axis the scan lines run; auto: along the rows, unless the columns clearly hold the noise.",
        advanced=True,
    )  # fmt: skip
    use_opposite: bool = Knob(
        True,
        "Where edges along the lines forbid offsets, take those that the other scan direction, if recorded, lacks.",
        advanced=True,
    )
    reference: Literal["background", "mean", "none"] = Knob(
        "background", "Which height becomes zero: the background's median, the mean, or none (the mean is kept).",
        advanced=True,
    )  # fmt: skip


@step("level.auto", Auto, version="9")
def level_auto(field: Field, params: Auto) -> Leveled:
    """Subtract line offsets and a polynomial background, each as far as the evidence supports it.

    Adjacent lines are compared by a redescending (mode-like) location, so that steps and particles do not count;
    the differences are summed up and anchored to the masked background; from the path so found only that part is
    subtracted which topography cannot explain (see `afmend.leveling.evidence`); slopes and bends of single lines
    are taken in the same way where there are some. Lines in which a jump happens, and lines with few usable pixels,
    are no links of the chain; they are laid beside the nearest usable pixels before and after them, as far as the same
    columns place other lines rightly (see `afmend.leveling.line_strays`). The background is a
    polynomial whose degree predicts left-out tiles best; on terraces it follows the terraces instead of the
    staircase.

    What would take away structure of the sample that runs along the lines (edges, gratings), or spread the heights, is
    not line noise; the lines then stay as they are, for no row offset can be told from such topography (see
    `afmend.leveling.structure`). If the other scan direction was recorded, the part of the offsets goes that it
    contradicts (see `afmend.leveling.opposite`): noise faster than a line. Slower noise is common to both directions
    and stays.

    ``facts`` hold the axis of the lines, the model chosen (``line_degree``: 0 offsets, 1 slopes, 2 and 3 bends), the
    line noise found and the posterior standard deviation of every line; ``line_doubt`` says why lines were left
    ("edges_along_lines", "blurred_heights"): the deviation then is the size of the offsets that may be noise.
    ``line_apart`` is the size of the offsets that the other direction contradicted, ``line_apart_share`` the share of
    the difference that was blamed on this one.

    When not to use it: a single edge that runs exactly along the lines looks like a line jump; level such a scan with
    ``line_model="none"``. A smooth drift in height without jitter from line to line cannot be told from topography and
    is left. Scars must be masked before. Wide or smooth gratings along the lines, whose steps from line to line do not
    rise above the line noise, are taken for line noise. With the other scan direction, level once: each further run
    would compare the leveled lines with the same raw ones and take over a little of their noise
    (``use_opposite=False`` then, and after trace and retrace were fused).

    Raises
    ------
    StepError
        If no pixel is usable.
    """
    skip = field.excluded
    if skip.all():
        raise StepError("no usable pixel to level by", now="Shrink the masks.")
    rows, cols = field.shape
    sample, axis = Sample.of(field.heights, skip), str(params.line_axis)
    middle = median(sample.heights[~sample.skip])
    z, sample = field.heights - middle, replace(sample, heights=sample.heights - middle)
    aspect = rows * field.pixel_nm[0] / (cols * field.pixel_nm[1])
    if axis == "auto":
        axis = "rows"
        if params.line_model != "none":
            axis = find_line_axis(z, skip, sigmas=params.feature_sigmas, aspect=aspect, sample=sample)
    other = _opposite(field, params)
    if axis == "rows":
        heights, features, facts = _level(z, skip, sample, other, params, aspect)
    else:
        beside = other and (np.ascontiguousarray(other[0].T), np.ascontiguousarray(other[1].T))
        turned_z, turned_skip = np.ascontiguousarray(z.T), np.ascontiguousarray(skip.T)
        turned = _level(turned_z, turned_skip, Sample.of(turned_z, turned_skip), beside, params, 1.0 / aspect)
        heights, features, facts = np.ascontiguousarray(turned[0].T), np.ascontiguousarray(turned[1].T), turned[2]
    if params.reference == "none":
        heights += float(np.mean(field.heights[~skip])) - float(np.mean(heights[~skip]))
    suffix = "_nm" if field.unit == "nm" else ""
    named = {name + suffix if name in _HEIGHTS else name: value for name, value in facts.items()}
    return Leveled(heights, features, {"line_axis": axis, **named})


def _opposite(field: Field, params: Auto) -> Other | None:
    """Heights of the other scan direction, and where they cannot be used; None if there are none."""
    if field.opposite is None or not params.use_opposite:
        return None
    heights = np.asarray(field.opposite, dtype=np.float64)
    return heights, field.opposite_excluded | ~np.isfinite(heights)


def _level(
    z: Heights, skip: Mask, sample: Sample, other: Other | None, params: Auto, aspect: float
) -> tuple[Heights, Mask, dict[str, Any]]:
    """Level heights (changed in place) whose lines are rows; return them, the features and the facts."""
    lines = find_lines(
        z,
        skip,
        model=params.line_model,
        shrink=params.shrink,
        sigmas=params.feature_sigmas,
        aspect=aspect,
        sample=sample,
    )
    apart = Apart.nothing(z.shape[0])
    if other is not None and (lines.doubt.sheared or lines.doubt.repeating):
        apart = offsets_apart(z, other[0], skip | other[1], aspect)
    sums = background.collect(z, ~lines.ground, params.max_degree, joined(lines.coefs, apart.offset[:, None]))
    degree = background.choose_degree(sums, params.max_degree)
    fit = background.solve(sums, degree)
    terraces = False
    if params.max_degree > 0:
        facets, gain = facet_polynomial(z, skip, min(2, params.max_degree), fit, _TERRACE_GAIN)
        terraces = gain > _TERRACE_GAIN
        fit = facets if terraces else fit
    features = finish(
        z, skip, background.per_line(fit, sums.powers, z.shape[0]), params.feature_sigmas, params.reference
    )
    facts = _line_facts(lines, apart)
    facts["background"] = "facets" if terraces else "polynomial"
    facts["degree"] = min(2, params.max_degree) if terraces else degree
    facts["feature_fraction"] = float(np.count_nonzero(features)) / features.size
    return z, features, facts


_HEIGHTS = ("line_apart", "line_noise", "line_sigma_median", "line_sigma_max", "line_sigma")


def _line_facts(lines: LineFit, apart: Apart) -> dict[str, Any]:
    model = (
        "offset" if lines.offsets.correction.any() or apart.offset.any() else "none",
        "offset_slope",
        "offset_bend",
    )[min(lines.degree, 2)]
    return {
        "line_model": model,
        "line_degree": lines.degree,
        "line_jumps": lines.offsets.jumps,
        "line_doubt": str(lines.doubt),
        "line_apart": float(np.std(apart.offset)),
        "line_apart_share": apart.share,
        "line_noise": float(np.sqrt(lines.offsets.noise)),
        "line_sigma_median": median(lines.sigma),
        "line_sigma_max": float(np.max(lines.sigma)),
        "line_sigma": four_digits(lines.sigma).tolist(),
    }


_TENS = np.array([float(f"1e{n}") for n in range(23)])
"""All powers of ten that are floating-point numbers."""


def four_digits(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Round numbers, not negative, to four significant digits; far from 1, to about as many.

    An integer below ten thousand over a power of ten is the number closest to what is written.
    """
    shift = 3.0 - np.floor(np.log10(np.maximum(values, 1e-19)))
    down, up = (_TENS[np.clip(sign * shift, 0.0, 22.0).astype(np.intp)] for sign in (-1, 1))
    rounded: NDArray[np.float64] = np.rint(values / down * up) * down / up
    return rounded
