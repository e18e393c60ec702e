"""Heights in gray, and over them in color where a network gets its evidence from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from afmend.pictures.colormaps import colormap

LARGEST = 512
STRENGTH = 0.55


def activation_picture(
    heights: NDArray[np.floating], where: NDArray[np.floating], most: float | None = None
) -> NDArray[np.uint8]:
    """Return a picture: red speaks for the verdict, blue against it.

    Parameters
    ----------
    heights : (rows, cols) float
    where : (fewer rows, fewer cols) float
        Evidence for a verdict, 0 = none; any scale.
    most : float, optional
        Drawn in full color; the largest if not given.

    Returns
    -------
    (rows, cols, 3) uint8
        At most 512 pixels on the longer side.
    """
    import cv2

    rows, cols = heights.shape
    scale = min(1.0, LARGEST / max(rows, cols))
    size = (max(1, round(cols * scale)), max(1, round(rows * scale)))
    low, high = np.percentile(heights, (1, 99))
    gray = np.clip((heights - low) / max(float(high - low), 1e-12), 0, 1).astype(np.float32)
    gray = cv2.resize(gray, size, interpolation=cv2.INTER_AREA)[..., None] * 255
    even = np.asarray(where, np.float32) / (most or max(float(np.abs(where).max()), 1e-12))
    even = np.clip(cv2.resize(even, size, interpolation=cv2.INTER_LINEAR), -1, 1)
    color = colormap("difference")[np.round((even + 1) * 127.5).astype(int)][..., :3].astype(np.float32)
    share = STRENGTH * np.abs(even)[..., None]
    return np.asarray(np.round(gray * (1 - share) + color * share), np.uint8)


def write_activation(
    path: Path, heights: NDArray[np.floating], where: NDArray[np.floating], most: float | None = None
) -> None:
    """Write such a picture as PNG."""
    from PIL import Image

    Image.fromarray(activation_picture(heights, where, most)).save(path)
