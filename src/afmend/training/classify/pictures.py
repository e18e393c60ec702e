"""Scans as pictures of three colors, as the seed's classifier sees them, and their augmentation."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from afmend.pictures.colormaps import colormap

SIDE = 224
Picture = NDArray[np.float32]


def picture_of(heights: NDArray[np.floating], side: int = SIDE) -> Picture:
    """Return a scan as the seed's program exports it: an 8-bit picture, colored, of 224 x 224 pixels.

    Returns
    -------
    (3, side, side) float32
        0 to 1.
    """
    import cv2

    z = np.asarray(heights, np.float64)
    low, high = np.percentile(z, (0.5, 99.5))
    gray = np.clip((z - low) / max(high - low, 1e-12) * 255, 0, 255).astype(np.uint8)
    small = cv2.resize(gray, (side, side), interpolation=cv2.INTER_AREA)
    colors = np.moveaxis(colormap("afm")[small][..., :3], -1, 0)
    return np.ascontiguousarray(colors, np.float32) / np.float32(255)


def jittered(pictures: Tensor, rng: np.random.Generator) -> Tensor:
    """Rotate, flip, zoom and change colors of a batch, each picture in its own way.

    Parameters
    ----------
    pictures : (batch, 3, rows, cols)
    rng : numpy.random.Generator
    """
    count = pictures.shape[0]
    angle = np.deg2rad(rng.uniform(-15, 15, count) + 90 * rng.integers(0, 4, count))
    zoom, flip = rng.uniform(0.8, 1.1, count), rng.choice((-1.0, 1.0), count)
    turn = np.zeros((count, 2, 3), np.float32)
    turn[:, 0, 0], turn[:, 0, 1] = zoom * np.cos(angle) * flip, -zoom * np.sin(angle)
    turn[:, 1, 0], turn[:, 1, 1] = zoom * np.sin(angle) * flip, zoom * np.cos(angle)
    grid = torch.nn.functional.affine_grid(torch.from_numpy(turn), list(pictures.shape), align_corners=False)
    moved = torch.nn.functional.grid_sample(pictures, grid, padding_mode="reflection", align_corners=False)
    gain = torch.from_numpy(rng.uniform(0.8, 1.2, (count, 3, 1, 1)).astype(np.float32))
    shift = torch.from_numpy(rng.uniform(-0.1, 0.1, (count, 1, 1, 1)).astype(np.float32))
    return (moved * gain + shift).clamp(0, 1)
