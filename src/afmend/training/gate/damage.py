"""How large what is wrong with a simulated scan is, for the eye of somebody who sees the scan and not the truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from afmend.scan.arrays import Heights, Mask

CLEAR, FAINT = 0.1, 0.03
"""Of the relief: damage from so much on is plain to see, below the second it alters neither picture nor figures."""
SURE, HINT = (5.0, 4.0), (5.0, 3.0)
"""In scatters between lines: how far a pixel, and the mean of `STRETCH_PX`, must stand out to be clear, or faint."""
STRETCH_PX = 9
ROUNDS = 4
"""Of reweighted least squares."""
FARTHEST_PX = 16
"""A loop delays the image by some pixels at most; nobody can see that, so it is no damage."""
OBJECT, GHOST, BESIDE_PX = 0.3, 0.15, 2
FEW = 0.01
"""Features that cover less are too few to compare."""
CELL_PX = 16
"""Damage is told to the network by cells of 16 x 16 pixels."""
Small = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Damage:
    """What differs from the ideal scan once everything that leveling or a shift cures is taken away.

    Attributes
    ----------
    left : (rows, cols) float64
        nm.
    clear, faint : (rows, cols) bool
        Where it stands out of noise and texture (and is known to be an artifact).
    relief : float
        Half of the range that holds 99.6 % of the ideal heights, nm.
    noise : float
        Robust scatter of all that is left, over the relief.
    scatter : float
        Of lines about the mean of their neighbors, nm.
    """

    left: Heights
    clear: Mask
    faint: Mask
    relief: float
    noise: float
    scatter: float


def damage_of(heights: Heights, ideal: Heights, bad: Mask, missing: Mask) -> Damage:
    """Compare a recorded scan with the ideal one.

    Parameters
    ----------
    heights, ideal : (rows, cols) float
        nm.
    bad : (rows, cols) bool
        Where the twin did something to the heights.
    missing : (rows, cols) bool
    """
    relief = relief_of(ideal)
    left = _leveled_lines(heights - moved(ideal, delay_of(heights, ideal)), missing)
    good = ~(bad | missing)
    known = good if np.count_nonzero(good) > good.size / 10 else ~missing
    noise = 1.4826 * float(np.median(np.abs(left[known]))) if known.any() else 0.0
    means, smooth = _stretched(left), _stretched(heights)
    one, joint = scatter_of(heights, bad | missing), scatter_of(smooth, bad | missing)
    shown = bad & ~missing
    clear, faint = (
        shown
        & (
            (np.abs(left) >= max(pixel * one, part * relief))
            | (np.abs(means) >= max(stretch * joint, part * relief))
        )
        for part, (pixel, stretch) in ((CLEAR, SURE), (FAINT, HINT))
    )  # fmt: skip
    return Damage(left, clear, faint, relief, noise / relief, one)


def relief_of(ideal: Heights) -> float:
    """Half of the range that holds 99.6 % of the heights, without tilt."""
    from afmend.artifacts.gate.damage_kernels import plane_range

    return float(plane_range(np.ascontiguousarray(ideal, np.float64), 0.002, 0.998)) / 2 + 1e-12


def scatter_of(heights: Heights, bad: Mask) -> float:
    """Scatter of lines about the mean of their neighbors, freed of offsets, as that of one line."""
    from afmend.artifacts.gate.damage_kernels import bend_spread

    return 1.4826 * float(bend_spread(np.ascontiguousarray(heights, np.float64), bad)) / float(np.sqrt(1.5)) + 1e-12


def delay_of(heights: Heights, ideal: Heights) -> float:
    """Pixels (a multiple of 0.5) by which the recorded lines lag behind the ideal ones."""
    from afmend.artifacts.gate.damage_kernels import misfits

    every = max(1, heights.shape[0] // 48)
    margin = min(FARTHEST_PX, heights.shape[1] // 4)
    z, truth = (np.ascontiguousarray(part[::every], np.float64) for part in (heights, ideal))
    whole = np.arange(-margin, margin + 1, dtype=np.float64)
    found = misfits(z, truth, whole, margin)
    nearest = whole[np.lexsort((np.abs(whole), found))[0]]
    tries = nearest + np.array([-0.5, 0.0, 0.5])
    around = misfits(z, truth, tries, margin)
    best = int(np.argmin(around))
    return float(tries[best]) if around[best] < 0.98 * found[margin] else 0.0


def moved(z: Heights, shift: float) -> Heights:
    """Shift along the lines, edges repeated."""
    if shift == 0:
        return z
    whole = int(np.floor(shift))
    part = shift - whole
    places = np.arange(z.shape[1]) - whole
    near, far = (z[:, np.clip(places - k, 0, z.shape[1] - 1)] for k in (0, 1))
    out: Heights = near if part == 0 else (1 - part) * near + part * far
    return out


def _leveled_lines(z: Heights, missing: Mask) -> Heights:
    """Take away the shape that all lines share, and of each line a robust parabola: bow, tilts, offsets."""
    from afmend.artifacts.gate.damage_kernels import leveled_lines

    out: Heights = leveled_lines(np.ascontiguousarray(z, np.float64), missing, ROUNDS)
    return out


def _stretched(z: Heights) -> Heights:
    import cv2

    some = np.ascontiguousarray(z, np.float64)
    return np.asarray(cv2.blur(some, (STRETCH_PX, 1), borderType=cv2.BORDER_REPLICATE), np.float64)


def ghosts_of(ideal: Heights, clean: Heights, found: Damage) -> tuple[Mapping[str, float], Mask]:
    """Measure satellites that a bad tip sets beside features that stand alone, and where they are.

    A satellite is what the tip added by more than 15 % of the relief and five times the noise, more than 2 pixels
    away from everything high (30 % of the relief over the ground, or over holes in it). If all lie on the same side
    of their features, and the features stand alone, no sample does that.

    Returns
    -------
    numbers, ghosts
        ``ghost``: area of the satellites over that of the features or holes, times how much they lie to one side (0 to
        1); ``crowded``: share of the features or holes, 1 where they are too few to compare; ``tip``: share of the
        pixels that the tip changed by more than noise and a twentieth of the relief.
    """
    from scipy import ndimage

    added = ideal - clean
    added = added - np.median(added, axis=1, keepdims=True)
    low, middle, high = np.quantile(clean, (0.002, 0.5, 0.998))
    holes = middle - low > high - middle
    ground = np.quantile(clean, 0.5 if holes else 0.3, axis=1, keepdims=True)
    features = clean - ground > OBJECT * found.relief * (-1 if holes else 1)
    alone = ~features if holes else features
    share = float(np.mean(alone))
    changed = float(np.mean(np.abs(added) > max(3 * found.scatter, 0.05 * found.relief)))
    ghosts = added > max(GHOST * found.relief, 5 * found.scatter)
    count = int(ndimage.label(alone)[1])
    if share < FEW or count < 3:
        return {"ghost": 0.0, "crowded": 1.0, "tip": changed}, np.zeros_like(features)
    away, near = ndimage.distance_transform_edt(~features, return_indices=True)
    ghosts &= (away > BESIDE_PX) & (away < 64)
    if not ghosts.any():
        return {"ghost": 0.0, "crowded": share, "tip": changed}, ghosts
    places = np.indices(features.shape)[:, ghosts] - near[:, ghosts]
    one_side = float(np.hypot(*places.sum(axis=1)) / np.hypot(*places).sum())
    ghost = float(np.mean(ghosts)) / share * one_side
    return {"ghost": ghost, "crowded": share, "tip": changed}, ghosts


def cells_of(*masks: Mask) -> Small:
    """Share of each cell of 16 x 16 pixels that each mask covers, (masks, rows / 16, cols / 16)."""
    rows, cols = (n // CELL_PX for n in masks[0].shape)
    whole = np.stack(masks)[:, : rows * CELL_PX, : cols * CELL_PX]
    parts = whole.reshape(len(masks), rows, CELL_PX, cols, CELL_PX)
    return np.asarray(parts.mean(axis=(2, 4)), np.float32)
