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
HUBER, BISQUARE = 1.345, 4.685
"""Tuning constants in robust sigmas: 95 % efficiency on Gaussian noise."""
ROUNDS = (10, 40)
"""Most reweightings of the convex and of the redescending stage."""


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
    if params.method == "robust":
        rest -= np.mean(rest[field.usable])
    return Leveled(rest, facts=facts)


def slopes(coefficients: NDArray[np.float64], shape: tuple[int, int]) -> tuple[float, float]:
    """Slopes (slow, fast) per pixel of a plane given in Legendre coefficients."""
    slow = 2.0 * coefficients[1, 0] / max(shape[0] - 1, 1)
    fast = 2.0 * coefficients[0, 1] / max(shape[1] - 1, 1)
    return float(slow), float(fast)


def subtract_tilt(heights: Heights, slow: float, fast: float) -> Heights:
    """Subtract slopes per pixel about the point (rows / 2, cols / 2), half a pixel from the center, as Gwyddion does."""
    rows, cols = heights.shape
    down = slow * (np.arange(rows) - rows / 2)
    right = fast * (np.arange(cols) - cols / 2)
    tilted: Heights = heights - down[:, None]
    tilted -= right
    return tilted


def fit_plane(heights: Heights, usable: Mask, *, robust: bool = False) -> NDArray[np.float64]:
    """Return the Legendre coefficients [[constant, fast], [slow, 0]] of the plane through the usable pixels.

    ``robust``: reweighted least squares, Huber's weights first (a convex problem, so the start does not matter much),
    Tukey's bisquare after them; scale = 1.4826 median |residual|. Heights more than 4.7 of these sigmas off weigh
    nothing. Fails where features cover half of the usable pixels or more.
    """
    terms = TERMS[: min(2, heights.shape[0]), : min(2, heights.shape[1])]
    found = surface_coefficients(heights, usable, terms)
    if robust:
        for redescending, rounds in enumerate(ROUNDS):
            found = _reweigh(heights, usable, found, rounds, redescending=bool(redescending))
    full = np.zeros((2, 2))
    full[: found.shape[0], : found.shape[1]] = found
    return full


def _reweigh(
    heights: Heights, usable: Mask, found: NDArray[np.float64], rounds: int, *, redescending: bool
) -> NDArray[np.float64]:
    for _ in range(rounds):
        size = without_surface(heights, found)
        np.abs(size, out=size)
        sigma = 1.4826 * float(np.median(size[usable]))
        if sigma <= 0:
            return found
        size /= sigma
        if redescending:
            weights = np.square(np.maximum(1.0 - np.square(size / BISQUARE), 0.0))
        else:
            weights = HUBER / np.maximum(size, HUBER)
        weights *= usable
        last, found = found, surface_coefficients(heights, weights, TERMS[: found.shape[0], : found.shape[1]])
        if float(np.abs(found - last).max()) < 1e-8 * sigma:
            break
    return found
