"""Filling with the biharmonic equation: a thin elastic plate clamped at the rim of each hole."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from afmend.filling.holes import find_holes, first_good, hole_radius
from afmend.filling.laplace import membrane
from afmend.pipeline import Field, Filled, Knob, Params, step
from afmend.scan.arrays import Heights, Mask

_MEMBRANE = 1e-9
"""Stiffness of a membrane added to the plate: decides only what the plate leaves undecided (one known pixel)."""


class Biharmonic(Params):
    """Fill holes with a bending plate: continues slopes, good for smooth surfaces and narrow holes."""

    max_gap_px: float = Knob(
        12, "Holes with a pixel farther than this from all data are not filled by the plate.", unit="px", ge=1, le=64,
        step=1, recommended=(2, 16),
    )  # fmt: skip
    wider: Literal["laplace", "leave_open"] = Knob(
        "laplace", "What happens to wider holes: filled with the Laplace equation, or left open."
    )


@step("fill.biharmonic", Biharmonic, version="1")
def biharmonic(field: Field, params: Biharmonic) -> Filled:
    """Minimize the bending energy of each hole: the 13-point biharmonic equation, natural at the image edges.

    It continues slopes into the hole, hence it may overshoot: not for steep steps, spikes at the rim, or wide holes.
    Pixels count as square, whatever their size. It has no error bar. What happened to wider holes is in the facts.

    Source: Duchon, Splines minimizing rotation-invariant semi-norms in Sobolev spaces (1977),
    doi:10.1007/BFb0086566.

    Raises
    ------
    StepError
        If every pixel is a hole.
    """
    holes = find_holes(field)
    if holes.empty:
        return Filled(field.heights)
    wide = _wide(holes.wanted, params.max_gap_px)
    facts: dict[str, Any] = {"wider_pixels": int(np.count_nonzero(wide))}
    heights = holes.heights
    narrow = holes.wanted & ~wide
    if narrow.any():
        heights = plate(heights, holes.known, narrow)
    if not wide.any():
        return Filled(heights, facts=facts)
    facts["wider"] = params.wider
    if params.wider == "leave_open":
        return Filled(heights, left_open=wide, facts=facts)
    return Filled(membrane(heights, holes.known, wide)[0], facts=facts)


def _wide(holes: Mask, max_gap_px: float) -> Mask:
    """Holes with a pixel farther than this from data."""
    from afmend.filling.place_kernels import places

    rows, cols = places(holes)
    _, radius = hole_radius(holes, rows, cols, np.ones(rows.size, dtype=np.bool_))
    wide = np.zeros(holes.shape, dtype=np.bool_)
    wide[rows, cols] = radius > max_gap_px
    return wide


def plate(heights: Heights, known: Mask, wanted: Mask) -> Heights:
    """Return heights with the wanted pixels filled by the plate.

    Pixels that are neither known nor wanted count as lying outside the image.
    """
    from scipy.sparse import csc_array
    from scipy.sparse.linalg import splu

    from afmend.filling.hole_kernels import plate_system

    places = np.argwhere(wanted)
    base = first_good(heights, known)
    points, sizes, weights = _energy_terms()
    starts, index, values, right = plate_system(heights - base, known | wanted, wanted, places, points, sizes, weights)
    matrix = csc_array((values, index, starts), shape=(len(places), len(places)))
    solver = splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    filled = heights.copy()
    filled[places[:, 0], places[:, 1]] = solver.solve(right) + base
    return filled


def _energy_terms() -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """List the bending and stretching terms: offsets of their points (terms, 4, 2), number of points, weights."""
    twist, stretch = np.sqrt(2.0), np.sqrt(_MEMBRANE)
    shapes: list[tuple[list[tuple[int, int]], list[float]]] = [
        ([(0, 0), (0, 1), (0, 2)], [1.0, -2.0, 1.0]),
        ([(0, 0), (1, 0), (2, 0)], [1.0, -2.0, 1.0]),
        ([(0, 0), (0, 1), (1, 0), (1, 1)], [twist, -twist, -twist, twist]),
        ([(0, 0), (0, 1)], [stretch, -stretch]),
        ([(0, 0), (1, 0)], [stretch, -stretch]),
    ]
    points = np.zeros((len(shapes), 4, 2), dtype=np.int64)
    weights = np.zeros((len(shapes), 4))
    for number, (offsets, factors) in enumerate(shapes):
        points[number, : len(offsets)] = offsets
        weights[number, : len(factors)] = factors
    return points, np.array([len(offsets) for offsets, _ in shapes]), weights
