"""Whole lines that went wrong: stuck, saturated, wildly noisy or wildly offset lines, and steps between lines."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from afmend.artifacts.plateaus import plateau
from afmend.pipeline import Field, Found, Knob, Params, step
from afmend.scan.arrays import Heights

MOST = 0.2
"""If more than this share of all lines looks stuck, the image is synthetic or quantized: none is marked."""


class Lines(Params):
    """Mark bad lines: stuck, saturated, far too noisy or far off their neighbors."""

    stuck: bool = Knob(default=True, help="Mark lines that are exactly constant or exactly equal to the line before.")
    saturated: bool = Knob(default=True, help="Mark lines of which nine tenths sit at the end of the measuring range.")
    noise: float = Knob(
        8.0, "How far a line's noise is above that of the others, in robust standard deviations; 0 = not looked at.",
        unit="sigma", ge=0, le=1000, step=0.5, recommended=(5, 15),
    )  # fmt: skip
    offset: float = Knob(
        0.0, "How far a line lies off its neighbors, in robust standard deviations; 0 = not looked at (row leveling "
        "mends offsets without inventing anything).",
        unit="sigma", ge=0, le=1000, step=0.5, recommended=(8, 30),
    )  # fmt: skip


@step("mark.lines", Lines, version="1")
def lines(field: Field, params: Lines) -> Found:
    """Mark bad lines whole, under the name "line"; the facts tell which line is bad for which reason."""
    rows = field.shape[0]
    reasons: dict[str, NDArray[np.bool_]] = {}
    fully = field.usable.all(axis=1)
    if params.stuck:
        reasons["stuck"] = stuck_lines(field.heights) & fully
    if params.saturated:
        reasons["saturated"] = (plateau(field.heights, field.usable).mean(axis=1) > 0.9) & fully
    enough = rows >= 8 and field.shape[1] >= 8
    if params.noise > 0 and enough:
        reasons["noise"] = _wild(line_noise(field.heights), params.noise, upward=True) & fully
    if params.offset > 0 and enough:
        reasons["offset"] = _wild(_off_neighbors(field.heights), params.offset, upward=False) & fully
    bad = np.zeros(rows, dtype=np.bool_)
    for found in reasons.values():
        bad |= found
    mask = np.repeat(bad[:, None], field.shape[1], axis=1) & field.usable
    facts = {name: [int(i) for i in np.flatnonzero(found)] for name, found in reasons.items()}
    return Found(mask, "line", facts=facts)


def stuck_lines(heights: Heights) -> NDArray[np.bool_]:
    """Tell which lines are exactly constant or repeat the line before; none if that is common in the image."""
    stuck = np.ptp(heights, axis=1) == 0 if heights.shape[1] > 1 else np.zeros(heights.shape[0], dtype=np.bool_)
    if heights.shape[1] > 3:
        stuck[1:] |= (heights[1:] == heights[:-1]).all(axis=1)
    if np.count_nonzero(stuck) > MOST * stuck.size:
        return np.zeros_like(stuck)
    return stuck


def line_noise(heights: Heights) -> NDArray[np.float64]:
    """Logarithm of the noise of each line: the median bend of three neighboring pixels."""
    bend = np.abs(np.diff(heights, n=2, axis=1))
    noise = np.median(bend, axis=1)
    mean = np.mean(bend, axis=1)
    noise = np.where(noise > 0, noise, mean)
    floor = 1e-3 * float(np.median(noise)) or 1e-3 * float(np.mean(noise)) or 1.0
    return np.asarray(np.log(np.maximum(noise, floor)), dtype=np.float64)


def _off_neighbors(heights: Heights) -> NDArray[np.float64]:
    """Distance of each line's median from the middle of the three lines before and the three after."""
    level = np.median(heights, axis=1)
    padded = np.pad(level, 3, mode="reflect", reflect_type="odd")
    around = np.stack([padded[3 + k : 3 + k + level.size] for k in (-3, -2, -1, 1, 2, 3)])
    return np.asarray(level - np.median(around, axis=0), dtype=np.float64)


