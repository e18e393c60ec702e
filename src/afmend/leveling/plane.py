"""Leveling by a plane: least squares, or robust against features that nobody masked."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from afmend.leveling.moments import surface_coefficients, without_surface
from afmend.pipeline import Field, Knob, Leveled, Params, step
from afmend.scan.arrays import Heights, Mask

TERMS = np.array([[True, True], [True, False]])
"""Constant, slope along the fast axis, slope along the slow axis."""
BISQUARE = 4.685
"""Tuning constant in robust sigmas: 95 % efficiency on Gaussian noise."""
ROUNDS = 50
"""Most reweightings of the robust fit."""


class Plane(Params):
    """Subtract a plane."""

    method: Literal["least_squares", "robust"] = Knob(
        "least_squares",
        "How the plane is fitted: 'robust' gives outlying heights (features nobody masked) no weight.",
    )
    constant: Literal["zero", "gwyddion"] = Knob(
        "zero",
        "Where the result lies: mean of the usable pixels at zero, or Gwyddion's (plane at half the size subtracted).",
        advanced=True,
    )


@step("level.plane", Plane, version="1")
def plane(field: Field, params: Plane) -> Leveled:
    """Fit a plane to the usable pixels and subtract it from all.

    Do not use it on terraces: a plane through a staircase tilts the terraces (see ``level.facet``).

    Raises
    ------
    StepError
        If the usable pixels lie on one line, or there are none.
    """
    coefficients = fit_plane(field.heights, field.usable, robust=params.method == "robust")
    slow, fast = slopes(coefficients, field.shape)
    facts = {"slope_fast_per_px": fast, "slope_slow_per_px": slow}
    if params.constant == "gwyddion":
        return Leveled(subtract_tilt(field.heights, slow, fast), facts=facts)
    rest = without_surface(field.heights, coefficients)
    if params.method == "robust":  # its mean counts features, too
        rest -= np.mean(rest[field.usable])
    return Leveled(rest, facts=facts)


def slopes(coefficients: NDArray[np.float64], shape: tuple[int, int]) -> tuple[float, float]:
    """Slopes (slow, fast) per pixel of a plane given in Legendre coefficients."""
    slow = 2.0 * coefficients[1, 0] / max(shape[0] - 1, 1)
    fast = 2.0 * coefficients[0, 1] / max(shape[1] - 1, 1)
    return float(slow), float(fast)


def subtract_tilt(heights: Heights, slow: float, fast: float) -> Heights:
    """Subtract slopes per pixel about the point (rows / 2, cols / 2), half a pixel from the center, as Gwyddion."""
    rows, cols = heights.shape
    down = slow * (np.arange(rows) - rows / 2)
    right = fast * (np.arange(cols) - cols / 2)
    tilted: Heights = heights - down[:, None]
    tilted -= right
    return tilted


def fit_plane(heights: Heights, usable: Mask, *, robust: bool = False) -> NDArray[np.float64]:
    """Return the Legendre coefficients [[constant, fast], [slow, 0]] of the plane through the usable pixels.

    ``robust``: reweighted least squares with Tukey's bisquare, scale 1.4826 median |residual|, so that heights more
    than 4.7 of these sigmas off weigh nothing. It starts from the medians of height differences over an eighth of the
    image along each axis. Fails where features or their edges make up half of the usable pixels.
    """
    terms = TERMS[: min(2, heights.shape[0]), : min(2, heights.shape[1])]
    full = np.zeros((2, 2))
    full[: terms.shape[0], : terms.shape[1]] = surface_coefficients(heights, usable, terms)
    if not robust:
        return full
    found = _median_plane(heights, usable, full)
    for _ in range(ROUNDS):
        size = np.abs(without_surface(heights, found))
        sigma = 1.4826 * float(np.median(size[usable]))
        if sigma <= 0:
            break
        weights = np.square(np.maximum(1.0 - np.square(size / (BISQUARE * sigma)), 0.0)) * usable
        last, found = found, np.zeros((2, 2))
        found[: terms.shape[0], : terms.shape[1]] = surface_coefficients(heights, weights, terms)
        if float(np.abs(found - last).max()) < 1e-8 * sigma:
            break
    return found


def _median_plane(heights: Heights, usable: Mask, fitted: NDArray[np.float64]) -> NDArray[np.float64]:
    """Plane of the median slopes and the median rest; a slope without pairs of pixels is taken from ``fitted``."""
    found = fitted.copy()
    for axis, place in ((0, (1, 0)), (1, (0, 1))):
        count = heights.shape[axis]
        lag = max(count // 8, 1)
        ahead, behind = (slice(lag, None), slice(None)), (slice(None, -lag), slice(None))
        if axis == 1:
            ahead, behind = ahead[::-1], behind[::-1]
        both = usable[ahead] & usable[behind]
        if both.any():
            found[place] = float(np.median((heights[ahead] - heights[behind])[both])) / lag * (count - 1) / 2
    found[0, 0] += float(np.median(without_surface(heights, found)[usable]))
    return found
