"""Undoing the tip: the least upper bound of the surface, where it is the surface, and intervals.

Source of bound and certainty: J. S. Villarrubia, J. Res. Natl. Inst. Stand. Technol. 102, 425 (1997),
doi:10.6028/jres.102.030. Erosion of noise is biased low (the lowest of many pixels wins); the bias is measured by
imaging the reconstructed surface again, with noise of the same size, and taken off. Where how much of it lies follows
from how many pixels compete, not from that noise: a map of simulated noise would print its pattern on every scan.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from afmend.errors import BadParameterError
from afmend.scan.arrays import Heights, Mask
from afmend.tip.certainty import certainty_map
from afmend.tip.double import First
from afmend.tip.features import noise_nm
from afmend.tip.morphology import checked, checked_tip, dilate, erode

REPEATS = 2
"""Simulated images from which the size of the bias of erosion is measured."""
SOFT = 0.6
"""Temperature of the soft minimum, in sigmas of the noise: right to within a third for 2 to 1000 equal heights."""
CONTACT_SIGMAS = 3.0
NEAR_PX = 1
"""Contacts within so many pixels of each other count as one."""
GAP = 1.0
"""How far below the bound a surface is taken to lie that the tip did not touch, at most, in units of `gap_scale`: as
deep as the lowest height known nearby. It holds in 90 to 97 % of cases on simulated surfaces, not in deep pores."""
EXPECTED = 0.08
"""How far below the bound such a surface lies on average, in the same units, on simulated surfaces (box train)."""
UNSEEN = 1.0
"""Under ghosts: how far below the lowest height around them a surface may lie, of what it may lie above."""
SUNK = 0.3
"""How far below what is drawn on from around a surface lies on average under ghosts, of the same depth (box train)."""
RINGS_PX = (2, 4, 8, 16, 32)
Z95 = 1.96


@dataclass(frozen=True, slots=True, eq=False)
class Correction:
    """What is known about the surface under an image.

    Attributes
    ----------
    heights : (rows, cols) float64, nm
        Least upper bound: no surface imaged by this tip lies higher (but for noise). Where ``certain``, the surface.
    certain : (rows, cols) bool
        Where the tip touched the surface.
    sigma : (rows, cols) float64, nm
        1-sigma error of the heights where certain: noise, the pixel in which the contact lies, and doubt about the tip.
    expected : (rows, cols) float64, nm
        The likely surface: the heights where certain; elsewhere lower, by what surfaces lie below their bound on
        average; under ghosts a membrane drawn on from around, lowered likewise. No bound: for pictures and profiles,
        not for limits.
    lower, upper : (rows, cols) float64, nm
        95 % interval. Where certain it lies around the heights; elsewhere it is one-sided, from a lower limit up to
        the bound. That limit is a rule of thumb from simulated surfaces: a deep narrow hole can be any depth.
    bias_nm : float
        What was added to the heights against the bias of erosion, on average.
    """

    heights: Heights
    certain: Mask
    sigma: Heights
    expected: Heights
    lower: Heights
    upper: Heights
    bias_nm: float

    @property
    def facts(self) -> dict[str, Any]:
        """What is worth telling, as JSON values."""
        return {
            "certain_share": round(float(np.mean(self.certain)), 5),
            "bias_nm": round(self.bias_nm, 6),
            "sigma_nm": round(float(np.median(self.sigma)), 6),
        }


def correct(
    image: Heights,
    tip: Heights,
    pixel_nm: tuple[float, float],
    *,
    limits: tuple[Heights, Heights] | None = None,
    noise: float | None = None,
    seed: int = 0,
    ghosts: First | None = None,
    sunk: float = SUNK,
) -> Correction:
    """Reconstruct the surface from its image.

    Parameters
    ----------
    image : (rows, cols) float, nm
        A leveled height map without holes.
    tip : (n, m) float, nm
        As for `dilate`.
    pixel_nm : (slow, fast)
    limits : (sharper, blunter) tips, optional
        The ends of the tip's 95 % interval; their reconstructions become part of the error.
    noise : float, optional
        Sigma of white noise, nm; default: measured from the image, which is too much on surfaces rough at pixel scale.
    seed : int
        Of the noise by which the bias is measured.
    ghosts : First, optional
        What `without_ghost` found out about a second apex; ``image`` is then corrected for both.
    sunk : float
        Share of the depth by which ``expected`` lies below what is drawn on under ghosts; the networks start from 0.

    Returns
    -------
    Correction

    Raises
    ------
    BadScanError, BadParameterError
        If arrays or the noise do not make sense.

    Notes
    -----
    When not to use it: on currents and other maps that the tip averages instead of touching (STM at constant height);
    on images that parachute; with a tip blunter than the true one: then heights are too low, and nothing shows it.
    """
    image, tip = checked(image, "image"), checked_tip(tip)
    sigma = noise_nm(image) if noise is None else noise
    if not (math.isfinite(sigma) and sigma >= 0):
        raise BadParameterError(f"a noise of {sigma} nm", where="tip correction", now="Give a sigma of 0 or more.")
    hidden = None
    if ghosts is not None:
        image, hidden = checked(ghosts.bound, "image"), ghosts.doubtful
    bound = erode(image, tip)
    bias = _bias(bound, tip, sigma, seed)
    side = math.sqrt(pixel_nm[0] * pixel_nm[1])
    pixel_error = side_error(bound)
    tolerance = contact_tolerance(tip, side, sigma)
    certain = certainty_map(image, tip, tolerance_nm=tolerance, spread_px=NEAR_PX, hidden=hidden)
    doubt = np.zeros(image.shape)
    if limits is not None:
        sharp, blunt = (erode(image, one) for one in limits)
        doubt = np.abs(sharp - blunt) / (2 * Z95)
    error = np.sqrt(sigma**2 + pixel_error**2 + doubt**2)
    heights = bound + bias
    gap = np.where(certain, 0.0, gap_scale(heights, certain, tip))
    likely, lowest = heights - EXPECTED * gap, heights - GAP * gap
    if ghosts is not None:
        likely = np.minimum(heights, erode(ghosts.likely, tip) + bias) - EXPECTED * gap
        floor = np.where(certain, heights, ghost_floor(heights, ghosts.hidden, tip))
        lowest = np.minimum(lowest, floor - UNSEEN * (heights - floor))
        likely = likely - sunk * np.where(certain, 0.0, np.maximum(likely - floor, 0.0))
    return Correction(
        heights, certain, error, likely, np.minimum(lowest, likely) - Z95 * error, heights + Z95 * error,
        float(np.mean(bias)),
    )  # fmt: skip


def error_bar(done: Correction, heights: Heights) -> Heights:
    """Return 1-sigma error bars of heights taken from a correction, nm: 1.96 of them reach to the farther limit.

    Where certain, that is ``sigma``; elsewhere the interval is one-sided, and the error bar more than half of it.
    """
    farther = np.maximum(heights - done.lower, done.upper - heights)
    out: Heights = np.maximum(farther / Z95, np.finfo(np.float64).tiny)
    return out


def contact_tolerance(tip: Heights, side_nm: float, sigma_nm: float) -> float:
    """Return how near counts as contact, nm: three sigmas of the noise, and what a contact between pixels adds."""
    return CONTACT_SIGMAS * sigma_nm + 0.25 * _roundness_misfit(tip, side_nm)


def side_error(surface: Heights) -> Heights:
    """Return the error of a contact that lies anywhere within a pixel either way: slope times pixel / sqrt(3).

    A contact may be the neighbor's, with the slopes there: it is no less than the root mean square over the neighbors.
    """
    from scipy.ndimage import uniform_filter

    rise = [np.maximum(np.abs(np.diff(surface, axis=a, prepend=np.take(surface, [0], a))),
                       np.abs(np.diff(surface, axis=a, append=np.take(surface, [-1], a)))) for a in (0, 1)]  # fmt: skip
    error = np.hypot(rise[0], rise[1]) / math.sqrt(3)
    around = uniform_filter(error**2, 2 * NEAR_PX + 1, mode="nearest")
    least: Heights = np.maximum(error, np.sqrt(np.maximum(around, 0.0)))
    return least


def gap_scale(bound: Heights, certain: Mask, tip: Heights) -> Heights:
    """Return how deep the surface may be under the bound: down to the lowest certain height within the tip's apex."""
    from scipy.ndimage import minimum_filter

    reach = _apex_size(tip)
    known = np.where(certain, bound, np.inf)
    floor = minimum_filter(known, size=reach, mode="nearest")
    lowest = minimum_filter(bound, size=reach, mode="nearest")
    floor = np.where(np.isfinite(floor), np.minimum(floor, lowest), lowest)
    gap: Heights = np.maximum(bound - floor, 0.0)
    return gap


