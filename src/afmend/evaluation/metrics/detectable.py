"""Which wrong stretches of lines an expert could find: the Rose criterion on what they add to a scan.

A simulator also marks what nobody could see: a streak of a fifth of the noise, a scar as long as its line (which is an
offset, and leveled away), the inner lines of a broad bundle that all deviate alike. Such pixels prove nothing, whether
marked or not; they are left out of scores and lessons. The rule knows only the simulator's truth, never what a
detector found.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from afmend.scan.arrays import Mask

Numbers = NDArray[np.float64]

ROSE = 5.0
"""An event is visible from this signal-to-noise ratio on (Rose, J. Opt. Soc. Am. 38, 196 (1948),
doi:10.1364/JOSA.38.000196)."""
PIXEL = 1.0
"""Of a visible event, pixels count whose change is at least so many times the noise of a single pixel."""
WINDOWS_PX = (1, 3, 9, 27, 81)
GAPS = (1, 2, 3, 5, 8)
"""Lines are foretold from those so many lines above and below."""
AROUND = (33, 65)
"""Noise is that of so many lines and pixels around."""
PRIOR = 0.05
"""Weight of the noise of the whole scan, where little around is good."""
MEAN_PX, SINGLE = 9, 3.0
"""A pixel's change is the mean along so many pixels, or a third of its own, whichever is more."""


class Seen(NamedTuple):
    """What counts.

    Attributes
    ----------
    wanted : (rows, cols) bool
        Visible: to be found.
    unsure : (rows, cols) bool
        Changed, but not visible, or visible only because leveling would put the blame on this part of the line: neither
        right nor wrong.
    """

    wanted: Mask
    unsure: Mask


def detectable(change: Numbers, background: Numbers, events: Mask, good: Mask) -> Seen:
    """Tell which pixels of wrong stretches of lines are visible.

    A stretch of a line is visible if somewhere the mean change along 1, 3, 9, 27 or 81 pixels exceeds 5 times the
    scatter of such means in the undamaged scan: of a line about the mean of the nearest good lines above and below, or,
    for lines in a bundle, of the adjacent ones. Offsets of whole lines do not count: the change is taken as it is and
    less its median along the line, and the smaller one counts.

    Parameters
    ----------
    change : (rows, cols) float64
        What the events add to the heights, exactly.
    background : (rows, cols) float64
        The heights without them, noise included, same unit.
    events : (rows, cols) bool
        Pixels that the simulator calls wrong.
    good : (rows, cols) bool
        Where the background is right: used to tell its noise.

    Returns
    -------
    Seen
    """
    less = change - np.median(change, axis=1, keepdims=True)
    inside = np.where(np.abs(less) < np.abs(change), less, change) * events
    beside = _bend(inside, 1) * events
    depth = np.searchsorted(GAPS, np.clip((_thickness(events) + 2) // 2, 1, GAPS[-1]))
    bends = [_background_bend(background, good, gap) for gap in GAPS]
    ratio, pixel = np.zeros(change.shape), np.zeros(change.shape)
    ghost = np.zeros(change.shape, dtype=np.bool_)
    for window in WINDOWS_PX:
        scatter = [_scatter(*bend, window) for bend in bends]
        apart = np.choose(depth, scatter)
        snr = np.maximum(np.abs(_mean(inside, window)) / apart, np.abs(_mean(beside, window)) / scatter[0])
        ratio = np.maximum(ratio, snr)
        if window == 1:
            joint = np.abs(_mean(inside, MEAN_PX)) / apart
            joint = np.maximum(joint, np.abs(_mean(beside, MEAN_PX)) / scatter[0])
            pixel = np.maximum(joint, snr / SINGLE)
            ghost = ~events & (np.abs(_mean(np.where(events, 0.0, less), MEAN_PX)) >= PIXEL * scatter[0])
    visible = np.zeros(change.shape, dtype=np.bool_)
    for row, start, stop in _stretches(events):
        visible[row, start:stop] = ratio[row, start:stop].max() >= ROSE
    wanted = events & visible & (pixel >= PIXEL)
    return Seen(wanted, (events & ~wanted) | ghost)


def _mean(values: Numbers, pixels: int, lines: int = 1) -> Numbers:
    import cv2

    return np.asarray(cv2.blur(values, (pixels, lines), borderType=cv2.BORDER_REPLICATE), np.float64)


def _bend(z: Numbers, gap: int) -> Numbers:
    """Return how far each line lies over the mean of those ``gap`` above and below."""
    gap = min(gap, z.shape[0] - 1)
    padded = np.pad(z, ((gap, gap), (0, 0)), mode="reflect")
    return np.asarray(z - 0.5 * (padded[: -2 * gap or None] + padded[2 * gap :]) if gap else np.zeros_like(z))


def _background_bend(background: Numbers, good: Mask, gap: int) -> tuple[Numbers, Mask]:
    """Return the bend without offsets of lines, 0 where it is not known, and where it is known."""
    bend = _bend(background, gap)
    bend -= np.median(bend, axis=1, keepdims=True)
    known = good.copy()
    if gap < len(good):
        known[gap:] &= good[:-gap]
        known[:-gap] &= good[gap:]
    return np.where(known, bend, 0.0), known


def _scatter(bend: Numbers, known: Mask, window: int) -> Numbers:
    """Return the local rms of means of the bend along so many pixels, as that of one line."""
    share = _mean(known.astype(np.float64), window)
    joint = _mean(bend, window) / np.maximum(share, 1e-9)
    used = (share > 0.5).astype(np.float64)
    power = joint * joint * used
    everywhere = power.sum() / max(used.sum(), 1.0)
    lines, pixels = AROUND
    near = (_mean(power, pixels, lines) + PRIOR * everywhere) / (_mean(used, pixels, lines) + PRIOR)
    return np.asarray(np.sqrt(near / 1.5) + 1e-12)


def _thickness(mask: Mask) -> NDArray[np.intp]:
    """Return, for each marked pixel, how many marked pixels lie above each other there."""
    above, below = np.zeros(mask.shape, np.intp), np.zeros(mask.shape, np.intp)
    for row in range(mask.shape[0]):
        above[row] = np.where(mask[row], 1 + (above[row - 1] if row else 0), 0)
    for row in range(mask.shape[0] - 1, -1, -1):
        below[row] = np.where(mask[row], 1 + (below[row + 1] if row + 1 < mask.shape[0] else 0), 0)
    return np.where(mask, above + below - 1, 0)


def _stretches(mask: Mask) -> Iterator[tuple[int, int, int]]:
    """Return (row, start, stop) of the marked stretches of lines."""
    for row in np.flatnonzero(mask.any(axis=1)):
        edges = np.diff(mask[row].astype(np.int8), prepend=0, append=0)
        for start, stop in zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1), strict=True):
            yield int(row), int(start), int(stop)
