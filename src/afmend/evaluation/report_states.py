"""Statistics of one channel as read, leveled and repaired, each with and without the repaired pixels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from afmend.evaluation.statistics import PEAK_SHARE, PEAK_SIGMAS, Steps, step_heights
from afmend.scan import Channel
from afmend.scan.arrays import Heights, Mask

QUANTITIES = ("Sa", "Sq", "Ssk", "Sku", "Sz")
DIMENSIONLESS = ("Ssk", "Sku", "steps")
ENOUGH = 1 << 16
"""Terraces are searched in about this many pixels: every so many lines, whole."""
SHOWN_WITH_THE_STEP = ("lowest step", "highest step", "levels")
"""What stands in a note under the table instead of a line of its own."""
_CLEAR_WIDTHS = 5.0
"""A step is quoted between neighboring terraces that are so many of their widths apart."""
_INSIDE = 0.5
"""This share of a terrace's pixels has neighbors of the same terrace to either side: it is an area, not the debris on
an edge or the tops of particles, however small an area it is."""


class State(NamedTuple):
    """One column pair of the statistics table: name of quantity -> value (NaN = cannot be computed)."""

    title: str
    note: str
    every: Mapping[str, float]
    measured: Mapping[str, float]


def states(
    original: Channel, leveled: Channel, mended: Channel, *, unharmed: bool = False, by: str = ""
) -> tuple[State, ...]:
    """Compute statistics in three states, over two sets of pixels.

    "every" takes all pixels that hold a value (in ``mended`` the filled ones too); "measured" leaves out those that
    are marked as artifacts, are missing or were filled in. The measured pixels of ``leveled`` and ``mended``
    are the same and must give the same numbers: that is the proof of no harm.
    ``unharmed`` says that they were compared already: then they are computed once. ``by`` names the steps that changed
    measured heights on purpose.
    """
    invented = mended.invented
    present = ~(original.missing | mended.missing)
    good = present & ~(mended.holes | invented)
    flat = _plane_free(original.values, good if good.any() else present)
    untouched = numbers(leveled.values, good)
    kept = untouched if unharmed else numbers(mended.values, good)
    return (
        State("As read", "best plane removed", numbers(flat, present), numbers(flat, good)),
        State("Leveled", f"before {by or 'repair'}", numbers(leveled.values, present), untouched),
        State("Repaired", f"after {by}" if by else "", numbers(mended.values, present | invented), kept),
    )


def numbers(heights: Heights, usable: Mask) -> dict[str, float]:
    """Return Sa, Sq, Ssk, Sku, Sz of the usable pixels, and step heights if there are clear terraces.

    "step height" is the median over all pairs of neighboring terraces ("steps" of them, from "lowest step" to "highest
    step"); where it is NaN, "levels" says how many peaks the histogram of heights has.

    The same definitions as `afmend.evaluation.statistics.roughness`, computed in stripes that fit the
    processor's cache: a report of large scans spends its time here.
    """
    stripe = max(1, ENOUGH // heights.shape[1])
    cuts = [slice(start, start + stripe) for start in range(0, heights.shape[0], stripe)]
    pieces = [z for cut in cuts if (z := heights[cut][usable[cut]].astype(np.float64, copy=False)).size]
    count = sum(z.size for z in pieces)
    if count == 0:
        return dict.fromkeys(QUANTITIES, math.nan)
    mean = sum(float(z.sum()) for z in pieces) / count
    sums = np.zeros(4)
    low, high = math.inf, -math.inf
    for piece in pieces:
        z = piece - mean
        square = z * z
        sums += (np.abs(z).sum(), square.sum(), (square * z).sum(), (square * square).sum())
        low, high = min(low, float(piece.min())), max(high, float(piece.max()))
    sa, variance, third, fourth = (float(v) / count for v in sums)
    flat = high - low <= 1e-12 * max(abs(high), abs(low))
    skew, kurtosis = (math.nan, math.nan) if flat else (third / variance**1.5, fourth / variance**2)
    found = {"Sa": sa, "Sq": math.sqrt(variance), "Ssk": skew, "Sku": kurtosis, "Sz": high - low}
    return found | _steps(heights, usable)


def _steps(heights: Heights, usable: Mask) -> dict[str, float]:
    every = max(1, heights.size // ENOUGH)
    some = np.asarray(heights[::every], dtype=np.float64)
    used = np.ascontiguousarray(usable[::every])
    found = step_heights(some, used)
    if found is None:
        return {"step height": math.nan, "levels": 1.0}
    steps = _clear_steps(some, used, found)
    if not steps:
        return {"step height": math.nan, "levels": float(len(found.levels))}
    return {
        "step height": float(np.median(steps)), "steps": float(len(steps)),
        "lowest step": min(steps), "highest step": max(steps), "levels": float(len(found.levels)),
    }  # fmt: skip


def no_steps(values: Mapping[str, float]) -> str:
    """Say why there is no step height; empty if there is one, or nothing was measured."""
    if not math.isnan(values.get("step height", 0.0)):
        return ""
    if values["levels"] < 2:
        return (
            f"No step height: the histogram of heights has no two separate peaks that hold {100 * PEAK_SHARE:.0f} % of "
            f"the pixels each and lie {PEAK_SIGMAS:.0f} of their widths apart."
        )
    return (
        f"No step height: the histogram of heights has {values['levels']:.0f} peaks, but no two neighboring ones that "
        f"are flat areas more than {_CLEAR_WIDTHS:.0f} of their widths apart."
    )


def _clear_steps(heights: Heights, usable: Mask, found: Steps) -> list[float]:
    """Differences of neighboring levels that are flat areas and lie far apart."""
    rounding = 1e-9 * float(np.ptp(heights[usable]))
    levels = [
        (level, width, _is_area(usable & (np.abs(heights - level) <= 3 * width + rounding)))
        for level, width in zip(found.levels, found.widths, strict=True)
    ]
    return [b - a for (a, v, i), (b, w, j) in pairwise(levels) if i and j and b - a > _CLEAR_WIDTHS * max(v, w)]


def _is_area(level: Mask) -> bool:
    inside = level[:, 1:-1] & level[:, :-2] & level[:, 2:]
    count = int(np.count_nonzero(level))
    return count >= PEAK_SHARE * level.size and int(np.count_nonzero(inside)) >= _INSIDE * count


def _plane_free(heights: Heights, usable: Mask) -> Heights:
    """Remove the least-squares plane of the usable pixels: sums over all pixels less those of the others."""
    rows, cols = heights.shape
    if np.count_nonzero(usable) < 3:
        return heights
    x, y = np.arange(cols) - (cols - 1) / 2, np.arange(rows) - (rows - 1) / 2
    level = float(heights[0, 0])
    down, across = np.nonzero(~usable)
    ys, xs, zs = y[down], x[across], heights[down, across] - level
    by_row = heights.sum(1, dtype=np.float64) - level * cols
    by_col = heights.sum(0, dtype=np.float64) - level * rows
    n = float(rows * cols - zs.size)
    sx, sy, sxy = -float(xs.sum()), -float(ys.sum()), -float((xs * ys).sum())
    sxx = rows * float((x * x).sum()) - float((xs * xs).sum())
    syy = cols * float((y * y).sum()) - float((ys * ys).sum())
    right = [by_row.sum() - zs.sum(), (by_col * x).sum() - (zs * xs).sum(), (by_row * y).sum() - (zs * ys).sum()]
    normal = np.array([[n, sx, sy], [sx, sxx, sxy], [sy, sxy, syy]])
    a, bx, by = np.linalg.lstsq(normal, np.array(right), rcond=None)[0]
    flat: Heights = heights - ((level + a) + by * y)[:, None]
    flat -= bx * x
    return flat
