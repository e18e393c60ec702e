"""Runs: unbroken stretches of marked pixels inside one row."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from afmend.scan.arrays import Mask

Indices = NDArray[np.intp]


class Runs(NamedTuple):
    """Stretches of marked pixels: columns ``start`` to ``stop - 1`` of row ``row``, in reading order."""

    row: Indices
    start: Indices
    stop: Indices

    @property
    def length(self) -> Indices:
        """Pixels in each run."""
        return self.stop - self.start

    def keep(self, chosen: NDArray[np.bool_]) -> Runs:
        """Return the chosen runs."""
        return Runs(self.row[chosen], self.start[chosen], self.stop[chosen])


def find_runs(mask: Mask) -> Runs:
    """List the runs of a mask, row by row."""
    rows, cols = mask.shape
    padded = np.zeros((rows, cols + 1), dtype=np.bool_)
    padded[:, :-1] = mask
    flat = padded.ravel()
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    if flat[0]:
        edges = np.concatenate(([0], edges))
    row, start = np.divmod(edges[0::2], cols + 1)
    return Runs(row, start, edges[1::2] - row * (cols + 1))


def paint_runs(runs: Runs, shape: tuple[int, int]) -> Mask:
    """Turn runs back into a mask."""
    mask = np.zeros(shape, dtype=np.bool_)
    mask.ravel()[run_pixels(runs, shape[1])] = True
    return mask


def run_pixels(runs: Runs, cols: int) -> Indices:
    """Return the flat index of every pixel of the runs, run after run."""
    first = np.cumsum(runs.length) - runs.length
    steps: Indices = np.repeat(runs.row * cols + runs.start - first, runs.length)
    return np.arange(int(runs.length.sum()), dtype=np.intp) + steps


def run_sums(values: NDArray[Any], runs: Runs) -> NDArray[np.float64]:
    """Sum ``values`` over each run."""
    if runs.row.size == 0:
        return np.zeros(0)
    taken = values.ravel()[run_pixels(runs, values.shape[1])]
    return np.add.reduceat(taken, np.cumsum(runs.length) - runs.length, dtype=np.float64)


def grow_along_rows(strong: Mask, weak: Mask) -> Runs:
    """List the runs of ``weak`` that hold at least one pixel of ``strong`` (hysteresis along the fast axis)."""
    runs = find_runs(weak | strong)
    return runs.keep(run_sums(strong, runs) > 0)


def bridge(runs: Runs, gap: int) -> Runs:
    """Join runs of one row that are at most ``gap`` pixels apart."""
    if runs.row.size < 2:
        return runs
    apart = (runs.row[1:] != runs.row[:-1]) | (runs.start[1:] - runs.stop[:-1] > gap)
    first = np.concatenate(([True], apart))
    last = np.concatenate((apart, [True]))
    return Runs(runs.row[first], runs.start[first], runs.stop[last])