def _wild(values: NDArray[np.float64], times: float, *, upward: bool) -> NDArray[np.bool_]:
    away = values - np.median(values)
    spread = 1.4826 * float(np.median(np.abs(away)))
    if spread == 0:
        spread = 1.2533 * float(np.mean(np.abs(away)))
    if spread == 0:
        return np.zeros(values.shape, dtype=np.bool_)
    return np.asarray((away if upward else np.abs(away)) > times * spread, dtype=np.bool_)


class Jumps(Params):
    """Find line jumps: offsets that start at one line and stay."""

    sigma: float = Knob(
        8.0, "Height of a jump in units of the usual step between lines; larger finds less.",
        unit="sigma", gt=0, le=1000, step=0.5, recommended=(5, 20),
    )  # fmt: skip
    hold: int = Knob(5, "For how many lines the new level must stay.", unit="px", ge=2, le=1000, recommended=(3, 20))


@step("mark.jumps", Jumps, version="1")
def jumps(field: Field, params: Jumps) -> Found:
    """Find offset steps between lines that persist; mark only lines in the middle of which one happened.

    A jump between two lines needs no mask (row leveling removes it): it is told in the facts as
    ``{"row": first line of the new level, "height": ..., "column": ... or None}``. A line that changed its level
    in the middle is marked as "jump". Terraces and steps of the sample along the fast axis look the same.
    """
    mask = np.zeros(field.shape, dtype=np.bool_)
    found: list[dict[str, float | int | None]] = []
    rows = field.shape[0]
    if rows >= 2 * params.hold + 2 and field.shape[1] >= 8:
        heights = np.where(field.excluded, np.nan, field.heights) if field.excluded.any() else field.heights
        for row, height in _persistent(_level_steps(heights), params):
            column = _changed_at(field.heights, row, height)
            if column is not None:
                mask[row] = field.usable[row]
            found.append({"row": row, "height": height, "column": column})
    return Found(mask, "jump", facts={"jumps": found})


def _level_steps(heights: Heights) -> NDArray[np.float64]:
    """Median step from each line to the next; 0 where no column is usable in both."""
    difference = np.diff(heights, axis=0)
    gone = np.isnan(difference)
    if not gone.any():
        return np.asarray(np.median(difference, axis=1), dtype=np.float64)
    difference[gone.all(axis=1)] = 0.0
    return np.asarray(np.nanmedian(difference, axis=1), dtype=np.float64)


def _persistent(steps: NDArray[np.float64], params: Jumps) -> list[tuple[int, float]]:
    """List (first line of the new level, height) of steps that stand out and stay."""
    away = steps - np.median(steps)
    scatter = 1.4826 * float(np.median(np.abs(away))) or 1.2533 * float(np.mean(np.abs(away)))
    level = np.concatenate(([0.0], np.cumsum(away)))
    out: list[tuple[int, float]] = []
    hold = params.hold
    for i in np.flatnonzero(np.abs(away) > max(0.5 * params.sigma * scatter, 1e-300)):
        # A jump in the middle of a line is spread over two steps: skip that line on both sides.
        before = level[max(0, i - hold) : i + 1]
        after = level[i + 2 : i + 2 + hold] if i + 2 < level.size else level[i + 1 :]
        height = float(np.median(after) - np.median(before[:-1] if before.size > 1 else before))
        stays = bool(np.all(np.sign(height) * (after - np.median(before)) > 0.5 * abs(height)))
        if not stays or abs(height) <= params.sigma * scatter or after.size < 2:
            continue
        if out and i + 1 - out[-1][0] <= 1:
            continue
        out.append((int(i + 1), height))
    return out


def _changed_at(heights: Heights, row: int, height: float) -> int | None:
    """Column where line ``row`` changes from the old to the new level; None if it does not."""
    if row + 1 >= heights.shape[0]:
        return None
    new = np.abs(heights[row] - heights[row + 1]) < np.abs(heights[row] - heights[row - 1])
    share = float(np.mean(new))
    if not 0.05 < share < 0.95 or abs(height) == 0:
        return None
    # The cut that parts old from new best, whichever comes first.
    score = np.cumsum(np.where(new, 1, -1))
    ends = np.array([score.min(), score.max()])
    cut = int(np.argmin(score) if abs(ends[0]) > abs(ends[1]) else np.argmax(score)) + 1
    left, right = float(np.mean(new[:cut])), float(np.mean(new[cut:])) if cut < new.size else 0.5
    return cut if abs(left - right) > 0.6 else None


