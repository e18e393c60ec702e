"""Filling with the Laplace equation: a stretched membrane clamped at the rim of each hole."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from afmend.errors import StepError
from afmend.filling.holes import find_holes, first_good
from afmend.pipeline import Field, Filled, Params, step
from afmend.scan.arrays import Heights, Mask

Vector = NDArray[np.float64]
_ROUNDS = 400
_PRECISION = 1e-14
"""Residual at which the solution is exact for all purposes, relative to the range of the rim."""


class Laplace(Params):
    """Fill holes with the solution of the Laplace equation (as Gwyddion's "interpolate data under mask")."""


@step("fill.laplace", Laplace, version="1")
def laplace(field: Field, params: Laplace) -> Filled:  # noqa: ARG001 (the contract of a step)
    """Solve the 5-point Laplace equation in every hole: heights given at its rim, no slope at the image edge.

    It never overshoots and never invents detail, hence it flattens what it fills. It has no error bar. Pixels count
    as square, whatever their size. Not for rough surfaces whose statistics matter (prefer fill.kriging).

    Raises
    ------
    StepError
        If every pixel is a hole.
    """
    holes = find_holes(field)
    if holes.empty:
        return Filled(field.heights)
    heights, rounds = membrane(holes.heights, holes.known, holes.wanted)
    return Filled(heights, facts={"rounds": rounds})


@dataclass(slots=True)
class _Network:
    """One level: links, weights, diagonal, and the parents in the next coarser level."""

    link: NDArray[np.int32]
    weight: NDArray[np.float32]
    diagonal: Vector
    parent: NDArray[np.int32]


def membrane(heights: Heights, known: Mask, wanted: Mask) -> tuple[Heights, int]:
    """Return heights with the wanted pixels filled, and the number of rounds the solver took.

    Pixels that are neither known nor wanted count as lying outside the image.
    """
    from afmend.filling.network_kernels import build

    # A common shift keeps the rounding relative to the range of the heights instead of their offset.
    base = first_good(heights, known)
    place, link, weight, diagonal, leak, right = build(heights - base, known, wanted)
    levels = _levels(place, (link, weight, diagonal, leak), heights.shape)
    x, rounds = _solve(levels, right)
    filled = heights.copy()
    filled[place[:, 0], place[:, 1]] = x + base
    return filled, rounds


def _levels(
    place: NDArray[np.int32],
    finest: tuple[NDArray[np.int32], NDArray[np.float32], Vector, Vector],
    shape: tuple[int, ...],
) -> list[_Network]:
    """Merge unknowns level by level until next to every one of them lies a known pixel."""
    from afmend.filling.network_kernels import coarsen

    link, weight, diagonal, leak = finest
    none = np.zeros(0, dtype=np.int32)
    levels = [_Network(link, weight, diagonal, none)]
    while np.count_nonzero(leak == 0) > max(4, 0.03 * leak.size):
        parent, place, link, weight, diagonal, leak = coarsen(place, link, weight, leak, shape)
        levels[-1].parent = parent
        levels.append(_Network(link, weight, diagonal, none))
        shape = (shape[0] // 2 + 1, shape[1] // 2 + 1)
    return levels


def _cycle(levels: list[_Network], depth: int, b: Vector) -> Vector:
    """Approximate the solution of level ``depth`` by sweeps there and a correction from the coarser levels."""
    from afmend.filling.network_kernels import restrict, sweep

    net = levels[depth]
    x = np.zeros(b.size)
    sweep(net.link, net.weight, net.diagonal, b, x, False)
    if depth + 1 < len(levels):
        coarse = restrict(net.link, net.weight, net.diagonal, b, x, net.parent, levels[depth + 1].diagonal.size)
        x += _cycle(levels, depth + 1, coarse)[net.parent]
    sweep(net.link, net.weight, net.diagonal, b, x, True)
    return x


def _solve(levels: list[_Network], right: Vector) -> tuple[Vector, int]:
    """Conjugate gradients, preconditioned by one cycle over the levels."""
    from afmend.filling.network_kernels import advance, apply, inner

    net = levels[0]
    x = _cycle(levels, 0, right)
    r = np.empty_like(right)
    apply(net.link, net.weight, net.diagonal, x, r)
    r = right - r
    goal = _PRECISION * float(np.max(np.abs(right)))
    largest = float(np.max(np.abs(r)))
    p, old = np.zeros_like(r), 1.0
    ap = np.empty_like(r)
    for number in range(_ROUNDS):
        if largest <= goal:
            return x, number
        s = _cycle(levels, 0, r)
        new = inner(r, s)
        p = s + (new / old) * p if number else s
        old = new
        alpha = new / apply(net.link, net.weight, net.diagonal, p, ap)
        largest = advance(x, r, p, ap, alpha)
    raise StepError("the Laplace solver did not converge", now="Please report this scan and its mask.")
