"""Where a place of one frame lies in another: shift, and smooth drift and creep along the slow axis."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from afmend.fusion.medians import line_medians
from afmend.leveling.moments import positions
from afmend.scan.arrays import Heights, Mask

Curve = NDArray[np.float64]
ROUNDS = 10
ACCURATE_PX = 0.01
REACH = 0.25
"""Largest shift that is looked for, as a fraction of the frame."""
CANDIDATES = 6
FARTHER = 2.0
"""A shift must correlate better by this times the square of its length (as a fraction of the frame) than none."""
USUAL = 0.02
"""Usual size of what is not a plain shift (drift, creep, stretch), as a fraction of the frame."""


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """Displacement of a frame against the reference: pixel (i, j) of the reference is at (i, j) + displacement.

    Attributes
    ----------
    slow, fast : (terms,) float64
        Coefficients in pixels: constant, linear and quadratic in time (the slow axis); then, if asked for, linear and
        quadratic along the fast axis.
    """

    slow: Curve
    fast: Curve

    @classmethod
    def none(cls, *, both_axes: bool = False) -> Motion:
        """Return the motion of a frame that did not move."""
        terms = 5 if both_axes else 3
        return cls(np.zeros(terms), np.zeros(terms))

    def places(self, shape: tuple[int, int]) -> tuple[Heights, Heights]:
        """Return the rows and the columns at which the frame is read, both of ``shape``."""
        terms = _terms(shape, self.slow.size)
        rows, cols = np.mgrid[: shape[0], : shape[1]].astype(np.float64)
        return rows + np.tensordot(self.slow, terms, 1), cols + np.tensordot(self.fast, terms, 1)


def _terms(shape: tuple[int, int], count: int) -> NDArray[np.float64]:
    """1, v, v^2 - 1/3 along the slow axis; u, u^2 - 1/3 along the fast one; from -1 to 1."""
    v, u = positions(shape[0])[:, None], positions(shape[1])[None, :]
    made = [np.ones(shape)] + [np.broadcast_to(t, shape) for t in (v, v * v - 1 / 3, u, u * u - 1 / 3)]
    return np.stack(made[:count])


def warped(heights: Heights, excluded: Mask, motion: Motion) -> tuple[Heights, Mask]:
    """Return a frame at the places of the reference, and where it holds nothing there."""
    from scipy.ndimage import spline_filter

    return _read(spline_filter(heights, order=3, mode="mirror"), excluded, motion)


def _read(splines: Heights, excluded: Mask, motion: Motion) -> tuple[Heights, Mask]:
    from scipy.ndimage import map_coordinates

    shape = (splines.shape[0], splines.shape[1])
    rows, cols = motion.places(shape)
    made: Heights = map_coordinates(splines, [rows, cols], order=3, mode="mirror", prefilter=False)
    lost = (rows < -0.5) | (rows > shape[0] - 0.5) | (cols < -0.5) | (cols > shape[1] - 0.5)
    if excluded.any():
        lost |= map_coordinates(excluded.astype(np.float64), [rows, cols], order=1, mode="nearest") > 0.01
    return made, lost


def register_frame(
    reference: Heights, frame: Heights, known: tuple[Mask, Mask], start: Motion, *, search: bool = True
) -> Motion:
    """Find the motion of a frame against a reference.

    A whole shift comes from phase correlation near ``start``, the rest from least squares on the slopes (Gauss-Newton)
    with redescending weights (Geman and McClure). Offsets of lines do not matter: their medians are removed.

    Parameters
    ----------
    reference, frame : (rows, cols) float64
        Roughly leveled; NaN nowhere.
    known : pair of (rows, cols) bool
        Where the reference, and where the frame, holds a measurement.
    start : Motion
        From a neighboring frame; says which terms are fitted.
    search : bool
        Look for a whole shift first.

    Notes
    -----
    When not to use it: on lattices a shift is known but for a lattice vector; the one nearest to ``start`` is taken.
    """
    from scipy.ndimage import spline_filter

    motion = start
    splines = spline_filter(frame, order=3, mode="mirror")
    if search:
        moved, lost = _read(splines, ~known[1], start)
        step = _whole_shift(_flat(reference, known[0]), _flat(moved, ~lost))
        motion = Motion(
            start.slow + step[0] * np.eye(start.slow.size)[0], start.fast + step[1] * np.eye(start.fast.size)[0]
        )
    terms = _terms((reference.shape[0], reference.shape[1]), motion.slow.size)
    stiff = np.full(motion.slow.size, 1.0 / (USUAL * min(reference.shape)) ** 2)
    stiff[0] = 0.0
    prior = np.diag(np.concatenate([stiff, stiff]))
    for _ in range(ROUNDS):
        moved, lost = _read(splines, ~known[1], motion)
        weight = (known[0] & ~lost).astype(np.float64)
        rest = _flat(reference - moved, weight > 0)
        scale = _scale(rest, weight)
        if scale == 0:
            break
        weight /= np.square(1 + np.square(rest / (3 * scale))) * scale**2
        slopes = _slopes(0.5 * (reference + moved))
        jacobian = np.concatenate([slopes[0] * terms, slopes[1] * terms])
        normal = np.einsum("aij,ij,bij->ab", jacobian, weight, jacobian, optimize=True) + prior
        now = np.concatenate([motion.slow, motion.fast])
        pull = np.einsum("aij,ij->a", jacobian, weight * rest) - prior @ now
        move = np.clip(np.linalg.solve(normal + 1e-9 * np.trace(normal) * np.eye(len(normal)), pull), -2.0, 2.0)
        half = motion.slow.size
        motion = Motion(motion.slow + move[:half], motion.fast + move[half:])
        if float(np.max(np.abs(move))) < ACCURATE_PX:
            break
    return motion


def _slopes(heights: Heights) -> tuple[Heights, Heights]:
    from scipy.ndimage import gaussian_filter

    return tuple(gaussian_filter(heights, 1.0, order=o, mode="nearest") for o in ((1, 0), (0, 1)))  # type: ignore[return-value]


def _flat(heights: Heights, known: Mask) -> Heights:
    """Subtract the median of each line's known pixels; 0 where nothing is known."""
    return np.where(known, heights - line_medians(heights, known)[:, None], 0.0)


