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
        measured from pixel (n // 2, m // 2).

    Returns
    -------
    (rows, cols) float64
        max over u of surface[x + u] + tip[u].

    Raises
    ------
    BadScanError
        If an array is not 2-D, empty or not finite.
    """
    from scipy.ndimage import grey_dilation

    surface, tip = _checked(surface, "surface"), _checked(tip, "tip")
    image: Heights = grey_dilation(surface, structure=_mirrored(tip), mode="nearest", origin=_origin(tip))
    return image


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
    from scipy.ndimage import grey_erosion

    image, tip = _checked(image, "image"), _checked(tip, "tip")
    surface: Heights = grey_erosion(image, structure=_mirrored(tip), mode="nearest", origin=_origin(tip))
    return surface


def _checked(array: Heights, name: str) -> Heights:
    array = np.asarray(array, dtype=np.float64)
    if array.ndim != 2 or array.size == 0 or not np.isfinite(array).all():
        raise BadScanError(f"the {name} must be a non-empty, finite 2-D array", now="Fill missing pixels first.")
    return array


def _mirrored(tip: Heights) -> Heights:
    """SciPy's structure convention: reflected through the origin, highest value 0."""
    mirrored: Heights = (tip - tip.max())[::-1, ::-1]
    return mirrored


def _origin(tip: Heights) -> tuple[int, int]:
    """Where an even-sized structure has its origin after reflection, so that erosion is the adjoint of dilation."""
    return (0 if tip.shape[0] % 2 else -1, 0 if tip.shape[1] % 2 else -1)
