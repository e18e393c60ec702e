"""Offsets (and slopes) of scan lines: differences of adjacent lines, joined to a path."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from afmend.leveling.features import median, quantum
from afmend.leveling.line_scales import Scales, pair_scales, scales_of, sorted_differences, typical
from afmend.scan.arrays import Heights, Mask

Vector = NDArray[np.float64]
_RECURRING = 5
_PER_QUANTUM = 0.6
_TESTS = 8  # slope, bends, and five more test functions
BESIDE = 6
"""As many of them, but for the slope, are compared with an offset."""
GAUGE_DEGREE = 2
"""Polynomials over the image up to this degree are background: a drift and a bow cannot be told from them."""


@dataclass(frozen=True, slots=True)
class Path:
    """What the differences of adjacent lines say about the lines.

    Attributes
    ----------
    lines : (n,) int
        Rows with enough usable pixels.
    offset, slope : (n,)
        Integrated differences; ``slope`` multiplies ``tests[0]``.
    scale : (n - 1,)
        Robust scale of each pair's differences.
    widest : float
        Scale of the densest quarter of the differences in a typical pair; inf if nothing differs.
    leak : (n - 1, tests)
        See `line_kernels.pair_fit`.
    doubtful : (n - 1,) bool
        Pairs whose difference is more likely an edge along the lines than a line jump.
    """

    lines: NDArray[np.int64]
    offset: Vector
    slope: Vector
    scale: Vector
    widest: float
    leak: NDArray[np.float64]
    doubtful: NDArray[np.bool_]

    @classmethod
    def of(cls, lines: NDArray[np.int64], offset: Vector, slope: Vector) -> Path:
        """Make a path that only says what to subtract."""
        none = np.zeros(0)
        return cls(lines, offset, slope, none, 1.0, np.zeros((0, 0)), np.zeros(0, dtype=np.bool_))

    def coefficients(self, rows: int, tests: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what to subtract from each row, as coefficients over x in -1 .. 1: (rows, 2)."""
        per_x = tests[0, -1]
        return np.column_stack([spread(self.lines, self.offset, rows), spread(self.lines, self.slope * per_x, rows)])


def test_functions(x: Vector) -> NDArray[np.float64]:
    """Return Legendre polynomials of degree 1 .. 8 over a line, scaled to mean square 1: (tests, cols)."""
    degrees = min(_TESTS, x.size - 1)
    if degrees < 2:
        return np.zeros((0, x.size))
    values = np.polynomial.legendre.legvander(x, degrees)[:, 1:].T
    return np.ascontiguousarray(values / np.sqrt(np.mean(values**2, axis=1, keepdims=True)))


def usable_lines(skip: Mask, least: int = 3) -> NDArray[np.int64]:
    """Rows that may be links of a chain: with a quarter of the usual number of usable pixels.

    Others would hand on the error of their few pixels to all that follow; see `line_strays`. At least ``least``
    pixels are asked for (fewer if the image is narrower). Of two neighbors that have hardly a column in common, and so
    say nothing about each other, the one with fewer pixels is left out.
    """
    from afmend.leveling.ground_kernels import line_counts

    counts, together = line_counts(skip)
    usual = float(np.median(counts[counts > 0])) if counts.any() else 0.0
    fewest = max(min(least, skip.shape[1]), 0.25 * usual)
    lines = np.flatnonzero(counts >= fewest)
    if (counts[lines] == skip.shape[1]).all():
        return lines
    if lines.size < len(skip):
        together = np.count_nonzero(~(skip[lines[1:]] | skip[lines[:-1]]), axis=1)
    if (together >= 0.5 * fewest).all():
        return lines
    kept: list[int] = []
    for line in map(int, lines):
        while kept and _strangers(skip, kept[-1], line, 0.5 * fewest) and counts[kept[-1]] < counts[line]:
            kept.pop()
        if not kept or not _strangers(skip, kept[-1], line, 0.5 * fewest):
            kept.append(line)
    return np.array(kept, dtype=np.int64)


def _strangers(skip: Mask, one: int, other: int, fewest: float) -> bool:
    """Tell whether two lines have fewer than ``fewest`` usable columns in common."""
    return bool(np.count_nonzero(~(skip[one] | skip[other])) < fewest)


def without_broken(r: Heights, skip: Mask, lines: NDArray[np.int64]) -> tuple[NDArray[np.int64], Scales]:
    """Leave out lines in which a jump happens: half of such a line fits the line above, the other half that below.

    Both pairs look like lines that are crossed by an edge, but the lines above and below fit each other, and not at
    the same height. A chain that leads over such a line would lose the jump. Where the jumps recur with the same
    height, they are the edges of a grating or of terraces along the lines. Also returns the scales of the rest.
    """
    scales = scales_of(r, skip, lines)
    middle, beside, narrow = scales
    usual = 2.0 * median(middle)
    worse = np.minimum(beside[1:], beside[:-1])
    broken: list[int] = []
    heights: list[float] = []
    for k in np.flatnonzero(worse > 3.0 * narrow):
        if broken and broken[-1] == k:
            continue
        jump, beyond, _ = pair_scales(r, skip, lines[k : k + 3 : 2])
        height = abs(float(jump[0]) - usual)
        if beyond[0] < worse[k] / 3.0 and 0.5 * worse[k] < height < 5.0 * worse[k]:
            broken.append(int(k) + 1)
            heights.append(height)
    if not broken or _recur(np.array(heights)):
        return lines, scales
    lines = np.delete(lines, broken)
    return lines, scales_of(r, skip, lines)


def _recur(heights: Vector) -> bool:
    """Tell whether there are several heights, and typically the same."""
    if heights.size < _RECURRING:
        return False
    typical = median(heights)
    return typical > 0.0 and median(np.abs(heights - typical)) <= 0.15 * typical


