"""Filling with the biharmonic equation: a thin elastic plate clamped at the rim of each hole."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from afmend.filling.holes import find_holes, hole_radius
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
    wide = hole_radius(holes.wanted) > params.max_gap_px
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


def plate(heights: Heights, known: Mask, wanted: Mask) -> Heights:
    """Return heights with the wanted pixels filled by the plate.

    Pixels that are neither known nor wanted count as lying outside the image.
    """
    from scipy.sparse import csc_array
    from scipy.sparse.linalg import splu

    n = int(np.count_nonzero(wanted))
    number = np.full(heights.size, -1, dtype=np.int32)
    places = np.flatnonzero(wanted)
    number[places] = np.arange(n, dtype=np.int32)
    base = float(heights[known][0])
    flat = heights.ravel() - base
    parts: list[tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]]] = []
    right = np.zeros(n)
    for pixels, pattern in _energy_terms(known, wanted):
        # One row per energy term (pattern . heights)^2; its outer product joins the matrix.
        unknown = number[pixels]
        fixed = np.sum(np.where(unknown < 0, flat[pixels], 0.0) * pattern, axis=1)
        for a in range(pattern.size):
            own = unknown[:, a] >= 0
            right -= np.bincount(unknown[own, a], weights=pattern[a] * fixed[own], minlength=n)
            for b in range(pattern.size):
                both = own & (unknown[:, b] >= 0)
                value = np.full(int(np.count_nonzero(both)), pattern[a] * pattern[b])
                parts.append((unknown[both, a], unknown[both, b], value))
    rows, cols, values = (np.concatenate(column) for column in zip(*parts, strict=True))
    matrix = csc_array((values, (rows, cols)), shape=(n, n))
    solver = splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    filled = heights.copy()
    filled.flat[places] = solver.solve(right) + base
    return filled


def _energy_terms(known: Mask, wanted: Mask) -> list[tuple[NDArray[np.intp], NDArray[np.float64]]]:
    """List the bending and stretching terms that touch a wanted pixel: (flat pixel indices (m, k), weights (k,))."""
    rows, cols = wanted.shape
    inside = known | wanted
    index = np.arange(rows * cols, dtype=np.intp).reshape(rows, cols)
    twist, stretch = np.sqrt(2.0), np.sqrt(_MEMBRANE)
    shapes: list[tuple[list[tuple[int, int]], list[float]]] = [
        ([(0, 0), (0, 1), (0, 2)], [1.0, -2.0, 1.0]),
        ([(0, 0), (1, 0), (2, 0)], [1.0, -2.0, 1.0]),
        ([(0, 0), (0, 1), (1, 0), (1, 1)], [twist, -twist, -twist, twist]),
        ([(0, 0), (0, 1)], [stretch, -stretch]),
        ([(0, 0), (1, 0)], [stretch, -stretch]),
    ]
    terms = []
    for offsets, weights in shapes:
        high, wide = max(dy for dy, _ in offsets), max(dx for _, dx in offsets)
        if rows <= high or cols <= wide:
            continue
        views = [np.s_[dy : rows - high + dy, dx : cols - wide + dx] for dy, dx in offsets]
        use = np.logical_and.reduce([inside[view] for view in views])
        use &= np.logical_or.reduce([wanted[view] for view in views])
        terms.append((np.stack([index[view][use] for view in views], axis=1), np.array(weights)))
    return terms
