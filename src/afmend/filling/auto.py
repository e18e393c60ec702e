"""Filling from what the image itself knows about its texture, tried on its own holes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from afmend.errors import StepError
from afmend.filling.bars import Bars
from afmend.filling.bounds import below, upper_bounds
from afmend.filling.error_bars import doubt, error_bars, telling
from afmend.filling.holdout import COVERED, ENOUGH, TWO_SIDED, move_holes
from afmend.filling.holes import Holes, distance_to_data, find_holes, first_good
from afmend.filling.kriging import Kriging, kriging
from afmend.filling.mixture import Joined, join, learn_shares, weights
from afmend.filling.noise import noise_variance
from afmend.filling.texture import Guesses, Plan, Texture, Transform, plan, reach_of, simulate, transform
from afmend.filling.variogram import Variogram, fit_variogram
from afmend.pipeline import Field, Filled, Knob, Params, step
from afmend.scan.arrays import Heights, Mask

Vector: TypeAlias = NDArray[np.float64]
Places: TypeAlias = NDArray[np.intp]
_CLEARLY_BETTER = 0.85
"""Linear interpolation must undercut the texture's error by this factor on hidden pixels."""
_FEWEST_GOOD = 1000
_SHORTEST_SIDE = 24
_HELD_SHARE = 1.5
_FEWER = 0.8
"""Share of the neighbors that fill where no error bars are asked for: twice as fast, errors grow by 0.4 %."""
_UNTRIED = {"method": "texture", "rmse": {}, "trials": 0, "shares": [1.0]}
"""Facts where nothing could be tried, or was not to be."""


class Auto(Params):
    """Fill holes from the texture of the scan itself, with calibrated error bars."""

    output: Literal["mean", "sample", "open"] = Knob(
        "mean", "What holes become: the best guess; a random surface as rough as the rest, one of many that fit; or "
        "left open, for measurements that must not count invented heights."
    )  # fmt: skip
    seed: int = Knob(0, "Which random surface: the same seed gives the same one.", ge=0, le=2**31 - 1, advanced=True)
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
        120, "Good pixels that each tile of a hole is filled from; more is better and slower.", ge=8, le=400, step=8,
        recommended=(60, 200), advanced=True,
    )  # fmt: skip
    error_bars: bool = Knob(
        True, "Try the fill on the scan's own good pixels: for an error bar on every filled pixel, and to weigh the "
        "methods. Off is faster: the image's own covariance alone, no error bars. A sample always has them.",
    )  # fmt: skip
    compare_px: int = Knob(
        2000, "Bound on the good pixels that are hidden, filled and compared; more is surer and slower, 0 = no "
        "calibrated error bars.",
        unit="px", ge=0, le=50_000, step=500, recommended=(1000, 5000), advanced=True,
    )  # fmt: skip