def _scale(rest: Heights, weight: Heights) -> float:
    sizes = np.abs(rest[weight > 0])
    return float(np.median(sizes)) / 0.6745 if sizes.size else 0.0


def _whole_shift(reference: Heights, moved: Heights) -> tuple[int, int]:
    """Whole pixels by which the moved frame must be read further: the best of the peaks of the correlation."""
    from scipy.fft import irfft2, rfft2

    one, two = _banded(reference), _banded(moved)
    taper = np.sin(np.pi * (np.arange(one.shape[0]) + 0.5) / one.shape[0])[:, None]
    taper = taper * np.sin(np.pi * (np.arange(one.shape[1]) + 0.5) / one.shape[1])[None, :]
    total = irfft2(np.conj(rfft2(one * taper)) * rfft2(two * taper), s=one.shape)
    best, choice = -np.inf, (0, 0)
    for slow, fast in _peaks(total):
        first, second = _overlap(one, slow, fast), _overlap(two, -slow, -fast)
        size = math.sqrt(float(np.sum(first * first)) * float(np.sum(second * second)))
        far = (slow / one.shape[0]) ** 2 + (fast / one.shape[1]) ** 2
        score = float(np.sum(first * second)) / size * (1 - FARTHER * far) if size > 0 else 0.0
        if score > best:
            best, choice = score, (slow, fast)
    return choice


def _banded(heights: Heights) -> Heights:
    """Cut extremes, then keep what is wider than noise and narrower than the background."""
    from scipy.ndimage import gaussian_filter

    cut = np.clip(heights, *np.quantile(heights, (0.02, 0.98)))
    wide = min(heights.shape) / 16
    made: Heights = gaussian_filter(cut, 2.0, mode="nearest") - gaussian_filter(cut, max(wide, 4.0), mode="nearest")
    return made


def _peaks(correlation: Heights) -> list[tuple[int, int]]:
    """Return no shift, and the highest peaks within reach."""
    from scipy.ndimage import maximum_filter

    shape = correlation.shape
    tops = np.where(correlation == maximum_filter(correlation, 5, mode="wrap"), correlation, -np.inf)
    shifts = [np.rint(np.fft.fftfreq(n, 1 / n)).astype(int) for n in shape]
    tops[np.abs(shifts[0]) > REACH * shape[0]] = -np.inf
    tops[:, np.abs(shifts[1]) > REACH * shape[1]] = -np.inf
    order = np.argsort(tops, axis=None)[::-1][:CANDIDATES]
    rows, cols = np.unravel_index(order, shape)
    return [(0, 0), *((int(shifts[0][r]), int(shifts[1][c])) for r, c in zip(rows, cols, strict=True))]


def _overlap(heights: Heights, slow: int, fast: int) -> Heights:
    """Cut the part of the reference (or, with opposite signs, of the moved frame) that both hold."""
    rows, cols = heights.shape
    made: Heights = heights[max(-slow, 0) : rows - max(slow, 0), max(-fast, 0) : cols - max(fast, 0)]
    return made
