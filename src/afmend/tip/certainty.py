"""The certainty map: where the surface below an image is known, because the tip touched it there and nowhere else.

Source: J. S. Villarrubia, J. Res. Natl. Inst. Stand. Technol. 102, 425 (1997), doi:10.6028/jres.102.030.
"""

from __future__ import annotations

import numpy as np

from afmend.scan.arrays import Heights, Mask
from afmend.tip.morphology import checked, checked_tip, erode

LEVELS = 10_000
"""Levels to which Gwyddion truncates heights before it compares them."""


def certainty_map(
    image: Heights, tip: Heights, *, tolerance_nm: float = 0.0, spread_px: int = 0, hidden: Mask | None = None
) -> Mask:
    """Mark the pixels of the surface that the tip certainly touched.

    Each pixel of the image was made by a contact. Where only one pixel of the reconstructed surface can have been it,
    that pixel is known: reconstruction and surface agree there.

    Parameters
    ----------
    image : (rows, cols) float, nm
    tip : (n, m) float, nm
        As for `dilate`; sides of odd length.
    tolerance_nm : float
        How near counts as contact: rounding alone (0), or some sigma of the noise.
    spread_px : int
        Candidates that lie within so many pixels of each other count as one.
    hidden : (rows, cols) bool, optional
        True = this pixel of the image says nothing about a contact of this tip (a second apex touched).

    Returns
    -------
    (rows, cols) bool
        True = known. With an estimated tip it is as good as the tip.

    Raises
    ------
    BadScanError
        As `dilate`.
    """
    image, tip = checked(image, "image"), checked_tip(tip)
    scale = float(np.abs(image).max()) + float(np.ptp(image))
    tolerance = max(tolerance_nm, 8 * np.finfo(np.float64).eps * scale)
    return _touched(image, erode(image, tip), tip, tolerance, spread_px, hidden)


def certainty_map_quantized(image: Heights, tip: Heights) -> Mask:
    """Do as Gwyddion 2.6x does: truncate heights to 10 000 levels, compare them exactly, put the minimum outside.

    For comparison with that program only: which pixels come out depends on the range of the image.
    """
    image, tip = checked(image, "image"), checked_tip(tip)
    step = float(np.ptp(image)) / LEVELS
    if step == 0.0:
        return np.zeros(image.shape, dtype=np.bool_)
    levels, coarse = np.floor((image - image.min()) / step), np.trunc(tip / step)
    n, m = tip.shape
    padded = np.pad(levels, ((n, n), (m, m)), constant_values=0.0)
    eroded = np.ascontiguousarray(_erode_any(padded, coarse)[n:-n, m:-m])
    return _touched(levels, eroded, coarse, 0.0, 0)


def _erode_any(image: Heights, tip: Heights) -> Heights:
    """Erode with the origin at n // 2 also if a side is even (Gwyddion's convention)."""
    from afmend.tip.morphology_kernels import dilation

    n, m = tip.shape
    mirrored = np.full((n + (n % 2 == 0), m + (m % 2 == 0)), -np.inf)
    mirrored[:n, :m] = tip
    return -dilation(-image, np.ascontiguousarray(mirrored[::-1, ::-1]))


def _touched(
    image: Heights, surface: Heights, tip: Heights, tolerance: float, spread: int, hidden: Mask | None = None
) -> Mask:
    from afmend.tip.blind_kernels import touched_once
    from afmend.tip.morphology_kernels import in_bands

    places = np.empty(image.shape, dtype=np.int64)

    def work(first: int, last: int) -> None:
        touched_once(image, surface, tip, tolerance, spread, first, last, places)

    in_bands(work, image.shape[0], 4 * image.size * tip.size)
    if hidden is not None:
        places[hidden] = -1
    found = np.zeros(image.size, dtype=np.bool_)
    found[places[places >= 0]] = True
    return found.reshape(image.shape)