@step("fill.auto", Auto, version="7")
def auto(field: Field, params: Auto) -> Filled:
    """Krige tiles of the holes with the image's own two-dimensional covariance, tried on holes cut into good pixels.

    Four covariances take part: the image's own (from its periodogram; it knows gratings, lattices and preferred
    directions), the same for ten times livelier and calmer ground under the same noise, and that of the variogram,
    stretched along the direction of least change around the tile. Tile by tile they are weighted by the likelihood of
    the good pixels around, with a prior learned on the trials (fact "shares", in this order; without trials the
    image's own alone). Linear interpolation across the lines takes over where its error on the trials is smaller by
    15 % (fact "method").

    Error bars: kriging's variance, times a power of the local activity, plus the disagreement with linear
    interpolation, as the likelihood of the errors on hidden pixels wants it; times a factor that makes 95 % intervals
    cover these errors. Never below the rounding of quantized heights. Without trials (no room, or ``compare_px`` 0)
    they are not calibrated, and the facts say so ("trials": 0). Pixels marked "parachute" stay below what was
    recorded. Images too small or too flat to learn from are filled by `fill.kriging` (fact "method").

    With ``error_bars`` off nothing is tried: the image's own covariance fills alone, from four fifths of the
    neighbors, and filled pixels are only cut off where a bound was recorded.

    Not for holes wider than the surface's features: the answer tends to the local mean.

    Source: Cressie, Statistics for Spatial Data (1993), doi:10.1002/9781119115151, chapter 3.

    Raises
    ------
    StepError
        If every pixel is a hole; if a sample is asked for and the image is too small or too flat to learn from.
    """
    holes = find_holes(field, params.max_gap_px, params.extrapolate_px)
    if params.output == "open" and field.excluded.any():
        return Filled(field.heights, left_open=field.excluded, facts={"method": "open"})
    if holes.empty:
        return Filled(field.heights, left_open=holes.left_open)
    slow_px = field.pixel_nm[0] / field.pixel_nm[1]
    few = 0 if params.error_bars or params.output != "mean" else round(_FEWER * params.neighbors)
    variogram, transformed, planned = _ground(holes, slow_px, few)
    if variogram is None:
        return _small(field, params)
    if planned is not None:
        own = Texture.of(holes, variogram, slow_px, few, directed=False, transformed=transformed)
        return _mean_alone(field, holes, own, planned, variogram.nugget)
    model = _Model(holes, Texture.of(holes, variogram, slow_px, params.neighbors, transformed=transformed))
    learned = _learn(model, params.compare_px)
    rows, cols = np.nonzero(holes.wanted)
    guesses = model.texture.predict(holes.heights, holes.known, rows, cols, learned.taking_part)
    texture = join(guesses, learned.shares)
    line = _line(holes.heights, holes.known, rows, cols, texture.mean)
    doubts = doubt(texture.mean, line, model.noise)
    mean, variance = (texture.mean, texture.variance)
    if learned.linear is not None:
        mean, variance = line, learned.linear.variance(holes.known, rows, cols)
    total = learned.bars.variance(variance, texture.activity, doubts)
    sigma = error_bars(total, 1.0, holes.heights, holes.known)
    bounds = upper_bounds(field, rows, cols)
    mean, sigma = below(mean, sigma, bounds)
    if params.output == "sample":
        mean = np.minimum(mean + _deviation(model, learned, guesses, sigma, params.seed), bounds)
    heights, bars = holes.heights.copy(), np.zeros(field.shape)
    heights[rows, cols], bars[rows, cols] = mean, sigma
    return Filled(heights, bars, holes.left_open, {**learned.facts, "noise_variance": variogram.nugget})


def _ground(holes: Holes, slow_px: float, neighbors: int) -> tuple[Variogram | None, Transform | None, Plan | None]:
    """Variogram with the noise as its nugget, None if there is too little to learn from; and the image transformed.

    While that takes its time, also plan the fill from so many ``neighbors``, if any.
    """
    from afmend.compiled import side_by_side
    from afmend.filling.place_kernels import places

    if np.count_nonzero(holes.known) < _FEWEST_GOOD or min(holes.known.shape) < _SHORTEST_SIDE:
        return None, None, None
    found: list[Any] = [None, None, None]

    def one(part: int, parts: int) -> None:  # noqa: ARG001 (there are two)
        if part == 0:
            found[0] = _variogram(holes, slow_px)
        else:
            found[1] = transform(holes.heights, holes.known, reach_of(holes))
            found[2] = plan(holes, *places(holes.wanted), neighbors) if neighbors else None

    side_by_side(one)
    return found[0], found[1], found[2]


def _variogram(holes: Holes, slow_px: float) -> Variogram | None:
    variogram = fit_variogram(holes.heights, holes.known, slow_px)
    if variogram is None or variogram.slope <= 0:
        return None
    noise = noise_variance(holes.heights, holes.known)
    return variogram if noise is None else replace(variogram, nugget=noise)


def _small(field: Field, params: Auto) -> Filled:
    """Fill what is too small or too flat for a texture by kriging with a variogram."""
    if params.output == "sample":
        raise StepError("the image is too small or too flat to draw a surface like it", now="Ask for the mean.")
    done = kriging(
        field,
        Kriging(
            max_gap_px=params.max_gap_px,
            extrapolate_px=params.extrapolate_px,
            calibrate=params.error_bars and params.compare_px > 0,
        ),
    )
    sigma = done.sigma if params.error_bars else None
    return replace(done, sigma=sigma, facts={**done.facts, "method": "kriging", "rmse": {}})


def _mean_alone(field: Field, holes: Holes, texture: Texture, planned: Plan, noise: float) -> Filled:
    """Fill by the image's own covariance, without trials and error bars."""
    rows, cols = planned.tiles.rows, planned.tiles.cols
    mean = texture.mean(holes, planned)
    holes.heights[rows, cols] = np.minimum(mean, upper_bounds(field, rows, cols))  # a copy already
    return Filled(holes.heights, None, holes.left_open, {**_UNTRIED, "noise_variance": noise})


@dataclass(frozen=True, slots=True, eq=False)
class _Model:
    holes: Holes
    texture: Texture

    @property
    def noise(self) -> float:
        """Variance of one pixel's noise, or the least that the texture assumes."""
        return self.texture.nugget


