"""What single features of an image say about the apex of the tip: the largest ball that could have made each of them.

The image of any surface is nowhere rounder than the tip: its peaks have at least the tip's radius of curvature. Each
peak therefore has a critical radius, up to which a ball, its top anywhere within half a pixel, fits under it. Sharp
features all have the same, the tip's; features with radii of their own have larger ones. Granulometry by openings:
G. Matheron, Random Sets and Integral Geometry (1975); that the radii of peak and tip add: J. S. Villarrubia,
doi:10.6028/jres.102.030.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from afmend.scan.arrays import Heights, Mask

Vector = NDArray[np.float64]
SMALLEST_PX, LARGEST_PX = 0.7, 20.0
"""Range of radii that are tried, in pixels."""
HALVINGS = 9
REACH = 0.8
"""The part of the ball that is tried, of its radius; beyond, tips differ."""
LEAST_REACH_PX = 1.5
NEIGHBORHOOD = 5
"""Side of the window in which a peak is the highest pixel."""
SURROUNDINGS = 9
"""Side of the window over which a peak's prominence is measured."""
NOISE_SIGMAS, PROMINENT_SIGMAS, PROMINENT_SHARE = 3.0, 8.0, 0.03
"""A misfit of so many sigmas counts; a peak stands out by so many sigmas and by this share of the range."""
BORDER = 3


@dataclass(frozen=True, slots=True, eq=False)
class Peaks:
    """The peaks of one or more images.

    Attributes
    ----------
    radius_px : (peaks,) float64
        Critical radius in pixels (geometric mean of both pixel sizes); `LARGEST_PX` if none tried was too large.
    roundness : (peaks,) float64
        Smaller over larger curvature, 1 = round, 0 = ridge, negative = saddle.
    evenness : (peaks,) float64
        Smaller over larger drop on the two sides across the peak: 1 = ridge or summit, 0 = edge of a plateau.
    prominence_nm : (peaks,) float64
        Over the lowest pixel of a window of 9 x 9.
    relief_nm : (peaks,) float64
        Over the lowest pixel within the radius of the sharpest peaks, at least four pixels.
    noise_nm : float
        Sigma of white noise, an upper bound.
    range_nm : float
        Height range without the outermost 0.1 %.
    """

    radius_px: Vector
    roundness: Vector
    evenness: Vector
    prominence_nm: Vector
    relief_nm: Vector
    noise_nm: float
    range_nm: float


def noise_nm(image: Heights, usable: Mask | None = None) -> float:
    """Sigma of white noise from third differences along both axes; a surface as rough as noise counts as noise."""
    rest, good = image, np.ones(image.shape, dtype=np.bool_) if usable is None else usable
    for axis in (0, 1):
        for _ in range(3):
            near, far = (np.s_[:-1], np.s_[1:]) if axis == 0 else (np.s_[:, :-1], np.s_[:, 1:])
            rest, good = rest[far] - rest[near], good[far] & good[near]
    size = np.abs(rest[good])
    return (
        1.4826 * float(np.median(size)) / 20 if size.size else 0.0
    )  # the binomial weights 1 3 3 1 have a square sum of 20


def find_peaks(image: Heights, pixel_nm: tuple[float, float], usable: Mask | None = None) -> Peaks:
    """Find the peaks of an image, and for each the largest apex that could have made it.

    Parameters
    ----------
    image : (rows, cols) float, nm
    pixel_nm : (slow, fast)
    usable : (rows, cols) bool, optional
        False where the image is not to be trusted: peaks near such pixels are left out.

    Returns
    -------
    Peaks
    """
    from scipy.ndimage import maximum_filter, minimum_filter

    noise = noise_nm(image, usable)
    good = np.ones(image.shape, dtype=np.bool_) if usable is None else minimum_filter(usable, SURROUNDINGS)
    low, high = np.quantile(image, (0.001, 0.999))
    rise = image - minimum_filter(image, SURROUNDINGS)
    top = (image == maximum_filter(image, NEIGHBORHOOD)) & good
    top &= rise > max(PROMINENT_SIGMAS * noise, PROMINENT_SHARE * float(high - low))
    inner = np.zeros(image.shape, dtype=np.bool_)
    inner[BORDER:-BORDER, BORDER:-BORDER] = True
    rows, cols = np.nonzero(top & inner)
    radius = _critical(image, rows, cols, pixel_nm, noise)
    roundness, evenness = _forms(image, rows, cols, radius, pixel_nm)
    window = max(SURROUNDINGS, 2 * math.ceil(float(radius.min())) + 1) if rows.size else SURROUNDINGS
    relief = (image - minimum_filter(image, window))[rows, cols]
    return Peaks(radius, roundness, evenness, rise[rows, cols], relief, noise, float(high - low))


