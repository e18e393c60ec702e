"""Filling by local ordinary kriging with a variogram learned from the same image."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from afmend.filling.error_bars import doubt, error_bars, telling, weight_of_doubt
from afmend.filling.holdout import ENOUGH, Trial, covering_factor, move_holes
from afmend.filling.holes import Holes, find_holes, first_good
from afmend.filling.lines import interpolate
from afmend.filling.variogram import Variogram, fit_variogram
from afmend.pipeline import Field, Filled, Knob, Params, step
from afmend.scan.arrays import Heights, Mask

Vector = NDArray[np.float64]


class Kriging(Params):
    """Fill holes by kriging: the best linear guess from the surface's own variogram, with error bars."""

    neighbors: int = Knob(
        40, "Good pixels used for each hole pixel; more is smoother and slower.", ge=8, le=160, step=8,
        recommended=(24, 80), advanced=True,
    )  # fmt: skip
    max_gap_px: float = Knob(
        32, "Holes with a pixel farther than this from all data stay open.", unit="px", ge=1, le=200, step=1,
        recommended=(4, 64),
    )  # fmt: skip
    extrapolate_px: int = Knob(
        2, "Lines without data at the edge of the image stay open if there are more than this many side by side: "
        "beyond the last data a surface would be invented.",
        unit="px", ge=0, le=200, step=1, recommended=(0, 4),
    )  # fmt: skip
    calibrate: bool = Knob(True, "Scale the error bars by trials: the image's own holes cut into its good pixels.")


@step("fill.kriging", Kriging, version="2")
def kriging(field: Field, params: Kriging) -> Filled:
    """Predict each hole pixel from its nearest good pixels in four directions, with the kriging standard deviation.

    The variogram, a power law that may level off at a range, is fitted to good pixels along the fast axis; distances
    respect non-square pixels. Sigma is that of the noise-free surface, joined by the disagreement with linear
    interpolation across the lines, weighted by the likelihood of the errors on held-out pixels (fact "doubt"), times
    a factor q such that 95 % intervals cover 95 % of held-out pixels of the same image. An image too small or too
    damaged for trials keeps q = 1: facts "trials" = 0. Sigma is never below the rounding of quantized heights, and
    inf where the good pixels say nothing about errors (a constant image).

    Assumes one kind of surface everywhere: the variogram is an average over flat and rough regions. Do not use it for
    holes wider than the surface's features: the answer tends to the local mean. Lines without data at the edge of the
    image, more than ``extrapolate_px`` of them, stay open.

    Source: Cressie, Statistics for Spatial Data (1993), doi:10.1002/9781119115151, chapter 3.

    Raises
    ------
    StepError
        If every pixel is a hole.
    """
    holes = find_holes(field, params.max_gap_px, params.extrapolate_px)
    if holes.empty:
        return Filled(field.heights, left_open=holes.left_open)
    model = Krige.of(holes, field.pixel_nm, params.neighbors)
    rows, cols = np.nonzero(holes.wanted)
    heights = holes.heights.copy()
    heights[rows, cols], variance = model.predict(heights, holes.known, rows, cols)
    doubts = doubt(heights[rows, cols], across_lines(holes.heights, holes.known)[rows, cols], model.noise_variance)
    trials = move_holes(holes.known, holes.wanted) if params.calibrate else []
    q, weight, compared = model.calibrate(holes, trials)
    sigma = np.zeros(field.shape)
    sigma[rows, cols] = error_bars(variance + weight * doubts, q, holes.heights, holes.known)
    return Filled(heights, sigma, holes.left_open, {**model.facts, "q": q, "doubt": weight, "trials": compared})


def across_lines(heights: Heights, known: Mask) -> Heights:
    """Second opinion: linear interpolation between the lines above and below."""
    return interpolate(heights, known, "across_lines", learn=False)[0]


