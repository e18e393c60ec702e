"""Scans whose tip and surface are known: surfaces of the twin imaged by a tip, off the pixels, with white noise.

The surface is dilated on a grid three times finer than the pixels and sampled afterwards: dilated on the pixels
themselves, an image would fit its tip to the last bit, which no scan does. There is no scanner and no loop: what they
do is measured elsewhere, and would hide what the tip does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from afmend.errors import AfmendError, BadParameterError
from afmend.scan.arrays import Heights
from afmend.simulation import draw, load_box
from afmend.simulation.canvas import Canvas
from afmend.simulation.scenes import reach_nm
from afmend.simulation.surfaces import make_surface
from afmend.tip.morphology import dilate
from afmend.tip.shapes import Multiple, Placed, SphereCone, TipShape, largest_tip_array

FINER = 3
MARGIN = 48
"""Pixels of the fine grid around the scan."""
LARGEST_NOISE_NM = 0.1
RADII_PX = (1.5, 6.0)
"""Blunt tips: what is sharper changes little."""
OFFSETS_PX = (6.0, 20.0)
DEPTHS = (0.05, 0.5)
"""Depth of a second apex, of the range of heights."""


@dataclass(frozen=True, slots=True, eq=False)
class TipCase:
    """An image, and everything about it.

    Attributes
    ----------
    kind : str
        Family of the surface.
    surface, image : (rows, cols) float64, nm
    shape : TipShape
    radius_nm : float
        Of its (first) apex.
    pixel_nm : (slow, fast)
    noise_nm : float
    ghost_px : (slow, fast) or None
        Where ghosts appear; None for a single tip.
    """

    kind: str
    surface: Heights
    image: Heights
    shape: TipShape
    radius_nm: float
    pixel_nm: tuple[float, float]
    noise_nm: float
    ghost_px: tuple[float, float] | None = None

    def tip(self) -> Heights:
        """Return the true tip on the scan's pixels."""
        return largest_tip_array(self.shape, self.pixel_nm, float(np.ptp(self.surface)) * 1.01)


def tip_case(
    box: str, seed: int, kind: str, *, shape: tuple[int, int] = (192, 192), double: bool = False,
    radii_px: tuple[float, float] = RADII_PX,
) -> TipCase | None:  # fmt: skip
    """Make one case, or None if the surface does not fit the pixels.

    Raises
    ------
    BadRecipeError
        If the box has no such surface.
    """
    twin = draw(load_box(box), seed, shape=shape, surface=kind, artifacts=())
    rng = np.random.default_rng([seed, 7])
    pixel = (twin.pixel_nm[0] / FINER, twin.pixel_nm[1] / FINER)
    side = math.sqrt(twin.pixel_nm[0] * twin.pixel_nm[1])
    radius = side * float(np.exp(rng.uniform(*np.log(radii_px))))
    half_angle = float(rng.uniform(12.0, 30.0))
    canvas = Canvas((shape[0] * FINER, shape[1] * FINER), pixel, (MARGIN, MARGIN))
    try:
        surface = make_surface(twin.surface, canvas)
        tip: TipShape = SphereCone(radius_nm=radius, half_angle_deg=half_angle)
        ghost = None
        if double:
            tip, ghost = _doubled(SphereCone(radius_nm=radius, half_angle_deg=half_angle), surface, twin.pixel_nm, rng)
        image = dilate(surface, largest_tip_array(tip, pixel, reach_nm(surface)))
    except BadParameterError:  # features smaller than the pixels
        return None
    except AfmendError as error:
        raise error.at(f"{box}, seed {seed}, {kind}") from error
    at = slice(FINER // 2, None, FINER)
    noise = float(rng.uniform(0, LARGEST_NOISE_NM))
    sampled = canvas.scan_part(image)[at, at] + noise * rng.standard_normal(shape)
    return TipCase(kind, canvas.scan_part(surface)[at, at].copy(), sampled, tip, radius, twin.pixel_nm, noise, ghost)


def _doubled(
    one: SphereCone, surface: Heights, pixel_nm: tuple[float, float], rng: np.random.Generator
) -> tuple[TipShape, tuple[float, float]]:
    angle, far = float(rng.uniform(0, 2 * math.pi)), float(rng.uniform(*OFFSETS_PX))
    move = (far * math.sin(angle), far * math.cos(angle))
    low, high = np.quantile(surface, (0.3, 0.999))
    drop = float(rng.uniform(*DEPTHS) * (high - low))
    offset = (move[0] * pixel_nm[0], move[1] * pixel_nm[1])
    return Multiple(first=one, others=(Placed(shape=one, offset_nm=offset, drop_nm=drop),)), (-move[0], -move[1])
