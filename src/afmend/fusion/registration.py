"""Where a place of the trace lies in the retrace: the lag of the loop and the hysteresis of the scanner."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from afmend.errors import BadScanError
from afmend.fusion.follower import USUAL, Follower
from afmend.fusion.medians import line_medians
from afmend.leveling.moments import basis
from afmend.scan.arrays import Heights, Mask

Curve = NDArray[np.float64]
LARGEST_SURPRISE = 5.0
"""No scanner bends its lines so much: the scan does not tell the shift."""
BEND_EXPLAINS = 0.5
"""A bend counts if the spread of the differences falls below this share: tails and shifts do not do that."""
BEND_ROUNDS = 20
LINES = 64
MOST_COLS = 512
"""Longer lines are binned."""


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
        Of the coefficients, px^2, from the curvature of the likelihood.
    cols : int
    known : bool
        False if the scan does not tell the shift, and 0 was taken for it.
    """

    coefficients: Curve
    covariance: NDArray[np.float64]
    cols: int
    known: bool = True

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

    def to_json(self) -> dict[str, list[float] | bool]:
        """Return coefficients and their errors, in pixels, and whether the scan told them."""
        errors = np.sqrt(np.diag(self.covariance))
        return {
            "shift_px": [round(float(c), 3) for c in self.coefficients],
            "shift_error_px": [round(float(e), 3) for e in errors],
            "shift_known": self.known,
        }


def register_lines(trace: Heights, retrace: Heights, usable: Mask | None = None) -> Shift:
    """Find the shift between two directions, to a fraction of a pixel.

    The shift is the one under which one surface, followed there and back by a loop that lags and that falls no faster
    than a free tip, best explains both directions (`follower.Follower`): least squares and correlation take tails for a
    shift, by many pixels. First all shifts within 6 % of the line are tried, then a simplex refines shift, lag and rate
    of fall together. A tilt or bow between the directions (`bend`) is taken away first.

    Parameters
    ----------
    trace, retrace : (rows, cols) float64
        Same column = same nominal place; time runs to the right in the trace, to the left in the retrace.
    usable : (rows, cols) bool, optional
        True = both hold a measurement.

    Returns
    -------
    Shift
        Where the data say nothing, too little can be compared at some shift within 6 % of the line, or the data say
        something that no scanner does: 0 with the error of the prior (2 % of the line), and not ``known``.

    Raises
    ------
    BadScanError
        If shapes differ, or lines have fewer than 16 pixels.

    Notes
    -----
    Noise hides the lag of the loop, and the shift takes its place: between sharp features of a noisy scan it comes out
    too far from 0, by up to half of the lag.

    When not to use it: on surfaces that repeat within 6 % of the line (gratings, lattices) the shift is known but for
    a period, and the one nearest to 0 is preferred; on scans in which one direction flies nearly everywhere; on leveled
    scans, in which the tip no longer falls at one rate.
    """
    if trace.shape != retrace.shape or trace.ndim != 2 or trace.shape[1] < 16:
        raise BadScanError(
            f"cannot register shapes {trace.shape} and {retrace.shape}", now="Give two maps of at least 16 columns."
        )
    counts = np.ones(trace.shape, dtype=np.bool_) if usable is None else usable
    cols = trace.shape[1]
    nothing = Shift(np.zeros(3), np.diag(np.square(np.array(USUAL) * cols)), cols, known=False)
    some = _representative(counts)
    if not counts[some].any() or np.array_equal(trace, retrace):
        return nothing
    retrace = retrace + bend(trace[some], retrace[some], counts[some])
    factor = math.ceil(cols / MOST_COLS)
    first, second, known = (_binned(values[some], factor) for values in (trace, retrace, counts))
    found = Follower(first, second, known == 1).found()
    if found is None:
        return nothing
    best = Shift(found[0] * factor, found[1] * factor**2, cols)
    return best if nothing.surprise(best.coefficients) < LARGEST_SURPRISE else nothing


def bend(trace: Heights, retrace: Heights, known: Mask) -> Curve:
    """Tilt and bow along the line by which the trace differs from the retrace in all lines alike, (cols,).

    Scanners that move out of plane on other paths there and back tilt and bow one direction against the other. Taken
    for noise, this hides tails and shifts. Found as a parabola through the medians of the columns, by least absolute
    values; 0 unless it explains most of what differs.

    Parameters
    ----------
    trace, retrace : (rows, cols) float64
        Same column = same place, but for a few pixels.
    known : (rows, cols) bool
        Where both hold a measurement.

    Returns
    -------
    (cols,) float64
        In the unit of the heights, without its mean: offsets of lines are another matter.
    """
    away = trace - retrace
    away = away - line_medians(away, known)[:, None]
    columns, there = line_medians(away.T, known.T), known.any(axis=0)
    forms = basis(trace.shape[1], 2)
    weight = there.astype(np.float64)
    curve = np.zeros(trace.shape[1])
    for _ in range(BEND_ROUNDS):
        normal = np.einsum("ax,x,bx->ab", forms, weight, forms)
        curve = np.asarray(np.linalg.lstsq(normal, forms @ (weight * columns), rcond=None)[0]) @ forms
        rest = np.abs(columns - curve)
        weight = there / np.maximum(rest, 1e-3 * float(np.mean(rest[there])) + 1e-300)
    left = away - curve
    left = left - line_medians(left, known)[:, None]
    before, after = (float(np.median(np.abs(values[known]))) for values in (away, left))
    return curve - curve.mean() if after < BEND_EXPLAINS * before else np.zeros(curve.size)


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
    """Average so many columns."""
    rows, cols = values.shape[0], values.shape[1] // factor
    made: Heights = values[:, : cols * factor].reshape(rows, cols, factor).mean(axis=2)
    return made
