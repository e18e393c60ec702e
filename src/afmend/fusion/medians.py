"""Medians of lines."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from afmend.leveling.lines import medians, sorted_usable
from afmend.scan.arrays import Heights, Mask

CROWD = 8
"""The ground of a line is sought in the densest eighth of its differences."""


def line_medians(heights: Heights, known: Mask) -> NDArray[np.float64]:
    """Median of each line over what is known, (rows,); 0 where nothing is."""
    return np.where(known.any(axis=1), medians(*sorted_usable(heights, known)), 0.0)


def crowded(values: Heights, known: Mask) -> NDArray[np.float64]:
    """Middle of the densest eighth of each line's differences: its ground, even if tails cover most of it.

    Parameters
    ----------
    values : (rows, cols) float64
    known : (rows, cols) bool

    Returns
    -------
    (rows,) float64
        The median of the other lines for a line of which nothing is known.
    """
    values = np.sort(np.where(known, values, np.inf), axis=1)
    out = np.zeros(values.shape[0])
    counts = np.count_nonzero(known, axis=1)
    if (counts == values.shape[1]).all():
        part = max(1, values.shape[1] // CROWD)
        begin = np.argmin(values[:, part:] - values[:, :-part], axis=1)
        return np.asarray(values[np.arange(values.shape[0]), begin + part // 2])
    for row in np.flatnonzero(counts):
        line = values[row, : counts[row]]
        part = max(1, line.size // CROWD)
        begin = int(np.argmin(line[part:] - line[:-part])) if line.size > part else 0
        out[row] = line[min(begin + part // 2, line.size - 1)]
    if not counts.all():
        out[counts == 0] = np.median(out[counts > 0]) if counts.any() else 0.0
    return out
