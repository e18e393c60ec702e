"""Where a place of the trace lies in the retrace: the lag of the loop and the hysteresis of the scanner."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from afmend.errors import BadScanError
from afmend.fusion.gate import believe
from afmend.fusion.medians import line_medians
from afmend.leveling.moments import basis
from afmend.scan.arrays import Heights, Mask

Curve = NDArray[np.float64]
REACH = 0.06
"""Largest shift that is looked for, as a fraction of the line: twice what piezos without sensors show."""
USUAL = (0.02, 0.003, 0.005)
"""What shifts are usual (1 sigma, fraction of the line): constant, linear, quadratic part."""
USUAL_SURPRISE = 1.0
LARGEST_SURPRISE = 5.0
"""No scanner bends its lines so much: the scan does not tell the shift."""
COARSE_COLS = 128
LINES = 64
GROUPS = 8
STEPS = 3
ROUNDS = 2
FEW_TAILS = 0.02
SLOWER = 0.6
"""A tip in free flight falls at a constant rate; what falls at less than this share of it is on the surface."""
ALIKE = 50
"""Neighboring lines and pixels tell the same: the likelihood counts for one in so many when it meets the prior."""


@dataclass(frozen=True, slots=True, eq=False)
class Shift:
    """By how much the retrace is shifted along the line: place x of the trace is place x + s(x) of the retrace.

    ``s = c0 P0 + c1 P1 + c2 P2`` with Legendre polynomials over the line: lags of the loop make a constant, hysteresis
    of the scanner, which vanishes where the motion turns, a constant and a bow.

    Attributes
    ----------
    coefficients : (3,) float64
        c0, c1, c2 in pixels.
    covariance : (3, 3) float64
        Of the coefficients, px^2, from the scatter between groups of lines. It does not know that a slow loop rounds
        edges (see `register_lines`).
    cols : int
    """

    coefficients: Curve
    covariance: NDArray[np.float64]
    cols: int

    @property
    def shift_px(self) -> Curve:
        """Shift at every column, (cols,)."""
        along: Curve = self.coefficients @ basis(self.cols, 2)
        return along

    @property
    def error_px(self) -> Curve:
        """1-sigma error of the shift at every column, (cols,)."""
        along = basis(self.cols, 2)
        error: Curve = np.sqrt(np.einsum("kx,kl,lx->x", along, self.covariance, along))
        return error

    def surprise(self, coefficients: Curve) -> float:
        """How many of its errors the most unusual of other coefficients lies away from 0."""
        return float(np.max(np.abs(coefficients) / np.sqrt(np.diag(self.covariance))))

    def to_json(self) -> dict[str, list[float]]:
        """Return coefficients and their errors, in pixels."""
        errors = np.sqrt(np.diag(self.covariance))
        return {
            "shift_px": [round(float(c), 3) for c in self.coefficients],
            "shift_error_px": [round(float(e), 3) for e in errors],
        }


def register_lines(trace: Heights, retrace: Heights, usable: Mask | None = None) -> Shift:
    """Find the shift between two directions, to a fraction of a pixel.

    The shift is the one under which the differences of the directions are most likely, where a difference is noise or
    the tail of one of them (`gate.believe`): least squares and correlation take tails for a shift, by many pixels.
    First all shifts within 6 % of the line are tried on coarse pixels. From the best one, and from 0, least squares on
    the slopes (Gauss-Newton) go on where both directions are right and neither falls as fast as a tip in free flight.

    Parameters
    ----------
    trace, retrace : (rows, cols) float64
        Same column = same nominal place; time runs to the right in the trace, to the left in the retrace.
    usable : (rows, cols) bool, optional
        True = both hold a measurement.

    Returns
    -------
    Shift
        Where the data say nothing, or something that no scanner does, 0 with the error of the prior (2 % of the line).

    Raises
    ------
    BadScanError
        If shapes differ, or lines have fewer than 16 pixels.

    Notes
    -----
    A loop of integral time T delays long waves by T in each direction, but sharp edges by less, since it also rounds
    them: between sharp features the constant comes out smaller by up to one such delay than between smooth ones.

    When not to use it: on surfaces that repeat within 6 % of the line (gratings, lattices) the shift is known but for
    a period, and the one nearest to 0 is preferred; on scans in which one direction flies nearly everywhere.
    """
    if trace.shape != retrace.shape or trace.ndim != 2 or trace.shape[1] < 16:
        raise BadScanError(
            f"cannot register shapes {trace.shape} and {retrace.shape}", now="Give two maps of at least 16 columns."
        )
    counts = np.ones(trace.shape, dtype=np.bool_) if usable is None else usable
    cols = trace.shape[1]
    nothing = Shift(np.zeros(3), np.diag(np.square(np.array(USUAL) * cols)), cols)
    some = _representative(counts)
    if not counts[some].any() or np.array_equal(trace, retrace):
        return nothing
    first, second, counts = trace[some], retrace[some], counts[some]
    factor = max(1, cols // COARSE_COLS)
    coarse = _binned(first, factor), _binned(second, factor), _binned(counts, factor) == 1
    starts = [_tried(_Likeness(*coarse)) * factor]
    if nothing.surprise(starts[0]) > USUAL_SURPRISE:
        starts.append(np.zeros(3))
    first, second = _quiet(first), _quiet(second)
    climbed = [_climbed(first, second, counts, start, nothing) for start in starts]
    best = min(climbed, key=lambda pair: pair[1])[0]
    return best if nothing.surprise(best.coefficients) < LARGEST_SURPRISE else nothing


def _climbed(first: Heights, second: Heights, counts: Mask, found: Curve, nothing: Shift) -> tuple[Shift, float]:
    """Refine one start; return the shift, and how badly it fits where both directions followed the surface."""
    followed = counts, counts
    for _ in range(ROUNDS):
        for _ in range(STEPS):
            found, covariance = _step(first, second, followed, found, nothing)
        followed = _followed(first, second, counts, found)
    for _ in range(STEPS):
        found, covariance = _step(first, second, followed, found, nothing)
    return Shift(found, covariance, nothing.cols), _misfit(first, second, counts, found, nothing)


def _misfit(first: Heights, second: Heights, counts: Mask, found: Curve, nothing: Shift) -> float:
    """Half the log of the mean square difference, cut at large ones, of as many pixels as count; and the prior."""
    shift = found @ basis(nothing.cols, 2)
    known = _common(*_followed(first, second, counts, found), shift)
    if not known.any():
        return np.inf
    rest = first - shifted(second, shift)
    rest = np.abs(rest - line_medians(rest, known)[:, None])[known]
    middle = float(np.median(rest))
    power = float(np.mean(np.square(np.minimum(rest, 5 * middle)))) + 1e-300
    prior = float(np.sum(np.square(found) / np.diag(nothing.covariance)))
    return 0.5 * float(np.log(power)) * counts.size / ALIKE + 0.5 * prior


def shifted(heights: Heights, shift_px: Curve) -> Heights:
    """Return heights read at x + shift, by cubic splines along the lines; the ends are repeated.

    Parameters
    ----------
    heights : (rows, cols) float64
    shift_px : (cols,) float64
    """
    from scipy.ndimage import spline_filter1d

    from afmend.fusion.spline_kernels import read_lines

    if not np.any(shift_px):
        return np.array(heights, dtype=np.float64)
    coefficients = spline_filter1d(np.asarray(heights, dtype=np.float64), order=3, axis=1, mode="mirror")
    return read_lines(coefficients, _places(shift_px))


def shifted_mask(mask: Mask, shift_px: Curve) -> Mask:
    """Return a mask read at x + shift: True where one of the two pixels around that place is."""
    places = _places(shift_px)
    found: Mask = mask[:, np.floor(places).astype(np.intp)] | mask[:, np.ceil(places).astype(np.intp)]
    return found


def outside(shift_px: Curve) -> NDArray[np.bool_]:
    """Columns whose partner lies beyond the end of the line, (cols,)."""
    places = np.arange(shift_px.size) + shift_px
    beyond: NDArray[np.bool_] = (places < -0.5) | (places > shift_px.size - 0.5)
    return beyond


def _places(shift_px: Curve) -> Curve:
    return np.clip(np.arange(shift_px.size) + shift_px, 0.0, shift_px.size - 1.0)


def _representative(counts: Mask) -> NDArray[np.intp]:
    """Evenly chosen lines among those with enough usable pixels."""
    good = np.flatnonzero(counts.mean(axis=1) > 0.25)
    if good.size == 0:
        return np.arange(counts.shape[0])
    return good[np.unique(np.linspace(0, good.size - 1, min(LINES, good.size)).round().astype(np.intp))]


def _binned(values: Heights | Mask, factor: int) -> Heights:
    rows, cols = values.shape[0], values.shape[1] // factor
    made: Heights = values[:, : cols * factor].reshape(rows, cols, factor).mean(axis=2)
    return made


def _quiet(heights: Heights) -> Heights:
    """Smooth a little, so that reading between pixels does not look like less noise."""
    from scipy.ndimage import gaussian_filter1d

    made: Heights = gaussian_filter1d(heights, 0.8, axis=1, mode="nearest")
    return made


class _Likeness:
    """How likely two directions are under a shift; more is better."""

    def __init__(self, first: Heights, second: Heights, counts: Mask) -> None:
        self.first, self.second, self.counts = first, second, counts
        self.cols = first.shape[1]
        self.forms = basis(self.cols, 2)
        reach = max(1, round(REACH * self.cols))
        # The same pixels for every shift: what never leaves the line.
        self.inside = slice(reach, max(self.cols - reach, reach + 8))

    def __call__(self, coefficients: Curve) -> float:
        shift = coefficients @ self.forms
        moved = shifted(self.second, shift)[:, self.inside]
        known = self.counts[:, self.inside] & ~shifted_mask(~self.counts, shift)[:, self.inside]
        if not known.any():
            return -np.inf
        belief = believe(self.first[:, self.inside], moved, known, rounds=2, edges=False)
        share = np.count_nonzero(known) / known.size
        return belief.likelihood / share / ALIKE - 0.5 * float(
            np.sum(np.square(coefficients / (np.array(USUAL) * self.cols)))
        )


def _tried(likeness: _Likeness) -> Curve:
    """Best constant within reach, best bow, best constant again, in whole (coarse) pixels."""
    reach = max(2, round(REACH * likeness.cols))
    found = np.zeros(3)
    for which, most in ((0, reach), (2, reach // 2), (0, 2)):
        tries = [found + step * np.eye(3)[which] for step in range(-most, most + 1)]
        found = max(tries, key=likeness)
    return found


def _followed(first: Heights, second: Heights, counts: Mask, found: Curve) -> tuple[Mask, Mask]:
    """Where each direction certainly followed the surface: it fell more slowly than in free flight."""
    from scipy.ndimage import gaussian_filter1d

    shift = found @ basis(first.shape[1], 2)
    known = _common(counts, counts, shift)
    if not known.any():
        return counts, counts
    belief = believe(first, shifted(second, shift), known, rounds=4)
    fall = belief.law.fall
    if fall <= 0 or float(np.mean(belief.right[known])) > 1 - FEW_TAILS:
        return counts, counts
    drops = (-gaussian_filter1d(first, 1.0, axis=1, order=1), gaussian_filter1d(second, 1.0, axis=1, order=1))
    slow = tuple(counts & (drop < SLOWER * fall) for drop in drops)
    if float(np.mean(_common(slow[0], slow[1], shift))) < FEW_TAILS:
        return counts, counts
    return slow[0], slow[1]


def _common(first: Mask, second: Mask, shift: Curve) -> Mask:
    """Pixels of the first whose partner in the second is good, too."""
    made: Mask = first & ~shifted_mask(~second, shift) & ~outside(shift)
    return made


def _step(
    first: Heights, second: Heights, good: tuple[Mask, Mask], found: Curve, nothing: Shift
) -> tuple[Curve, NDArray[np.float64]]:
    """One Gauss-Newton step where both directions are right, and the error from the scatter of groups of lines."""
    from scipy.ndimage import gaussian_filter1d

    along = basis(first.shape[1], 2)
    shift = found @ along
    moved = shifted(second, shift)
    known = _common(*good, shift)
    prior = np.linalg.inv(nothing.covariance)
    if not known.any():
        return found, nothing.covariance
    belief = believe(first, moved, known, rounds=2, edges=False)
    weight = belief.right * known / belief.law.spread**2
    rest = first - moved - belief.offset[:, None]
    slope = gaussian_filter1d(0.5 * (first + moved), 1.0, axis=1, order=1, mode="nearest")
    information = np.einsum("kx,x,lx->kl", along, np.sum(weight * slope * slope, axis=0), along)
    pull = np.einsum("kx,ix->ik", along, weight * slope * rest)
    # Pixels and lines are not independent: what groups of lines say differs by more than noise.
    parts = np.stack([part.sum(axis=0) for part in np.array_split(pull, min(GROUPS, first.shape[0]))])
    parts -= parts.mean(axis=0)
    scatter = parts.T @ parts + information
    prior = prior * max(1.0, float(np.trace(scatter) / np.trace(information)))
    bread = np.linalg.inv(information + prior)
    move = bread @ (pull.sum(axis=0) - prior @ found)
    return found + np.clip(move, -2.0, 2.0), bread @ (scatter + prior) @ bread
