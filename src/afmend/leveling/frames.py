"""Frames of a movie that were leveled one by one: bring them to one level, so that what did not change stays."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from afmend.errors import BadScanError
from afmend.leveling.background import centered, mirror_edges
from afmend.scan.arrays import Heights, Mask

Planes = NDArray[np.float64]
_BLOCKS = 9
_FEWEST = 12
_KNOWN = 0.25
_ROUNDS = 30
_FAR = 2.0
_WORSE = 1000.0


def flicker_of(frames: Sequence[Heights], excluded: Sequence[Mask]) -> Planes:
    """Find the plane by which each frame lies too high or tilted, from what consecutive frames have in common.

    Parameters
    ----------
    frames : sequence of (rows, cols)
        Leveled heights, in the order of time.
    excluded : sequence of (rows, cols) bool
        Pixels that must not be looked at.

    Returns
    -------
    planes : (frames, 3)
        Height in the middle, rise from the first line to the last, rise along a line; to be subtracted.

    Raises
    ------
    BadScanError
        If the shapes differ.

    Notes
    -----
    Two frames are compared by the medians of their differences in 9 x 9 blocks; a plane (and a bow, which stays) is
    fitted to these with redescending weights, so that neither particles that move nor regions that change count. How
    precisely a difference is known follows from the blocks, how much frames flicker from the differences themselves.
    Both together give the planes by least squares: what the differences do not support, because the frames have
    nothing in common, is left. The mean level of the movie stays what leveling made it.

    When not to use it: most of the surface rises or falls between frames, as while a film grows; that is taken away.
    """
    shapes = {frame.shape for frame in frames} | {mask.shape for mask in excluded}
    if len(shapes) > 1 or len(frames) != len(excluded):
        raise BadScanError(f"frames and masks of shapes {sorted(shapes)}", now="Give frames of one size.")
    planes = np.zeros((len(frames), 3))
    if len(frames) < 2:
        return planes
    pairs = zip(frames[:-1], frames[1:], excluded[:-1], excluded[1:], strict=True)
    found = [_between(one, other, bad | worse) for one, other, bad, worse in pairs]
    steps, errors = (np.array(part) for part in zip(*found, strict=True))
    for k in range(3):
        planes[:, k] = _smoothed(steps[:, k], errors[:, k])
    return planes


def _between(one: Heights, other: Heights, bad: Mask) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Plane of the difference of two frames and its variances; infinite if too little is known in both."""
    rows, cols = (mirror_edges(count, _BLOCKS) for count in one.shape)
    change = other - one
    y, x = centered(one.shape[0]), centered(one.shape[1])
    design, heights = [], []
    for top, bottom in pairwise(rows):
        for left, right in pairwise(cols):
            good = ~bad[top:bottom, left:right]
            if np.count_nonzero(good) > _KNOWN * good.size:
                heights.append(float(np.median(change[top:bottom, left:right][good])))
                v, u = float(y[top:bottom].mean()), float(x[left:right].mean())
                # Frames also bow differently; that must not pass for an error of the plane.
                design.append((1.0, 0.5 * v, 0.5 * u, v * v - 1 / 3, u * u - 1 / 3, u * v))
    if len(heights) < _FEWEST:
        return np.zeros(3), np.full(3, np.inf)
    return _robust_plane(np.array(design), np.array(heights))


def _robust_plane(
    design: NDArray[np.float64], heights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fit by Geman-McClure weights of twice the robust scale; return the plane and its variances."""
    terms = design.shape[1]
    fit = np.zeros(terms)
    fit[0] = float(np.median(heights))
    tiny = 1e-12 * float(np.max(np.abs(heights))) + 1e-300
    normal, scale = np.eye(terms), tiny
    for _ in range(_ROUNDS):
        rest = heights - np.einsum("bk,k->b", design, fit)
        scale = max(1.4826 * float(np.median(np.abs(rest))), tiny)
        weights = 1.0 / np.square(1.0 + np.square(rest / (2.0 * scale)))
        normal = np.einsum("bi,b,bj->ij", design, weights, design)
        move = np.linalg.lstsq(normal, np.einsum("bi,b->i", design, weights * rest), rcond=1e-12)[0]
        fit = fit + move
        if float(np.max(np.abs(move))) <= 1e-9 * scale:
            break
    rest = np.clip(heights - np.einsum("bk,k->b", design, fit), -3.0 * scale, 3.0 * scale)
    # Blocks beside each other err alike where the surface is smooth; along both axes.
    power = float(np.sum(rest**2))
    alike = min(max(float(np.sum(rest[1:] * rest[:-1])) / power, 0.0), 0.9) if power > 0.0 else 0.0
    variances = ((1.0 + alike) / (1.0 - alike)) ** 2 * scale**2 * np.diag(np.linalg.pinv(normal))
    return fit[:3], variances[:3]


def _smoothed(steps: NDArray[np.float64], variances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Levels of the frames from their differences, each frame's own level being right but for the flicker."""
    from scipy.linalg import solveh_banded

    known = np.isfinite(variances)
    if not known.any():
        return np.zeros(steps.size + 1)
    # A frame that went wrong compares badly with both neighbors: it is no link.
    known &= variances <= _WORSE * float(np.median(variances[known]))
    flicker = 0.5 * (float(np.mean(steps[known] ** 2)) - float(np.mean(variances[known])))
    if not flicker > 0.0:
        return np.zeros(steps.size + 1)
    tie = np.where(known, flicker / np.maximum(np.where(known, variances, 1.0), 1e-9 * flicker), 0.0)
    right = np.zeros(steps.size + 1)
    right[1:] += tie * steps
    right[:-1] -= tie * steps
    levels = np.zeros(steps.size + 1)
    for _ in range(_ROUNDS):
        # The frames whose own level is far off say less about the level of the movie.
        own = 1.0 / np.square(1.0 + levels**2 / (_FAR**2 * flicker))
        matrix = np.zeros((2, steps.size + 1))
        matrix[1] = np.maximum(own, 1e-6)
        matrix[1, :-1] += tie
        matrix[1, 1:] += tie
        matrix[0, 1:] = -tie
        before, levels = levels, solveh_banded(matrix, right)
        if float(np.max(np.abs(levels - before))) <= 1e-6 * np.sqrt(flicker):
            break
    return levels
