"""Along which axis the scan lines run: some files hold scans that were turned by a quarter."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from afmend.leveling.features import median
from afmend.leveling.line_search import find_lines
from afmend.leveling.settling import Sample, per_line
from afmend.leveling.structure import FEWEST_LINES, Blocks
from afmend.scan.arrays import Heights, Mask

Axis: TypeAlias = Literal["rows", "columns"]
_CLEARLY = 2.5
"""By this factor columns must move together more than their parts do by themselves, and more than rows do."""
_SMOOTH = 0.3
_ROUNDING = 1e-6
"""Of the largest height: line noise below it is rounding, of heights stored in single precision too."""
_TURNED = [0, 2, 1, 5, 4, 3]
"""Where the coefficients of a polynomial of degree 2 go when x and y change places."""


def find_line_axis(z: Heights, skip: Mask, *, sigmas: float, aspect: float, sample: Sample | None = None) -> Axis:
    """Say along which axis the line noise lies; "rows" unless columns show it clearly, and rows do not.

    Parameters
    ----------
    z : (rows, cols)
    skip : (rows, cols) bool
        Pixels that must not be looked at.
    sigmas : float
        Feature threshold, as in `find_lines`.
    aspect : float
        Length of axis 0 over that of axis 1.
    sample : Sample or None
        Of ``z``, if there is one.

    Notes
    -----
    From line to line, line noise jitters in all parts of a line alike; topography and pixel noise jitter in each part
    for itself. Typical jitter (medians) is compared, so that edges do not count; a smooth profile is no jitter; and
    what looks like a grating or an edge along the columns (`afmend.leveling.structure`), or is mere rounding, is not
    believed.
    """
    sample = sample or Sample.of(z, skip)
    background = sample.polynomial(sample.heights)
    columns = _together(Blocks.of(z, skip, across=True).steps(per_line(background[_TURNED], z.shape[1])))
    if columns[0] < _CLEARLY or columns[1] > _SMOOTH:
        return "rows"
    rows = _together(Blocks.of(z, skip).steps(per_line(background, z.shape[0])))
    if columns[0] < _CLEARLY * rows[0]:
        return "rows"
    turned, gone = np.ascontiguousarray(z.T), np.ascontiguousarray(skip.T)
    fit = find_lines(turned, gone, model="auto", shrink=True, sigmas=sigmas, aspect=1.0 / aspect)
    rounding = _ROUNDING * float(np.max(np.abs(z[~skip])))
    return "columns" if fit.offsets.noise > max(fit.offsets.leak, rounding**2) else "rows"


def _together(steps: NDArray[np.float64]) -> tuple[float, float]:
    """How much more than by chance the blocks of a line jitter together, and how smoothly lines follow each other."""
    count, blocks = steps.shape
    if count < FEWEST_LINES or blocks < 3:
        return 0.0, 1.0
    bent = steps[1:-1] - 0.5 * (steps[2:] + steps[:-2])
    common = bent.mean(axis=1)
    alone = _deviation((bent - common[:, None]).ravel()) / np.sqrt(blocks - 1.0)
    both = _deviation(common)
    ratio = both / alone if alone > 1e-9 * both else (np.inf if both > 0.0 else 0.0)
    line = steps.mean(axis=1)
    line = line - median(line)
    line = np.clip(line, -(cut := 4.0 * _deviation(line)), cut)
    power = float(np.sum(line**2))
    return ratio, float(np.sum(line[1:] * line[:-1])) / power if power > 0.0 else 1.0


def _deviation(values: NDArray[np.float64]) -> float:
    return median(np.abs(values - median(values)))
