"""Statistics of one channel as read, leveled and repaired, each with and without the repaired pixels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from afmend.scan import Channel
from afmend.scan.arrays import Heights, Mask


class State(NamedTuple):
    """One column pair of the statistics table: name of quantity -> value (NaN = cannot be computed)."""

    title: str
    note: str
    every: Mapping[str, float]
    measured: Mapping[str, float]


QUANTITIES = ("Sa", "Sq", "Ssk", "Sku", "Sz")
DIMENSIONLESS = ("Ssk", "Sku")


def states(
    original: Channel, leveled: Channel, mended: Channel, pixel_nm: tuple[float, float], *, unharmed: bool = False
) -> tuple[State, State, State]:
    """Compute roughness in three states, over two sets of pixels.

    "every" takes all pixels that hold a value (in ``mended`` the filled ones too); "measured" leaves out those that
    are marked as artifacts, are missing or were filled in. The measured pixels of ``leveled`` and ``mended``
    are the same and must give the same numbers: that is the proof of no harm.
    ``unharmed`` says that they were compared already: then they are computed once.
    """
    invented = mended.invented
    wrong = mended.holes | invented
    present = ~(original.missing | mended.missing)
    good = present & ~wrong
    filled = present | invented
    flat = _plane_free(original.values, good if good.any() else present)
    untouched = numbers(leveled.values, good, pixel_nm)
    kept = untouched if unharmed else numbers(mended.values, good, pixel_nm)
    return (
        State("As read", "best plane removed", numbers(flat, present, pixel_nm), numbers(flat, good, pixel_nm)),
        State("Leveled", "before repair", numbers(leveled.values, present, pixel_nm), untouched),
        State("Repaired", "", numbers(mended.values, filled, pixel_nm), kept),
    )


def numbers(heights: Heights, usable: Mask, pixel_nm: tuple[float, float]) -> dict[str, float]:  # noqa: ARG001
    """Return Sa, Sq, Ssk, Sku, Sz about the mean of the usable pixels."""
    pieces = [z for start in _starts(heights) if (z := _piece(heights, usable, start)).size]
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
        low, high = min(low, float(z.min())), max(high, float(z.max()))
    sa, variance, third, fourth = (float(v) / count for v in sums)
    flat = variance <= (1e-14 * abs(mean)) ** 2
    skew, kurtosis = (math.nan, math.nan) if flat else (third / variance**1.5, fourth / variance**2)
    return {"Sa": sa, "Sq": math.sqrt(variance), "Ssk": skew, "Sku": kurtosis, "Sz": high - low}


def _starts(heights: Heights) -> range:
    """Cut the map into stripes that fit the processor's cache."""
    return range(0, heights.shape[0], max(1, 65536 // heights.shape[1]))


def _piece(heights: Heights, usable: Mask, start: int) -> Heights:
    stripe = slice(start, start + _starts(heights).step)
    chosen: Heights = heights[stripe][usable[stripe]]
    return chosen


def _plane_free(heights: Heights, usable: Mask) -> Heights:
    """Remove the least-squares plane of the usable pixels: sums over all pixels less those of the others."""
    rows, cols = heights.shape
    if np.count_nonzero(usable) < 3:
        return heights
    x, y = np.arange(cols) - (cols - 1) / 2, np.arange(rows) - (rows - 1) / 2
    level = float(heights[0, 0])
    down, across = np.nonzero(~usable)
    ys, xs, zs = y[down], x[across], heights[down, across] - level
    by_row, by_col = heights.sum(1) - level * cols, heights.sum(0) - level * rows
    n = float(rows * cols - zs.size)
    sx, sy, sxy = -float(xs.sum()), -float(ys.sum()), -float((xs * ys).sum())
    sxx, syy = rows * float((x * x).sum()) - float((xs * xs).sum()), cols * float((y * y).sum()) - float((ys * ys).sum())
    right = [by_row.sum() - zs.sum(), (by_col * x).sum() - (zs * xs).sum(), (by_row * y).sum() - (zs * ys).sum()]
    normal = np.array([[n, sx, sy], [sx, sxx, sxy], [sy, sxy, syy]])
    a, bx, by = np.linalg.lstsq(normal, np.array(right), rcond=None)[0]
    flat: Heights = heights - ((level + a) + by * y)[:, None]
    flat -= bx * x
    return flat
