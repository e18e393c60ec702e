"""Which lines have a shape that neither neighbor knows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from afmend.artifacts.repeats import has_noise
from afmend.artifacts.scar_score import regular
from afmend.leveling.features import median
from afmend.scan.arrays import Heights

Floats = NDArray[np.float64]
Rows = NDArray[np.bool_]
PIECES = 16
PIECE_PX = 32
ROOT_OF_NORMAL = 0.822
"""Mean root of the size of a normal variable of variance 1."""
CROWD = 0.3
"""Where more than this share of the lines differs wildly from the next, that is how the scan looks."""
BORDER = 2.25
"""A line with a neighbor on one side only must differ by this much more (in variance)."""


class _Shapes:
    """Lines in pieces, each freed of its offset and of the slope of its line."""

    def __init__(self, heights: Heights) -> None:
        from afmend.artifacts import line_shape_kernels as kernels
        from afmend.compiled import side_by_side

        rows, cols = heights.shape
        pieces = min(PIECES, max(1, cols // 16))
        length = cols // pieces if cols <= PIECES * PIECE_PX else PIECE_PX
        starts = np.linspace(0, cols - length, pieces).astype(np.intp)
        across = np.arange(length) - (length - 1) / 2
        self.means, slope, largest = np.empty((rows, pieces)), np.empty(rows), np.zeros(2)
        self.cut = np.empty((rows, pieces, length), dtype=np.float32)

        def fit(part: int, parts: int) -> None:
            i = slice(rows * part // parts, rows * (part + 1) // parts)
            self.means[i], slopes = kernels.offsets_and_slopes(heights[i], starts, across)
            slopes.sort(axis=1)
            slope[i] = 0.5 * (slopes[:, (pieces - 1) // 2] + slopes[:, pieces // 2])
            largest[part] = kernels.tallest(heights[i], starts, across, self.means[i], slope[i])

        def cut_out(part: int, parts: int) -> None:
            i = slice(rows * part // parts, rows * (part + 1) // parts)
            kernels.cut_out(heights[i], starts, across, self.means[i], slope[i], 1.0 / scale, self.cut[i])

        side_by_side(fit)
        scale = float(largest.max()) or 1.0
        side_by_side(cut_out)
        self.means /= scale
        self.quantum = _quantum(heights) / scale

    def differ(self, a: NDArray[np.intp], b: NDArray[np.intp]) -> Floats:
        """Variance of the difference between lines ``a`` and ``b`` by the mean root of its size, (lines, pieces).

        Roots, so that edges which two lines cross at different places count little against what fills the line.
        """
        from afmend.artifacts.line_shape_kernels import mean_roots
        from afmend.compiled import by_halves

        (roots,) = by_halves(lambda first, stop: (mean_roots(self.cut, a[first:stop], b[first:stop]),), a.size)
        return np.asarray(np.square(np.square(roots / ROOT_OF_NORMAL)))

    def alike(self, a: int, b: int, c: int, d: int) -> float:
        """Correlation of the changes from line ``b`` to ``a`` and from ``d`` to ``c``; tall edges are cut to size."""
        one, two = _cut_to_size(self.cut[a] - self.cut[b]), _cut_to_size(self.cut[c] - self.cut[d])
        size = float(np.sqrt(np.sum(one**2) * np.sum(two**2)))
        return float(np.sum(one * two)) / size if size > 0 else 0.0

    def follow(self, row: int) -> float:
        """Tell how well line ``row + 1`` goes up and down where line ``row`` does: 1 = always, 0 = by chance."""
        one, two = np.diff(self.cut[row], axis=1), np.diff(self.cut[row + 1], axis=1)
        return float(np.mean(np.sign(one) * np.sign(two)))

    def texture(self, row: int) -> float:
        """Usual variance of the pieces of a line."""
        return float(np.median(np.mean(self.cut[row] ** 2, axis=1)))


def _cut_to_size(values: NDArray[np.float32]) -> NDArray[np.float32]:
    limit = 2 * np.median(np.abs(values))
    return np.clip(values, -limit, limit)


def _quantum(heights: Heights) -> float:
    """Smallest difference between neighbors that are not equal, in some lines: the level step of quantized data."""
    from afmend.artifacts.line_shape_kernels import smallest_step

    return float(smallest_step(heights, max(1, heights.shape[0] // 32)))


class _Band:
    """Lines ``start`` to ``stop - 1``, and the two lines ``a`` and ``b`` that they are compared with."""

    def __init__(self, start: int, stop: int, a: int, b: int, rows: int) -> None:
        self.start, self.stop, self.a, self.b = start, stop, a, b
        self.inside = np.arange(start, stop, dtype=np.intp)
        self.border = start == 0 or stop == rows


def wild_bands(heights: Heights, times2: float, widest: int, share: float) -> Rows:
    """Tell which lines stand in a band of 1 to ``widest`` lines with a shape that the lines around it do not have.

    ``times2`` is the ratio of mean squared differences that counts as wild, ``share`` the share of pieces of a line
    in which it must be reached.
    """
    rows, cols = heights.shape
    bad = np.zeros(rows, dtype=np.bool_)
    if rows < 6 or cols < 32:
        return bad
    shapes = _Shapes(heights)
    order = np.arange(rows, dtype=np.intp)
    steps = np.asarray(shapes.differ(order[1:], order[:-1]))
    floor = max(median(steps.ravel()), 1e-3 * float(np.mean(steps)), shapes.quantum**2)
    if floor == 0:
        return bad
    breaks = np.mean(steps > times2 * floor, axis=1) >= share
    if not breaks.any() or np.mean(breaks) > CROWD:
        return bad
    for band in _candidates(np.flatnonzero(breaks), rows, widest):
        if bad[band.start : band.stop].any():
            continue
        if _is_wild(shapes, band, floor, times2, share) or _is_torn(shapes, steps, band, floor, times2, share):
            bad[band.inside] = True
    starts = np.flatnonzero(bad & ~np.concatenate(([False], bad[:-1])))
    if bad.any() and (regular(starts.tolist(), least=8) or not has_noise(heights, np.ones(rows, dtype=np.bool_))):
        bad[:] = False
    return bad


def _candidates(breaks: NDArray[np.intp], rows: int, widest: int) -> list[_Band]:
    """List all bands between two breaks (i = between lines i and i + 1), or a break and the border; thin ones first."""
    found = []
    at = set(breaks.tolist())
    for width in range(1, widest + 1):
        tops = [above for above in breaks.tolist() if above + width in at]
        found += [_Band(top + 1, top + 1 + width, top, top + width + 1, rows) for top in tops]
        if width <= min(widest, 4) and width + 1 < rows - width:
            if width - 1 in at:
                found.append(_Band(0, width, width + 1, width, rows))
            if rows - 1 - width in at:
                found.append(_Band(rows - width, rows, rows - 1 - width, rows - 2 - width, rows))
    return found


def _is_wild(shapes: _Shapes, band: _Band, floor: float, times2: float, share: float) -> bool:
    a, b = np.full(band.inside.size, band.a), np.full(band.inside.size, band.b)
    usual = np.maximum(shapes.differ(a[:1], b[:1]), floor) * times2 * (BORDER if band.border else 1.0)
    to_a, to_b = shapes.differ(band.inside, a), shapes.differ(band.inside, b)
    if np.mean(np.minimum(to_a, to_b) > usual, axis=1).min() < share:
        return False
    return not (_is_edge(shapes, band, to_a) or _has_shoulders(shapes, band) or _is_strip(shapes, band, to_a))


def _is_torn(shapes: _Shapes, steps: Floats, band: _Band, floor: float, times2: float, share: float) -> bool:
    """Whether several lines differ wildly from each other and from the lines around them, where lines hang together.

    ``steps`` are the differences of each line from the next. Needed where the surface changes over a wide band.
    """
    rows = steps.shape[0] + 1
    if band.inside.size == 1 or band.start < 2 or band.stop > rows - 2:
        return False
    usual = np.maximum(np.maximum(steps[band.start - 2], steps[band.stop]), floor) * times2
    torn = np.mean(steps[band.start - 1 : band.stop] > usual, axis=1).min() >= share
    return bool(torn) and float(np.mean([shapes.follow(int(row)) for row in band.inside[:-1]])) < 0.3


def _is_edge(shapes: _Shapes, band: _Band, to_a: Floats) -> bool:
    """Whether the lines lie between two levels: the ragged edge of something that lies along the fast axis."""
    to_side = np.median(shapes.means[band.inside] - shapes.means[band.a], axis=1)
    other = np.median(shapes.means[band.inside] - shapes.means[band.b], axis=1)
    step = np.abs(to_side) if band.border else np.where(to_side * other < 0, np.abs(to_side - other), 0.0)
    return bool(np.all(np.sqrt(np.median(to_a, axis=1)) < 0.6 * step))


def _has_shoulders(shapes: _Shapes, band: _Band) -> bool:
    """Whether the change into the band has begun one line before it: a wire or ridge, widened by the tip."""
    rows = shapes.means.shape[0]
    sides = []
    if band.start >= 2:
        sides.append(shapes.alike(band.start, band.start - 1, band.start - 1, band.start - 2))
    if band.stop + 1 < rows:
        sides.append(shapes.alike(band.stop - 1, band.stop, band.stop, band.stop + 1))
    return bool(sides) and min(sides) > 0.3


def _is_strip(shapes: _Shapes, band: _Band, to_a: Floats) -> bool:
    """Whether the lines of a wide band resemble each other and are rougher than those around: a real strip."""
    if band.inside.size == 1:
        return False
    size = np.median(to_a, axis=1)
    between = np.median(shapes.differ(band.inside[1:], band.inside[:-1]), axis=1)
    alike = (size[1:] + size[:-1] - between) / (2 * np.sqrt(size[1:] * size[:-1]))
    rougher = np.array([shapes.texture(int(row)) for row in band.inside]) > shapes.texture(band.a)
    return bool(np.median(alike) > 0.7 and rougher.all())
