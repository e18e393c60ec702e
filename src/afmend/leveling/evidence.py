"""How much of a line-offset path is line noise, and how much is topography that leaked into it.

Line noise lives in the mean of a line only. Topography also shows in the neighbors of the mean: in the
same sums, modulated by slowly varying test functions. Where the path is no stronger than those
neighbors, it is taken for topography and left alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from afmend.leveling.features import median

Vector = NDArray[np.float64]

_JUMP_SIGMAS = 5.0
_ROUNDS = 6


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to subtract from each line, and what is known about it.

    Attributes
    ----------
    correction : (lines,)
        The part of the path that is line noise.
    variance : float
        Mean posterior variance of the correction.
    noise : float
        Mean variance of the line noise found, gauge polynomials apart.
    leak : float
        Mean variance that topography is predicted to leak into the path.
    jumps : int
        Single steps of the path that were removed whole.
    """

    correction: Vector
    variance: float
    noise: float
    leak: float
    jumps: int


def nothing(count: int) -> Verdict:
    """Return the verdict when there is nothing to judge."""
    return Verdict(np.zeros(count), 0.0, 0.0, 0.0, 0)


def detrend(paths: NDArray[np.float64], degree: int) -> NDArray[np.float64]:
    """Subtract from each column its least-squares polynomial over the lines."""
    count = paths.shape[0]
    basis = _polynomials(count, min(degree, count - 1))
    rest: NDArray[np.float64] = paths - basis @ (basis.T @ paths)
    return rest


@lru_cache(maxsize=16)
def _polynomials(count: int, degree: int) -> NDArray[np.float64]:
    """Orthonormal polynomials over ``count`` lines: (count, degree + 1)."""
    at = np.linspace(-1.0, 1.0, count) if count > 1 else np.zeros(1)
    basis, _ = np.linalg.qr(np.polynomial.legendre.legvander(at, degree))
    basis.flags.writeable = False
    return basis


def judge(
    path: Vector,
    leaks: NDArray[np.float64],
    *,
    aspect: float,
    degree: int,
    shrink: bool,
    order: int = 0,
    white: bool = False,
) -> Verdict:
    """Split a path into line noise and topography.

    Parameters
    ----------
    path : (lines,)
        Offset of each line, as estimated.
    leaks : (lines, tests)
        What the same estimator makes of the modulated residuals.
    aspect : float
        Length of the slow axis over that of the fast axis.
    degree : int
        Polynomials over the lines up to this degree belong to the background, not to the lines.
    shrink : bool
        False takes the whole path for line noise.
    order : int
        Degree along the lines of what the path holds: 0 = offsets, 1 = slopes, 2 and 3 = bends.
    white : bool
        Line noise is known to be independent from line to line.

    Notes
    -----
    The power of the path's cosine transform is taken for the sum of what topography leaks, known but for a factor,
    and of line noise of one of few laws: offsets that are independent (white), that add up (a random walk), or both
    (1/f noise lies between). They are fitted by maximum posterior density, with a Student law for the coefficients; a
    law counts only if the path is explained that much better. Of each coefficient the part ``N / (N + L)`` is
    removed (Wiener). So a smooth wave in the path is not taken for line noise unless the lines jitter as well; and
    what remains, ``L^2 / (N + L) <= L``, looks like topography to a second pass.
    """
    from scipy.fft import dct

    from afmend.leveling.evidence_kernels import expected_power

    count = path.size
    if not shrink:
        correction = detrend(path, degree)
        variance = float(np.mean(detrend(leaks, degree) ** 2))
        return Verdict(correction, variance, float(np.mean(correction**2)), variance, 0)
    expected = expected_power(dct(leaks, axis=0, norm="ortho") ** 2, aspect, order)
    jumping = order == 0 and not white
    sizes = np.zeros(0)
    if jumping:
        sizes = np.sqrt(np.mean((leaks[1:] - leaks[:-1]) ** 2, axis=1))
        sizes = np.maximum(sizes, median(sizes))
    rest = path
    jumped: NDArray[np.bool_] = np.zeros(count - 1, dtype=np.bool_)
    now = np.zeros(count)
    total = variance = noise = 0.0
    for turn in range(_ROUNDS):
        if jumping:
            steps = _jumps(rest, sizes)
            jumped |= steps != 0
            np.cumsum(steps, out=now[1:])
        part, var, found = _wiener(detrend(rest - now, degree), expected, degree, white=not jumping)
        if turn == 0:
            variance, noise = var, found + (float(np.var(detrend(now, degree))) if jumping else 0.0)
        change = now + part
        rest = rest - change
        moved = float(np.sum(change**2))
        total += moved
        if moved <= 1e-14 * total:
            break
    leak = float(np.sum(expected[1:])) / count
    return Verdict(path - rest, variance, noise, leak, int(np.count_nonzero(jumped)))


def _jumps(path: Vector, sizes: Vector) -> Vector:
    """Keep the steps of a path that neither topography nor the usual line noise explains; the others are 0.

    ``sizes``: of the steps that topography leaks, nowhere below the usual one.
    """
    steps = path[1:] - path[:-1]
    away = np.abs(steps - median(steps))
    limit = _JUMP_SIGMAS * np.maximum(sizes, 1.4826 * median(away))
    return np.where(away > limit, steps, 0.0)


def _wiener(path: Vector, expected: Vector, degree: int, *, white: bool) -> tuple[Vector, float, float]:
    """Return the line noise in a path, its posterior variance and its power, both as means over the lines."""
    from scipy.fft import dct, idct

    from afmend.leveling.evidence_kernels import line_noise

    count = path.size
    seen = dct(path, norm="ortho")
    found, variance, noise = line_noise(seen, expected, min(degree, count - 2), 1 if white else 3)
    part = idct(seen, norm="ortho") if found else np.zeros(count)
    return part, variance / count, noise / count
