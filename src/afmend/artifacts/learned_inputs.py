"""What the learned masks see of a scan: training and inference both come here.

Seventeen maps, each free of unit and height scale. "Usual" means: in this scan, by the median; for what is unforeseen
(`learned_foretold`): in its neighborhood. All are squeezed by ``x / (1 + |x| / 10)``, which keeps small values and lets
large ones tell their order.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from afmend.artifacts.learned_foretold import aligned_to, nearby, unforeseen
from afmend.artifacts.scar_score import filled_from_lines
from afmend.scan.arrays import Mask

Map = NDArray[np.float32]
Floats = NDArray[np.floating]

KINDS = ("scar", "line", "jump", "spike", "parachute", "chatter", "lost")
"""What the learned masks tell apart, in the order of the model's outputs."""
INPUTS = (
    "step to the line above", "bend across the lines", "height", "height over the surroundings", "slope along the line",
    "bend along the line", "fine texture along the line", "offset of the line", "unrest of the line",
    "unforeseen", "unforeseen stretches", "unforeseen long stretches", "unforeseen stretches of bundles",
    "unforeseen, compared with the scan", "other direction: difference", "other direction: unforeseen stretches",
    "other direction: there",
)  # fmt: skip
"""What the model sees, in the order of its inputs."""
VERSION = 3
"""Of the inputs; a model says in its card for which it was made."""
STRETCH_PX, LONG_PX, AROUND_PX = 9, 27, 33
APART, UNUSUAL, STAYED, EITHER, MOST_LINES = 6.0, 5.0, 0.1, 0.8, 4
"""Lines, so many at most, have scars on most of them if they seem to be offset by so many sigma of pixels and of
offsets, but such a share of them has stayed where it was, and such a share has either stayed or moved as a whole."""
SAMPLE = 8_192
"""So many values tell the usual size of a map well enough."""
SMALLEST = (4, 16)
"""Lines and pixels that a scan must have."""


def model_inputs(
    heights: Floats, excluded: Mask | None = None, opposite: Floats | None = None, opposite_excluded: Mask | None = None
) -> Map:
    """Return the maps that the model sees.

    Parameters
    ----------
    heights : (rows, cols) float
        Time runs from left to right: turn a retrace around first.
    excluded : (rows, cols) bool, optional
        Filled from the lines above and below.
    opposite : (rows, cols) float, optional
        The other scan direction at the same places.
    opposite_excluded : (rows, cols) bool, optional

    Returns
    -------
    (17, rows, cols) float32
        In the order of `INPUTS`.
    """
    from afmend.artifacts.learned_kernels import squeeze

    out = np.zeros((len(INPUTS), *heights.shape), np.float32)
    z, steps = _aligned(heights, excluded)
    bend = _bend(z, 1)
    noise = usual(bend) / np.float32(np.sqrt(1.5))
    step = np.zeros_like(z)
    np.subtract(z[1:], z[:-1], out=step[1:])
    squeeze(step, 1 / noise, out[0])
    squeeze(bend, 1 / noise, out[1])
    low, middle, high = (np.float32(q) for q in quantiles(_sample(z), (0.05, 0.5, 0.95)))
    squeeze(z - middle, 4 / _positive(float(high - low)), out[2])
    squeeze(z - _blurred(z, AROUND_PX, AROUND_PX), 1 / noise, out[3])
    slope, curl = _along(z)
    squeeze(slope, 1 / usual(slope), out[4])
    squeeze(curl, 1 / usual(curl), out[5])
    texture = _blurred(np.abs(curl), STRETCH_PX)
    np.log2(np.clip(texture * (1 / usual(texture)), 1 / 64, 64), out=out[6])
    squeeze(np.broadcast_to(steps[:, None], z.shape), 1 / noise, out[7])
    unrest = np.mean(np.abs(bend[:, :: _every(z.shape[1], 128)]), axis=1)
    out[8] = np.log2(np.clip(unrest / usual(unrest), 1 / 64, 64))[:, None]
    _surprise(z, out[9:14])
    if opposite is not None:
        other, _ = _aligned(opposite, opposite_excluded)
        other = aligned_to(other, z)
        difference = z - other
        difference -= medians(difference[:, :: _every(z.shape[1], 128)])[:, None]
        squeeze(difference, 1 / noise, out[14])
        _compare(_blurred(unforeseen(other, 1, 2), STRETCH_PX), out[15])
        out[16] = 1
    return out


def measured_lines(heights: Floats, excluded: Mask | None = None) -> slice:
    """Return the lines from the first to the last that was measured: what is usual in a scan, others must not tell.

    A line was not measured if most of it is excluded, or if it is flat or repeats its neighbor to the last digit.

    Parameters
    ----------
    heights : (rows, cols) float
    excluded : (rows, cols) bool, optional

    Returns
    -------
    slice
        Empty if no line was measured.
    """
    same = (np.diff(heights, axis=0) == 0).all(axis=1)
    flat = (heights == heights[:, :1]).all(axis=1)
    gone = np.zeros(len(heights), np.bool_) if excluded is None else excluded.mean(axis=1) > 0.5
    found = [
        np.flatnonzero(~(gone | flat | again))
        for again in (np.append(same, False), np.insert(same, 0, False))  # above: like the next; below: like the last
    ]
    if not (found[0].size and found[1].size) or found[0][0] > found[1][-1]:
        return slice(0, 0)
    return slice(int(found[0][0]), int(found[1][-1]) + 1)


