"""Villarrubia's blind estimation: the bluntest tip that can have made an image, element by element.

Source: J. S. Villarrubia, J. Res. Natl. Inst. Stand. Technol. 102, 425 (1997), doi:10.6028/jres.102.030. The start is a
flat tip; each pixel of the image, taken as a place of contact, forbids what would stick out of the image.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from afmend.errors import BadParameterError
from afmend.scan.arrays import Heights
from afmend.tip.certainty import LEVELS
from afmend.tip.morphology import checked, opened

FEW_CHANGES = 20
"""A sweep that sharpens at no more places than this is the last one of the partial estimate."""
SIGMAS = 6.0
"""Default threshold in sigmas of the noise: what white noise alone cuts into a flat image of 512 x 512 pixels."""
MOST_SWEEPS = 200
ROUNDING = 1e-12
"""Of the heights: without it, a contact that rounding hides sharpens a tip that is right."""


def tip_bound(
    image: Heights,
    size: tuple[int, int],
    threshold_nm: float,
    *,
    method: Literal["partial", "full"] = "partial",
    edges: bool = False,
    start: Heights | None = None,
    quantized: bool = False,
) -> Heights:
    """Return the bluntest tip, of at most the given size, that agrees with an image.

    Parameters
    ----------
    image : (rows, cols) float, nm
    size : (n, m)
        Sides of the tip in pixels, odd.
    threshold_nm : float
        Every cut stops so much short. Too little, and noise sharpens the tip to a needle; too much leaves it blunt. See
        `noise_threshold_nm`.
    method : "partial" or "full"
        Partial asks the peaks only; full asks every pixel that the tip found so far cannot explain.
    edges : bool
        Also ask pixels so near to the edge that the tip reaches over it.
    start : (n, m) float, optional
        Where to start instead of a flat tip.
    quantized : bool
        Truncate heights to 10 000 levels, as Gwyddion does: equal to its result, mirrored (see Notes).

    Returns
    -------
    (n, m) float64
        nm, as `dilate` takes it, apex usually in the middle. It is a bound: the tip is nowhere blunter than this, and
        may be anything sharper.

    Raises
    ------
    BadParameterError
        If a side is even, or the tip does not fit into the image.

    Notes
    -----
    Gwyddion estimates the tip as the sample sees it: its result is this one, turned by 180 degrees. When not to use the
    result as *the* tip: whenever the surface may have no feature much sharper than the tip. `estimate_tip` asks that.
    """
    image = checked(image, "image")
    _check_size(image, size, threshold_nm)
    step = float(np.ptp(image)) / LEVELS if quantized else 1.0
    if step == 0.0:
        return np.zeros(size)
    z = levels(image, step) if quantized else image
    threshold = float(np.floor(threshold_nm / step)) if quantized else threshold_nm
    tip = np.zeros(size) if start is None else np.ascontiguousarray((start - start.max())[::-1, ::-1] / step)
    if quantized:
        tip = np.rint(tip)
    _run(z, tip, threshold, method, edges=edges)
    return np.ascontiguousarray(tip[::-1, ::-1]) * step


def _run(z: Heights, tip: Heights, threshold: float, method: str, *, edges: bool) -> None:
    """Sharpen ``tip`` in place; it is held as the sample sees it."""
    from afmend.tip.blind_kernels import peaks, sweep

    slack = ROUNDING * float(np.abs(z).max())
    if method == "partial":
        places = peaks(z, tip.shape, max(max(tip.shape) // 10, 1))
        for _ in range(MOST_SWEEPS):
            if sweep(z, places, tip, threshold, slack, edges) <= FEW_CHANGES:
                return
        return
    for _ in range(MOST_SWEEPS):
        places = _unexplained(z, tip, threshold)
        if sweep(z, places, tip, threshold, slack, edges) == 0:
            return


def _unexplained(z: Heights, tip: Heights, threshold: float) -> NDArray[np.int64]:
    """List the pixels, with room for the tip around them, that the opening misses by more than the threshold."""
    (rows, cols), (above, left) = z.shape, (tip.shape[0] // 2, tip.shape[1] // 2)
    missed = z - opened(z, tip[::-1, ::-1]) > threshold
    inner = np.zeros(z.shape, dtype=np.bool_)
    inner[above : rows - above, left : cols - left] = True
    return np.argwhere(missed & inner).astype(np.int64)


def levels(image: Heights, step: float) -> Heights:
    """Truncate heights above the lowest to whole steps."""
    whole: Heights = np.floor((image - image.min()) / step)
    return whole


def noise_threshold_nm(noise_nm: float, image: Heights) -> float:
    """Return the threshold that white noise of a given sigma asks for; at least a millionth of the image's range."""
    return max(SIGMAS * noise_nm, 1e-6 * float(np.ptp(image)))


def _check_size(image: Heights, size: tuple[int, int], threshold_nm: float) -> None:
    if min(size) < 1 or any(n % 2 == 0 for n in size) or not threshold_nm >= 0:
        raise BadParameterError(
            f"a tip of {size[0]} x {size[1]} pixels with a threshold of {threshold_nm:g} nm",
            where="blind estimation", now="Sides are odd, the threshold is not negative.",
        )  # fmt: skip
    if any(2 * n - 1 > side for n, side in zip(size, image.shape, strict=True)):
        raise BadParameterError(
            f"a tip of {size[0]} x {size[1]} pixels has no room in an image of {image.shape[0]} x {image.shape[1]}",
            where="blind estimation", now="Take a smaller tip or a larger image.",
        )  # fmt: skip
