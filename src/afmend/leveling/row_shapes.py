"""More than an offset per line: polynomials along the line, and facet tilts."""

from __future__ import annotations

import numpy as np

from afmend.leveling import lines
from afmend.leveling.moments import basis, line_fits, without_curves
from afmend.leveling.row_offsets import raise_no_line
from afmend.scan.arrays import Heights, Mask

WORST_LEVERAGE = 1.0
"""A line's own fit stands while its standard error nowhere exceeds the noise of a single pixel."""
SOUND_LEVERAGE = 10.0
"""Beyond this, normal equations are too coarse a tool to repeat another program's digits."""
TILT_ROUNDS, TILT_STOP = 30, 1e-6
"""Most iterations of a facet tilt, and the slope at which they end."""


def subtract_line_polynomials(heights: Heights, usable: Mask, degree: int) -> tuple[Heights, int]:
    """Subtract from each line the polynomial through its usable pixels; keep the mean of the usable pixels.

    A line whose usable pixels do not carry the polynomial (its standard error would somewhere exceed the noise of a
    single pixel) borrows the shape of its neighbors, interpolated, and only its offset is fitted; a line with fewer
    usable pixels than `lines.fewest_usable` borrows the offset, too.

    Returns
    -------
    heights : (rows, cols)
    borrowed : int
        Number of lines that borrowed.
    """
    cols = heights.shape[1]
    degree = min(degree, cols - 1)
    found, leverage, data, mass = line_fits(heights, usable, degree)
    counts = mass[:, 0]
    own = leverage <= WORST_LEVERAGE
    fewest = min(lines.fewest_usable(cols), cols)
    offset = counts >= fewest
    if not offset.any():
        raise_no_line(fewest)
    for k in range(1, degree + 1):
        found[:, k] = lines.interpolated(found[:, k], own) if own.any() else 0.0
    lone = offset & ~own
    found[lone, 0] = (data[lone, 0] - np.sum(found[lone, 1:] * mass[lone, 1 : degree + 1], axis=1)) / counts[lone]
    fitted = own | offset
    found[:, 0] = lines.interpolated(found[:, 0], fitted)
    found[:, 0] -= np.sum(data[fitted, 0]) / np.sum(counts[fitted])
    return without_curves(heights, found), int(np.count_nonzero(~own))


def subtract_line_polynomials_gwyddion(heights: Heights, usable: Mask, degree: int) -> Heights:
    """Do as Gwyddion does: every line with more than ``degree`` usable pixels is fitted, however wildly.

    The mean of the whole image, masked pixels included, is added to every line, also to those without a fit.
    """
    found, leverage, _, mass = line_fits(heights, usable, degree)
    along = basis(heights.shape[1], degree)
    for line in np.flatnonzero((leverage > SOUND_LEVERAGE) & (mass[:, 0] > degree)):
        used = usable[line]
        found[line] = np.linalg.lstsq(along[:, used].T, heights[line, used], rcond=None)[0]
    found[mass[:, 0] <= degree] = 0.0
    found[:, 0] -= np.mean(heights)
    return without_curves(heights, found)


def subtract_facet_tilts(heights: Heights, usable: Mask, pixel: float, *, relative: bool) -> Heights:
    """Turn each line about its middle until its most common slope is zero; offsets stay.

    The slope is the mean of the slopes between neighboring pixels with weights exp(-v^2 / s), s = mean(v^2) / 200,
    found by iteration: it settles at once on facets, and slowly on noise, where the number of iterations decides.

    Parameters
    ----------
    heights, usable : (rows, cols)
    pixel : float
        Distance of pixels along the line, in the unit of the heights.
    relative : bool
        Whether iteration ends at a slope of 1e-6 of the line's rms slope, or at a slope of 1e-6.
    """
    from afmend.leveling import facet_kernels

    slopes = np.diff(heights, axis=1) / pixel
    both = usable[:, 1:] & usable[:, :-1]
    limit = np.full(len(heights), TILT_STOP)
    if relative:
        limit *= np.sqrt(np.sum(np.square(slopes) * both, axis=1) / np.maximum(both.sum(axis=1), 1))
    cols = heights.shape[1]
    tilt = facet_kernels.line_tilts(slopes, both, lines.fewest_usable(cols), TILT_ROUNDS, limit)
    leveled: Heights = heights - (tilt * pixel)[:, None] * (np.arange(cols) - (cols - 1) / 2)
    return leveled
