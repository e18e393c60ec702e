"""Features of what is cut off along a line: a particle that the tip pushed away while it was being imaged."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from afmend.artifacts.gate.view import Map, View
from afmend.scan.arrays import Mask

PLAIN, SCATTERS = 0.15, 6.0
"""A cut is a step to the next line of so much of the half range, and of so many scatters between lines."""
SUDDEN, STAYS = 0.35, 0.6
"""The steps before and after are smaller than the first part of it; so much of it is left some lines away."""
AROUND = 2
"""Lines before and after in which the step must be seen: scars are thinner."""
FEWEST_PX, IN_A_ROW = 4, 3
"""Of a cut, and in a row, or they count for nothing: shoulders of features are as sudden."""
APART_PX = (2, 10)
"""Steps that are neighbors by so many lines and pixels are one edge that runs across the lines."""
Cut: TypeAlias = tuple[int, NDArray[np.intp]]
"""The line after the step, and the pixels."""
NAMES = ("longest", "count", "share", "strongest", "both ways")


def cut_features(view: View) -> dict[str, float]:
    """Measure cuts: the longest, how many, how many pixels; the strongest, in one direction and in both.

    Strength is the sum of the steps of a cut over half the range of the heights. Edges of the sample that lie nearly
    along the lines are steps as sudden; they go on in the next lines, some pixels aside, and are left out. An edge
    exactly along the lines looks like a cut.
    """
    z = view.flat
    cuts = _cuts(sudden_steps(z, max(PLAIN * view.half_range, SCATTERS * view.noise)))
    if not cuts:
        return dict.fromkeys((f"cut {name}" for name in NAMES), 0.0)
    pixels = [cols.size for _, cols in cuts]
    steps = [_steps(z, cut) for cut in cuts]
    own = [float(np.abs(step).sum()) for step in steps]
    both = [0.0] * len(cuts)
    if view.other is not None:
        others = [float(np.sum(np.sign(a) * _around(view.other, cut))) for a, cut in zip(steps, cuts, strict=True)]
        both = [max(0.0, min(pair)) for pair in zip(own, others, strict=True)]
    return {
        "cut longest": float(np.log1p(max(pixels))), "cut count": float(np.log1p(len(cuts))),
        "cut share": sum(pixels) / z.shape[1], "cut strongest": float(np.log1p(max(own) / view.half_range)),
        "cut both ways": float(np.log1p(max(both) / view.half_range)),
    }  # fmt: skip


def sudden_steps(z: Map, least: float) -> Mask:
    """Return where a line differs from the one before by ``least`` at once, and so do those around both."""
    found = np.zeros(z.shape, np.bool_)
    first, stop = AROUND + 1, z.shape[0] - AROUND

    def moved(some: Map, lines: int) -> Map:
        return some[first + lines : stop + lines]

    if stop <= first:
        return found
    before = moved(z, -1)
    step = moved(z, 0) - before
    size, sign = np.abs(step), np.sign(step)
    sudden = size >= least
    for end in (moved(z, 1) - moved(z, 0), before - moved(z, -2)):
        sudden &= np.abs(end) <= SUDDEN * size
    for lines in range(1, AROUND + 1):
        sudden &= sign * (moved(z, lines) - before) >= STAYS * size
        sudden &= sign * (moved(z, 0) - moved(z, -1 - lines)) >= STAYS * size
    found[first:stop] = sudden
    return found


def _cuts(sudden: Mask) -> list[Cut]:
    """Return the sudden steps of one line that have no others nearby in other lines: line, and its pixels."""
    import cv2

    rowed = cv2.morphologyEx(
        sudden.astype(np.uint8),
        cv2.MORPH_OPEN,
        np.ones((1, IN_A_ROW), np.uint8),
        borderType=cv2.BORDER_CONSTANT,
        borderValue=0,
    )
    if not rowed.any():
        return []
    grown = cv2.dilate(rowed, np.ones([px + 1 for px in APART_PX], np.uint8))
    groups = cv2.connectedComponents(grown, connectivity=4)[1]
    rows, cols = np.nonzero(rowed)
    order = np.argsort(groups[rows, cols], kind="stable")
    starts = np.flatnonzero(np.diff(groups[rows, cols][order])) + 1
    return [
        (int(rows[here[0]]), cols[here]) for here in np.split(order, starts)
        if here.size >= FEWEST_PX and np.ptp(rows[here]) == 0
    ]  # fmt: skip


def _steps(z: Map, cut: Cut) -> Map:
    row, cols = cut
    return np.asarray(z[row, cols] - z[row - 1, cols])


def _around(z: Map, cut: Cut) -> Map:
    """Return the step from two lines before to one after: in the other direction a cut may be a line off."""
    row, cols = cut
    step = z[row + 1] - z[row - 2]
    return np.asarray((step - np.median(step))[cols])
