"""Errors of leveling: what a leveling can get wrong, apart from the noise of the pixels, which it cannot change."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from afmend.errors import BadParameterError
from afmend.evaluation.metrics.arguments import as_heights, as_mask, rms
from afmend.evaluation.metrics.gauge import gauge_free_difference
from afmend.leveling.moments import line_fits, without_curves
from afmend.scan.arrays import Heights, Mask

LINE_DEGREE = 2
"""Levelings subtract polynomials up to this degree from lines or columns."""
FEWEST_PX = 16
"""Lines with fewer pixels that count have no fit: there is no telling their offset from the noise of their pixels."""
SCALES_PX = (1, 2, 4, 8)
"""Widths of the Gaussians between which the topography is cut into bands."""
_PASSES = 3
Details: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LevelingError:
    """What `leveling_error` found, all in nm.

    Attributes
    ----------
    total : float
        Root of the squares' sum of the next two: the error that leveling is answerable for.
    lines : float
        RMS of the error's part that curves of whole lines and columns explain: offsets, slopes, smooth background.
    topography : float
        RMS of the error's part, beyond that, that looks like the surface itself: what blur took away.
    rest : float
        RMS of what is left: noise of the pixels.
    """

    total: float
    lines: float
    topography: float
    rest: float


def leveling_error(
    heights: NDArray[Any],
    truth: NDArray[Any],
    *,
    degree: int = 2,
    usable: Mask | None = None,
    details: Details | None = None,
) -> LevelingError:
    """Measure the part of the error that a leveling can change, and the topography that it must not take away.

    The error (heights - truth on usable pixels, freed of a polynomial of total degree <= ``degree``, as in
    `gauge_free_rmse`) is split into three parts. *Lines*: its least-squares projection on polynomials of degree
    `LINE_DEGREE` of each row and of each column together, which is all that leveling line by line, along either axis,
    can put in or leave behind; every polynomial background of total degree <= 5 is among them. *Topography*: the
    projection of what is left on the bands of the truth (differences of Gaussians of `SCALES_PX`). *Rest*: the noise.

    A blur lowers the noise of the pixels and so the full RMSE; here it gains nothing from that, and pays for what it
    took from the surface. Noise of N pixels puts about ``sqrt(6 / side)`` of itself into *lines*, for every method.

    Parameters
    ----------
    heights, truth : (rows, cols), nm
    degree : int
        Total degree of the gauge.
    usable : (rows, cols) bool, optional
        True = counts. Rows and columns with fewer than `FEWEST_PX` such pixels have no fit.
    details : optional
        `details_of` the same truth and mask, if many results are compared with one truth.

    Raises
    ------
    BadParameterError, BadScanError, StepError
        As `gauge_free_rmse`.

    Notes
    -----
    **Can be fooled by:** smoothing the means of lines across them, which is a leveling of a kind; errors within lines
    that are no polynomial of degree 2 (a bow of higher degree in single lines) count as noise.
    """
    real = as_heights(truth, name="true heights")
    counts = as_mask(usable, real.shape)
    error = gauge_free_difference(heights, real, degree=degree, usable=counts)
    lines, rest = split_lines(error, counts)
    found = details_of(real, counts) if details is None else details
    left = rest[counts]
    if found.shape[1] != left.size:
        raise BadParameterError(f"details of {found.shape[1]} pixels, {left.size} count", now="Give the same mask.")
    like = found.T @ (found @ left)
    one, other = rms(lines[counts]), rms(like)
    return LevelingError(math.hypot(one, other), one, other, rms(left - like))


def details_of(truth: NDArray[Any], usable: Mask | None = None) -> Details:
    """Return orthonormal maps of the truth's bands beyond all lines, (bands, usable pixels), for `leveling_error`."""
    from scipy.ndimage import gaussian_filter

    smooth = as_heights(truth, name="true heights")
    counts = as_mask(usable, smooth.shape)
    bands = []
    for scale in SCALES_PX:
        smoother = gaussian_filter(np.asarray(truth, dtype=np.float64), scale)
        bands.append(smooth - smoother)
        smooth = smoother
    columns = np.stack([split_lines(band, counts)[1][counts] for band in (*bands, smooth)], axis=1)
    vectors, sizes, _ = np.linalg.svd(columns, full_matrices=False)
    kept = sizes > 1e-9 * max(float(sizes[0]) if sizes.size else 0.0, 1e-300)
    return np.ascontiguousarray(vectors[:, kept].T)


def split_lines(error: Heights, usable: Mask) -> tuple[Heights, Heights]:
    """Split a map into what polynomials of rows and columns explain, and the rest; both 0 where nothing counts."""
    known = np.where(usable, error, 0.0)
    rest = known
    rows, columns = _fitted(usable), _fitted(np.ascontiguousarray(usable.T))
    whole = bool(usable.all())
    # Fits along the axes are independent of each other where all pixels count; else they take turns.
    for _ in range(1 if whole else _PASSES):
        rest = without_line_fits(rest, usable, rows)
        rest = np.ascontiguousarray(without_line_fits(rest.T, usable.T, columns).T)
    rest = np.where(usable, rest, 0.0)
    return known - rest, rest


def without_line_fits(heights: Heights, usable: Mask, fitted: NDArray[np.bool_], degree: int = LINE_DEGREE) -> Heights:
    """Return the heights without the polynomial of each line, as far as its usable pixels determine it."""
    known = np.ascontiguousarray(np.where(usable, heights, 0.0))
    coefficients, leverage, _, _ = line_fits(known, np.ascontiguousarray(usable), degree)
    kept = fitted & np.isfinite(leverage)
    return without_curves(np.ascontiguousarray(heights), np.where(kept[:, None], coefficients, 0.0))


def _fitted(usable: Mask) -> NDArray[np.bool_]:
    enough: NDArray[np.bool_] = np.count_nonzero(usable, axis=1) >= FEWEST_PX
    return enough