def ghost_floor(bound: Heights, hidden: Mask, tip: Heights) -> Heights:
    """Return, under ghosts, the lowest height around them within the apex's reach; elsewhere the bound."""
    from scipy.ndimage import distance_transform_edt, minimum_filter

    inside, known = distance_transform_edt(hidden), np.where(hidden, np.inf, bound)
    reach, out, done = max(_apex_size(tip)) // 2, bound.copy(), 0
    for ring in RINGS_PX:
        here = (inside > done) & (inside <= ring)
        if here.any():
            floor = minimum_filter(known, size=2 * (ring + reach) + 1, mode="nearest")
            out[here] = np.minimum(bound, np.where(np.isfinite(floor), floor, bound))[here]
        done = ring
    return out


def _apex_size(tip: Heights) -> tuple[int, int]:
    """Return the window of the part of the tip that is within a quarter of its depth of the apex, odd sides."""
    finite = tip[np.isfinite(tip)]
    near = np.isfinite(tip) & (tip >= finite.min() / 4)
    rows, cols = np.nonzero(near)
    return (2 * (int(np.ptp(rows)) // 2) + 1, 2 * (int(np.ptp(cols)) // 2) + 1)


def _roundness_misfit(tip: Heights, side: float) -> float:
    """Return side squared over the radius of the apex: what a shift by a pixel costs at a distance of a pixel."""
    i, j = np.unravel_index(int(np.argmax(tip)), tip.shape)
    drops = [-float(tip[a, b]) for a, b in ((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1))
             if 0 <= a < tip.shape[0] and 0 <= b < tip.shape[1] and np.isfinite(tip[a, b])]  # fmt: skip
    return 2 * float(np.mean(drops)) if drops and side > 0 else 0.0


def _bias(surface: Heights, tip: Heights, sigma: float, seed: int) -> Heights:
    """Return by how much erosion lies too low under noise: 0 without noise.

    The soft minimum says where, without noise: it is the lower, the more pixels lie within the noise of the lowest. Its
    size comes from simulated images, as the mean over all their pixels.
    """
    from scipy.ndimage import gaussian_filter

    from afmend.tip.softness_kernels import softness

    if sigma == 0.0:
        return np.zeros(surface.shape)
    rng = np.random.default_rng(seed)
    again = dilate(surface, tip)
    plain = erode(again, tip)
    noisy = [erode(again + sigma * rng.standard_normal(surface.shape), tip) for _ in range(REPEATS)]
    low = float(np.mean(plain)) - float(np.mean(noisy))
    soft = softness(again, plain, tip, SOFT * sigma)
    mean = float(np.mean(soft))
    if mean <= 0.0:
        return np.full(surface.shape, low)
    return np.asarray(gaussian_filter(soft * (low / mean), 3.0, mode="nearest"))
