"""A tip of free shape from one or more images, by minimizing what its opening cannot explain.

The loss is the mean square of image minus opening, plus a weight on the tip's shape. Its subgradient: where the opening
misses the image by r, the element of the tip that made the dilation rises and the one that made the erosion sinks.
Idea: Y. Matsunaga et al., Sci. Rep. 13, 129 (2023), doi:10.1038/s41598-022-27057-2; start with a paraboloid, because
with a flat tip ties between equal elements drag the tip into a corner.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from afmend.errors import BadParameterError
from afmend.scan.arrays import Heights
from afmend.tip.morphology import checked

ROUNDS = 120
FIRST_STEP = 0.005
"""Of the image's height range."""
WEIGHTS = (1e-4, 1e-3, 1e-2, 1e-1)
"""Candidates of the weight, relative to the variance of the images."""


@dataclass(frozen=True, slots=True, eq=False)
class FreeTip:
    """A tip of free shape.

    Attributes
    ----------
    tip : (n, m) float64, nm
        As `dilate` takes it, apex in the middle.
    weight : float
        The chosen weight.
    residual_nm : float
        Root mean square of image minus opening, on images that were not used for the fit.
    informative : bool
        False if what is held out does not care which weight is taken: then the images say nothing about the tip.
    """

    tip: Heights
    weight: float
    residual_nm: float
    informative: bool


def fit_free_tip(images: Sequence[Heights], size: tuple[int, int], *, rounds: int = ROUNDS) -> FreeTip:
    """Fit a tip of free shape; the weight is chosen by what it leaves unexplained in images held out.

    Parameters
    ----------
    images : sequence of (rows, cols) float, nm
        At least two frames of the same pixels, or one image large enough to be cut into four.
    size : (n, m)
        Odd sides in pixels.
    rounds : int
        Passes over all images.

    Returns
    -------
    FreeTip
        Chosen by the one-standard-error rule: the largest weight, so the bluntest tip, that explains the images held
        out as well as the best one.

    Raises
    ------
    BadParameterError
        If a side is even or does not fit into the images.
    """
    frames = [checked(image, "image") for image in images]
    if len(frames) == 1:
        half = tuple(side // 2 for side in frames[0].shape)
        frames = [part for rows in np.split(frames[0], [half[0]]) for part in np.split(rows, [half[1]], axis=1)]
    if any(n % 2 == 0 or n < 3 for n in size) or any(n > s for f in frames for n, s in zip(size, f.shape, strict=True)):
        raise BadParameterError(
            f"a tip of {size[0]} x {size[1]} pixels", where="tip", now="Odd sides that fit the images."
        )
    folds = [frames[k::2] for k in range(2)]
    scores = np.array([[_held_out(folds, k, size, w, rounds) for k in range(2)] for w in WEIGHTS])
    mean = scores.mean(axis=1)
    best = int(np.argmin(mean))
    error = float(np.abs(scores[best, 0] - scores[best, 1])) / 2
    chosen = max(k for k in range(len(WEIGHTS)) if mean[k] <= mean[best] + error)
    tip = _fitted(frames, size, WEIGHTS[chosen], rounds)
    informative = bool(mean.max() > 1.2 * mean.min() + error)
    return FreeTip(tip, WEIGHTS[chosen], math.sqrt(float(mean[chosen])), informative)


def _held_out(folds: Sequence[Sequence[Heights]], k: int, size: tuple[int, int], weight: float, rounds: int) -> float:
    from afmend.tip.residual_kernels import residual

    tip = _fitted(folds[1 - k], size, weight, rounds)
    return float(np.mean([residual(frame, tip)[0] for frame in folds[k]]))


def _fitted(frames: Sequence[Heights], size: tuple[int, int], weight: float, rounds: int) -> Heights:
    from afmend.tip.residual_kernels import residual

    scale = max(float(np.ptp(frame)) for frame in frames)
    tip = _paraboloid(size, scale)
    if scale == 0.0:
        return tip
    first, second = np.zeros(size), np.zeros(size)
    for turn in range(1, rounds + 1):
        gradient = np.sum([residual(frame, tip)[1] for frame in frames], axis=0) / len(frames)
        gradient = gradient * gradient.size + 2 * weight * tip
        first, second = 0.9 * first + 0.1 * gradient, 0.99 * second + 0.01 * gradient**2
        step = FIRST_STEP * scale * 0.5 * (1 + math.cos(math.pi * turn / rounds))
        move = (first / (1 - 0.9**turn)) / (np.sqrt(second / (1 - 0.99**turn)) + 1e-9 * scale)
        tip = _centered(tip - step * move)
    return tip


def _paraboloid(size: tuple[int, int], scale: float) -> Heights:
    y, x = (np.linspace(-1, 1, n) for n in size)
    return np.asarray(-0.1 * scale * (y[:, None] ** 2 + x[None, :] ** 2))


def _centered(tip: Heights) -> Heights:
    """Move the apex to the middle, its height to 0; what comes in at the edges continues the edge."""
    row, col = np.unravel_index(int(np.argmax(tip)), tip.shape)
    rows = np.clip(np.arange(tip.shape[0]) + int(row) - tip.shape[0] // 2, 0, tip.shape[0] - 1)
    cols = np.clip(np.arange(tip.shape[1]) + int(col) - tip.shape[1] // 2, 0, tip.shape[1] - 1)
    moved = tip[np.ix_(rows, cols)]
    return np.asarray(moved - moved.max(), dtype=np.float64)
