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
MARGIN, DOUBLE_MARGIN = 48, 112
"""Pixels of the fine grid around the scan: room for one apex, and for a second one beside it."""
LARGEST_NOISE_NM = 0.1
RADII_PX = (1.5, 6.0)
"""Blunt tips: what is sharper changes little."""
OFFSETS_PX = (6.0, 20.0)
DEPTHS = (0.05, 0.5)
"""Depth of a second apex, of the range of heights."""
SEEN_SIGMAS, SEEN_SHARE, SEEN_PIXELS, SEEN_DEPTH = 3.0, 0.02, 0.02, 0.015
"""A second apex is visible if it raises the third, a share of the pixels, by so many sigmas and the second, a share of
the range; and if it is deeper than the last, a share of the range: apices of one height look like two samples."""


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
    added : (rows, cols) float64, nm, or None
        What the second apex adds to the image of the first one, without noise; None for a single tip.
    """

    kind: str
    surface: Heights
    image: Heights
    shape: TipShape
    radius_nm: float
    pixel_nm: tuple[float, float]
    noise_nm: float
    ghost_px: tuple[float, float] | None = None
    added: Heights | None = None

    @property
    def shows_ghosts(self) -> bool:
        """Whether the second apex changes what a scan shows; of the truth, whatever a detector finds."""
        if self.added is None or not isinstance(self.shape, Multiple):
            return False
        if self.shape.others[0].drop_nm < SEEN_DEPTH * float(np.ptp(self.image)):
            return False
        least = max(SEEN_SIGMAS * self.noise_nm, SEEN_SHARE * float(np.ptp(self.image)))
        return float(np.mean(self.added > least)) >= SEEN_PIXELS

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
    one = SphereCone(radius_nm=radius, half_angle_deg=float(rng.uniform(12.0, 30.0)))
    margin = DOUBLE_MARGIN if double else MARGIN
    canvas = Canvas((shape[0] * FINER, shape[1] * FINER), pixel, (margin, margin))
    try:
        surface = make_surface(twin.surface, canvas)
        image = dilate(surface, largest_tip_array(one, pixel, reach_nm(surface)))
    except BadParameterError:  # features smaller than the pixels
        return None
    except AfmendError as error:
        raise error.at(f"{box}, seed {seed}, {kind}") from error
    at = slice(FINER // 2, None, FINER)
    first, ghost, added = canvas.scan_part(image)[at, at], None, None
    tip: TipShape = one
    if double:
        move, drop = _second(surface, rng)
        # Two apices of one shape: the image by the second one is that by the first, moved and lowered.
        added = np.maximum(np.roll(image, move, axis=(0, 1)) - drop - image, 0.0)
        added = canvas.scan_part(added)[at, at].copy()
        offset = (-move[0] * pixel[0], -move[1] * pixel[1])
        tip = Multiple(first=one, others=(Placed(shape=one, offset_nm=offset, drop_nm=drop),))
        ghost, first = (move[0] / FINER, move[1] / FINER), first + added
    noise = float(rng.uniform(0, LARGEST_NOISE_NM))
    sampled = first + noise * rng.standard_normal(shape)
    return TipCase(kind, canvas.scan_part(surface)[at, at].copy(), sampled, tip, radius, twin.pixel_nm, noise, ghost,
                   added)  # fmt: skip


def _second(surface: Heights, rng: np.random.Generator) -> tuple[tuple[int, int], float]:
    """Choose where ghosts appear, in pixels of the fine grid, and how much lower the second apex is."""
    angle, far = float(rng.uniform(0, 2 * math.pi)), float(rng.uniform(*OFFSETS_PX)) * FINER
    low, high = np.quantile(surface, (0.3, 0.999))
    drop = float(rng.uniform(*DEPTHS) * (high - low))
    return (round(-far * math.sin(angle)), round(-far * math.cos(angle))), drop