@dataclass(frozen=True, slots=True, eq=False)
class _Linear:
    """What the trials say about linear interpolation."""

    distance: Vector
    errors: Vector
    noise: float

    def variance(self, known: Mask, rows: Places, cols: Places) -> Vector:
        wanted = distance_to_data(known, rows, cols)
        return error_at_distance(self.distance, self.errors, wanted, self.noise) ** 2


@dataclass(frozen=True, slots=True, eq=False)
class _Learned:
    """Outcome of the trials: covariances that take part, their shares, error bars, linear interpolation if better."""

    taking_part: tuple[int, ...]
    shares: Vector
    bars: Bars
    linear: _Linear | None
    facts: dict[str, Any]


def _learn(model: _Model, compare_px: int) -> _Learned:
    holes, noise = model.holes, model.noise
    held_px = int(_HELD_SHARE * compare_px)
    trials = move_holes(holes.known, holes.wanted, compare_px=compare_px, held_px=held_px) if compare_px else []
    if sum(trial.rows.size for trial in trials) < ENOUGH:
        return _Learned((0,), np.ones(1), Bars(), None, dict(_UNTRIED))
    parts, lines, truths = [], [], []
    for trial in trials:
        at = (trial.rows, trial.cols)
        heights = holes.heights[trial.window]
        parts.append(model.texture.predict(heights, trial.known, *at))
        lines.append(_line(heights, trial.known, *at, parts[-1].mean[0]))
        truths.append(heights[at])
    guesses = Guesses(*(np.concatenate(arrays, axis=1) for arrays in zip(*parts, strict=True)))
    truth, line = np.concatenate(truths), np.concatenate(lines)
    shares = learn_shares(guesses, truth, noise)
    texture = join(guesses, shares)
    errors = {"texture": texture.mean - truth, "linear": line - truth}
    rmse = {name: float(np.sqrt(np.mean(error**2))) for name, error in errors.items()}
    method = "linear" if rmse["linear"] < _CLEARLY_BETTER * rmse["texture"] else "texture"
    variance, linear = texture.variance, None
    if method == "linear":
        distance = [distance_to_data(trial.known, trial.rows, trial.cols) for trial in trials]
        linear = _Linear(np.concatenate(distance).astype(np.float64), errors["linear"], noise)
        variance = error_at_distance(linear.distance, linear.errors, linear.distance, noise) ** 2
    bars = _calibrate(errors[method], texture._replace(variance=variance), doubt(texture.mean, line, noise), model)
    facts = {"method": method, "rmse": rmse, "trials": int(truth.size), "shares": shares.tolist()}
    useful = np.flatnonzero(shares)
    return _Learned(tuple(useful.tolist()), shares[useful], bars, linear, facts | bars.facts)


def _calibrate(errors: Vector, joined: Joined, doubts: Vector, model: _Model) -> Bars:
    counts = telling(joined.variance + doubts, model.holes.heights, model.holes.known)
    if np.count_nonzero(counts) < ENOUGH:
        return Bars()
    terms = (joined.variance[counts], joined.activity[counts], doubts[counts])
    return Bars.learn(errors[counts], terms, model.noise)


def _line(heights: Heights, known: Mask, rows: Places, cols: Places, otherwise: Vector) -> Vector:
    """Linear interpolation across the lines; ``otherwise`` in columns without data."""
    from afmend.filling.hole_kernels import between

    line = between(heights, known, rows, cols)
    return np.where(np.isnan(line), otherwise, line)


def _deviation(model: _Model, learned: _Learned, guesses: Guesses, sigma: Vector, seed: int) -> Vector:
    """Difference of a random surface like the image and its own fill, widened to the error bars.

    Conditioning by kriging: Chiles and Delfiner, Geostatistics (2012), doi:10.1002/9781118136188, section 7.3.
    """
    holes = model.holes
    rows, cols = np.nonzero(holes.wanted)
    drawn = simulate(holes, model.noise, seed)
    noise = np.random.default_rng([seed, 1]).standard_normal(drawn.shape)
    noisy = drawn + np.sqrt(model.noise) * noise
    noisy = np.where(holes.known, noisy, first_good(noisy, holes.known))
    again = model.texture.predict(noisy, holes.known, rows, cols, learned.taking_part)
    weight = weights(guesses, learned.shares)
    filled, variance = np.sum(weight * again.mean, axis=0), np.sum(weight * guesses.variance, axis=0)
    spread = np.sqrt(np.maximum(variance, 1e-12 * float(np.max(variance, initial=0.0))))
    widened = np.divide(sigma, spread, out=np.zeros_like(sigma), where=np.isfinite(sigma) & (spread > 0))
    return np.asarray((drawn[rows, cols] - filled) * widened)


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
