"""A scan that artifacts are laid over, and what of them an expert could find."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from afmend.artifacts.learned_inputs import medians
from afmend.evaluation.metrics.detectable import AROUND, MEAN_PX, PIXEL, ROSE, SINGLE
from afmend.training.masks.examples import EVERY, Bits, bit

Rng = np.random.Generator
Map = NDArray[np.float32]
Floats = NDArray[np.floating]
SURE, DOUBT = PIXEL, 0.3
"""A stretch is marked where it changes heights by so many sigma, and in doubt from the second number on."""
SOME = 3
"""One pixel in so many tells what is usual."""
STRETCHES_PX = (1, 9, 27, 81)
"""Means along so many pixels are compared with the scatter of such means."""


@dataclass(slots=True, eq=False)
class Patient:
    """A scan that things happen to; time runs from left to right.

    Attributes
    ----------
    noise : float
        Usual scatter of a pixel about the lines above and below.
    scatter : mapping of int to (rows, cols) float32
        Local scatter of means along `STRETCHES_PX` pixels about the lines above and below.
    """

    heights: Map
    opposite: Map | None
    wrong: Bits
    unsure: Bits
    noise: float
    scatter: Mapping[int, Map]
    rng: Rng
    steep: NDArray[np.intp] = field(default_factory=lambda: np.zeros((0, 2), np.intp))

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, cols)."""
        return (self.heights.shape[0], self.heights.shape[1])

    @property
    def local(self) -> Map:
        """Local scatter of single pixels."""
        return self.scatter[1]

    def change(self, kind: str, rows: slice, cols: slice, by: NDArray[np.floating], sure: float = SURE) -> None:
        """Add ``by`` to a part of the scan and mark where that is visible."""
        part = (rows, cols)
        self.heights[part] += by.astype(np.float32)
        size = np.abs(by) / self.local[part]
        self.mark(kind, part, size > sure, size > sure * DOUBT)

    def change_line(self, kind: str, row: int, cols: slice, by: NDArray[np.floating]) -> None:
        """Add ``by`` to a stretch of a line and mark what is visible of it by the Rose criterion (`detectable`).

        What leveling may take for the offset of the line does not count, and where it would put the blame is in doubt.
        """
        self.heights[row, cols] += by.astype(np.float32)
        whole = np.zeros(self.shape[1])
        whole[cols] = by
        less = whole - np.median(whole)
        counts = np.where(np.abs(less) < np.abs(whole), less, whole)[None]
        sure, visible = self.seen(counts, row)
        doubt = np.abs(whole)[cols] >= DOUBT * self.local[row, cols]
        self.mark(kind, (slice(row, row + 1), cols), (sure & visible)[:, cols], doubt[None])
        blamed = np.abs(less) >= self.local[row]
        blamed[cols] = False
        self.unsure[row, blamed] = EVERY

    def seen(self, counts: NDArray[np.float64], top: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return which pixels of whole lines change enough, and (lines, 1) which lines change visibly."""
        band = slice(top, top + len(counts))
        single = self.local[band]
        ratio = np.zeros((len(counts), 1))
        for window in STRETCHES_PX:
            snr = np.abs(_along(counts, window)) / self.scatter[window][band]
            ratio = np.maximum(ratio, snr.max(axis=1, keepdims=True))
        size = np.maximum(np.abs(_along(counts, MEAN_PX)), np.abs(counts) / SINGLE) / single
        return size >= SURE, ratio >= ROSE

    def mark(self, kind: str, part: tuple[slice, slice], sure: NDArray[np.bool_], doubt: NDArray[np.bool_]) -> None:
        """Mark pixels of a part."""
        self.wrong[part][sure] |= np.uint8(bit(kind))
        self.unsure[part][doubt & ~sure] |= np.uint8(EVERY)


def noise_of(heights: Map) -> float:
    """Return the usual noise of a pixel: its scatter about the lines above and below."""
    return float(_usual(_without_offsets(heights)) + _floor(heights))


def scatter_of(heights: Map) -> tuple[float, dict[int, Map]]:
    """Return the usual noise of a pixel, and the local scatter of means along `STRETCHES_PX` pixels; see `Patient`."""
    import cv2

    bend, floor = _without_offsets(heights), _floor(heights)
    scatter: dict[int, Map] = {}
    noise = floor
    for window in STRETCHES_PX:
        size = np.abs(_along(bend, window))
        usual = _usual(size) + floor
        noise = usual if window == 1 else noise
        power = cv2.blur(np.minimum(size, 8 * usual) ** 2, AROUND[::-1], borderType=cv2.BORDER_REFLECT_101) / 1.5
        local = np.sqrt(np.maximum(power, 0))  # sums of a moving window may fall a little below
        scatter[window] = np.asarray(np.maximum(local, np.float32(0.3) * usual), np.float32)
    return float(noise), scatter


def _without_offsets(heights: Map) -> Map:
    """Return how far each pixel lies over the lines above and below, without the offset of its line."""
    bend = np.zeros_like(heights)
    bend[1:-1] = heights[1:-1] - 0.5 * (heights[:-2] + heights[2:])
    bend -= medians(bend)[:, None]
    return bend


def _usual(size: Map) -> np.float32:
    some = np.abs(size[1:-1]).reshape(-1)[::SOME]
    return np.float32(1.21 * float(medians(some[None])[0]))


def _floor(heights: Map) -> np.float32:
    return np.float32(1e-4 * float(heights.std()) + 1e-9)


def _along(values: Floats, pixels: int) -> Floats:
    """Mean along so many pixels."""
    import cv2

    if pixels == 1:
        return values
    return np.asarray(cv2.blur(values, (pixels, 1), borderType=cv2.BORDER_REPLICATE))


def log_uniform(rng: Rng, low: float, high: float) -> float:
    """Draw a number, evenly in its logarithm."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def count(rng: Rng, most: int) -> int:
    """Draw a number from 1 to ``most``, small ones more often."""
    return int(log_uniform(rng, 1, most + 0.999))


def smooth(rng: Rng, size: int, length: float) -> NDArray[np.float64]:
    """Draw a smooth random curve of rms about 1."""
    knots = rng.standard_normal(max(4, int(size / length) + 3))
    place = np.linspace(0, knots.size - 2.001, size) + rng.random() * 0.9
    before = place.astype(int)
    part = place - before
    part *= part * (3 - 2 * part)
    curve: NDArray[np.float64] = knots[before] * (1 - part) + knots[before + 1] * part
    return curve * 1.2


def line_noise(rng: Rng, shape: tuple[int, int], length: float) -> NDArray[np.float64]:
    """Draw noise of rms about 1 that remembers ``length`` pixels of its line, and nothing of the line before."""
    rows, cols = shape
    knots = rng.standard_normal((rows, max(4, int(cols / length) + 3)))
    place = np.linspace(0, knots.shape[1] - 2.001, cols)
    before = place.astype(int)
    part = place - before
    part *= part * (3 - 2 * part)
    noise: NDArray[np.float64] = 1.2 * (knots[:, before] * (1 - part) + knots[:, before + 1] * part)
    return noise
