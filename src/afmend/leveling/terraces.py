"""Terraces: tilt and bow from the slopes of the flat parts, so that a staircase is not laid flat as a whole."""

from __future__ import annotations

from functools import lru_cache

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
    from afmend.leveling import terrace_kernels as kernels

    rows, cols = r.shape
    row_edges, col_edges = mirror_edges(rows, _BLOCKS), mirror_edges(cols, _BLOCKS)
    mean, count = kernels.block_means(r, skip, row_edges, col_edges)
    alive = count > 0
    if min(mean.shape) < 9 or np.count_nonzero(alive) < 0.5 * mean.size:
        return start, -np.inf
    highest = next(d for d in range(8) if len(monomials(d)) == start.size)
    terms = _terms(rows, cols, max(degree, highest))
    k = len(monomials(degree))
    own = terms[: k - 1]
    slopes = [kernels.slopes(mean, alive, axis, own) for axis in (1, 0)]
    before = np.sort(kernels.over(mean, alive, terms, start))
    width = float(before[int(0.99 * (before.size - 1))] - before[int(0.01 * (before.size - 1))]) / _BINS
    if width <= 0.0:
        return start, -np.inf
    out, gain = start.copy(), -np.inf
    out[k:] = 0.0
    fit = _least_absolute(slopes, start[1:k])
    kappas = [2.0 * s for s in _scales(slopes, fit)]
    for precision in (_ROUGHLY, _FINELY):
        fit = out[1:k] = _reweighted(slopes, fit, kappas, precision=precision, turns=_TURNS, redescend=True)
        gain = entropy(before, width) - entropy(np.sort(kernels.over(mean, alive, terms, out)), width)
        if gain < least_gain - _CLOSE:
            break
    return out, gain


@lru_cache(maxsize=4)
def _terms(rows: int, cols: int, degree: int) -> NDArray[np.float64]:
    """Monomials, but for the constant, in the middle of each block: (terms, blocks, blocks)."""
    y, x = (_middles(count) for count in (rows, cols))
    made = np.stack([x[None, :] ** a * y[:, None] ** b for a, b in monomials(degree)[1:]])
    made.flags.writeable = False
    return made


def _middles(count: int) -> Vector:
    edges = mirror_edges(count, _BLOCKS)
    middles: Vector = np.add.reduceat(centered(count), edges[:-1]) / np.diff(edges)
    return middles


Slopes = list[tuple[Vector, NDArray[np.float64]]]
"""Along each axis: slopes (n,), and what each term of the polynomial adds to them (terms, n)."""


def _scales(slopes: Slopes, fit: Vector) -> list[float]:
    """Robust scale of the slopes along each axis, not below a millionth of the mean size of either."""
    sizes = [np.abs(g - fit @ design) for g, design in slopes]
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
