"""Height, diameter and volume of particles whose places are known from the truth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afmend.errors import BadParameterError, BadScanError
from afmend.evaluation.metrics.arguments import as_heights, finite
from afmend.scan.arrays import Heights

GAP, RING = 0.25, 0.5
"""Width of the body around a footprint, and of the ground around the body, in footprint radii."""


@dataclass(frozen=True, slots=True, eq=False)
class Particles:
    """What `particle_metrology` measured, one entry per particle in ascending order of its label.

    Attributes
    ----------
    labels : (n,) int
    height_nm, diameter_nm : (n,)
    volume_nm3 : (n,)
        All three NaN where no ground is left around the particle.
    """

    labels: NDArray[np.intp]
    height_nm: NDArray[np.float64]
    diameter_nm: NDArray[np.float64]
    volume_nm3: NDArray[np.float64]


def particle_metrology(heights: NDArray[Any], labels: NDArray[Any], pixel_nm: tuple[float, float]) -> Particles:
    """Measure each labeled particle above its local ground.

    With r the radius of a disk of the footprint's area: the body are the pixels at most r / 4 from the footprint, the
    ground is the median of the unlabeled pixels of the annulus that follows, r / 2 wide (both at least one pixel).
    Height: highest pixel of the body above the ground. Diameter: of a disk of the area in which the body stands above
    half its height, ``2 sqrt(A / pi)``. Volume: sum over the body of height above the ground times pixel area. A
    particle that does not rise above its ground has diameter 0. Other particles belong to neither.

    Parameters
    ----------
    heights : (rows, cols), nm
        Leveled; a tilt across one particle cancels unless the edge of the map cuts its annulus.
    labels : (rows, cols) int
        0 = ground, n > 0 = particle n, from the truth as the tip sees it (a blunt tip widens footprints).
    pixel_nm : (slow, fast)

    Raises
    ------
    BadScanError
        If shapes differ, or labels are no whole numbers from 0 on.
    BadParameterError
        If a pixel size is not positive.
    StepError
        If a height is not finite.
    """
    from scipy.ndimage import find_objects

    made = finite(as_heights(heights))
    if labels.shape != made.shape or labels.dtype.kind not in "iu" or labels.min() < 0:
        raise BadScanError(f"labels are {labels.dtype} of shape {labels.shape}", now="Whole numbers, 0 = ground.")
    if not min(pixel_nm) > 0:
        raise BadParameterError(f"pixels of {pixel_nm} nm", now="Sizes are positive.")
    numbers, rows = [], []
    for number, box in enumerate(find_objects(labels.astype(np.intp)), start=1):
        if box is not None:
            numbers.append(number)
            rows.append(_measured(made, labels, number, box, pixel_nm))
    table = np.array(rows, dtype=np.float64).reshape(-1, 3)
    return Particles(np.array(numbers, dtype=np.intp), table[:, 0], table[:, 1], table[:, 2])


@dataclass(frozen=True, slots=True)
class ParticleErrors:
    """Medians over particles of the signed errors in %, ``100 (result - truth) / |truth|``; NaN for no particle.

    Attributes
    ----------
    height_percent, diameter_percent, volume_percent : float
    particles, dropped : int
        Particles that count, and particles without ground around them or without a height, diameter or volume in the
        truth.
    """

    height_percent: float
    diameter_percent: float
    volume_percent: float
    particles: int
    dropped: int


def particle_errors(
    heights: NDArray[Any], truth: NDArray[Any], labels: NDArray[Any], pixel_nm: tuple[float, float]
) -> ParticleErrors:
    """Compare `particle_metrology` of the result with that of the truth, particle by particle.

    Parameters and errors as there.

    Notes
    -----
    **Can be fooled by:** noise, whose highest pixel makes up for a flattened top; wide footprints that hold flat
    ground, which hide a wrong diameter; a few ruined particles among many, which a median forgives.
    """
    made = as_heights(heights)
    real = as_heights(truth, made.shape, name="true heights")
    found = particle_metrology(made, labels, pixel_nm)
    wanted = particle_metrology(real, labels, pixel_nm)
    results = np.stack([found.height_nm, found.diameter_nm, found.volume_nm3])
    truths = np.stack([wanted.height_nm, wanted.diameter_nm, wanted.volume_nm3])
    known = np.isfinite(truths).all(axis=0) & (truths != 0).all(axis=0)
    if not known.any():
        return ParticleErrors(math.nan, math.nan, math.nan, 0, known.size)
    errors = 100 * (results[:, known] - truths[:, known]) / np.abs(truths[:, known])
    height, diameter, volume = (float(e) for e in np.median(errors, axis=1))
    count = int(np.count_nonzero(known))
    return ParticleErrors(height, diameter, volume, count, known.size - count)


def _measured(
    heights: Heights, labels: NDArray[Any], number: int, box: tuple[slice, slice], pixel_nm: tuple[float, float]
) -> tuple[float, float, float]:
    """Height, diameter and volume of one particle."""
    from scipy.ndimage import distance_transform_edt

    pixel_area = pixel_nm[0] * pixel_nm[1]
    radius = math.sqrt(np.count_nonzero(labels[box] == number) * pixel_area / math.pi)
    gap, ring = (max(width * radius, *pixel_nm) for width in (GAP, RING))
    part = tuple(
        slice(max(0, side.start - pad), side.stop + pad)
        for side, pad in zip(box, (math.ceil((gap + ring) / p) + 1 for p in pixel_nm), strict=True)
    )
    near, z = labels[part], heights[part]
    away = distance_transform_edt(near != number, sampling=pixel_nm)
    body = (near == number) | ((near == 0) & (away <= gap))
    ground = (near == 0) & (away > gap) & (away <= gap + ring)
    if not ground.any():
        return (math.nan, math.nan, math.nan)
    above = z[body] - float(np.median(z[ground]))
    height = float(np.max(above))
    area = np.count_nonzero(above >= height / 2) * pixel_area if height > 0 else 0.0
    return (height, 2 * math.sqrt(area / math.pi), float(np.sum(above)) * pixel_area)