class Krige:
    """Kriging of one image: its variogram, and tables for the neighborhood of a pixel.

    Parameters
    ----------
    variogram : Variogram or None
        None = unknown: predictions are those of a linear variogram, variances are infinite.
    slow_px : float
        Distance between lines in units of the distance between the pixels of a line.
    neighbors : int
    reach_px : int
        How far to look for good pixels.
    """

    def __init__(self, variogram: Variogram | None, slow_px: float, neighbors: int, reach_px: int) -> None:
        self.variogram = variogram
        self._quota = max(2, neighbors // 4)
        self._table, self._distance = _offsets(reach_px, slow_px)
        shape = Variogram(0.0, 1.0, 1.0) if variogram is None or variogram.flat else variogram
        self._nugget = shape.nugget / shape.slope
        side = np.arange(2 * int(np.max(np.abs(self._table[:, :2]), initial=1)) + 1, dtype=np.float64)
        self._rise = shape.rise(np.hypot(side[:, None] * slow_px, side[None, :]))

    @classmethod
    def of(cls, holes: Holes, pixel_nm: tuple[float, float], neighbors: int) -> Krige:
        """Fit the variogram and prepare for the widest hole to fill."""
        slow_px = pixel_nm[0] / pixel_nm[1]
        variogram = fit_variogram(holes.heights, holes.known, slow_px)
        reach = min(int(np.ceil(1.5 * holes.radius_px)) + 8, max(holes.known.shape))
        return cls(variogram, slow_px, neighbors, reach)

    @property
    def facts(self) -> dict[str, Any]:
        """The variogram as JSON values."""
        if self.variogram is None:
            return {"variogram": None}
        v = self.variogram
        range_px = v.range_px if np.isfinite(v.range_px) else None
        return {"variogram": {"nugget": v.nugget, "slope": v.slope, "power": v.power, "range_px": range_px}}

    @property
    def noise_variance(self) -> float:
        """Variance of one pixel's noise."""
        return self.variogram.nugget if self.variogram is not None else 0.0

    def predict(
        self, heights: Heights, known: Mask, rows: NDArray[np.intp], cols: NDArray[np.intp]
    ) -> tuple[Vector, Vector]:
        """Predict pixels from the known ones: means and variances of the noise-free surface."""
        from afmend.filling.kriging_kernels import krige, patterns

        base = first_good(heights, known)
        hashes = patterns(rows, cols, known, self._table, self._distance, self._quota)
        _, inverse, counts = np.unique(hashes, return_inverse=True, return_counts=True)
        order = np.argsort(inverse, kind="stable")
        starts = np.concatenate([[0], np.cumsum(counts)])
        mean, variance = krige(
            rows, cols, order, starts, heights - base, known, self._table, self._distance,
            self._rise, self._nugget, self._quota,
        )  # fmt: skip
        scale = self.variogram.slope if self.variogram is not None else np.inf
        return mean + base, np.maximum(variance, 0.0) * scale

    def calibrate(self, holes: Holes, trials: list[Trial]) -> tuple[float, float, int]:
        """Fill hidden pixels and return what `factor` returns."""
        errors, expected, doubts = [np.zeros(0)], [np.zeros(0)], [np.zeros(0)]
        for trial in trials:
            at = (trial.rows, trial.cols)
            heights = holes.heights[trial.window]
            mean, variance = self.predict(heights, trial.known, *at)
            errors.append(mean - heights[at])
            expected.append(variance)
            doubts.append(doubt(mean, across_lines(heights, trial.known)[at], self.noise_variance))
        return self.factor(np.concatenate(errors), np.concatenate(expected), np.concatenate(doubts), holes)

    def factor(self, errors: Vector, variance: Vector, doubts: Vector, holes: Holes) -> tuple[float, float, int]:
        """Return q for the standard deviations, the weight of the doubt, and the number of hidden pixels behind them.

        Pixels whose variance is rounding get no error bar and do not count. Too few pixels: q = 1, weight 1, number 0.
        """
        counts = telling(variance + doubts, holes.heights, holes.known)
        errors, variance, doubts = errors[counts], variance[counts], doubts[counts]
        if errors.size < ENOUGH or np.isinf(variance).any():
            return 1.0, 1.0, 0
        weight = weight_of_doubt(errors, variance, doubts, self.noise_variance)
        q = covering_factor(errors, variance + weight * doubts, self.noise_variance)
        return q, weight, int(errors.size)


def _offsets(reach_px: int, slow_px: float) -> tuple[NDArray[np.int32], Vector]:
    """All offsets within a circle, sorted by distance, in mirror groups: (dy, dx, sector, first of group)."""
    side = np.arange(-reach_px, reach_px + 1)
    dy, dx = (grid.ravel() for grid in np.meshgrid(side, side, indexing="ij"))
    inside = (dy**2 + dx**2 <= reach_px**2) & ((dy != 0) | (dx != 0))
    dy, dx = dy[inside], dx[inside]
    distance = np.hypot(np.abs(dy) * slow_px, np.abs(dx))
    order = np.lexsort((dx, dy, np.abs(dx), np.abs(dy), distance))
    dy, dx, distance = dy[order], dx[order], distance[order]
    vertical = np.abs(dy) * slow_px >= np.abs(dx)
    sector = np.where(vertical, np.where(dy < 0, 0, 1), np.where(dx < 0, 2, 3))
    first = np.ones(dy.size, dtype=np.int64)
    first[1:] = (np.abs(dy[1:]) != np.abs(dy[:-1])) | (np.abs(dx[1:]) != np.abs(dx[:-1]))
    return np.ascontiguousarray(np.stack([dy, dx, sector, first], axis=1).astype(np.int32)), distance
