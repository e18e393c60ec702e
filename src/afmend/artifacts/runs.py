"""Runs: unbroken stretches of marked pixels inside one row."""

from __future__ import annotations

from typing import NamedTuple

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
    """Turn disjoint runs back into a mask."""
    steps = np.zeros((shape[0], shape[1] + 1), dtype=np.int8)
    steps[runs.row, runs.start] += 1
    steps[runs.row, runs.stop] -= 1
    return np.cumsum(steps, axis=1, dtype=np.int8)[:, :-1].astype(np.bool_)


def run_sums(values: NDArray[np.generic], runs: Runs) -> NDArray[np.float64]:
    """Sum ``values`` over each run."""
    cols = values.shape[1]
    total = np.concatenate(([0.0], np.cumsum(values.ravel(), dtype=np.float64)))
    base = runs.row * cols
    sums: NDArray[np.float64] = total[base + runs.stop] - total[base + runs.start]
    return sums


def grow_along_rows(strong: Mask, weak: Mask) -> Runs:
    """Runs of ``weak`` that hold at least one pixel of ``strong`` (hysteresis along the fast axis)."""
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
