"""Filling with the method that fills this image's own holes best."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from afmend.filling.biharmonic import plate
from afmend.filling.error_bars import doubt, error_bars
from afmend.filling.holdout import COVERED, ENOUGH, TWO_SIDED, Trial, move_holes
from afmend.filling.holes import Holes, distance_to_data, find_holes, first_good
from afmend.filling.kriging import Krige, across_lines
from afmend.filling.laplace import membrane
from afmend.pipeline import Field, Filled, Knob, Params, step
from afmend.scan.arrays import Heights, Mask

Vector: TypeAlias = NDArray[np.float64]
Fill: TypeAlias = Callable[[Heights, Mask, Mask], Heights]
"""(heights, known, wanted) -> filled heights."""

OTHERS: dict[str, Fill] = {
    "biharmonic": plate,
    "linear": lambda heights, known, _: across_lines(heights, known),
    "laplace": lambda heights, known, wanted: membrane(heights, known, wanted)[0],
}
"""Methods besides kriging, in the order in which ties are broken."""
SECOND = {"kriging": "linear", "biharmonic": "linear", "linear": "laplace", "laplace": "linear"}
"""Whose disagreement with the method joins its error bars: cheap, and of another kind."""
_CLEARLY_BETTER = 0.98
"""Another method must undercut kriging's error by this factor: kriging's error bars know the surroundings."""


class Auto(Params):
    """Fill holes with the method that does best on this scan, with calibrated error bars."""

    max_gap_px: float = Knob(
        32, "Holes with a pixel farther than this from all data stay open: filling them would be invention.",
        unit="px", ge=1, le=200, step=1, recommended=(4, 64),
    )  # fmt: skip
    extrapolate_px: int = Knob(
        2, "Lines without data at the edge of the image stay open if there are more than this many side by side: "
        "beyond the last data a surface would be invented.",
        unit="px", ge=0, le=200, step=1, recommended=(0, 4),
    )  # fmt: skip
    neighbors: int = Knob(
        40, "Good pixels that kriging uses for each hole pixel.", ge=8, le=160, step=8, recommended=(24, 80),
        advanced=True,
    )  # fmt: skip
    compare_px: int = Knob(
        2000, "Bound on the good pixels that are hidden, filled and compared; more is surer and slower.", unit="px",
        ge=0, le=50_000, step=500, recommended=(1000, 5000), advanced=True,
    )  # fmt: skip


@step("fill.auto", Auto, version="2")
def auto(field: Field, params: Auto) -> Filled:
    """Try kriging, biharmonic, linear and Laplace on the image's own holes moved onto good pixels; use the best.

    Error bars: kriging's standard deviation, for the other methods the size of the errors on hidden pixels at the
    same distance to data; joined by the disagreement with a second method, weighted by the likelihood of the errors
    on hidden pixels; times the factor q that makes 95 % intervals cover 95 % of these. Never below the rounding of
    quantized heights; inf where the good pixels say nothing about errors (a constant image). Where no trial is
    possible, kriging is used uncalibrated; the facts say so ("trials": 0). Lines without data at the edge of the
    image, more than ``extrapolate_px`` of them, stay open.

    Raises
    ------
    StepError
        If every pixel is a hole.
    """
    holes = find_holes(field, params.max_gap_px, params.extrapolate_px)
    if holes.empty:
        return Filled(field.heights, left_open=holes.left_open)
    model = Krige.of(holes, field.pixel_nm, params.neighbors)
    trials = move_holes(holes.known, holes.wanted, compare_px=params.compare_px) if params.compare_px else []
    contest = _compare(model, holes, trials)
    method = contest.best
    rows, cols = np.nonzero(holes.wanted)
    heights = holes.heights.copy()
    noise = model.noise_variance
    if method == "kriging":
        heights[rows, cols], variance = model.predict(heights, holes.known, rows, cols)
        expected = contest.variance
    else:
        heights[rows, cols] = OTHERS[method](holes.heights, holes.known, holes.wanted)[rows, cols]
        learned = (contest.distance, contest.errors[method])
        distance = distance_to_data(holes.known, rows, cols)
        variance = error_at_distance(*learned, distance, noise) ** 2
        expected = error_at_distance(*learned, contest.distance, noise) ** 2
    second = OTHERS[SECOND[method]](holes.heights, holes.known, holes.wanted)[rows, cols]
    doubts = doubt(heights[rows, cols], second, noise)
    q, weight, _ = model.factor(contest.errors[method], expected, contest.doubt(method, noise), holes)
    sigma = np.zeros(field.shape)
    sigma[rows, cols] = error_bars(variance + weight * doubts, q, holes.heights, holes.known)
    facts: dict[str, Any] = {"method": method, "rmse": contest.rmse, "trials": contest.size, **model.facts}
    facts |= {"q": q, "doubt": weight}
    return Filled(heights, sigma, holes.left_open, facts)


@dataclass(frozen=True, slots=True, eq=False)
class _Contest:
    """Errors of each method on the hidden pixels, their distances to data, and kriging's own variances."""

    errors: dict[str, Vector]
    distance: Vector
    variance: Vector

    @property
    def size(self) -> int:
        return int(self.distance.size)

    @property
    def rmse(self) -> dict[str, float]:
        if not self.size:
            return {}
        return {name: float(np.sqrt(np.mean(errors**2))) for name, errors in self.errors.items()}

    @property
    def best(self) -> str:
        rmse = self.rmse
        if self.size < ENOUGH:
            return "kriging"
        best = min(OTHERS, key=lambda name: rmse[name])
        return best if rmse[best] < _CLEARLY_BETTER * rmse["kriging"] else "kriging"

    def doubt(self, method: str, noise_variance: float) -> Vector:
        """Squared disagreement with the second method on the hidden pixels."""
        return doubt(self.errors[method], self.errors[SECOND[method]], noise_variance)


