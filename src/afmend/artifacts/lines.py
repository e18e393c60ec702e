"""Bad lines: whole lines that hold no measurement of the surface."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from afmend.artifacts.line_shapes import wild_bands
from afmend.artifacts.repeats import FEW_PX, Repeats, equality_is_unusual, has_noise, repeats
from afmend.artifacts.scar_score import filled_from_lines
from afmend.pipeline import Field, Found, Knob, Params, step
from afmend.scan.arrays import Mask

Rows = NDArray[np.bool_]


class Lines(Params):
    """Mark bad lines: stuck ones, and ones whose shape has nothing to do with the lines around them."""

    times: float = Knob(
        2.5, "How many times more than usual a line must differ from both neighbors, along most of its length.",
        unit="sigma", ge=1.2, le=100, step=0.1, recommended=(2, 5),
    )  # fmt: skip
    max_bundle: int = Knob(8, "Most bad lines side by side.", unit="lines", ge=1, le=32, recommended=(2, 12))
    share: float = Knob(
        0.75, "Share of a line's length that must be bad; shorter stretches are scars.",
        ge=0.3, le=1, step=0.05, recommended=(0.6, 0.9), advanced=True,
    )  # fmt: skip


@step("mark.lines", Lines, version="1")
def lines(field: Field, params: Lines) -> Found:
    """Mark whole lines that hold no measurement of the surface.

    Stuck lines repeat the line before them, or one value, exactly, in a scan where that is unusual. Of equal lines the
    one that fits its outer neighbor best stays. Wild lines differ in shape (offset and slope do not count) from both
    neighbors, which agree with each other; up to ``max_bundle`` lines side by side. A line that is only offset is
    not bad: leveling cures it.

    Not for scans with a rough wire of one pixel that lies exactly along the fast axis and fills the line.
    """
    rows, cols = field.shape
    bad = np.zeros(rows, dtype=np.bool_)
    stuck = 0
    measured = np.count_nonzero(field.usable, axis=1) if field.excluded.any() else np.full(rows, cols)
    enough = measured >= max(FEW_PX, cols // 4)
    if rows >= 4 and np.count_nonzero(enough) >= 4:
        bad = _stuck(field) & enough
        stuck = int(np.count_nonzero(bad))
        holes = field.excluded | bad[:, None]
        heights = filled_from_lines(field.heights, holes) if holes.any() else field.heights
        bad |= wild_bands(heights, params.times**2, params.max_bundle, params.share) & enough
    facts = {"lines": np.flatnonzero(bad).tolist(), "stuck": stuck}
    return Found(bad[:, None] & field.usable, "bad_line", facts=facts)


def _may_be_stuck(field: Field) -> bool:
    """Look at some columns only: whether any line could be equal to the next, or constant."""
    from afmend.artifacts.line_shape_kernels import any_repeats

    return bool(any_repeats(field.heights, field.excluded, max(1, field.shape[1] // 32)))


def _stuck(field: Field) -> Rows:
    rows = field.shape[0]
    if not _may_be_stuck(field):
        return np.zeros(rows, dtype=np.bool_)
    shares: Repeats = repeats(field.heights, field.usable)
    copied = shares.lines == 1
    constant = shares.along == 1
    bad = np.zeros(rows, dtype=np.bool_)
    if not (copied.any() or constant.any()):
        return bad
    suspects = constant.copy()
    suspects[1:] |= copied
    suspects[:-1] |= copied
    if np.count_nonzero(suspects) > rows // 2:
        return bad
    usual = equality_is_unusual(shares.lines[~copied], shares.along[~suspects])
    if not usual or not has_noise(field.heights, ~suspects & field.usable.any(axis=1)):
        return bad
    bad |= constant
    first = np.flatnonzero(copied & ~np.concatenate(([False], copied[:-1])))
    last = np.flatnonzero(copied & ~np.concatenate((copied[1:], [False]))) + 1
    for start, stop in zip(first.tolist(), last.tolist(), strict=True):
        if constant[start]:
            continue
        bad[start : stop + 1] = True
        above, below = _misfit(field, start, start - 1), _misfit(field, stop, stop + 1)
        if above < below:
            bad[start] = False
        elif below < above:
            bad[stop] = False
    return bad


def _misfit(field: Field, row: int, other: int) -> float:
    """Mean difference in shape between two lines; infinite if there is no other."""
    if not 0 <= other < field.shape[0]:
        return np.inf
    both: Mask = field.usable[row] & field.usable[other]
    if not both.any():
        return np.inf
    away = field.heights[row, both] - field.heights[other, both]
    return float(np.mean(np.abs(away - np.median(away))))
