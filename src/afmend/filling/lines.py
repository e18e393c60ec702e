"""Filling along straight lines: linear interpolation and the nearest neighbors of the seed method."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from afmend.filling.holes import clear_of_zero, find_holes, some_lines
from afmend.pipeline import Field, Filled, Knob, Params, step
from afmend.scan.arrays import Heights, Mask

Axis: TypeAlias = Literal["across_lines", "along_lines"]
Vector: TypeAlias = NDArray[np.float64]


class Linear(Params):
    """Fill holes by linear interpolation across the lines."""

    axis: Axis = Knob(
        "across_lines", "Interpolate between the lines above and below the hole, or along the line of the hole."
    )


class Directional(Params):
    """Fill holes from the nearest good pixels along the line, weighted by distance."""

    axis: Axis = Knob("along_lines", "Direction in which good neighbors are looked for first.")
    radius: int = Knob(
        5, "How far to look; larger averages over more pixels.", unit="px", ge=1, le=64, step=1, recommended=(2, 10)
    )


@step("fill.linear", Linear, version="1")
def linear(field: Field, params: Linear) -> Filled:
    """Interpolate linearly between the nearest good pixels on both sides of a hole.

    At an image edge the nearest good pixel is used. Where a whole column (row) is a hole, the other axis steps in;
    the facts say for how many pixels. The error bar is that of a Brownian bridge, v d1 d2 / (d1 + d2), with v the
    variance of the steps between neighboring good pixels: it knows the distance to data, not the kind of surface.

    Not for holes wider than the features of the surface.

    Raises
    ------
    StepError
        If every pixel is a hole.
    """
    holes = find_holes(field)
    if holes.empty:
        return Filled(field.heights)
    heights, variance, swapped = interpolate(holes.heights, holes.known, params.axis)
    sigma = np.zeros(field.shape)
    sigma[holes.wanted] = clear_of_zero(np.sqrt(variance[holes.wanted]), holes.heights, holes.known)
    return Filled(heights, sigma, facts={"other_axis_pixels": swapped})


@step("fill.directional", Directional, version="1")
def directional(field: Field, params: Directional) -> Filled:
    """Average the good pixels within a radius on the same line, weighted by one over the distance.

    The directional neighbor interpolation of mask-guided restoration. Where the line offers no good pixel within
    the radius, `fill.linear` across the chosen direction steps in; the facts say for how many pixels.

    It has no error bar. Not for whole lost lines (prefer fill.auto), nor for rough surfaces.

    Raises
    ------
    StepError
        If every pixel is a hole.
    """
    holes = find_holes(field)
    if holes.empty:
        return Filled(field.heights)
    rows, cols = np.nonzero(holes.wanted)
    across = params.axis == "across_lines"
    total, weight = _neighbors(holes.heights, holes.known, rows, cols, (params.radius, across))
    lonely = weight == 0
    heights = holes.heights.copy()
    heights[rows[~lonely], cols[~lonely]] += total[~lonely] / weight[~lonely]
    if lonely.any():
        spare, _, _ = interpolate(holes.heights, holes.known, "along_lines" if across else "across_lines")
        heights[rows[lonely], cols[lonely]] = spare[rows[lonely], cols[lonely]]
    return Filled(heights, facts={"other_axis_pixels": int(np.count_nonzero(lonely))})


def _neighbors(
    heights: Heights, known: Mask, rows: NDArray[np.intp], cols: NDArray[np.intp], reach: tuple[int, bool]
) -> tuple[Vector, Vector]:
    """Sum of weighted good neighbors above the height that stands under the holes, and sum of weights."""
    radius, across = reach
    # Both partners of a distance are added before they join the sum: a mirrored image gives the same bits.
    total = np.zeros(rows.size)
    weight = np.zeros(rows.size)
    base = heights[rows, cols]
    for distance in range(1, radius + 1):
        pair_total = np.zeros(rows.size)
        pair_weight = np.zeros(rows.size)
        for offset in (-distance, distance):
            r, c = (rows + offset, cols) if across else (rows, cols + offset)
            inside = (r >= 0) & (r < heights.shape[0]) & (c >= 0) & (c < heights.shape[1])
            good = np.zeros(rows.size, dtype=np.bool_)
            good[inside] = known[r[inside], c[inside]]
            pair_total[good] += (heights[r[good], c[good]] - base[good]) / distance
            pair_weight[good] += 1.0 / distance
        total += pair_total
        weight += pair_weight
    return total, weight


def interpolate(heights: Heights, known: Mask, axis: Axis, *, learn: bool = True) -> tuple[Heights, Heights, int]:
    """Fill every unknown pixel by linear interpolation along ``axis``, then the other axis, then again.

    Without ``learn`` the steps between good neighbors count as 1 in the variance.

    Returns
    -------
    filled : (rows, cols) float64
    variance : (rows, cols) float64
        Of the Brownian bridge; 0 on known pixels, inf where no step between good neighbors exists to learn from.
    swapped : int
        Number of pixels that the other axis had to fill.
    """
    order = (0, 1) if axis == "across_lines" else (1, 0)
    scales = [step_variance(heights, known, way) if learn else 1.0 for way in (0, 1)]
    scales = [own if np.isfinite(own) else other for own, other in zip(scales, scales[::-1], strict=True)]
    filled = heights.copy()
    variance = np.zeros(heights.shape)
    done = known.copy()
    swapped = 0
    # Two axes may leave pixels whose row and column are both lost; the third pass finds filled neighbors.
    for number, way in enumerate((*order, order[0])):
        if done.all():
            break
        count = _bridge(filled, variance, done, way, scales[way])
        swapped += count if number else 0
    return filled, variance, swapped


def _bridge(filled: Heights, variance: Heights, done: Mask, way: int, scale: float) -> int:
    """Fill in place what lies between or beside done pixels along one axis; return how many pixels."""
    from afmend.filling.line_kernels import brackets

    z, var, ok = (filled, variance, done) if way == 0 else (filled.T, variance.T, done.T)
    r, c, i, j = brackets(ok, ok.size - int(np.count_nonzero(ok)))
    reachable = (i >= 0) | (j < z.shape[0])
    r, c, i, j = r[reachable], c[reachable], i[reachable], j[reachable]
    # At an edge the one neighbor stands on both sides.
    has_i, has_j = i >= 0, j < z.shape[0]
    d1 = np.where(has_i, r - i, np.inf)
    d2 = np.where(has_j, j - r, np.inf)
    i, j = np.where(has_i, i, j), np.where(has_j, j, i)
    share = np.where(has_i & has_j, _ratio(d1, d2), 0.5)  # weight of the later neighbor
    z[r, c] = z[i, c] + (z[j, c] - z[i, c]) * share
    bridge = np.where(has_i & has_j, (1 - share) * d1, np.minimum(d1, d2))
    var[r, c] = scale * bridge + (1 - share) * var[i, c] + share * var[j, c]
    ok[r, c] = True
    return int(r.size)


def _ratio(d1: Vector, d2: Vector) -> Vector:
    both = np.isfinite(d1) & np.isfinite(d2)
    return np.divide(d1, d1 + d2, out=np.zeros_like(d1), where=both)


def step_variance(heights: Heights, known: Mask, way: int) -> float:
    """Variance of the height steps between neighboring good pixels along an axis; inf if there are none."""
    # Whole lines are left out of large images: lines of the other axis, so that neighbors stay neighbors.
    z, ok = some_lines(heights.T, known.T) if way == 0 else some_lines(heights, known)
    z, ok = z.T, ok.T
    steps = (z[1:] - z[:-1])[ok[1:] & ok[:-1]]
    return float(np.var(steps)) if steps.size else float("inf")
