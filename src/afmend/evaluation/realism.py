"""A two-sample test: whether twenty transparent numbers tell simulated scans from real ones."""

from __future__ import annotations

from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from afmend.errors import StepError
from afmend.evaluation.metrics.gauge import without_background
from afmend.scan.arrays import Heights, Mask

Table: TypeAlias = NDArray[np.float64]

BANDS = (0.0, 0.03, 0.1, 0.3, 1.0)
"""Edges of the spectral bands, as fractions of the highest frequency a line of pixels can show."""
FEATURES: tuple[str, ...] = (
    "skewness", "log kurtosis", "log fast slope", "log slow slope", "log slow/fast slope", "log line offsets",
    "memory of line offsets", "fast band 1", "fast band 2", "fast band 3", "fast band 4", "slow band 1", "slow band 2",
    "slow band 3", "slow band 4", "log kurtosis of fast steps", "log kurtosis of slow steps", "log fast noise",
    "log slow noise", "log tails of line jumps",
)  # fmt: skip
"""What `features` returns, in its order; all are free of units and of the height scale."""


def features(heights: Heights, usable: Mask | None = None) -> NDArray[np.float64]:
    """Describe a scan by twenty numbers.

    A plane is removed first. Slopes, offsets and noise are relative to the rms height; the bands are logarithms of the
    share of variance of the first differences along an axis.

    Parameters
    ----------
    heights : (rows, cols) float64
        At least 16 x 16.
    usable : (rows, cols) bool, optional
        Lines with any other pixel are left out.

    Returns
    -------
    (20,) float64

    Raises
    ------
    StepError
        If fewer than 16 lines or pixels are left, or the scan is flat.
    """
    from scipy.ndimage import uniform_filter1d

    lines = np.ones(heights.shape[0], dtype=np.bool_) if usable is None else usable.all(axis=1)
    z = without_background(heights[lines], degree=1) if lines.sum() >= 16 else np.zeros((1, 1))
    sq = float(z.std())
    if min(z.shape) < 16 or sq == 0:
        raise StepError("too little is left of the scan to describe it", now="Take a larger one.")
    z = z / sq
    fast, slow = np.diff(z, axis=1), np.diff(z, axis=0)
    offsets = z.mean(axis=1)
    jumps = np.median(slow, axis=1)
    steps = np.diff(offsets)
    numbers = [
        float(np.mean(z**3)),
        _log(np.mean(z**4)),
        _log(fast.std()),
        _log(slow.std()),
        _log(slow.std()) - _log(fast.std()),
        _log(np.std(offsets - uniform_filter1d(offsets, 7, mode="nearest"))),
        float(np.mean(steps[1:] * steps[:-1]) / max(float(np.mean(steps**2)), 1e-30)),
        *_bands(fast),
        *_bands(slow.T),
        _log(_kurtosis(fast)),
        _log(_kurtosis(slow)),
        _log(_spread(np.diff(fast, axis=1))),
        _log(_spread(np.diff(slow, axis=0))),
        _log(_kurtosis(jumps)),
    ]
    return np.array(numbers)


def _log(value: float | np.floating) -> float:  # type: ignore[type-arg]
    return float(np.log10(max(float(value), 1e-6)))


def _spread(values: Heights) -> float:
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))


def _kurtosis(values: NDArray[np.float64]) -> float:
    rest = values - values.mean()
    return float(np.mean(rest**4) / max(float(np.mean(rest**2)) ** 2, 1e-30))


def _bands(steps: Heights) -> list[float]:
    """Log share of the variance of first differences along axis 1 in four bands of frequency."""
    power = np.mean(np.abs(np.fft.rfft(steps * np.hanning(steps.shape[1]), axis=1)) ** 2, axis=0)
    place = np.linspace(0, 1, power.size)
    total = max(float(power[1:].sum()), 1e-30)
    return [_log(power[(place > low) & (place <= high)].sum() / total) for low, high in pairwise(BANDS)]


def two_sample_scores(first: Table, second: Table, *, folds: int = 10, ridge: float = 1.0, seed: int = 0) -> tuple[
    NDArray[np.float64], NDArray[np.float64]
]:  # fmt: skip
    """Score every sample by a ridge logistic regression that has not seen it.

    Parameters
    ----------
    first, second : (n, k) and (m, k) float64
        Features; both samples weigh the same, whatever their sizes.
    folds : int
        Parts of the cross-validation.
    ridge : float
        Penalty on the weights of standardized features.
    seed : int
        Shuffles the folds.

    Returns
    -------
    (n,), (m,) float64
        Log odds of belonging to ``second``.

    Raises
    ------
    StepError
        If a sample is smaller than the number of folds.
    """
    if min(len(first), len(second)) < folds:
        raise StepError(f"samples of {len(first)} and {len(second)} for {folds} folds", now="Take more scans.")
    rng = np.random.default_rng(seed)
    parts = [rng.permutation(len(sample)) % folds for sample in (first, second)]
    scores = [np.empty(len(first)), np.empty(len(second))]
    for fold in range(folds):
        train = [sample[part != fold] for sample, part in zip((first, second), parts, strict=True)]
        weights = fit_logistic(*train, ridge=ridge)
        for sample, part, out in zip((first, second), parts, scores, strict=True):
            out[part == fold] = weights.log_odds(sample[part == fold])
    return scores[0], scores[1]


class Logistic:
    """A fitted logistic regression on standardized features."""

    def __init__(self, center: Table, scale: Table, weights: Table) -> None:
        self.center, self.scale, self.weights = center, scale, weights

    def log_odds(self, samples: Table) -> NDArray[np.float64]:
        """Log odds of belonging to the second class."""
        odds: NDArray[np.float64] = (samples - self.center) / self.scale @ self.weights[1:] + self.weights[0]
        return odds


def fit_logistic(first: Table, second: Table, *, ridge: float = 1.0) -> Logistic:
    """Fit a ridge logistic regression by Newton steps; both classes weigh the same."""
    both = np.concatenate([first, second])
    center, scale = both.mean(axis=0), np.maximum(both.std(axis=0), 1e-9)
    x = np.column_stack([np.ones(len(both)), (both - center) / scale])
    y = np.repeat([0.0, 1.0], [len(first), len(second)])
    balance = np.repeat([0.5 * len(both) / len(first), 0.5 * len(both) / len(second)], [len(first), len(second)])
    penalty = ridge * np.diag([0.0, *np.ones(x.shape[1] - 1)])
    weights = np.zeros(x.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(x @ weights, -40, 40)))
        curve = x.T @ (x * (balance * p * (1 - p))[:, None]) + penalty + 1e-9 * np.eye(x.shape[1])
        move = np.linalg.solve(curve, x.T @ (balance * (y - p)) - penalty @ weights)
        weights = weights + move
        if np.abs(move).max() < 1e-8:
            break
    return Logistic(center, scale, weights)


def auc(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Probability that a score of ``second`` is above one of ``first`` (ties count half)."""
    order = np.sort(first)
    below = np.searchsorted(order, second, side="left") + np.searchsorted(order, second, side="right")
    return float(below.mean() / 2 / first.size)