def _surprise(z: Map, out: Map) -> None:
    """Write what the lines around do not foretell: of pixels, stretches, long stretches and bundles; and how much."""
    single, bundle = unforeseen(z, 1, 2), unforeseen(z, 3, 4)
    around = _compare(single, out[0])
    _compare(_blurred(single, STRETCH_PX), out[1])
    _compare(_blurred(single, LONG_PX), out[2])
    _compare(_blurred(bundle, STRETCH_PX), out[3])
    np.log2(np.clip(around / usual(single), 1 / 64, 64), out=out[4])


def _compare(values: Map, out: Map) -> Map:
    """Write values in units of what is usual nearby, squeezed; return what is usual nearby."""
    around = nearby(values, usual(values))
    ratio = values / around
    np.divide(ratio, 1 + np.abs(ratio) / np.float32(10), out=out)
    return around


def _blurred(values: Map, pixels: int, lines: int = 1) -> Map:
    """Take the mean over so many pixels along, and lines."""
    import cv2

    return np.asarray(cv2.blur(values, (pixels, lines)), np.float32)


def usual(values: Map) -> np.float32:
    """Return the usual size of a map of differences: a robust sigma, or a share of the tail if most are zero."""
    half, most, nearly = quantiles(np.abs(_sample(values)), (0.5, 0.9, 0.99))
    return _positive(max(1.4826 * half, 0.1 * most, 0.02 * nearly))


def quantiles(values: NDArray[np.floating], shares: tuple[float, ...]) -> list[float]:
    """Return `numpy.quantile` of one row of numbers by sorting, which takes a tenth of the time and gives the same."""
    ordered = np.sort(values)
    answer = []
    for share in shares:
        place = (ordered.size - 1) * share
        before = int(place)
        part, low, high = place - before, ordered[before], ordered[min(before + 1, ordered.size - 1)]
        rise = float(high - low)
        answer.append(float(low) + rise * part if part < 0.5 else float(high) - rise * (1 - part))
    return answer


def medians(rows: Floats) -> Floats:
    """Return `numpy.median` of each row, by sorting."""
    ordered = np.sort(rows, axis=1)
    size = rows.shape[1]
    middle: Floats = (ordered[:, (size - 1) // 2] + ordered[:, size // 2]) * ordered.dtype.type(0.5)
    return middle


def _positive(value: float) -> np.float32:
    return np.float32(max(float(value), 1e-12))


def _sample(values: Map) -> Map:
    """Take at most about `SAMPLE` values, evenly."""
    flat = values.reshape(-1)
    # A stride that shares no factor with common line lengths, so that every column is seen.
    return flat[:: max(1, flat.size // SAMPLE) | 1]


def _every(count: int, most: int) -> int:
    return max(1, count // most)


def _aligned(heights: Floats, excluded: Mask | None) -> tuple[Map, Map]:
    """Return heights of rms 1 without the offsets of lines (medians of differences), and the steps between these."""
    if excluded is not None and excluded.any():
        heights = filled_from_lines(np.asarray(heights, np.float64), excluded)
    every = _every(heights.shape[1], 256)
    steps = np.zeros(heights.shape[0])
    steps[1:] = _offsets(np.diff(np.asarray(heights[:, ::every], np.float64), axis=0))
    offsets = np.cumsum(steps)
    z = np.asarray(heights, np.float64) - offsets[:, None]
    z -= z.mean()
    rise = np.linspace(-1, 1, z.shape[0])
    z -= (rise * (z.mean(axis=1) @ rise) / (rise @ rise))[:, None]
    run = np.linspace(-1, 1, z.shape[1])
    z -= run * (z.mean(axis=0) @ run) / (run @ run)
    scale = float(z.std()) or 1.0
    return np.asarray(z / scale, np.float32), np.asarray(steps / scale, np.float32)


def _offsets(changes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return by how much each line is offset from the one before, given the changes from line to line.

    That is the median of the changes, unless most of a line, or of a few, is a scar: if they seem to be offset, there
    and back, by far more than lines of this scan are, but the rest of them has stayed where it was, then they are not.
    """
    middles = np.asarray(medians(changes), np.float64)
    changes, offsets = changes - np.median(middles), middles - np.median(middles)
    scatter = np.float64(usual(np.asarray(changes - offsets[:, None], np.float32)))
    size = np.abs(offsets)
    apart = np.flatnonzero(size > np.maximum(APART * scatter, UNUSUAL * 1.4826 * np.median(size)))
    stayed = np.abs(changes[apart]) < 0.5 * APART * scatter
    moved = np.abs(changes[apart] - offsets[apart, None]) < 0.5 * APART * scatter
    scars = apart[(stayed.mean(axis=1) >= STAYED) & ((stayed | moved).mean(axis=1) >= EITHER)]
    for there, back in itertools.pairwise(scars):
        if back - there <= MOST_LINES and abs(offsets[there] + offsets[back]) < 0.3 * size[there]:
            offsets[there] = offsets[back] = 0
    return np.asarray(offsets, np.float64)


def _bend(z: Map, lines: int) -> Map:
    """Return how far each line lies over the mean of those ``lines`` above and below (at the edges: of the last)."""
    padded = np.pad(z, ((lines, lines), (0, 0)), mode="edge")
    out = padded[: -2 * lines] + padded[2 * lines :]
    out *= np.float32(-0.5)
    out += z
    return out


def _along(z: Map) -> tuple[Map, Map]:
    """First and second difference along the lines."""
    padded = np.pad(z, ((0, 0), (1, 1)), mode="edge")
    before, after = padded[:, :-2], padded[:, 2:]
    return after - before, z - np.float32(0.5) * (after + before)
