"""Undoing a tip whose radius is known as a distribution only: as far as it pays on average, and nothing certain.

Each quantile of the radius makes a surface of its own. Of their weighted means the one is taken that is best by the
expected logarithm of its mean square error, that is by the expected gain in decibels: a sharp tip, which would have
left the image as it is, weighs as much as what a blunt one could gain. So an image is hardly touched if its tip may be
sharp, and undone by the likely radius if all that are possible lie near it. What may lie lower goes into the interval.
Under a second apex, which is known, most of the error is the ghosts', by whatever tip: there the plain mean is taken.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from afmend.scan.arrays import Heights, Mask
from afmend.tip.bluntness import LEAST_SIDE, LEVELS, LIKELY, LOW, Bluntness, bluntness
from afmend.tip.correct import Z95, Correction, correct
from afmend.tip.double import First
from afmend.tip.estimate import TipEstimate
from afmend.tip.features import noise_nm
from afmend.tip.shapes import SphereCone, largest_tip_array

TRIED = tuple(range(LOW, len(LEVELS)))
"""Places of the quantiles that are tried."""
HIGH = 4
"""Place of the third quartile: together with the rules of thumb of `correct`, those up to it make intervals of 95 %;
under ghosts it takes all of them."""
WORTH = 0.1
"""Of the noise: where nearly all pixels would change by less, the heights stay as they are."""
SHOWN_PX = 0.8
"""Sharper tips leave an image as it is: pixels hardly show what they do."""
LEFT = 0.5
"""Error that stays even with the true tip, of what a correction changes; about that on simulated surfaces."""
LEAST_LEFT = 0.1
"""At least as if a correction changed so much of what the one that changes most does: 20 dB are as good as more."""
ROUNDS, SETTLED = 50, 1e-5
Undo: TypeAlias = Callable[..., Correction]
"""`correct`, or what takes the same and gives the same: `learned_correction`, `mean_correction`."""


@dataclass(frozen=True, slots=True, eq=False)
class Undone:
    """A surface, as far as a radius that is not known allows.

    Attributes
    ----------
    correction : Correction
        Nowhere certain. ``heights`` is the bound by the sharpest tip that is likely; ``expected`` the mean of the
        surfaces by all tips that is best on average.
    touched : (rows, cols) bool
        Where the likely tip touched in one place only.
    blunt : Bluntness
    """

    correction: Correction
    touched: Mask
    blunt: Bluntness


def undo_unsure(
    image: Heights,
    pixel_nm: tuple[float, float],
    estimate: TipEstimate,
    *,
    usable: Mask | None = None,
    ghosts: First | None = None,
    undo: Undo = correct,
) -> Undone | None:
    """Undo what a tip did to an image, as far as that is better on average.

    Parameters
    ----------
    image : (rows, cols) float, nm
    pixel_nm : (slow, fast)
    estimate : TipEstimate
        Of this image, not confident; its bound holds.
    usable : (rows, cols) bool, optional
    ghosts : First, optional
        As for `correct`.
    undo : function
        How each tip is undone: `correct`, or `learned_correction` or `mean_correction`.

    Returns
    -------
    Undone, or None
        None if the image is too small, its (single) tip is sharper than its pixels show, or what would change is lost
        in the noise.

    Notes
    -----
    When not to use it: with a tip that is known, or estimated with confidence (`correct`).
    """
    if min(image.shape) < LEAST_SIDE:
        return None
    bound_nm = estimate.interval_nm[1] if estimate.verdict == "bound" else math.inf
    blunt = bluntness(image, pixel_nm, usable, bound_nm=bound_nm)
    if ghosts is None and blunt.radii_nm[-1] < SHOWN_PX * blunt.side_nm:
        return None
    tips = [
        None
        if ghosts is None and radius < SHOWN_PX * blunt.side_nm
        else largest_tip_array(
            SphereCone(radius_nm=radius, half_angle_deg=estimate.half_angle_deg), pixel_nm, float(np.ptp(image))
        )
        for radius in (blunt.radii_nm[k] for k in TRIED)
    ]
    done, touched = correct_unsure(image, tips, pixel_nm, ghosts=ghosts, undo=undo)
    if ghosts is None and np.quantile(np.abs(done.expected - image), 0.999) <= WORTH * noise_nm(image):
        return None
    return Undone(done, touched, blunt)


def correct_unsure(
    image: Heights,
    tips: list[Heights | None],
    pixel_nm: tuple[float, float],
    *,
    noise: float | None = None,
    ghosts: First | None = None,
    undo: Undo = correct,
) -> tuple[Correction, Mask]:
    """Reconstruct a surface from tips by the quantiles `TRIED`; return it, and what the likely one touched.

    None is a tip so sharp that the image is the surface. Other parameters and the result as `correct` and
    `undo_unsure`.
    """
    sigma = noise_nm(image) if noise is None else noise
    found = [
        _as_it_is(image, sigma) if tip is None else undo(image, tip, pixel_nm, noise=sigma, ghosts=ghosts)
        for tip in tips
    ]
    near = found[: TRIED.index(HIGH) + 1] if ghosts is None else found
    lower, upper = np.min([one.lower for one in near], axis=0), np.max([one.upper for one in near], axis=0)
    answers = np.array([one.expected for one in found])
    weights = shares() if ghosts is not None else best_weights(answers - image, shares(), sigma)
    expected = np.tensordot(weights, answers, axes=1)
    done = replace(
        found[0], certain=np.zeros(image.shape, dtype=np.bool_), sigma=(upper - lower) / (2 * Z95), lower=lower,
        upper=upper, expected=np.clip(expected, lower, upper),
    )  # fmt: skip
    return done, found[TRIED.index(LIKELY)].certain


def _as_it_is(image: Heights, sigma: float) -> Correction:
    """Return the correction by a tip that changes nothing."""
    doubt, everywhere = np.full(image.shape, sigma), np.ones(image.shape, dtype=np.bool_)
    return Correction(image, everywhere, doubt, image, image - Z95 * doubt, image + Z95 * doubt, 0.0)


def shares() -> NDArray[np.float64]:
    """Return how likely each of the quantiles `TRIED` is the nearest one, (tips,)."""
    levels = np.array([LEVELS[k] for k in TRIED])
    edges = np.concatenate([[0.0], (levels[1:] + levels[:-1]) / 2, [1.0]])
    out: NDArray[np.float64] = np.diff(edges)
    return out


def best_weights(changes: NDArray[np.float64], likely: NDArray[np.float64], sigma_nm: float) -> NDArray[np.float64]:
    """Weigh surfaces so that the expected logarithm of the mean square error of their mean is least.

    Parameters
    ----------
    changes : (tips, rows, cols) float64, nm
        By what each surface differs from the image.
    likely : (tips,) float64
        How likely each of them is the true one.
    sigma_nm : float
        Noise, and `LEFT` of the change: no error is smaller.

    Returns
    -------
    (tips,) float64
        Not negative; their sum is 1.

    Notes
    -----
    Iteratively reweighted means, from the mean and from each surface: the sum has several minima.
    """
    flat = changes.reshape(len(changes), -1)
    products = flat @ flat.T / flat.shape[1]
    sizes = np.diag(products)
    floor = sigma_nm**2 + LEFT**2 * np.maximum(sizes, LEAST_LEFT**2 * sizes.max()) + 1e-300

    def errors(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        squares = weights @ products @ weights - 2 * products @ weights + sizes
        out: NDArray[np.float64] = np.maximum(squares, 0.0) + floor
        return out

    best, least = likely, math.inf
    for start in (likely, *np.eye(len(likely))):
        weights = start
        for _ in range(ROUNDS):
            new = likely / errors(weights)
            new /= new.sum()
            settled, weights = float(np.abs(new - weights).max()) < SETTLED, new
            if settled:
                break
        value = float(likely @ np.log(errors(weights)))
        if value < least:
            best, least = weights, value
    return best