def spread(lines: NDArray[np.int64], values: Vector, rows: int) -> Vector:
    """Interpolate values of the usable lines to all rows; beyond the ends the nearest one counts."""
    return np.interp(np.arange(rows), lines, values)


def between(lines: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Interpolate values of the usable lines to all rows from the first to the last of them.

    What is judged by its spectrum must be spaced evenly.
    """
    rows = np.arange(lines[0], lines[-1] + 1)
    if rows.size == lines.size:
        return values
    return np.stack([np.interp(rows, lines, column) for column in values.reshape(lines.size, -1).T], axis=-1).reshape(
        rows.size, *values.shape[1:]
    )


def follow(
    r: Heights,
    skip: Mask,
    lines: NDArray[np.int64],
    tests: NDArray[np.float64],
    *,
    with_slope: bool,
    scales: Scales | None = None,
) -> Path:
    """Estimate the path of line offsets from residual heights; ``scales`` of the lines, if they are known."""
    middle, scale, core = scales or scales_of(r, skip, lines)
    coarse = _PER_QUANTUM * quantum(r, skip)
    scale = np.maximum(scale, coarse)
    widest = max(core, coarse) or typical(scale) or np.inf
    offset, slope, leak = _pair_fit(r, skip, lines, (middle, scale, widest), tests, with_slope=with_slope)
    doubtful = _doubtful(offset, scale, widest)
    offset[doubtful] = median(offset)
    slope[doubtful] = 0.0
    leak[doubtful] = 0.0
    return Path(lines, integrate(offset), integrate(slope), scale, widest, leak, doubtful)


def _pair_fit(
    r: Heights, skip: Mask, lines: NDArray[np.int64], scales: Scales, tests: NDArray[np.float64], *, with_slope: bool
) -> tuple[Vector, Vector, NDArray[np.float64]]:
    """`line_kernels.pair_fit`, half of the pairs on either of two threads; ``scales`` begin with the guesses.

    Where the differences scatter widely, their mode is the guess.
    """
    from afmend.compiled import by_halves
    from afmend.leveling import line_kernels as kernels

    guess, scale, widest = scales

    def half(i: int, j: int) -> tuple[Vector, Vector, NDArray[np.float64]]:
        near, wide = guess[i:j].copy(), i + np.flatnonzero(scale[i:j] > 1.5 * widest)
        ordered, count = sorted_differences(r, skip, lines[wide], lines[wide + 1])
        some = count > 0
        near[wide[some] - i] = kernels.modes(ordered[some], count[some], 2.0 * widest)
        return kernels.pair_fit(r, skip, lines[i : j + 1], near, scale[i:j], widest, tests, with_slope)

    offset, slope, leak = by_halves(half, lines.size - 1)
    return offset, slope, leak


def _doubtful(offset: Vector, scale: Vector, widest: float) -> NDArray[np.bool_]:
    """Pairs that are more likely crossed by an edge along the lines than by a line jump.

    A line jump moves all pixels by the same amount; an edge widens the differences. But so does a jump in the
    middle of a line. Edges are believed if they recur with the same height, as terraces and gratings do.
    """
    steps = offset - median(offset)
    away = np.abs(steps)
    usual = 1.4826 * median(away)
    wide = (scale > 3.0 * widest) & (away > np.maximum(5.0 * usual, 0.25 * scale))
    return wide if _recur(_run_sums(wide, steps)) else np.zeros_like(wide)


def _run_sums(chosen: NDArray[np.bool_], steps: Vector) -> Vector:
    """Absolute sums of steps over each run of chosen pairs and the two pairs beside it."""
    near = chosen.copy()
    near[1:] |= chosen[:-1]
    near[:-1] |= chosen[1:]
    at = np.flatnonzero(near)
    if at.size == 0:
        return np.zeros(0)
    starts = np.concatenate([[0], np.flatnonzero(np.diff(at) > 1) + 1])
    return np.abs(np.add.reduceat(steps[at], starts))


def relative_scale(r: Heights, skip: Mask, path: Path) -> float:
    """Return how wide the differences of adjacent lines typically are, in units of those of ``path``."""
    _, scale, core = scales_of(r, skip, path.lines)
    return max(typical(scale) / (typical(path.scale) or 1.0), core / path.widest)


def refine(r: Heights, skip: Mask, path: Path, tests: NDArray[np.float64], *, with_slope: bool) -> Path:
    """Add what the differences of already aligned lines still show."""
    guess = np.zeros(path.scale.size)
    scale, widest = path.scale, path.widest
    if with_slope:
        _, scale, core = scales_of(r, skip, path.lines)
        coarse = _PER_QUANTUM * quantum(r, skip)
        scale = np.maximum(scale, coarse)
        widest = max(core, coarse) or widest
    offset, slope, leak = _pair_fit(r, skip, path.lines, (guess, scale, widest), tests, with_slope=with_slope)
    for found in (offset, slope, leak):
        found[path.doubtful] = 0.0
    return replace(
        path,
        offset=path.offset + integrate(offset),
        slope=path.slope + integrate(slope),
        leak=leak,
        scale=scale,
        widest=widest,
    )


def modulations(r: Heights, skip: Mask, path: Path, tests: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much of each test function a line has more than the one before, in aligned lines: (pairs, tests)."""
    guess = np.zeros(path.scale.size)
    _, _, found = _pair_fit(r, skip, path.lines, (guess, path.scale, path.widest), tests, with_slope=False)
    found[path.doubtful] = 0.0
    return found


def integrate(steps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum up steps from line to line; the first line is at 0."""
    return np.concatenate([np.zeros((1, *steps.shape[1:])), np.cumsum(steps, axis=0)])
