"""Undoing a tip whose radius is known as a distribution only: by too little rather than too much, and nothing certain.

Eroded by a tip that fits inside the true one, an image without noise comes nearer to the surface everywhere or stays:
the result lies between the image and the least upper bound. So a single tip is undone as far as its radius is sure, and
what may lie lower goes into the interval. Under a second apex, which is known, the likely radius is taken: most of the
error is the ghosts', and a radius that is wrong by a third changes little.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from afmend.scan.arrays import Heights, Mask
from afmend.tip.bluntness import LEAST_SIDE, LIKELY, LOW, Bluntness, bluntness
from afmend.tip.correct import Z95, Correction, correct
from afmend.tip.double import First
from afmend.tip.estimate import TipEstimate
from afmend.tip.learned import learned_correction
from afmend.tip.shapes import SphereCone, largest_tip_array

HIGH = 4
"""Place of the third quantile: together with the rules of thumb of `correct` it makes intervals of 95 %."""
LEAST_PX = 1.2
"""A single tip that may be sharper than this is left alone: pixels hardly show what it does."""


@dataclass(frozen=True, slots=True, eq=False)
class Undone:
    """A surface, as far as a radius that is not known allows.

    Attributes
    ----------
    correction : Correction
        Nowhere certain. ``heights`` is the bound by the sharp tip; ``expected``: by the sharp tip, or under ghosts by
        the likely one; with a model the mean of its answers for the three tips.
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
    model: str = "",
) -> Undone | None:
    """Undo what is likely the least that a tip did to an image.

    Parameters
    ----------
    image : (rows, cols) float, nm
    pixel_nm : (slow, fast)
    estimate : TipEstimate
        Of this image, not confident; its bound holds.
    usable : (rows, cols) bool, optional
    ghosts : First, optional
        As for `correct`.
    model : str
        Name or card of the network that is asked where the tip touched nothing; empty: none is.

    Returns
    -------
    Undone, or None
        None if the image is too small, or its (single) tip may be sharper than its pixels show.

    Notes
    -----
    When not to use it: with a tip that is known, or estimated with confidence (`correct`).
    """
    if min(image.shape) < LEAST_SIDE:
        return None
    bound_nm = estimate.interval_nm[1] if estimate.verdict == "bound" else math.inf
    blunt = bluntness(image, pixel_nm, usable, bound_nm=bound_nm)
    if ghosts is None and blunt.low_nm < LEAST_PX * blunt.side_nm:
        return None
    tips = [
        largest_tip_array(
            SphereCone(radius_nm=blunt.radii_nm[k], half_angle_deg=estimate.half_angle_deg), pixel_nm,
            float(np.ptp(image)),
        )
        for k in (LOW, LIKELY, HIGH)
    ]  # fmt: skip
    done, touched = correct_unsure(image, tips, pixel_nm, ghosts=ghosts, model=model)
    return Undone(done, touched, blunt)


def correct_unsure(
    image: Heights,
    tips: list[Heights],
    pixel_nm: tuple[float, float],
    *,
    noise: float | None = None,
    ghosts: First | None = None,
    model: str = "",
) -> tuple[Correction, Mask]:
    """Reconstruct a surface from three tips, sharp, likely and blunt; return it, and what the likely one touched.

    Parameters and result as `correct` and `undo_unsure`.
    """
    given: dict[str, Any] = {"noise": noise, "ghosts": ghosts}
    if model:
        found = [learned_correction(image, tip, pixel_nm, model=model, **given) for tip in tips]
    else:
        found = [correct(image, tip, pixel_nm, **given) for tip in tips]
    sharp, likely, _ = found
    lower, upper = np.min([one.lower for one in found], axis=0), np.max([one.upper for one in found], axis=0)
    expected = likely.expected if ghosts is not None else sharp.expected
    if model:
        expected = np.mean([one.expected for one in found], axis=0)
    done = replace(
        sharp, certain=np.zeros(image.shape, dtype=np.bool_), sigma=(upper - lower) / (2 * Z95), lower=lower,
        upper=upper, expected=np.clip(expected, lower, upper),
    )  # fmt: skip
    return done, likely.certain
