"""Polynomial backgrounds of low order: fitted from sums per tile, their degree chosen by leaving tiles out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from afmend.scan.arrays import Heights, Mask

Vector = NDArray[np.float64]
_TILES = 7


@lru_cache(maxsize=16)
def centered(count: int) -> Vector:
    """Return pixel positions along an axis, from -1 to 1 (0 if there is one pixel); not to be written to."""
    places = np.linspace(-1.0, 1.0, count) if count > 1 else np.zeros(1)
    places.flags.writeable = False
    return places


def mirror_edges(count: int, pieces: int) -> NDArray[np.int64]:
    """Cut ``count`` pixels into an odd number of pieces, the same from either end."""
    pieces = max(1, min(pieces, count))
    pieces -= 1 - pieces % 2
    half = np.arange((pieces + 1) // 2, dtype=np.int64) * count // pieces
    return np.concatenate([half, count - half[::-1]])


@dataclass(frozen=True, slots=True)
class Sums:
    """Normal equations of a polynomial background, one set per tile.

    Attributes
    ----------
    powers : list of (a, b)
        Each column of the design matrix is x**a y**b.
    normal : (tiles, k, k)
    right : (tiles, k)
    squares, count : (tiles,)
    """

    powers: list[tuple[int, int]]
    normal: NDArray[np.float64]
    right: NDArray[np.float64]
    squares: Vector
    count: Vector


def monomials(degree: int) -> list[tuple[int, int]]:
    """Exponents (a, b) with a + b <= degree, by rising degree."""
    return [(total - b, b) for total in range(degree + 1) for b in range(total + 1)]


def collect(r: Heights, skip: Mask, degree: int, lines: NDArray[np.float64] | None = None) -> Sums:
    """Sum up the normal equations of all polynomials up to ``degree``, 3 at most.

    ``lines``: polynomials over x, (rows, at most 4), that are subtracted from the lines in place beforehand.
    """
    from afmend.compiled import side_by_side
    from afmend.leveling import ground_kernels as kernels
    from afmend.leveling.line_kernels import take_off

    rows, cols = r.shape
    x, y = centered(cols), centered(rows)
    row_edges, edges = mirror_edges(rows, _TILES), mirror_edges(cols, _TILES)
    tiles = row_edges.size - 1
    tile = np.repeat(np.arange(tiles), np.diff(row_edges))
    parts: dict[int, tuple[NDArray[np.float64], ...]] = {}

    def half(part: int, count: int) -> None:
        i = slice(rows * part // count, rows * (part + 1) // count)
        if lines is not None:
            take_off(r[i], lines[i], x)
        parts[part] = kernels.tile_moments(r[i], skip[i], x, y[i], edges, tile[i], tiles)

    side_by_side(half)
    weights, heights, squares = (one + other for one, other in zip(parts[0], parts[1], strict=True))
    powers = monomials(degree)
    a, b = (np.array(exponents) for exponents in zip(*powers, strict=True))
    normal = weights.reshape(-1, 7, 7)[:, a[:, None] + a, b[:, None] + b]
    return Sums(powers, normal, heights.reshape(-1, 4, 4)[:, a, b], squares.ravel(), normal[:, 0, 0])


def solve(sums: Sums, degree: int) -> Vector:
    """Coefficients of the least-squares polynomial of ``degree``; those of higher degree are 0."""
    k = len(monomials(degree))
    out = np.zeros(len(sums.powers))
    out[:k] = _solve(sums.normal[:, :k, :k].sum(axis=0), sums.right[:, :k].sum(axis=0))
    return out


def _solve(normal: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    """Solve by eigenvalues, any number of systems at once; directions that the pixels do not fix stay 0."""
    from afmend.leveling.solve_kernels import solve_all

    k = right.shape[-1]
    found: NDArray[np.float64] = solve_all(
        np.ascontiguousarray(normal).reshape(-1, k, k), np.ascontiguousarray(right).reshape(-1, k)
    )
    return found.reshape(right.shape)


def choose_degree(sums: Sums, highest: int, gain: float = 0.02) -> int:
    """Return the lowest degree that predicts left-out tiles almost as well as the best one.

    Neighboring pixels are correlated, so criteria that count pixels (BIC) would always take the highest degree;
    whole tiles are left out instead (PRESS on tiles).
    """
    errors = [_left_out(sums, degree) for degree in range(highest + 1)]
    good = min(errors) * (1.0 + gain)
    # Heights too small to be squared tell nothing.
    return next((degree for degree, error in enumerate(errors) if error <= good), 0)


def _left_out(sums: Sums, degree: int) -> float:
    k = len(monomials(degree))
    normal, right = sums.normal[:, :k, :k], sums.right[:, :k]
    fits = _solve(normal.sum(axis=0) - normal, right.sum(axis=0) - right)
    crossed = np.einsum("ti,tij,tj->t", fits, normal, fits) - 2.0 * np.einsum("ti,ti->t", fits, right)
    return max(float(np.sum(sums.squares + crossed)), 0.0)


def per_line(coefficients: Vector, powers: list[tuple[int, int]], rows: int) -> NDArray[np.float64]:
    """Return the polynomial as coefficients over x for each line: (rows, degree + 1)."""
    y = centered(rows)
    out = np.zeros((rows, max(a for a, _ in powers) + 1))
    for value, (a, b) in zip(coefficients, powers, strict=True):
        out[:, a] += value * y**b
    return out
