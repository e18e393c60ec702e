"""An image moved by a fraction of a pixel: as a whole, and at places; one shift for all, so the weights are few."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from afmend.scan.arrays import Heights, Mask
from afmend.tip.ghost_views import Vector, View

Places = NDArray[np.int64]


class Moved:
    """An image between its pixels."""

    def __init__(self, view: View) -> None:
        from scipy.ndimage import spline_filter

        self._view, self._knots = view, np.ascontiguousarray(spline_filter(view.image, 3), dtype=np.float64)
        self._rise = [np.ascontiguousarray(part) for part in np.gradient(view.image)]

    def at(self, rows: Places, cols: Places, offset: Vector) -> tuple[Vector, Vector, Vector, Mask]:
        """Return heights and slopes at places minus an offset, and which of them lie in the image."""
        from afmend.tip.ghost_kernels import heights_at, slopes_at

        here = self._coordinates(offset)
        z, dy, dx = (np.empty(rows.size) for _ in range(3))
        heights_at(self._knots, rows, cols, *_knots_of(here[0]), *_knots_of(here[1]), z)
        near = [np.clip(k, 0.0, k.size - 1.0) for k in here]
        slopes_at(self._rise[0], self._rise[1], rows, cols, near[0], near[1], dy, dx)
        inside = _inside(here)
        return z, dy, dx, inside[0][rows] & inside[1][cols]

    def heights(self, rows: Places, cols: Places, offset: Vector) -> Vector:
        """Return heights at places minus an offset."""
        from afmend.tip.ghost_kernels import heights_at

        here, out = self._coordinates(offset), np.empty(rows.size)
        heights_at(self._knots, rows, cols, *_knots_of(here[0]), *_knots_of(here[1]), out)
        return out

    def whole(self, offset: Vector) -> tuple[Heights, Heights, Mask]:
        """Return the moved image, its slope, and where it is known."""
        from afmend.tip.ghost_kernels import moved_image

        z, here = np.empty(self._view.image.shape), self._coordinates(offset)
        moved_image(self._knots, *_knots_of(here[0]), *_knots_of(here[1]), z)
        inside, good = _inside(here), self._view.good[np.ix_(*sources_of(z.shape, offset))]
        return z, np.hypot(*np.gradient(z)), inside[0][:, None] & inside[1][None, :] & good

    def _coordinates(self, offset: Vector) -> list[Vector]:
        """Return, for each row and column, where it comes from."""
        return [np.arange(n) - float(move) for n, move in zip(self._view.image.shape, offset, strict=True)]


def _inside(here: list[Vector]) -> list[Mask]:
    """Return which rows and columns come from the image, but for its outermost ones."""
    return [(k >= 1) & (k <= k.size - 2) for k in here]


def _knots_of(here: Vector) -> tuple[Places, Vector]:
    """Return the four knots of a cubic spline around each coordinate (at the ends the last one), and their weights."""
    first = np.floor(here)
    t = here - first
    of = np.clip(first[:, None].astype(np.int64) + np.arange(-1, 3), 0, here.size - 1)
    by = np.stack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3], axis=1) / 6
    return of, by


def sources_of(shape: tuple[int, ...], offset: Vector) -> list[Places]:
    """Return, for each row and column, where it comes from, in whole pixels; the nearest in the image."""
    return [np.clip(np.round(np.arange(n) - move), 0, n - 1).astype(np.int64)
            for n, move in zip(shape, offset, strict=True)]  # fmt: skip
