"""Which damage anybody could see: what lies below the noise of its neighborhood teaches and proves nothing."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from afmend.scan.arrays import Mask

Numbers = NDArray[np.floating]
WINDOW_PX = 9
SEEN = 1.5
"""Damage counts from so many sigma of means over `WINDOW_PX` along the line on, and from twice as many of pixels."""
FEWEST_PX = 8
"""A line with fewer good pixels has no offset of its own."""


def visible(damage: Numbers, heights: Numbers, bad: Mask) -> Mask:
    """Find where damage, less what any leveling takes away, stands out of noise and texture.

    Parameters
    ----------
    damage : (rows, cols) float
        Heights minus what they should be, same unit.
    heights : (rows, cols) float
    bad : (rows, cols) bool
        What is damaged or missing: not used to tell noise and offsets.

    Returns
    -------
    (rows, cols) bool
        Where the damage, or its mean along 9 pixels of the line, exceeds 3 or 1.5 times the scatter of lines about the
        mean of their two neighbors.
    """
    import cv2

    left = _without_offsets(damage, bad)
    single = _sigma(heights, bad)
    means = [
        np.asarray(cv2.blur(np.ascontiguousarray(z), (WINDOW_PX, 1), borderType=cv2.BORDER_REPLICATE), np.float64)
        for z in (heights, left)
    ]
    joint = _sigma(means[0], bad)
    seen: Mask = (np.abs(left) > 2 * SEEN * single) | (np.abs(means[1]) > SEEN * joint)
    return seen


def _sigma(heights: Numbers, bad: Mask) -> float:
    """Scatter of lines about the mean of their neighbors, freed of offsets, as that of one line."""
    bend = heights[1:-1] - 0.5 * (heights[:-2] + heights[2:])
    bend = bend - np.median(bend, axis=1, keepdims=True)
    good = ~bad[1:-1]
    spread = np.abs(bend[good]) if good.any() else np.abs(bend)
    return 1.4826 * float(np.median(spread)) / math.sqrt(1.5) + 1e-12


def _without_offsets(damage: Numbers, bad: Mask) -> Numbers:
    """Subtract the median of each line, then of each column, over good pixels; lines without any: between neighbors."""
    out = damage - np.median(damage)
    for axis in (1, 0, 1):
        known = (~bad).sum(axis=axis) >= FEWEST_PX
        if not known.any():
            continue
        middle = np.zeros(out.shape[1 - axis])
        good = np.where(bad, np.nan, out).compress(known, axis=1 - axis)
        middle[known] = np.nanmedian(good, axis=axis)
        middle = np.interp(np.arange(middle.size), np.flatnonzero(known), middle[known])
        out = out - np.expand_dims(middle, axis)
    return out
