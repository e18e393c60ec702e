"""Filling with the inpainting of OpenCV, fed so that heights are not rounded."""

from __future__ import annotations

import numpy as np

from afmend.filling.holes import Holes, find_holes
from afmend.pipeline import Field, Filled, Knob, Params, step
from afmend.scan.arrays import Heights

_RANGE = 1e6
"""Heights are scaled to this range. OpenCV adds up to about 2 data units of rounding meant for 8-bit pictures."""


class Telea(Params):
    """Fill holes by Telea's fast marching, as most image programs do."""

    radius: float = Knob(
        3, "Radius of the neighborhood that is averaged; larger is smoother.", unit="px", ge=1, le=50, step=1,
        recommended=(2, 8),
    )  # fmt: skip


class NavierStokes(Params):
    """Fill holes by continuing contour lines (Bertalmio's Navier-Stokes method)."""

    radius: float = Knob(
        3, "Radius of the neighborhood that is averaged; larger is smoother.", unit="px", ge=1, le=50, step=1,
        recommended=(2, 8),
    )  # fmt: skip


@step("fill.telea", Telea, version="1")
def telea(field: Field, params: Telea) -> Filled:
    """Inpaint by fast marching inward from the rim.

    For comparison with other programs; made for pictures. It has no error bar, is exact to single precision only
    (1e-7 of the range), and a mirrored image does not give exactly the mirrored result. Prefer fill.auto.

    Source: Telea, J. Graph. Tools 9, 23 (2004), doi:10.1080/10867651.2004.10487596.

    Raises
    ------
    StepError
        If every pixel is a hole.
    """
    import cv2

    return _inpaint(field, params.radius, cv2.INPAINT_TELEA)


@step("fill.navier_stokes", NavierStokes, version="1")
def navier_stokes(field: Field, params: NavierStokes) -> Filled:
    """Inpaint by transporting the Laplacian along contour lines.

    For comparison with other programs; made for pictures. It has no error bar, is exact to single precision only
    (1e-7 of the range), and a mirrored image does not give exactly the mirrored result. Prefer fill.auto.

    Source: Bertalmio, Bertozzi, Sapiro, CVPR 2001, doi:10.1109/CVPR.2001.990497.

    Raises
    ------
    StepError
        If every pixel is a hole.
    """
    import cv2

    return _inpaint(field, params.radius, cv2.INPAINT_NS)


def _inpaint(field: Field, radius: float, method: int) -> Filled:
    holes = find_holes(field)
    return Filled(field.heights if holes.empty else inpaint(holes, radius, method))


def inpaint(holes: Holes, radius: float, method: int) -> Heights:
    """Run OpenCV's inpainting on heights scaled to a range of a million."""
    import cv2

    good = holes.heights[holes.known]
    low, span = float(good.min()), float(np.ptp(good))
    if span == 0:
        return holes.heights
    scaled = ((holes.heights - low) * (_RANGE / span)).astype(np.float32)
    # On an image of one line OpenCV reads beyond its own memory: give it copies of the edge lines to read.
    border = 2 if min(scaled.shape) < 3 else 0
    wanted = np.pad(holes.wanted, border, mode="edge").view(np.uint8)
    raw = cv2.inpaint(np.pad(scaled, border, mode="edge"), wanted, radius, method)
    raw = raw[border : border + scaled.shape[0], border : border + scaled.shape[1]]
    filled = holes.heights.copy()
    filled[holes.wanted] = raw[holes.wanted].astype(np.float64) * (span / _RANGE) + low
    return filled
