"""Gray-scale morphology with a tip, exact in float64.

Source: J. S. Villarrubia, J. Res. Natl. Inst. Stand. Technol. 102, 425 (1997), doi:10.6028/jres.102.030.
"""

from __future__ import annotations

import numpy as np

from afmend.errors import BadScanError
from afmend.scan.arrays import Heights


def dilate(surface: Heights, tip: Heights) -> Heights:
    """Image a surface with a tip: what a scan without noise would show.

    Parameters
    ----------
    surface : (rows, cols) float
        Heights; outside the array the nearest edge pixel continues.
    tip : (n, m) float
        Heights of the tip in the same unit and pixel size, apex up. Its highest value counts as 0; positions are
        measured from pixel (n // 2, m // 2). Minus infinity: no tip there.

    Returns
    -------
    (rows, cols) float64
        max over u of surface[x + u] + tip[u].

    Raises
    ------
    BadScanError
        If an array is not 2-D, empty or not finite.
    """
    from afmend.tip.morphology_kernels import dilation

    surface, tip = checked(surface, "surface"), checked_tip(tip)
    return dilation(surface, tip)


def erode(image: Heights, tip: Heights) -> Heights:
    """Reconstruct an upper bound of the surface from its image: ``erode(dilate(z, tip), tip) >= z``.

    Parameters and errors as `dilate`. Do not use it on noisy data without denoising: the lowest noise wins, so the
    result is biased low by several sigma. With a tip of even size, Gwyddion places the origin of its erosion one pixel
    beside that of its dilation; here the two belong together.

    Returns
    -------
    (rows, cols) float64
        min over u of image[x - u] - tip[u].
    """
    from afmend.tip.morphology_kernels import dilation

    image, tip = checked(image, "image"), checked_tip(tip)
    # The image from below, under the tip reflected through its own origin.
    rows, cols = (0 if n % 2 else 1 for n in tip.shape)  # an even side needs one pixel more to have its origin there
    mirrored = np.pad(tip, ((0, rows), (0, cols)), constant_values=-np.inf)[::-1, ::-1]
    return -dilation(-image, mirrored)


def opened(image: Heights, tip: Heights) -> Heights:
    """Dilate the erosion: what of the image this tip can have made. Nowhere above the image, but for the edges.

    Parameters, edges and errors as `dilate`. Where it is lower than the image by more than noise, no surface
    imaged with this tip shows that image: the tip is too blunt.
    """
    return dilate(erode(image, tip), tip)


def closed(surface: Heights, tip: Heights) -> Heights:
    """Erode the dilation: the surface as far as this tip can tell. Nowhere below it, but for the edges.

    Parameters, edges and errors as `dilate`. Away from the edges doing it twice changes nothing.
    """
    return erode(dilate(surface, tip), tip)


def checked(array: Heights, name: str) -> Heights:
    """Return an array as float64; raise `BadScanError` unless it is 2-D, not empty and finite."""
    array = np.asarray(array, dtype=np.float64)
    if array.ndim != 2 or array.size == 0 or not np.isfinite(array).all():
        raise BadScanError(f"the {name} must be a non-empty, finite 2-D array", now="Fill missing pixels first.")
    return array


def checked_tip(tip: Heights) -> Heights:
    """Return the tip with its highest value at 0."""
    tip = np.asarray(tip, dtype=np.float64)
    if tip.ndim != 2 or tip.size == 0 or not np.isfinite(tip.max()):
        raise BadScanError("the tip must be a non-empty 2-D array with a finite apex", now="Check the tip.")
    lowered: Heights = tip - tip.max()
    return lowered
