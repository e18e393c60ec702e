"""Terraces: tilt and bow from the slopes of the flat parts, so that a staircase is not laid flat as a whole."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from afmend.leveling.background import Vector, centered, mirror_edges, monomials
from afmend.leveling.features import median
from afmend.scan.arrays import Heights, Mask

_BLOCKS = 47
_BINS = 96
_TURNS = 60
_ROUGHLY, _FINELY = 1e-2, 1e-8
_CLOSE = 0.05
"""By how many nats the last turns may still change the gain."""


def facet_polynomial(
    r: Heights, skip: Mask, degree: int, start: Vector, least_gain: float = -np.inf
) -> tuple[Vector, float]:
    """Fit slopes instead of heights, with redescending weights: steps between terraces do not count.

    Parameters
    ----------
    r : (rows, cols)
    skip : (rows, cols) bool
    degree : int
        1 or 2.
    start : (k,)
        Coefficients (`monomials`) of the background fitted to the heights.
    least_gain : float
        Clearly below this gain the fit is left unfinished.

    Returns
    -------
    coefficients : (k,)
        As ``start``; its constant is kept.
    gain : float
        By how much the entropy of the height histogram falls, in nats, when the new background replaces ``start``;
        minus infinity if it cannot be told. Terraces become sharp peaks when their own tilt is removed
        (arXiv:2406.08984).
    """
    from afmend.leveling import ground_kernels as kernels

    rows, cols = r.shape
    row_edges, col_edges = mirror_edges(rows, _BLOCKS), mirror_edges(cols, _BLOCKS)
    mean, count = kernels.block_means(r, skip, row_edges, col_edges)
    y = np.add.reduceat(centered(rows), row_edges[:-1]) / np.diff(row_edges)
    x = np.add.reduceat(centered(cols), col_edges[:-1]) / np.diff(col_edges)
    alive = count > 0
    if min(mean.shape) < 9 or np.count_nonzero(alive) < 0.5 * mean.size:
        return start, -np.inf
    powers = monomials(degree)
    design = np.stack([x[None, :] ** a * y[:, None] ** b for a, b in powers[1:]], axis=-1)
    across = alive[:, 1:] & alive[:, :-1]
    along = alive[1:] & alive[:-1]
    k = len(powers)
    slopes = [
        (np.diff(mean, axis=1)[across], np.ascontiguousarray(np.diff(design, axis=1)[across].T)),
        (np.diff(mean, axis=0)[along], np.ascontiguousarray(np.diff(design, axis=0)[along].T)),
    ]
    before = np.sort((mean - _surface(start, x, y))[alive])
    width = float(before[int(0.99 * (before.size - 1))] - before[int(0.01 * (before.size - 1))]) / _BINS
    if width <= 0.0:
        return start, -np.inf
    out, gain = start.copy(), -np.inf
    out[k:] = 0.0
    fit = _least_absolute(slopes, start[1:k])
    kappas = [2.0 * s for s in _scales(slopes, fit)]
    for precision in (_ROUGHLY, _FINELY):
        fit = out[1:k] = _reweighted(slopes, fit, kappas, precision=precision, turns=_TURNS, redescend=True)
        gain = entropy(before, width) - entropy(np.sort((mean - _surface(out, x, y))[alive]), width)
        if gain < least_gain - _CLOSE:
            break
    return out, gain


def _surface(coefficients: Vector, x: Vector, y: Vector) -> NDArray[np.float64]:
    degree = next(d for d in range(8) if len(monomials(d)) == coefficients.size)
    parts = zip(coefficients, monomials(degree), strict=True)
    out: NDArray[np.float64] = np.sum([c * x[None, :] ** a * y[:, None] ** b for c, (a, b) in parts], axis=0)
    return out


Slopes = list[tuple[Vector, NDArray[np.float64]]]
"""Along each axis: slopes (n,), and what each term of the polynomial adds to them (terms, n)."""


def _scales(slopes: Slopes, fit: Vector) -> list[float]:
    """Robust scale of the slopes along each axis, not below a millionth of the mean size of either."""
    sizes = [np.abs(g - np.einsum("kp,k->p", design, fit)) for g, design in slopes]
    least = 1e-6 * max(float(np.mean(size)) for size in sizes)
    return [max(1.4826 * median(size), least) for size in sizes]


def _least_absolute(slopes: Slopes, fit: Vector) -> Vector:
    """Fit slopes by least absolute deviations, by reweighting."""
    for _ in range(2):
        kappas = [0.1 * s for s in _scales(slopes, fit)]
        fit = _reweighted(slopes, fit, kappas, precision=1e-2, turns=_TURNS // 4, redescend=False)
    return fit


def _reweighted(
    slopes: Slopes, fit: Vector, kappas: list[float], *, precision: float, turns: int, redescend: bool
) -> Vector:
    """Fit slopes by `solve_kernels.fit_slopes`, to a precision in units of their widths."""
    from afmend.leveling.solve_kernels import fit_slopes

    if min(kappas) < 1e-100:
        return fit
    across, along = slopes
    found: Vector = fit_slopes(*across, *along, fit, np.array(kappas), redescend, precision, turns)
    return found


def entropy(ordered: Vector, width: float) -> float:
    """Entropy of a histogram of ordered numbers, averaged over two positions of its bins, in nats."""
    from afmend.leveling.spread_kernels import entropy_of_ordered

    return float(entropy_of_ordered(ordered, width))
