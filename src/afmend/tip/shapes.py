"""Shapes of tips in nm, and the array that `afmend.tip.dilate` takes.

Every shape is a function of the lateral position, apex up, 0 at its apex; sizes do not depend on the pixels.
The rounded apex is that of a ball rolled inside a sharp tip, the usual model of a worn probe: J. S. Villarrubia,
J. Res. Natl. Inst. Stand. Technol. 102, 425 (1997), doi:10.6028/jres.102.030.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal, TypeAlias

import numpy as np
from pydantic import Field

from afmend.errors import BadParameterError
from afmend.pipeline.params import Knob, Params
from afmend.scan.arrays import Heights

LARGEST_PX = 129
"""The longest side of a tip array; a tip that reaches further is refused."""


class SphereCone(Params):
    """A cone with a ball of a given radius at its apex, touching it without a corner: the common silicon tip."""

    kind: Literal["sphere_cone"] = "sphere_cone"
    radius_nm: float = Knob(8.0, "Radius of the apex.", unit="nm", gt=0, recommended=(2.0, 30.0))
    half_angle_deg: float = Knob(18.0, "Angle between axis and flank.", unit="deg", ge=2, le=80)


class Parabola(Params):
    """A paraboloid of revolution, given by its radius of curvature at the apex."""

    kind: Literal["parabola"] = "parabola"
    radius_nm: float = Knob(8.0, "Radius of curvature at the apex.", unit="nm", gt=0, recommended=(2.0, 30.0))


class Pyramid(Params):
    """A pyramid of three or four sides, apex and edges rounded with one radius: silicon nitride, corner cubes."""

    kind: Literal["pyramid"] = "pyramid"
    sides: Literal[3, 4] = Knob(4, "Number of faces.")
    radius_nm: float = Knob(10.0, "Radius of apex and edges.", unit="nm", gt=0, recommended=(5.0, 40.0))
    half_angle_deg: float = Knob(25.0, "Angle between axis and face.", unit="deg", ge=2, le=80)
    rotation_deg: float = Knob(0.0, "Direction of the first face, from the fast axis.", unit="deg", ge=-180, le=180)


class Blunt(Params):
    """A worn tip: a flat plateau on a cone."""

    kind: Literal["blunt"] = "blunt"
    radius_nm: float = Knob(25.0, "Radius of the plateau.", unit="nm", gt=0, recommended=(10.0, 80.0))
    half_angle_deg: float = Knob(25.0, "Angle between axis and flank.", unit="deg", ge=2, le=80)


Apex: TypeAlias = Annotated[SphereCone | Parabola | Pyramid | Blunt, Field(discriminator="kind")]
"""A shape with one apex."""


class Placed(Params):
    """One apex of several."""

    shape: Apex = Knob(SphereCone(), "Its shape.")
    offset_nm: tuple[float, float] = Knob((0.0, 0.0), "Where it is: (slow, fast).", unit="nm")
    drop_nm: float = Knob(0.0, "How far it is below the first apex.", unit="nm", ge=0)


class Multiple(Params):
    """Two to four apices; each feature of the sample is imaged by each of them (double tip)."""

    kind: Literal["multiple"] = "multiple"
    first: Apex = Knob(SphereCone(), "The apex that touches flat ground.")
    others: tuple[Placed, ...] = Field(
        (Placed(offset_nm=(20.0, 40.0), drop_nm=3.0),),
        min_length=1,
        max_length=3,
        description="The other apices, none higher than the first.",
    )


class Contaminated(Params):
    """A tip with dirt on it: balls of random size sit on its flank near the apex."""

    kind: Literal["contaminated"] = "contaminated"
    base: Apex = Knob(SphereCone(), "The tip under the dirt.")
    count: int = Knob(4, "Number of blobs.", ge=1, le=50)
    blob_nm: float = Knob(8.0, "Largest radius of a blob; the smallest is a third of it.", unit="nm", gt=0)
    reach_nm: float = Knob(15.0, "Greatest lateral distance of a blob from the apex.", unit="nm", gt=0)
    seed: int = Knob(0, "Seed of positions and sizes.", ge=0)


TipShape: TypeAlias = Annotated[
    SphereCone | Parabola | Pyramid | Blunt | Multiple | Contaminated, Field(discriminator="kind")
]
"""Any tip; the field ``kind`` says which."""


def tip_heights(shape: TipShape, y_nm: Heights, x_nm: Heights) -> Heights:
    """Return the height of a tip at lateral positions.

    Parameters
    ----------
    shape : TipShape
    y_nm, x_nm : arrays that broadcast
        Distance from the first apex along the slow and the fast axis, in nm.

    Returns
    -------
    float64 array
        nm, apex up. 0 at the apex, except that dirt may stand higher than the apex it sits on.
    """
    match shape:
        case Multiple():
            out = _apex(shape.first, y_nm, x_nm)
            for other in shape.others:
                dy, dx = other.offset_nm
                out = np.maximum(out, _apex(other.shape, y_nm - dy, x_nm - dx) - other.drop_nm)
            return out
        case Contaminated():
            return _with_dirt(shape, y_nm, x_nm)
        case _:
            return _apex(shape, y_nm, x_nm)


def _apex(shape: SphereCone | Parabola | Pyramid | Blunt, y: Heights, x: Heights) -> Heights:
    match shape:
        case SphereCone():
            return _sphere_cone(np.hypot(y, x), shape.radius_nm, math.radians(shape.half_angle_deg))
        case Parabola():
            return -(y * y + x * x) / (2 * shape.radius_nm)
        case Blunt():
            return -np.maximum(np.hypot(y, x) - shape.radius_nm, 0.0) / math.tan(math.radians(shape.half_angle_deg))
        case _:
            return _pyramid(shape, y, x)


def _sphere_cone(rho: Heights, radius: float, half_angle: float) -> Heights:
    touch = radius * math.cos(half_angle)
    ball = np.sqrt(np.maximum(radius * radius - rho * rho, 0.0)) - radius
    cone = radius * (math.sin(half_angle) - 1) - (rho - touch) / math.tan(half_angle)
    return np.where(rho <= touch, ball, cone)


def _pyramid(shape: Pyramid, y: Heights, x: Heights) -> Heights:
    """Raise a sharp pyramid by a ball (their Minkowski sum): the highest of apex ball, edge rods and shifted faces."""
    y, x = np.broadcast_arrays(y, x)
    radius, alpha, half = shape.radius_nm, math.radians(shape.half_angle_deg), math.pi / shape.sides
    steep = 1 / math.tan(alpha)
    square = y * y + x * x
    out = np.where(square <= radius * radius, np.sqrt(np.maximum(radius * radius - square, 0.0)), -np.inf)
    for k in range(shape.sides):
        face = math.radians(shape.rotation_deg) + 2 * half * k
        # The face: the ball touches it where the lateral position, moved back by radius * cos(alpha), lies on it.
        along, across = x * math.cos(face) + y * math.sin(face), y * math.cos(face) - x * math.sin(face)
        foot = along - radius * math.cos(alpha)
        on_face = (foot >= 0) & (np.abs(across) <= foot * math.tan(half))
        out = np.where(on_face, np.maximum(out, -steep * foot + radius * math.sin(alpha)), out)
        # The edge after it: a rod that falls by ``slope`` per nm, seen from above.
        edge, slope = face + half, steep * math.cos(half)
        along, across = x * math.cos(edge) + y * math.sin(edge), y * math.cos(edge) - x * math.sin(edge)
        width = np.sqrt(np.maximum(radius * radius - across * across, 0.0))
        on_rod = (np.abs(across) <= radius) & (along >= width * slope / math.hypot(1, slope))
        out = np.where(on_rod, np.maximum(out, -slope * along + width * math.hypot(1, slope)), out)
    return out - radius


def _with_dirt(shape: Contaminated, y: Heights, x: Heights) -> Heights:
    out = _apex(shape.base, y, x)
    for angle, distance, size, sunk in np.random.default_rng(shape.seed).random((shape.count, 4)):
        radius = shape.blob_nm * (1 + 2 * size) / 3
        rho = shape.reach_nm * math.sqrt(distance)
        by, bx = rho * math.sin(2 * math.pi * angle), rho * math.cos(2 * math.pi * angle)
        center = _apex(shape.base, np.array([[by]]), np.array([[bx]]))[0, 0] + (sunk - 0.5) * radius
        square = (y - by) ** 2 + (x - bx) ** 2
        ball = center + np.sqrt(np.maximum(radius * radius - square, 0.0))
        out = np.maximum(out, np.where(square <= radius * radius, ball, -np.inf))
    return out


def tip_array(shape: TipShape, pixel_nm: tuple[float, float], depth_nm: float) -> Heights:
    """Return a tip as an array for `afmend.tip.dilate`: apex up, its highest value 0.

    Parameters
    ----------
    shape : TipShape
    pixel_nm : (slow, fast)
        Pixel size of the surface; pixels need not be square.
    depth_nm : float
        Height range of the surface: whatever lies further below the apex never touches it and is cut away.

    Returns
    -------
    (n, m) float64
        n and m odd; the first apex is in the middle, also if dirt or another apex makes the tip lopsided.

    Raises
    ------
    BadParameterError
        If the tip would need more than `LARGEST_PX` pixels along a side, or a size is not positive.
    """
    if not (min(pixel_nm) > 0 and depth_nm >= 0 and math.isfinite(depth_nm)):
        raise BadParameterError(f"no tip fits pixels of {pixel_nm} nm and a depth of {depth_nm} nm", where="tip")
    half = LARGEST_PX // 2 + 1  # one ring more than allowed: it must be free
    steps = np.arange(-half, half + 1, dtype=np.float64)
    heights = tip_heights(shape, steps[:, None] * pixel_nm[0], steps[None, :] * pixel_nm[1])
    heights = heights - heights.max()
    rows, cols = np.nonzero(heights >= -depth_nm)
    n, m = int(np.abs(rows - half).max()), int(np.abs(cols - half).max())
    if max(n, m, _furthest_apex(shape, pixel_nm)) >= half:
        raise BadParameterError(
            f"a {shape.kind} tip that clears {depth_nm:.4g} nm needs more than {LARGEST_PX} pixels of "
            f"{pixel_nm[0]:.3g} nm x {pixel_nm[1]:.3g} nm",
            where="tip",
            now="Take a sharper tip, larger pixels or a flatter surface.",
        )
    out: Heights = heights[half - n : half + n + 1, half - m : half + m + 1].copy()
    return out


def largest_tip_array(shape: TipShape, pixel_nm: tuple[float, float], depth_nm: float) -> Heights:
    """Return a tip as `tip_array` does, but cut off at `LARGEST_PX` instead of refused: minus infinity beyond.

    What is cut off would touch only beside a wall so tall that the tip's flank reaches that far.
    """
    half = LARGEST_PX // 2
    steps = np.arange(-half, half + 1, dtype=np.float64)
    heights = tip_heights(shape, steps[:, None] * pixel_nm[0], steps[None, :] * pixel_nm[1])
    heights = heights - heights.max()
    rows, cols = np.nonzero(heights >= -depth_nm)
    n, m = int(np.abs(rows - half).max()), int(np.abs(cols - half).max())
    out: Heights = heights[half - n : half + n + 1, half - m : half + m + 1]
    return np.where(out >= -depth_nm, out, -np.inf)


def _furthest_apex(shape: TipShape, pixel_nm: tuple[float, float]) -> int:
    """Return the distance of the other apices in pixels: those beyond the array must not vanish without a word."""
    others = shape.others if isinstance(shape, Multiple) else ()
    return max((math.ceil(abs(o.offset_nm[i]) / pixel_nm[i]) for o in others for i in (0, 1)), default=0)
