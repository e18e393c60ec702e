"""Numbers of a tip, and of surfaces seen through it: area, radius, widths, depths and roughness, with intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from afmend.errors import BadParameterError
from afmend.scan.arrays import Heights, Mask
from afmend.tip.correct import Correction
from afmend.tip.morphology import checked_tip


@dataclass(frozen=True, slots=True)
class Interval:
    """A number with its 95 % limits; a limit that the tip leaves open is 0."""

    value: float
    low: float
    high: float


def area_function(tip: Heights, pixel_nm: tuple[float, float], depths_nm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the area of the tip's cross section at depths below its apex, nm^2: what an indenter's tip would touch."""
    tip = checked_tip(tip)
    counts = np.searchsorted(np.sort(-tip[np.isfinite(tip)]), np.asarray(depths_nm, np.float64), side="right")
    return np.asarray(counts * pixel_nm[0] * pixel_nm[1], dtype=np.float64)


def apex_radius_nm(tip: Heights, pixel_nm: tuple[float, float], depth_nm: float) -> float:
    """Return the radius of the paraboloid that fits the tip down to a depth, by least squares through the apex.

    Raises
    ------
    BadParameterError
        If fewer than five pixels lie within that depth.
    """
    tip = checked_tip(tip)
    row, col = np.unravel_index(int(np.argmax(tip)), tip.shape)
    y, x = (np.arange(tip.shape[0]) - row) * pixel_nm[0], (np.arange(tip.shape[1]) - col) * pixel_nm[1]
    square = (y[:, None] ** 2 + x[None, :] ** 2)[tip >= -depth_nm]
    if square.size < 5:
        raise BadParameterError(f"{square.size} pixels of the tip lie within {depth_nm:g} nm", now="Go deeper.")
    drop = -tip[tip >= -depth_nm]
    return float(np.sum(square**2) / (2 * np.sum(square * drop)))


def width_at(found: Correction, pixel_nm: tuple[float, float], feature: Mask, level_nm: float) -> Interval:
    """Return the diameter of the disk that is as large as a feature's cross section at a height.

    The upper limit counts what the bound allows, the lower one what is sure to stand that high.

    Parameters
    ----------
    found : Correction
    pixel_nm : (slow, fast)
    feature : (rows, cols) bool
        Where the feature and nothing else is.
    level_nm : float
        Height of the section.
    """
    area = pixel_nm[0] * pixel_nm[1]
    sizes = [2 * math.sqrt(np.count_nonzero((z >= level_nm) & feature) * area / math.pi)
             for z in (found.heights, found.lower, found.upper)]  # fmt: skip
    return Interval(*sizes)


def depth_of(found: Correction, hole: Mask, rim_nm: float) -> Interval:
    """Return the depth of a hole below a height; its upper limit is a rule of thumb where the tip did not reach."""
    lowest = [float(z[hole].min()) for z in (found.heights, found.upper, found.lower)]
    return Interval(rim_nm - lowest[0], max(0.0, rim_nm - lowest[1]), rim_nm - lowest[2])


def roughness_of(found: Correction) -> Interval:
    """Return Sq with limits: of certain pixels alone, and with all others as low as they may be."""
    values = [float(np.std(z)) for z in (found.heights, found.lower)]
    sure = float(np.std(found.heights[found.certain])) if found.certain.any() else 0.0
    return Interval(values[0], min(sure, *values), max(sure, *values))


def tip_wear(
    image: Heights, pixel_nm: tuple[float, float], stripes: int = 4
) -> list[tuple[float, tuple[float, float]]]:
    """Return the largest possible radius of the apex and its interval for stripes of a scan, in the order of time.

    A radius that grows along the slow axis is a tip that wears (or a surface that changes: compare two scans).

    Raises
    ------
    BadParameterError
        If a stripe would have fewer than 16 lines.
    """
    from afmend.tip.estimate import estimate_tip

    if stripes < 1 or image.shape[0] // stripes < 16:
        raise BadParameterError(f"{stripes} stripes of {image.shape[0]} lines", now="At least 16 lines per stripe.")
    found = [estimate_tip([part], pixel_nm) for part in np.array_split(image, stripes)]
    return [(one.radius_nm, one.interval_nm) for one in found]
