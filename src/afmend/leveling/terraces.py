"""Terraces: tilt and bow from the slopes of the flat parts, so that a staircase is not laid flat as a whole."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from afmend.leveling.background import Vector, centered, mirror_edges, monomials
from afmend.scan.arrays import Heights, Mask

_BLOCKS = 47
_BINS = 96
_TURNS = 60


def facet_polynomial(r: Heights, skip: Mask, degree: int, start: Vector) -> tuple[Vector, float]:
    """Fit slopes instead of heights, with redescending weights: steps between terraces do not count.

    Parameters
    ----------
    r : (rows, cols)
    skip : (rows, cols) bool
    degree : int
        1 or 2.
    start : (k,)
        Coefficients (`monomials`) of the background fitted to the heights.

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
        (np.diff(mean, axis=1)[across], np.diff(design, axis=1)[across]),
        (np.diff(mean, axis=0)[along], np.diff(design, axis=0)[along]),
    ]
    fit = _redescend(slopes, _least_absolute(slopes, start[1:k]))
    out = np.zeros_like(start)
    out[0] = start[0]
    out[1:k] = fit
    before = mean - _surface(start, x, y)
    after = mean - _surface(out, x, y)
    width = float(np.ptp(np.quantile(before[alive], (0.01, 0.99)))) / _BINS
    if width <= 0.0:
        return start, -np.inf
    return out, entropy(before[alive], width) - entropy(after[alive], width)


def _surface(coefficients: Vector, x: Vector, y: Vector) -> NDArray[np.float64]:
    degree = next(d for d in range(8) if len(monomials(d)) == coefficients.size)
    parts = zip(coefficients, monomials(degree), strict=True)
    out: NDArray[np.float64] = np.sum([c * x[None, :] ** a * y[:, None] ** b for c, (a, b) in parts], axis=0)
    return out


Slopes = list[tuple[Vector, NDArray[np.float64]]]


def _scales(slopes: Slopes, fit: Vector) -> list[float]:
    """Robust scale of the slopes along each axis, not below a millionth of the mean size of either."""
    sizes = [np.abs(g - np.einsum("pk,k->p", design, fit)) for g, design in slopes]
    least = 1e-6 * max(float(np.mean(size)) for size in sizes)
    return [max(1.4826 * float(np.median(size)), least) for size in sizes]


def _least_absolute(slopes: Slopes, fit: Vector) -> Vector:
    """Fit slopes by least absolute deviations, by reweighting."""
    for _ in range(2):
        kappas = [0.1 * s for s in _scales(slopes, fit)]
        for _ in range(_TURNS // 4):
            fit, moved = _turn(slopes, fit, kappas, redescend=False)
            if moved <= 1e-2:
                break
    return fit


def _redescend(slopes: Slopes, fit: Vector) -> Vector:
    """Fit slopes by Geman-McClure weights of a width that is kept."""
    kappas = [2.0 * s for s in _scales(slopes, fit)]
    for _ in range(_TURNS):
        fit, moved = _turn(slopes, fit, kappas, redescend=True)
        if moved <= 1e-8:
            break
    return fit


def _turn(slopes: Slopes, fit: Vector, kappas: list[float], *, redescend: bool) -> tuple[Vector, float]:
    """Solve once with the weights at ``fit``; return by how much it moved as well, in units of the widths."""
    from afmend.leveling import ground_kernels as kernels

    normal = np.zeros((fit.size, fit.size))
    right = np.zeros(fit.size)
    if min(kappas) < 1e-100:
        return fit, 0.0
    for (g, design), kappa in zip(slopes, kappas, strict=True):
        more, beside = kernels.slope_sums(g, design, fit, kappa, redescend)
        normal += more
        right += beside
    move = np.linalg.lstsq(normal, right, rcond=1e-12)[0]
    moved = float(np.sqrt(max(np.einsum("i,ij,j->", move, normal, move), 0.0)))
    return fit + move, moved


def entropy(values: Vector, width: float) -> float:
    """Entropy of a histogram, averaged over two positions of its bins, in nats."""
    total = 0.0
    middle = float(np.median(values))
    for shift in (0.25, -0.25):
        bins = np.floor((values - middle) / width + shift).astype(np.int64)
        _, count = np.unique(bins, return_counts=True)
        p = count / values.size
        total -= 0.5 * float(np.sum(p * np.log(p)))
    return total
