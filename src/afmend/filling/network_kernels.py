"""Compiled kernels for the Laplace equation on the pixels of holes, seen as a network of unit resistors.

An unknown keeps four links to other unknowns (right, left, below, above) and one leak: the sum of its links to
known pixels. Coarse networks merge blocks of 2x2 unknowns and add up their links.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from afmend.compiled import njit
from afmend.scan.arrays import Mask

Ints: TypeAlias = NDArray[np.int32]
Singles: TypeAlias = NDArray[np.float32]
Floats: TypeAlias = NDArray[np.float64]


@njit(cache=True)
def build(z: Floats, known: Mask, wanted: Mask) -> tuple[Ints, Ints, Singles, Floats, Floats, Floats]:  # noqa: C901 (compiled)
    """Give the wanted pixels numbers; return places, links, weights, diagonal, leak and right-hand side."""
    rows, cols = wanted.shape
    n = 0
    number = np.full((rows, cols), -1, np.int32)
    for y in range(rows):
        for x in range(cols):
            if wanted[y, x]:
                number[y, x] = n
                n += 1
    place = np.empty((n, 2), np.int32)
    link = np.full((n, 4), -1, np.int32)
    weight = np.zeros((n, 4), np.float32)
    diagonal = np.zeros(n)
    leak = np.zeros(n)
    right = np.zeros(n)
    for y in range(rows):
        for x in range(cols):
            i = number[y, x]
            if i < 0:
                continue
            place[i, 0] = y
            place[i, 1] = x
            for k in range(4):
                yy = y + (1 if k == 2 else 0) - (1 if k == 3 else 0)
                xx = x + (1 if k == 0 else 0) - (1 if k == 1 else 0)
                if yy < 0 or xx < 0 or yy >= rows or xx >= cols:
                    continue
                j = number[yy, xx]
                if j >= 0:
                    link[i, k] = j
                    weight[i, k] = 1.0
                    diagonal[i] += 1.0
                elif known[yy, xx]:
                    leak[i] += 1.0
                    diagonal[i] += 1.0
                    right[i] += z[yy, xx]
    return place, link, weight, diagonal, leak, right


@njit(cache=True)
def coarsen(
    place: Ints, link: Ints, weight: Singles, leak: Floats, shape: tuple[int, ...]
) -> tuple[Ints, Ints, Ints, Singles, Floats, Floats]:
    """Merge 2x2 blocks; return the parent of each unknown and the coarse network."""
    n = place.shape[0]
    number = np.full((shape[0] // 2 + 1, shape[1] // 2 + 1), -1, np.int32)
    parent = np.empty(n, np.int32)
    m = 0
    for i in range(n):
        y, x = place[i, 0] // 2, place[i, 1] // 2
        if number[y, x] < 0:
            number[y, x] = m
            m += 1
        parent[i] = number[y, x]
    place_c = np.empty((m, 2), np.int32)
    link_c = np.full((m, 4), -1, np.int32)
    weight_c = np.zeros((m, 4), np.float32)
    diagonal_c = np.zeros(m)
    leak_c = np.zeros(m)
    for i in range(n):
        a = parent[i]
        place_c[a, 0] = place[i, 0] // 2
        place_c[a, 1] = place[i, 1] // 2
        # A merged block sees the boundary from farther away than its outer pixels do.
        leak_c[a] += 0.67 * leak[i]
        diagonal_c[a] += 0.67 * leak[i]
        for k in range(4):
            j = link[i, k]
            if j < 0 or parent[j] == a:
                continue
            # Links in series: half the conductance of the fine ones.
            link_c[a, k] = parent[j]
            weight_c[a, k] += 0.5 * weight[i, k]
            diagonal_c[a] += 0.5 * weight[i, k]
    return parent, place_c, link_c, weight_c, diagonal_c, leak_c


@njit(cache=True)
def sweep(link: Ints, weight: Singles, diagonal: Floats, b: Floats, x: Floats, backward: bool) -> None:
    """One Gauss-Seidel sweep in place."""
    n = b.size
    for step in range(n):
        i = n - 1 - step if backward else step
        total = b[i]
        for k in range(4):
            j = link[i, k]
            if j >= 0:
                total += weight[i, k] * x[j]
        x[i] = total / diagonal[i]


@njit(cache=True)
def apply(link: Ints, weight: Singles, diagonal: Floats, x: Floats, out: Floats) -> float:
    """Write A x to ``out``; return x A x."""
    energy = 0.0
    for i in range(x.size):
        total = diagonal[i] * x[i]
        for k in range(4):
            j = link[i, k]
            if j >= 0:
                total -= weight[i, k] * x[j]
        out[i] = total
        energy += total * x[i]
    return energy


@njit(cache=True)
def restrict(link: Ints, weight: Singles, diagonal: Floats, b: Floats, x: Floats, parent: Ints, m: int) -> Floats:
    """Sum the residual b - A x over each merged block."""
    out = np.zeros(m)
    for i in range(x.size):
        total = b[i] - diagonal[i] * x[i]
        for k in range(4):
            j = link[i, k]
            if j >= 0:
                total += weight[i, k] * x[j]
        out[parent[i]] += total
    return out


@njit(cache=True)
def advance(x: Floats, r: Floats, p: Floats, ap: Floats, alpha: float) -> float:
    """Move x along p and r against A p, in place; return the largest |r|."""
    largest = 0.0
    for i in range(x.size):
        x[i] += alpha * p[i]
        r[i] -= alpha * ap[i]
        largest = max(largest, abs(r[i]))
    return largest


@njit(cache=True)
def inner(a: Floats, b: Floats) -> float:
    """Inner product in a fixed order."""
    total = 0.0
    for i in range(a.size):
        total += a[i] * b[i]
    return total
