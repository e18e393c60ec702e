"""Holes of given shapes, for the filling task: the shapes that artifacts have."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

from afmend.scan.arrays import Mask

HoleKind: TypeAlias = Literal["1 line", "2 lines", "4 lines", "8 lines", "scars", "blobs"]
HOLE_KINDS: tuple[HoleKind, ...] = ("1 line", "2 lines", "4 lines", "8 lines", "scars", "blobs")
COVER = 0.05
"""Share of the pixels that scars and blobs hide."""
_EDGE = 4
"""Lines at the top and the bottom that stay whole: no fill should extrapolate here."""


def make_holes(kind: HoleKind, shape: tuple[int, int], seed: int) -> Mask:
    """Draw holes: lost lines in bundles, scars (short, along the lines), or round blobs of 3 to 8 pixels radius.

    Parameters
    ----------
    kind : HoleKind
    shape : (rows, cols)
        At least 32 x 32 pixels.
    seed : int
        The same seed gives the same holes.
    """
    rng = np.random.default_rng([seed, HOLE_KINDS.index(kind)])
    holes = np.zeros(shape, dtype=np.bool_)
    if kind in ("scars", "blobs"):
        while holes.mean() < COVER:
            _scar(holes, rng) if kind == "scars" else _blob(holes, rng)
        return holes
    wide = int(kind[0])
    gap = 14 + 6 * wide
    start = _EDGE + int(rng.integers(gap // 2))
    while start + wide <= shape[0] - _EDGE:
        holes[start : start + wide] = True
        start += wide + gap + int(rng.integers(-gap // 3, gap // 3 + 1))
    return holes


def _scar(holes: Mask, rng: np.random.Generator) -> None:
    rows, cols = holes.shape
    top, left = int(rng.integers(_EDGE, rows - _EDGE - 2)), int(rng.integers(-20, cols - 8))
    long = int(rng.integers(16, max(17, min(120, cols // 2))))
    holes[top : top + int(rng.integers(1, 4)), max(left, 0) : max(left + long, 0)] = True


def _blob(holes: Mask, rng: np.random.Generator) -> None:
    rows, cols = holes.shape
    y, x = np.ogrid[:rows, :cols]
    radius = float(rng.uniform(3, 8))
    cy, cx = rng.uniform(_EDGE + 8, rows - _EDGE - 8), rng.uniform(8, cols - 8)
    holes |= (y - cy) ** 2 + (x - cx) ** 2 <= radius**2
