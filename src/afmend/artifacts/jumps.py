"""Line jumps: from one line to the next, or in the middle of a line, the whole image moves up or down for good."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from afmend.artifacts.scar_score import filled_from_lines
from afmend.pipeline import Field, Found, Knob, Params, step
from afmend.scan.arrays import Heights

Floats = NDArray[np.float64]
SAMPLES = 256
REACH = 5
"""A jump must still be there after so many lines."""


class Jumps(Params):
    """List line jumps, and mark the wrong part of lines that jump on their way."""

    times: float = Knob(
        8.0, "Height of a jump over the usual step from line to line; larger lists less.",
        unit="sigma", gt=0, le=1000, step=0.5, recommended=(5, 15),
    )  # fmt: skip
    min_length: int = Knob(8, "Shortest part of a line that is marked.", unit="px", ge=1, le=100_000)


@step("mark.jumps", Jumps, version="1")
def jumps(field: Field, params: Jumps) -> Found:
    """List the offset steps between lines that persist, and mark the shorter part of a line that jumps midway.

    Facts: ``jumps``, a list of row (first line after the jump), height in the channel's unit, and column where the
    line breaks (None for a jump between lines). Whole lines are not marked: leveling cures their offsets.

    Not for telling a jump from a straight edge of the sample along the fast axis: both are listed.
    """
    rows, cols = field.shape
    found = np.zeros(field.shape, dtype=np.bool_)
    listed: list[dict[str, Any]] = []
    if rows > 2 * REACH and field.usable.any():
        heights = filled_from_lines(field.heights, field.excluded) if field.excluded.any() else field.heights
        steps = _median_steps(heights, 1)
        double = _median_steps(heights, 2)
        level = np.concatenate(([0.0], np.cumsum(steps - np.median(steps))))
        noise = _spread(steps)
        sizes = steps - np.median(steps)
        whole = _persisting(level, np.abs(sizes), params.times * noise)
        listed += [{"row": row + 1, "height": float(sizes[row]), "column": None} for row in whole]
        bends = np.abs(double - 2 * np.median(steps))
        tall = bends > max(params.times * max(noise, _spread(double)), 3 * float(np.mean(bends)))
        for row in (np.flatnonzero(tall) + 1).tolist():
            height = float(double[row - 1])
            stays = _never_returns(level, row, height)
            column = (
                _break(heights, row, height, np.asarray(field.usable[row - 1 : row + 2].all(axis=0))) if stays else None
            )
            if column is None:
                continue
            part = slice(0, column) if column <= cols - column else slice(column, cols)
            if min(column, cols - column) >= params.min_length:
                found[row, part] = True
                listed.append({"row": row, "height": height, "column": column})
    listed.sort(key=lambda jump: (jump["row"], jump["column"] or 0))
    return Found(found & field.usable, "jump", facts={"jumps": listed})


def _median_steps(heights: Heights, apart: int) -> Floats:
    """Median height difference of lines that are ``apart`` lines apart, from up to 256 columns."""
    sample = heights[:, :: max(1, heights.shape[1] // SAMPLES)]
    return np.asarray(np.median(sample[apart:] - sample[:-apart], axis=1))


def _spread(values: Floats) -> float:
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))


def _persisting(level: Floats, sizes: Floats, limit: float) -> list[int]:
    """List steps i (from line i to i + 1) above the limit whose level differs by most of the step for 5 lines."""
    kept = []
    for row in np.flatnonzero((sizes > limit) & (sizes > 0)).tolist():
        before, after = level[max(0, row + 1 - REACH) : row + 1], level[row + 1 : row + 1 + REACH]
        if after.size and abs(float(np.median(after) - np.median(before))) > 0.6 * sizes[row]:
            kept.append(row)
    return kept


def _never_returns(level: Floats, row: int, height: float) -> bool:
    """Whether the lines after keep to one side of the middle of the jump, and those before to the other."""
    before, after = level[:row], level[row + 1 :]
    middle = 0.5 * (level[row - 1] + level[row + 1])
    sign = np.sign(height)
    return bool(np.all(sign * (after - middle) > 0) and np.all(sign * (before - middle) < 0))


def _break(heights: Heights, row: int, height: float, usable: NDArray[np.bool_]) -> int | None:
    """Column where line ``row`` goes over from the level of one neighbor to that of the other; None if it does not.

    The first part may belong to the line above or below: which one depends on how lines were ordered in time.
    """
    near = np.abs(heights[row] - heights[row - 1])
    far = np.abs(heights[row] - heights[row + 1])
    above = np.minimum(near, abs(height)) < np.minimum(far, abs(height))
    belongs = np.where(usable, np.where(above, 1, -1), 0)
    sums = np.concatenate(([0], np.cumsum(belongs)))
    cols = belongs.size
    for score in (2 * sums - sums[-1], sums[-1] - 2 * sums):
        column = int(np.argmax(score))
        if score[column] >= 0.9 * np.count_nonzero(usable) and 0 < column < cols:
            return column
    return None
