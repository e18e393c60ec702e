"""Bias of the numbers that people measure: roughness and steps, result against truth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afmend.errors import BadScanError
from afmend.evaluation.metrics.arguments import as_heights, as_mask, finite, percent_error
from afmend.evaluation.metrics.gauge import without_background
from afmend.evaluation.statistics import roughness, step_heights
from afmend.scan.arrays import Mask

EDGE_PX = 2
"""So near to an edge, pixels belong to no terrace: tips and loops round edges off."""


@dataclass(frozen=True, slots=True)
class RoughnessBias:
    """Signed errors of roughness numbers, ``100 (result - truth) / |truth|`` in %; NaN where the truth has none or 0.

    Attributes
    ----------
    Sq_percent, Ssk_percent, Sdq_percent : float
        Of height, skewness and slope. Sdq is NaN if no pixel size was given.
    Ssk_difference : float
        Skewness of the result minus that of the truth (no unit): use it where the truth is nearly symmetric.
    """

    Sq_percent: float
    Ssk_percent: float
    Sdq_percent: float
    Ssk_difference: float


def roughness_bias(
    heights: NDArray[Any],
    truth: NDArray[Any],
    *,
    pixel_nm: tuple[float, float] | None = None,
    degree: int | None = 2,
    usable: Mask | None = None,
) -> RoughnessBias:
    """Errors of Sq, Ssk and Sdq in %, as a user would measure them on the result and on the truth.

    Both maps are first freed of their own least-squares polynomial of total degree <= ``degree`` over usable pixels
    (None = as they are), because nobody can know tilt and bow. Definitions: `afmend.evaluation.statistics.roughness`
    (ISO 25178-2, no filters).

    Parameters
    ----------
    heights, truth : (rows, cols), nm
    pixel_nm : (slow, fast), optional
    degree : int or None
    usable : (rows, cols) bool, optional
        True = counts.

    Raises
    ------
    BadScanError
        If shapes differ.
    StepError
        If a usable pixel is not finite, or too few are usable.

    Notes
    -----
    That leveling lowers Sq: Necas, Klapetek and Valtr, arXiv:2001.00433 (2020).

    **Can be fooled by:** noise left in the result that makes up for topography taken out, and by any wrong surface of
    the right statistics; Sdq is mostly noise, Ssk of a nearly symmetric truth has a meaningless percentage.
    """
    made = as_heights(heights)
    real = as_heights(truth, made.shape, name="true heights")
    counts = as_mask(usable, made.shape)
    finite(made[counts])
    finite(real[counts], name="true heights")
    found, wanted = (
        roughness(without_background(z, degree=degree, usable=counts), counts, pixel_nm) for z in (made, real)
    )
    errors = {key: _percent(found[key], wanted[key]) for key in ("Sq", "Ssk", "Sdq")}
    one, other = found["Ssk"], wanted["Ssk"]
    difference = math.nan if one is None or other is None else one - other
    return RoughnessBias(errors["Sq"], errors["Ssk"], errors["Sdq"], difference)


def terrace_areas(truth: NDArray[Any], usable: Mask | None = None) -> tuple[Mask, ...]:
    """Areas of the terraces of a known surface, lowest first: pixels of one level, `EDGE_PX` away from any other.

    Levels are those of `afmend.evaluation.statistics.step_heights`; none if it finds no clear terraces. What stands
    more than half a step away from its level (a particle) belongs to no terrace.

    Parameters
    ----------
    truth : (rows, cols), nm
        As level as the terraces are.
    usable : (rows, cols) bool, optional
        True = counts.

    Raises
    ------
    BadScanError
        If shapes differ.
    StepError
        If a usable pixel is not finite.
    """
    from scipy.ndimage import maximum_filter, minimum_filter

    real = as_heights(truth, name="true heights")
    counts = as_mask(usable, real.shape)
    finite(real[counts], name="true heights")
    found = step_heights(real, counts)
    if found is None:
        return ()
    levels = np.array(found.levels)
    number = np.searchsorted((levels[1:] + levels[:-1]) / 2, real)
    flat = counts & (np.abs(real - levels[number]) < min(found.heights) / 2)
    for extreme in (minimum_filter, maximum_filter):
        flat &= extreme(number, size=2 * EDGE_PX + 1) == number
    return tuple(flat & (number == k) for k in range(levels.size))


def step_height_in(heights: NDArray[Any], upper: Mask, lower: Mask) -> float:
    """Height in nm of one step between two areas that are known to be flat, after a common plane.

    Slopes come from the least-squares model ``z = a x + b y + c_upper or c_lower`` over both areas, so that the step
    itself cannot tilt the plane; then ``median(upper) - median(lower)`` of what is left (in the spirit of ISO 5436-1).
    Draw the areas some pixels away from the edge (`terrace_areas`). NaN if either is empty.

    Parameters
    ----------
    heights : (rows, cols), nm
    upper, lower : (rows, cols) bool
        Areas on either side of the step, from a truth map of levels.

    Raises
    ------
    BadScanError
        If shapes differ or the areas overlap.
    StepError
        If a height in an area is not finite.
    """
    made = as_heights(heights)
    areas = [as_mask(upper, made.shape, name="upper"), as_mask(lower, made.shape, name="lower")]
    if (areas[0] & areas[1]).any():
        raise BadScanError("the areas above and below the step overlap", now="Give two separate areas.")
    if not (areas[0].any() and areas[1].any()):
        return math.nan
    places = [np.argwhere(area).astype(np.float64) for area in areas]
    values = [finite(made[area]) for area in areas]
    normal, right = np.zeros((2, 2)), np.zeros(2)
    for place, z in zip(places, values, strict=True):
        away = place - np.mean(place, axis=0)
        normal += away.T @ away
        right += away.T @ (z - np.mean(z))
    slopes = np.linalg.lstsq(normal, right, rcond=1e-12)[0]  # of areas on one line: no slope across it
    level = [float(np.median(z - place @ slopes)) for place, z in zip(places, values, strict=True)]
    return level[0] - level[1]


def step_height_in_error(heights: NDArray[Any], truth: NDArray[Any], upper: Mask, lower: Mask) -> float:
    """Signed error in % of `step_height_in`, result against truth measured in the same areas; NaN for no true step.

    Raises as there.

    Notes
    -----
    **Can be fooled by:** areas that miss what went wrong (leveling bends terraces near edges first), and by two wrong
    terraces that moved together.
    """
    made = as_heights(heights)
    real = as_heights(truth, made.shape, name="true heights")
    return percent_error(step_height_in(made, upper, lower), step_height_in(real, upper, lower))


def _percent(value: float | None, true: float | None) -> float:
    return math.nan if value is None or true is None else percent_error(value, true)
