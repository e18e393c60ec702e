"""Parachuting: behind a steep downward step the tip falls freely and reaches the ground too late."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from afmend.artifacts.runs import Runs, bridge, find_runs, grow_along_rows, paint_runs, run_sums
from afmend.pipeline import Field, Found, Knob, Params, step
from afmend.scan.arrays import Heights, Mask

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
SAMPLES = 256
SMOOTH_PX = 3
FARTHEST_PX = 24
"""Hysteresis shifts edges between the directions by no more than this."""


class Parachuting(Params):
    """Mark tails behind downward steps that the other scan direction does not show."""

    min_length: int = Knob(6, "Shortest tail.", unit="px", ge=3, le=10_000, recommended=(5, 20))
    lam: float = Knob(
        5.0, "Height of a tail over the noise of trace minus retrace; larger marks less.",
        unit="sigma", gt=0, le=100, step=0.1, recommended=(3, 8),
    )  # fmt: skip
    slope_tolerance: float = Knob(
        0.5, "How much slopes may differ: along a tail, and between tails.",
        gt=0, le=5, step=0.05, recommended=(0.3, 1), advanced=True,
    )  # fmt: skip


class _Tails(NamedTuple):
    runs: Runs
    fall: Floats  # height per pixel along the tail, positive


@step("mark.parachuting", Parachuting, version="1")
def parachuting(field: Field, params: Parachuting) -> Found:
    """Mark runs in which this scan direction stays above the other one and comes down with a constant slope.

    A tail begins where the other direction drops: the difference of the directions jumps up there and then decays
    linearly. An edge that hysteresis shifted between the directions gives a short symmetric bump, friction a
    difference that does not decay: neither is marked. Needs both directions, and to know which one this is; without
    them nothing is marked and the facts say so. (Physics: constant error signal while the tip is off the surface,
    hence a constant slope; doi:10.1186/1556-276X-7-121.)
    """
    found = np.zeros(field.shape, dtype=np.bool_)
    reason = _cannot(field, params)
    if reason:
        return Found(found, "parachute", facts={"tails": 0, "skipped": reason})
    flip = -1 if field.direction == "retrace" else 1
    here = field.heights[:, ::flip]
    other = np.asarray(field.opposite, dtype=np.float64)[:, ::flip]
    usable = field.usable[:, ::flip]
    excess = _excess(here, other, usable)
    spread = _spread(excess, usable)
    if spread == 0:
        return Found(found, "parachute", facts={"tails": 0, "skipped": "both directions are equal"})
    some = np.flatnonzero((excess > params.lam * spread).any(axis=1))
    if some.size == 0:
        return Found(found, "parachute", facts={"tails": 0})
    tails = _tails(here[some], other[some], excess[some], usable[some], spread, params)
    tails = _not_shifted(tails, here[some], other[some], spread)
    tails = _of_one_slope(tails, params.slope_tolerance)
    found[some] = paint_runs(tails.runs, (some.size, field.shape[1]))[:, ::flip]
    found &= _has_company(found)
    facts = {"tails": int(tails.fall.size)}
    slope = {"fall_per_px": float(np.median(tails.fall))} if tails.fall.size else {}
    return Found(found & field.usable, "parachute", facts={**facts, **slope})


def _cannot(field: Field, params: Parachuting) -> str:
    if field.opposite is None:
        return "no channel of the other scan direction"
    if field.direction not in ("trace", "retrace"):
        return "the scan direction is unknown"
    if field.shape[1] < 2 * params.min_length or not field.usable.any():
        return "too few pixels"
    return ""


def _excess(here: Heights, other: Heights, usable: Mask) -> Singles:
    """Subtract the other direction, and the offset line by line; smooth a little; 0 where not usable."""
    away = here - other
    every = max(1, away.shape[1] // SAMPLES)
    if usable.all():
        away -= _densest(away[:, ::every])[:, None]
    else:
        away -= _medians(away, usable)[:, None]
        away[~usable] = 0.0
    return _smooth(away)


def _medians(values: Floats, usable: Mask) -> Floats:
    """Median of each line's usable values; 0 for lines without any."""
    ordered = np.where(usable, values, np.inf)
    out = np.zeros(values.shape[0])
    for row, count in enumerate(np.count_nonzero(usable, axis=1).tolist()):
        if count:
            ordered[row].partition(((count - 1) // 2, count // 2))
            out[row] = 0.5 * (ordered[row, (count - 1) // 2] + ordered[row, count // 2])
    return out


def _densest(values: Floats) -> Floats:
    """Middle of the narrowest third of each line's values: the ground, even where tails cover half of a line."""
    ordered = np.sort(values, axis=1)
    third = max(1, values.shape[1] // 3)
    start = np.argmin(ordered[:, third:] - ordered[:, :-third], axis=1)
    return np.asarray(np.take_along_axis(ordered, (start + third // 2)[:, None], axis=1)[:, 0])


def _smooth(values: Floats) -> Singles:
    import cv2

    quiet = cv2.blur(values.astype(np.float32), (SMOOTH_PX, 1), borderType=cv2.BORDER_REPLICATE)
    return np.asarray(quiet, dtype=np.float32)


def _spread(excess: Singles, usable: Mask) -> float:
    every = max(1, excess.shape[0] // SAMPLES), max(1, excess.shape[1] // SAMPLES)
    sizes = np.abs(excess[:: every[0], :: every[1]][usable[:: every[0], :: every[1]]])
    if sizes.size == 0:
        return 0.0
    middle = float(np.quantile(sizes, 0.3)) / 0.3853  # of normal noise; low, because tails may cover half of a scan
    return middle if middle > 0 else 1e-3 * float(np.mean(sizes))


def _tails(here: Heights, other: Heights, excess: Singles, usable: Mask, spread: float, params: Parachuting) -> _Tails:
    """Find runs of excess that jump up where the other direction drops, and decay linearly while this one falls."""
    strong = (excess > params.lam * spread) & usable
    runs = grow_along_rows(strong, (excess > spread) & usable)
    runs = bridge(runs, 2)
    runs = runs.keep(runs.length >= params.min_length)
    index, position = _pixels(runs)
    values = excess[np.repeat(runs.row, runs.length), position]
    first = np.cumsum(runs.length) - runs.length
    if runs.row.size == 0:
        return _Tails(runs, np.zeros(0))
    peak = np.maximum.reduceat(values, first)
    near_peak = np.where(values >= 0.9 * peak[index], position, np.iinfo(np.intp).max)
    top = np.minimum.reduceat(near_peak, first)
    falling = Runs(runs.row, top, runs.stop)
    long = (falling.length >= params.min_length) & (top - runs.start <= 0.35 * runs.length) & (runs.start > 1)
    runs, falling, peak = runs.keep(long), falling.keep(long), peak[long]
    slope, misfit = _line_fit(here, falling)
    decay, misfit_excess = _line_fit(excess, falling)
    fall, decline = -slope * falling.length, -decay * falling.length
    drop = other[runs.row, runs.start - 1] - other[runs.row, np.minimum(falling.start, other.shape[1] - 1)]
    steep = drop > 2.0 * -slope * (falling.start - runs.start + 1)
    good = steep & (fall > 0.4 * peak) & (decline > 0.5 * peak) & (slope < 0)
    good &= misfit < 0.3 * params.slope_tolerance * fall + 2 * spread
    good &= misfit_excess < 0.3 * params.slope_tolerance * decline + 2 * spread
    # Smoothing lets a tail begin one pixel too early.
    runs = Runs(runs.row, np.minimum(runs.start + 1, falling.start), runs.stop)
    return _Tails(runs.keep(good), -slope[good])


def _pixels(runs: Runs) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Tell number of the run, and column, of every pixel of the runs."""
    index = np.repeat(np.arange(runs.row.size), runs.length)
    first = np.cumsum(runs.length) - runs.length
    return index, np.arange(index.size) - np.repeat(first - runs.start, runs.length)


def _line_fit(values: NDArray[np.floating[Any]], runs: Runs) -> tuple[Floats, Floats]:
    """Slope and rms misfit of the straight line through each run."""
    index, position = _pixels(runs)
    count = np.maximum(runs.length, 1)
    x = position - (0.5 * (runs.start + runs.stop - 1))[index]
    z = values[runs.row[index], position]
    z = z - (np.bincount(index, z, runs.row.size) / count)[index]
    slope = np.bincount(index, x * z, runs.row.size) / np.maximum(np.bincount(index, x * x, runs.row.size), 1e-300)
    rest = z - slope[index] * x
    return slope, np.sqrt(np.bincount(index, rest * rest, runs.row.size) / count)


def _has_company(found: Mask) -> Mask:
    """Keep what touches a mark one or two lines further: a step is more than one line wide, noise is not."""
    up, down = np.zeros_like(found), np.zeros_like(found)
    for apart in (1, 2):
        up[apart:] |= found[:-apart]
        down[:-apart] |= found[apart:]
    runs = find_runs(found)
    kept = runs.keep(run_sums(up | down, runs) >= 0.3 * runs.length)
    return paint_runs(kept, (found.shape[0], found.shape[1]))


def _not_shifted(tails: _Tails, here: Heights, other: Heights, spread: float) -> _Tails:
    """Drop runs that the other direction shows as well, some pixels earlier: edges shifted by hysteresis."""
    runs = tails.runs
    if runs.row.size == 0:
        return tails
    index, position = _pixels(runs)
    smooth = _smooth(here - here.mean(axis=1)[:, None])[runs.row[index], position]
    shown = _smooth(other - other.mean(axis=1)[:, None])
    misfits = []
    for shift in range(FARTHEST_PX + 1):
        inside = position >= shift
        count = np.maximum(np.bincount(index, inside, runs.row.size), 1)
        away = smooth - shown[runs.row[index], np.maximum(position - shift, 0)]
        away = away - (np.bincount(index, away * inside, runs.row.size) / count)[index]
        misfits.append(np.sqrt(np.bincount(index, away * away * inside, runs.row.size) / count))
    kept = np.min(misfits[1:], axis=0) > 0.45 * misfits[0] + 0.5 * spread
    return _Tails(runs.keep(kept), tails.fall[kept])


def _of_one_slope(tails: _Tails, tolerance: float) -> _Tails:
    """Keep the tails whose slope is near the usual one: the tip always falls with the same speed."""
    if tails.fall.size == 0:
        return tails
    weights = tails.runs.length
    order = np.argsort(tails.fall)
    middle = tails.fall[order][np.searchsorted(np.cumsum(weights[order]), 0.5 * weights.sum())]
    kept = np.abs(np.log(tails.fall / middle)) <= np.log1p(2 * tolerance)
    return _Tails(tails.runs.keep(kept), tails.fall[kept])
