"""Parachuting: behind a steep downward step the tip falls slower than the surface and draws a straight tail."""

from __future__ import annotations

import numpy as np

from afmend.artifacts.runs import bridge, find_runs, paint_runs, run_sums
from afmend.pipeline import Field, Found, Knob, Params, step
from afmend.scan.arrays import Heights, Mask


class Parachuting(Params):
    """Mark parachuting tails: straight descents that the other scan direction does not show."""

    min_length: int = Knob(6, "Shorter tails are left alone.", unit="px", ge=3, le=100_000, recommended=(5, 20))
    tolerance: float = Knob(
        0.35, "How much the slope of a tail may differ from the usual fall rate, as a share of it.",
        gt=0, le=1, step=0.05, recommended=(0.2, 0.5),
    )  # fmt: skip
    sigma: float = Knob(
        4.0, "How far the two directions must differ, in robust standard deviations of their difference.",
        unit="sigma", gt=0, le=100, step=0.5, recommended=(3, 6),
    )  # fmt: skip


@step("mark.parachuting", Parachuting, version="1")
def parachuting(field: Field, params: Parachuting) -> Found:
    """Mark tails of constant descending slope in scan direction (trace: left to right) that stand above the retrace.

    Needs the other direction of the same channel; without it nothing is marked, and the facts say so.
    Not for pairs that were shifted or leveled differently: their difference is not the artifact.
    """
    nothing = np.zeros(field.shape, dtype=np.bool_)
    if field.opposite is None:
        return Found(nothing, "parachuting", facts={"skipped": "there is no channel of the other scan direction"})
    if field.shape[1] < params.min_length + 4:
        return Found(nothing, "parachuting", facts={"skipped": "the lines are too short"})
    turn = -1 if field.direction == "retrace" else 1
    heights, other = field.heights[:, ::turn], field.opposite[:, ::turn]
    usable = field.usable[:, ::turn]
    higher = _above_other(heights, other, params.sigma) & usable
    slope = _slope(heights)
    falling = slope[higher & (slope < 0)]
    if falling.size < params.min_length:
        return Found(nothing, "parachuting", facts={"tails": 0})
    rate = _usual(-falling)
    tail = higher & (np.abs(slope + rate) < params.tolerance * rate)
    runs = bridge(find_runs(tail), 2)
    runs = runs.keep((runs.length >= params.min_length) & (run_sums(tail, runs) >= 0.7 * runs.length))
    mask = paint_runs(runs, field.shape) & usable
    return Found(
        mask[:, ::turn].copy(), "parachuting", facts={"tails": int(runs.row.size), "fall_per_px": float(rate)}
    )


def _above_other(heights: Heights, other: Heights, sigma: float) -> Mask:
    difference = heights - other
    difference = difference - np.median(difference, axis=1, keepdims=True)
    spread = 1.4826 * float(np.median(np.abs(difference)))
    return np.asarray(difference > max(sigma * spread, 1e-9 * float(np.ptp(heights))), dtype=np.bool_)


def _slope(heights: Heights) -> Heights:
    """Slope along the line per pixel, over four pixels; at the ends the nearest one."""
    inner = 0.25 * (heights[:, 4:] - heights[:, :-4])
    return np.pad(inner, ((0, 0), (2, 2)), mode="edge")


def _usual(rates: Heights) -> float:
    """Center of the densest third of the values: the fall rate that most tails share."""
    ordered = np.sort(rates)
    count = max(1, ordered.size // 3)
    widths = ordered[count:] - ordered[:-count] if ordered.size > count else np.zeros(1)
    first = int(np.argmin(widths))
    return float(np.median(ordered[first : first + count + 1]))
