"""The ground under features and line offsets: a polynomial fitted to some ten thousand pixels, in turns.

A polynomial of degree 2 has six coefficients, and neighbors say nearly the same about them: every few lines and
columns of a large image tell as much as all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from afmend.leveling import background
from afmend.leveling.features import from_both_ends, thinned
from afmend.scan.arrays import Heights, Mask

Vector = NDArray[np.float64]
_SETTLING = 4
_STILL = 1e-2
"""A polynomial that moves by less, in standard deviations of the ground, has settled."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Every few lines and columns of an image.

    Attributes
    ----------
    rows, cols : (n,) int, (m,) int
    heights : (n, m)
    skip : (n, m) bool
    x, y : (m,), (n,)
        Positions along the lines and across them, -1 .. 1.
    """

    rows: NDArray[np.int64]
    cols: NDArray[np.int64]
    heights: Heights
    skip: Mask
    x: Vector
    y: Vector

    @classmethod
    def of(cls, z: Heights, skip: Mask) -> Sample:
        """Thin out a large image; take it whole if nothing usable would be left."""
        from afmend.leveling import ground_kernels as kernels

        rows, cols = thinned(*z.shape)
        heights, few = kernels.thin(z, skip, rows, cols)
        if few.all():
            rows, cols = (from_both_ends(count, 1) for count in z.shape)
            heights, few = kernels.thin(z, skip, rows, cols)
        x, y = background.centered(z.shape[1])[cols], background.centered(z.shape[0])[rows]
        return cls(rows, cols, heights, few, x, y)

    def without(self, coefs: NDArray[np.float64]) -> Heights:
        """Heights of the sample minus a polynomial of each line of the image."""
        from afmend.leveling import line_kernels as kernels

        return kernels.residuals(self.heights, coefs[self.rows], self.x)

    def polynomial(self, heights: Heights) -> Vector:
        """Least-squares polynomial of heights of the sample."""
        from afmend.leveling import settling_kernels as kernels

        return kernels.polynomial(heights, self.skip, self.x, self.y, 0.0, np.inf)


@dataclass(frozen=True, slots=True)
class Settled:
    """Polynomial, and spread, of the ground.

    Attributes
    ----------
    coefs : (rows, 3 or 4)
        What is to be subtracted from each line of the image, the offsets of the lines included.
    sigma : float
        Robust standard deviation of what is left of the ground.
    heights : (k,)
        What is left of the usable pixels of the sample, in order.
    """

    coefs: NDArray[np.float64]
    sigma: float
    heights: Vector


def settle(sample: Sample, lines: NDArray[np.float64], sigmas: float) -> Settled:
    """Mask features and fit the polynomial again, in turns.

    Parameters
    ----------
    sample : Sample
    lines : (rows, at most 4)
        What is subtracted from each line of the image beforehand.
    sigmas : float
        Pixels farther than this from the ground are features.
    """
    from afmend.leveling import settling_kernels as kernels
    from afmend.leveling.ground_kernels import ground_of_ordered

    start, skip, x, y = sample.without(lines), sample.skip, sample.x, sample.y
    found = sample.polynomial(start)
    rest, values = np.empty_like(start), np.empty(skip.size - np.count_nonzero(skip))
    kernels.above(start, skip, x, y, found, rest, values)
    for _ in range(_SETTLING):
        values.sort()
        if kernels.turn(start, skip, x, y, found, rest, values, sigmas, _STILL):
            break
    values.sort()
    level, sigma = ground_of_ordered(values, sigmas)
    found[0] += level
    return Settled(joined(lines, per_line(found, lines.shape[0])), sigma, values - level)


def ground_of(z: Heights, skip: Mask, settled: Settled, sigmas: float) -> Mask:
    """Return which pixels of the whole image are ground."""
    from afmend.leveling import ground_kernels as kernels

    return kernels.near_ground(z, skip, settled.coefs, background.centered(z.shape[1]), sigmas * settled.sigma)


def without_gauge(z: Heights, sample: Sample, lines: NDArray[np.float64], out: Heights | None = None) -> Heights:
    """Return heights without ``lines``, nor the least-squares polynomial of what that leaves; in ``out``, if given."""
    from afmend.compiled import side_by_side
    from afmend.leveling import line_kernels as kernels

    polynomial = per_line(sample.polynomial(sample.without(lines)), z.shape[0])
    out = np.empty_like(z) if out is None else out
    coefs, x = joined(lines, polynomial), background.centered(z.shape[1])

    def half(part: int, parts: int) -> None:
        i = slice(len(z) * part // parts, len(z) * (part + 1) // parts)
        kernels.subtract(z[i], coefs[i], x, out[i])

    side_by_side(half)
    return out


def per_line(found: Vector, rows: int) -> NDArray[np.float64]:
    """Return a polynomial of the gauge degree as coefficients over x for each line: (rows, 3)."""
    from afmend.leveling import settling_kernels as kernels

    return kernels.per_line(found, background.centered(rows))


def joined(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum of two polynomials of each line, whatever their degrees."""
    out = np.zeros((one.shape[0], max(one.shape[1], other.shape[1])))
    out[:, : one.shape[1]] += one
    out[:, : other.shape[1]] += other
    return out