def _compare(model: Krige, holes: Holes, trials: list[Trial]) -> _Contest:
    errors: dict[str, list[Vector]] = {"kriging": [], **{name: [] for name in OTHERS}}
    distance, expected = [np.zeros(0)], [np.zeros(0)]
    for trial in trials:
        at = (trial.rows, trial.cols)
        heights = holes.heights[trial.window]
        truth = heights[at]
        mean, variance = model.predict(heights, trial.known, *at)
        errors["kriging"].append(mean - truth)
        expected.append(variance)
        distance.append(distance_to_data(trial.known, *at).astype(np.float64))
        hidden = np.where(trial.held, first_good(heights, trial.known), heights)
        for name, fill in OTHERS.items():
            errors[name].append(fill(hidden, trial.known, trial.held)[at] - truth)
    pooled = {name: np.concatenate(parts) if parts else np.zeros(0) for name, parts in errors.items()}
    return _Contest(pooled, np.concatenate(distance), np.concatenate(expected))


def error_at_distance(
    distance: Vector, errors: Vector, wanted: NDArray[np.floating], noise_variance: float
) -> NDArray[np.float64]:
    """Sigma for pixels at a distance from data, learned from errors at known distances.

    Distances are binned so that each bin holds at least `ENOUGH` errors; its sigma is their 95 % quantile over 1.96,
    less the noise of the pixels that were compared with, never falling with distance, growing like the square root
    of the distance beyond the last bin.
    """
    order = np.argsort(distance, kind="stable")
    d, e = distance[order], np.abs(errors[order])
    centers, sigmas = [], []
    start = 0
    for edge in (1.25, 2.5, 4.5, 8.5, 16.5, 32.5, np.inf):
        end = int(np.searchsorted(d, edge))
        if end - start < ENOUGH and end < d.size:
            continue
        if end - start < ENOUGH:
            start = max(0, d.size - ENOUGH)
        squared = (np.quantile(e[start:end], COVERED) / TWO_SIDED) ** 2
        centers.append(float(np.mean(d[start:end])))
        sigmas.append(float(np.sqrt(max(squared - noise_variance, 0.25 * squared))))
        start = end
        if end == d.size:
            break
    rising = np.maximum.accumulate(sigmas)
    inside = np.interp(wanted, centers, rising)
    return np.asarray(inside * np.sqrt(np.maximum(wanted / centers[-1], 1.0)))