def _critical(
    image: Heights, rows: NDArray[np.intp], cols: NDArray[np.intp], pixel_nm: tuple[float, float], noise: float
) -> Vector:
    """Return for each peak the radius from which on a ball no longer fits under it."""
    from afmend.tip.peak_kernels import largest_ball

    side = math.sqrt(pixel_nm[0] * pixel_nm[1])
    found = np.full(rows.size, LARGEST_PX * side)
    settings = np.array([NOISE_SIGMAS * noise, REACH, LEAST_REACH_PX * max(pixel_nm), HALVINGS])
    limits = np.array([SMALLEST_PX * side, LARGEST_PX * side])
    largest_ball(
        np.ascontiguousarray(image), rows.astype(np.int64), cols.astype(np.int64), np.array(pixel_nm), limits, settings,
        found,
    )  # fmt: skip
    return found / side


def _forms(
    image: Heights, rows: NDArray[np.intp], cols: NDArray[np.intp], radius_px: Vector, pixel_nm: tuple[float, float]
) -> tuple[Vector, Vector]:
    """Fit a quadratic around each peak, compare its two curvatures, and the two sides across it."""
    side = math.sqrt(pixel_nm[0] * pixel_nm[1])
    roundness: Vector = np.zeros(rows.size)
    evenness: Vector = np.ones(rows.size)
    usual = float(radius_px.min()) if rows.size else 1.0
    reach = side * min(max(0.7 * usual, 1.5), 8.0)
    ny, nx = (max(1, round(reach / step)) for step in pixel_nm)
    y, x = np.mgrid[-ny : ny + 1, -nx : nx + 1].reshape(2, -1)
    y, x = y * pixel_nm[0], x * pixel_nm[1]
    solve = np.linalg.pinv(np.stack([np.ones(y.size), y, x, y * y / 2, x * x / 2, x * y], axis=1))
    for k, (i, j) in enumerate(zip(rows, cols, strict=True)):
        if ny <= i < image.shape[0] - ny and nx <= j < image.shape[1] - nx:
            c = solve @ image[i - ny : i + ny + 1, j - nx : j + nx + 1].ravel()
            mean, difference = (c[3] + c[4]) / 2, math.hypot((c[3] - c[4]) / 2, c[5])
            roundness[k] = (mean + difference) / (mean - difference) if mean - difference < 0 else 0.0
            angle = (
                0.5 * math.atan2(2 * c[5], c[3] - c[4]) + math.pi / 2
            )  # from the slow axis, of the strongest curvature
            evenness[k] = _evenness(image, i, j, (math.cos(angle) * reach, math.sin(angle) * reach), pixel_nm)
    return roundness, evenness


def _evenness(image: Heights, i: int, j: int, step_nm: tuple[float, float], pixel_nm: tuple[float, float]) -> float:
    """Compare how far the image falls on the two sides of a pixel, twice a step away."""
    drops = []
    for sign in (-2, 2):
        row = min(max(i + round(sign * step_nm[0] / pixel_nm[0]), 0), image.shape[0] - 1)
        col = min(max(j + round(sign * step_nm[1] / pixel_nm[1]), 0), image.shape[1] - 1)
        drops.append(max(0.0, float(image[i, j] - image[row, col])))
    return min(drops) / max(drops) if max(drops) > 0 else 1.0
