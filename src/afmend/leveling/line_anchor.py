"""A path of line offsets, anchored to the means of the background."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from afmend.leveling.background import centered
from afmend.leveling.evidence import detrend
from afmend.leveling.line_model import BESIDE, Path, Vector, integrate
from afmend.scan.arrays import Heights, Mask


@dataclass(frozen=True, slots=True)
class Anchored:
    """An anchored path.

    Attributes
    ----------
    offset : (n,)
        Offset of each line.
    variance : (n,)
        Posterior variance of each offset, as the smoother sees it.
    leaks : (n, at most 5)
        What the smoother makes of the modulated residuals.
    """

    offset: Vector
    variance: Vector
    leaks: NDArray[np.float64]


class Means(NamedTuple):
    """Means of the background of every row.

    Attributes
    ----------
    mean : (rows,)
    modulated : (rows, at most 5)
        What the same pixels about their mean, over their number, hold of the test functions.
    number : (rows,) int
    """

    mean: Vector
    modulated: NDArray[np.float64]
    number: NDArray[np.int64]


def means_of_ground(
    z: Heights, skip: Mask, coefs: NDArray[np.float64], reach: float, tests: NDArray[np.float64]
) -> tuple[Mask, Means]:
    """Return which usable pixels are within ``reach`` of 0, and their means, without a polynomial of each line.

    Parameters
    ----------
    z : (rows, cols)
    skip : (rows, cols) bool
    coefs : (rows, at most 4)
        Coefficients of powers of x in -1 .. 1.
    reach : float
    tests : (tests, cols)
    """
    from afmend.compiled import side_by_side
    from afmend.leveling import ground_kernels as kernels

    rows, x, some = z.shape[0], centered(z.shape[1]), tests[1:BESIDE]
    ground = np.empty(z.shape, dtype=np.bool_)
    mean, modulated, number = np.empty(rows), np.empty((rows, len(some))), np.empty(rows, dtype=np.int64)

    def half(part: int, parts: int) -> None:
        i = slice(rows * part // parts, rows * (part + 1) // parts)
        kernels.ground_means(z[i], skip[i], coefs[i], x, reach, some, ground[i], mean[i], modulated[i], number[i])

    side_by_side(half)
    return ground, Means(mean, modulated, number)


def anchor(path: Path, means: Means) -> Anchored:
    """Join a path with the mean background height of each line.

    Minimizes ``sum (q[i+1] - q[i] - d[i])^2 / Q[i] + sum (q[i] - a[i])^2 / R[i]``: block-tridiagonal, O(lines).
    Q and R come from the modulated sums, so that the correlation of heights along a line is in them; each is
    widened or narrowed by the correlation from line to line, which the smoother does not know.

    Parameters
    ----------
    path : Path
    means : Means
        Of heights already aligned by ``path``.
    """
    from scipy.linalg import solveh_banded

    from afmend.leveling.evidence_kernels import diagonal_of_inverse

    count = path.lines.size
    mean, modulated, number = means.mean[path.lines], means.modulated[path.lines], means.number[path.lines]
    steps = path.leak[:, 1:BESIDE]
    q = _variances(steps, path.scale)
    rr = _variances(modulated, np.sqrt(1.0 / np.maximum(number, 1)))
    with_anchor = (number >= 3) & (rr > 0)
    # Terraces and gratings along the lines move the mean of the background, and the differences know it: a mean
    # that wanders much more than both its own error and theirs allow is no anchor.
    allowed = float(np.mean(modulated**2)) + float(np.mean(q)) * count / 15.0
    wander = float(np.var(detrend(mean, 2)))
    if wander > 4.0 * allowed or not with_anchor.any() or not (q > 0).any():
        return Anchored(path.offset, np.ones(count), integrate(steps))
    rr = rr * max(1.0, 0.5 * wander / allowed) ** 4
    tie = 1.0 / np.maximum(q, 1e-6 * np.max(q))
    hold = np.where(with_anchor, 1.0 / np.maximum(rr, 1e-6 * np.max(rr)), 0.0)
    matrix = np.zeros((2, count))
    matrix[1] = hold
    matrix[1, :-1] += tie
    matrix[1, 1:] += tie
    matrix[0, 1:] = -tie
    matrix[1] += 1e-12 * matrix[1].max()  # anchors far weaker than the ties must not make it singular
    right = hold[:, None] * np.column_stack([mean, modulated])
    pull = tie[:, None] * np.column_stack([np.zeros(count - 1), steps])
    right[1:] += pull
    right[:-1] -= pull
    solved = solveh_banded(matrix, right, check_finite=False)
    return Anchored(path.offset + solved[:, 0], diagonal_of_inverse(matrix[1], -tie), solved[:, 1:])


def _variances(modulated: NDArray[np.float64], shape: Vector) -> Vector:
    """Variance of each line's error: the pooled level, distributed as ``shape`` squared, times the correlation."""
    from afmend.leveling.evidence_kernels import correlation_from_line_to_line

    pooled = float(np.mean(modulated**2))
    weight = shape**2
    level = float(np.mean(weight))
    if pooled == 0.0 or level == 0.0:
        return np.zeros(shape.size)
    inflation = correlation_from_line_to_line(np.ascontiguousarray(modulated))
    return pooled * max(inflation, 0.02) * weight / level
