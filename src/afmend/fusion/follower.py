"""The shift between trace and retrace from a model of the loop: one surface must explain both directions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from afmend.fusion.medians import crowded, line_medians
from afmend.leveling.moments import basis
from afmend.scan.arrays import Heights, Mask

Curve = NDArray[np.float64]
REACH = 0.06
"""Largest shift that is looked for, as a fraction of the line: twice what piezos without sensors show."""
USUAL = (0.02, 0.003, 0.005)
"""What shifts are usual (1 sigma, fraction of the line): constant, linear, quadratic part."""
PARTS = 256
"""A coarse step of the search is this part of the line."""
FALLS = (0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995)
"""Quantiles of the slopes downward, among which the rate of free fall is sought."""
NEVER = 1e12
LAGS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0)
ALIKE = 50
"""Neighboring lines and pixels tell the same: the likelihood counts for one in so many when it meets the prior."""
EVALUATIONS = 250
STEPS = 8
GROUPS = 8
QUIET_PX = 0.8
"""Smoothing before least squares, so that reading between pixels does not look like less noise."""
SLOWER = 0.6
"""A tip in free flight falls at a constant rate; what falls at less than this share of it is on the surface."""
CONTRADICTS = 20.0
"""Loss of log likelihood beyond which the model of the loop contradicts least squares."""
TELLS = 50.0
"""Shifts whose log likelihoods differ by less are all the same to the scan: noise alone does that."""
LEAST_OVERLAP = 0.05
"""Share of the pixels that must be comparable at every shift that is tried: else some shifts cannot be judged."""


class Follower:
    """How badly a shift, a lag and a rate of fall explain two directions.

    A loop that is late by ``lag`` pixels and falls no faster than ``fall`` per pixel follows one surface to the right
    and to the left. That surface is the lower of the two directions, each freed of its lag: a flying tip only raises
    heights. What the loop makes of it must be what was recorded. Least squares and correlation, in contrast, take
    tails for a shift.

    Parameters
    ----------
    first, second : (rows, cols) float64
        As measured. Time runs to the right in the first, to the left in the second.
    known : (rows, cols) bool
        Where both hold a measurement.
    """

    def __init__(self, first: Heights, second: Heights, known: Mask) -> None:
        from scipy.ndimage import maximum_filter1d, spline_filter1d

        self.first, self.second = _bridged(first, known), _bridged(second, known)
        self.splines = spline_filter1d(self.second, order=3, axis=1, mode="mirror")
        self.gone = maximum_filter1d(~known, 3, axis=1)
        self.cols = first.shape[1]
        self.forms = basis(self.cols, 2)
        self.unit = max(1.0, self.cols / PARTS)
        edge = round(REACH * self.cols) + 2
        self.inside = (edge, max(self.cols - edge, edge + 8))
        pairs = known[:, 1:] & known[:, :-1]
        drops = np.concatenate([-np.diff(self.first, axis=1)[pairs], np.diff(self.second, axis=1)[pairs]])
        falls = np.quantile(drops, FALLS) if drops.size else np.zeros(0)
        self.falls = np.append(np.unique(falls[falls > 0]), NEVER)
        self.sigma = np.array(USUAL) * self.cols
        both = self.first[known], self.second[known]
        self.span = max((float(np.ptp(heights)) for heights in both if heights.size), default=0.0)
        self.tiny = 1e-9 * max((float(np.max(np.abs(heights))) for heights in both if heights.size), default=0.0)
        # Heights are known no better than they are written, however well the directions agree.
        sizes = np.abs(drops)
        step = float(np.min(sizes, where=sizes > self.tiny, initial=self.span))
        self.finest = max(self.tiny, step / 12**0.5)
        self.pixels = self.first.size * self._overlap(np.zeros(self.cols))

    def surprise(self, shift: Curve, lag: float, falls: Curve, least: float) -> Curve:
        """Minus the logarithm of the likelihood and the prior, for each rate of fall.

        Only pixels that both directions know are compared. Where those are few, no shift explains anything.

        Parameters
        ----------
        shift : (3,) float64
            Coefficients in pixels, lag included.
        lag : float
        falls : (n,) float64
        least : float
            Added to all distances: smaller ones tell nothing.
        """
        from afmend.fusion.follower_kernels import misfits

        moved, gone = self._moved(self.splines, shift @ self.forms + 2 * lag)
        begin, end = self.inside
        here, there = slice(begin, end), slice(begin + 1, end + 1)
        before = slice(begin - 1, end - 1)
        away = self.first[:, here] - moved[:, here]
        away += lag * (self.first[:, here] - self.first[:, before] - moved[:, here] + moved[:, there])
        offset = crowded(away, ~(self.gone[:, here] | gone[:, here]))
        found, share = misfits(self.first, moved, (self.gone, gone), offset, lag, falls, self.inside)
        found = np.where(share < LEAST_OVERLAP, self.span, found)
        return np.asarray(self.pixels / ALIKE * np.log(found + least) + self._prior(shift))

    def found(self) -> tuple[Curve, NDArray[np.float64]] | None:
        """Return the coefficients of the shift and their covariance; None if the scan does not tell them.

        That is, if any shift does as well, or too few pixels can be compared at some of the shifts that are tried. A
        search on a grid, then a simplex.
        """
        from scipy.optimize import minimize

        unit, ways = self.unit, self.unit * np.eye(3)
        reach = round(REACH * self.cols / unit)
        shifts = np.arange(-reach, reach + 1)[:, None] * ways[0]
        if min(self._overlap(shift @ self.forms) for shift in shifts) < LEAST_OVERLAP or self.span <= self.tiny:
            return None
        table = np.array([self.surprise(shift, 0.0, self.falls, self.tiny) for shift in shifts])
        if float(np.ptp(table.min(axis=1) - self._prior(shifts))) < TELLS:
            return None
        shift, fall = shifts[int(np.argmin(table.min(axis=1)))], int(np.argmin(table.min(axis=0)))
        for axis, steps in ((2, np.arange(-8, 9)), (0, np.arange(-3, 3.5, 0.5)), (2, np.arange(-1.5, 2, 0.5))):
            shift, _, fall = self._best(
                [(shift + step * ways[axis], 0.0) for step in steps], max(fall - 1, 0), fall + 2
            )
        tries = [(shift + step * ways[0], late) for late in LAGS for step in (-0.7, 0.0, 0.7, 1.4, 2.1)]
        shift, lag, fall = self._best(tries, 0, self.falls.size)
        rate = self.falls[fall]

        def surprise(x: Curve) -> float:
            return float(self.surprise(x[:3], abs(x[3]), np.array([rate * np.exp(x[4])]), self.finest)[0])

        start = np.array([*shift, lag, 0.0])
        corners = start + np.vstack([np.zeros(5), np.diag([0.5 * unit, 0.4 * unit, 0.4 * unit, 0.4, 0.3])])
        options = {"initial_simplex": corners, "xatol": 0.01, "fatol": 0.05, "maxfev": EVALUATIONS}
        end = minimize(surprise, start, method="Nelder-Mead", options=options).x
        fall = rate * float(np.exp(end[4]))
        squares, covariance = self._least_squares(end[:3], fall)
        lost = self.surprise(squares, abs(end[3]), np.array([fall]), self.finest)[0] - surprise(end)
        return (squares, covariance) if lost < CONTRADICTS else (end[:3], self._covariance(end, fall))

    def _prior(self, shift: Curve) -> Curve:
        return 0.5 * np.asarray(np.sum(np.square(shift / self.sigma), axis=-1))

    def _best(self, tries: Sequence[tuple[Curve, float]], begin: int, end: int) -> tuple[Curve, float, int]:
        """Best of some shifts and lags, and the number of its rate of fall, from ``begin`` to ``end``."""
        table = np.array([self.surprise(shift, lag, self.falls[begin:end], self.tiny) for shift, lag in tries])
        row, column = np.unravel_index(int(np.argmin(table)), table.shape)
        return *tries[int(row)], begin + int(column)

    def _least_squares(self, shift: Curve, fall: float) -> tuple[Curve, NDArray[np.float64]]:
        """Refine a shift where neither direction falls freely: Gauss-Newton, with weights of Geman and McClure.

        The better estimate where noise is what differs. The covariance is from the scatter between groups of lines.
        """
        from scipy.ndimage import gaussian_filter1d, spline_filter1d

        first, second = (gaussian_filter1d(z, QUIET_PX, axis=1, mode="nearest") for z in (self.first, self.second))
        splines, covariance = spline_filter1d(second, order=3, axis=1, mode="mirror"), np.diag(np.square(self.sigma))
        for _ in range(STEPS):
            moved, gone = self._moved(splines, shift @ self.forms)
            slopes = [gaussian_filter1d(z, QUIET_PX, axis=1, order=1, mode="nearest") for z in (first, moved)]
            known = ~(self.gone | gone) & (-slopes[0] < SLOWER * fall) & (slopes[1] < SLOWER * fall)
            if not known.any():
                break
            rest = first - moved
            rest -= line_medians(rest, known)[:, None]
            scale = max(float(np.median(np.abs(rest[known]))) / 0.6745, self.finest)
            weight = known / np.square(scale * (1 + np.square(rest / (3 * scale))))
            slope = 0.5 * (slopes[0] + slopes[1])
            information = np.einsum("kx,x,lx->kl", self.forms, np.sum(weight * slope * slope, axis=0), self.forms)
            if not information.any():
                break
            pull = np.einsum("kx,ix->ik", self.forms, weight * slope * rest)
            # Pixels and lines are not independent: what groups of lines say differs by more than noise.
            parts = np.stack([part.sum(axis=0) for part in np.array_split(pull, min(GROUPS, len(pull)))])
            parts -= parts.mean(axis=0)
            scatter = parts.T @ parts + information
            excess = max(1.0, float(np.trace(scatter) / np.trace(information)))
            prior = np.diag(1 / np.square(self.sigma)) * excess
            bread = np.linalg.inv(information + prior)
            shift = shift + np.clip(bread @ (pull.sum(axis=0) - prior @ shift), -1.0, 1.0)
            covariance = bread @ (scatter + excess * prior) @ bread
        return shift, covariance

    def _moved(self, splines: Heights, along: Curve) -> tuple[Heights, Mask]:
        """Read the second direction at x + along; and where it holds nothing."""
        from afmend.fusion.spline_kernels import read_lines

        places = np.clip(np.arange(self.cols) + along, 0.0, self.cols - 1.0)
        gone = self.gone[:, np.floor(places).astype(np.intp)] | self.gone[:, np.ceil(places).astype(np.intp)]
        return read_lines(splines, places), gone

    def _overlap(self, along: Curve) -> float:
        """Share of the pixels inside that both directions know when the second is read at x + along."""
        _, gone = self._moved(self.splines, along)
        begin, end = self.inside
        return float(np.mean(~(self.gone | gone)[:, begin:end]))

    def _covariance(self, end: Curve, fall: float) -> NDArray[np.float64]:
        """Inverse of the curvature in shift and lag; never more than the prior's variance."""
        falls, step = np.array([fall]), 0.3 * self.unit

        def at(*moves: tuple[int, float]) -> float:
            x = end[:4].copy()
            for axis, sign in moves:
                x[axis] += sign * step
            return float(self.surprise(x[:3], abs(x[3]), falls, self.finest)[0])

        middle, curvature = at(), np.zeros((4, 4))
        for a in range(4):
            curvature[a, a] = at((a, 1.0)) + at((a, -1.0)) - 2 * middle
            for b in range(a):
                mixed = [one * two * at((a, one), (b, two)) for one in (1.0, -1.0) for two in (1.0, -1.0)]
                curvature[a, b] = curvature[b, a] = sum(mixed) / 4
        scale = np.append(self.sigma, 1.0)
        sizes, ways = np.linalg.eigh(curvature / step**2 * np.outer(scale, scale))
        inverse = (ways / np.maximum(sizes, 1.0)) @ ways.T
        return np.asarray((inverse * np.outer(scale, scale))[:3, :3])


def _bridged(heights: Heights, known: Mask) -> Heights:
    """Straight lines over what is not known, so that it does not spread."""
    made = np.array(heights, dtype=np.float64)
    for row in np.flatnonzero(~known.all(axis=1)):
        good = np.flatnonzero(known[row])
        made[row] = np.interp(np.arange(known.shape[1]), good, made[row, good]) if good.size else 0.0
    return made
