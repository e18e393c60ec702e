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
    from afmend.artifacts import run_kernels as kernels

    rows, cols = mask.shape
    if cols % 8 or not mask.flags.c_contiguous:
        padded = np.zeros((rows, cols + -cols % 8), dtype=np.bool_)
        padded[:, :cols] = mask
        mask = padded
    return Runs(*kernels.find_runs(mask, mask.view(np.uint64)))


def paint_runs(runs: Runs, shape: tuple[int, int]) -> Mask:
    """Turn runs back into a mask."""
    from afmend.artifacts import run_kernels as kernels

    mask = np.zeros(shape, dtype=np.bool_)
    kernels.paint(mask, *runs, np.ones(runs.row.size, dtype=np.bool_))
    return mask


def run_sums(values: NDArray[Any], runs: Runs) -> NDArray[np.float64]:
    """Sum ``values`` over each run."""
    from afmend.artifacts import run_kernels as kernels

    return np.asarray(kernels.run_sums(values, *runs), dtype=np.float64)


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
