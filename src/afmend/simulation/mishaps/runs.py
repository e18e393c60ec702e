"""Runs: stretches of one line in the order in which they were recorded. Scars, streaks, spikes and dropouts are runs.

A run starts at a pixel and goes on in scan time: to the right in the trace, to the left in the retrace.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from afmend.scan.arrays import Mask
from afmend.simulation.recording import Both, Recording, Way, ways

Numbers = NDArray[np.float64]
Whole = NDArray[np.intp]

TAIL = math.log(100)
"""An exponential tail ends where it has faded to 1 %: after this many decay lengths."""
_SHARP = 1e-9
"""Stands for a decay length of 0."""


class _HasDirection(Protocol):
    @property
    def direction(self) -> Both: ...


_Event = TypeVar("_Event", bound=_HasDirection)


def of_direction(events: Iterable[_Event], way: Way) -> list[_Event]:
    """Return the events that happen in one scan direction."""
    return [event for event in events if way in ways(event.direction)]


def column(events: Sequence[Any], name: str) -> Numbers:
    """Return one attribute of all events as an array."""
    return np.array([getattr(event, name) for event in events], dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Pixels:
    """The pixels of several runs, one after the other; those beyond the image are left out.

    Attributes
    ----------
    run : (n,) int
        Which run each pixel belongs to.
    age : (n,) int
        How many pixels of the run were recorded before it.
    row, col : (n,) int
        Where it is.
    """

    run: Whole
    age: Whole
    row: Whole
    col: Whole


def pixels_of(way: Way, shape: tuple[int, int], rows: Numbers, cols: Numbers, lengths: Numbers) -> Pixels:
    """Return the pixels of runs that start at (row, col) and last ``length`` pixels in the time order of ``way``."""
    start = cols.astype(np.intp)
    line = rows.astype(np.intp)
    until_edge = shape[1] - start if way == "trace" else start + 1
    count = np.clip(np.minimum(lengths, until_edge), 0, None).astype(np.intp)
    count[(line < 0) | (line >= shape[0])] = 0
    run = np.repeat(np.arange(count.size), count)
    age = np.arange(run.size) - np.repeat(np.cumsum(count) - count, count)
    col = start[run] + (age if way == "trace" else -age)
    inside = (col >= 0) & (col < shape[1])
    if not inside.all():
        run, age, col = run[inside], age[inside], col[inside]
    return Pixels(run, age, line[run], col)


def envelope(age: Whole, length: Numbers, rise_px: Numbers, release_px: Numbers) -> Numbers:
    """Return 0..1: rises as 1 - exp(-(age + 1)/rise) until ``length``, then fades as exp(-t/release)."""
    held = np.minimum(age, length - 1)
    up: Numbers = 1 - np.exp(-(held + 1) / np.maximum(rise_px, _SHARP))
    up *= np.exp((held - age) / np.maximum(release_px, _SHARP))
    return up


def wander(rng: np.random.Generator, size: int, step: Numbers | float) -> Numbers:
    """Return (size,) normal numbers of rms 1, linear between knots; each pixel goes ``step`` knots further."""
    place = np.cumsum(np.broadcast_to(step, size))
    knots = rng.standard_normal(int(place[-1]) + 2 if size else 0)
    before = place.astype(np.intp)
    part = place - before
    between: Numbers = (
        (knots[before] * (1 - part) + knots[before + 1] * part) / np.hypot(1 - part, part) if size else place
    )
    return between


def add_runs(recording: Recording, way: Way, kind: str, pixels: Pixels, change_nm: Numbers, visible_nm: float) -> None:
    """Add a change to the heights and mark those pixels to which one run adds more than ``visible_nm``."""
    np.add.at(recording.heights[way], (pixels.row, pixels.col), change_nm)
    seen = np.abs(change_nm) > visible_nm
    mask = np.zeros(recording.shape, dtype=np.bool_)
    mask[pixels.row[seen], pixels.col[seen]] = True
    recording.mark(way, kind, mask)


def band_of(recording: Recording, first: int, lines: int) -> slice:
    """Return the rows of a band of lines; lines beyond the image are left out."""
    rows = recording.shape[0]
    return slice(min(max(first, 0), rows), min(max(first + lines, 0), rows))


def mark_lines(recording: Recording, way: Way, kind: str, lines: NDArray[np.bool_]) -> None:
    """Mark whole lines; ``lines`` is (rows,)."""
    recording.mark(way, kind, np.broadcast_to(lines[:, None], recording.shape))


def forget(recording: Recording, way: Way, where: Mask) -> None:
    """Take pixels out of all artifact masks: what stands there now is not what was marked."""
    for mask in recording.masks[way].values():
        mask[np.broadcast_to(where, mask.shape)] = False


def lose(recording: Recording, way: Way, lines: NDArray[np.bool_]) -> None:
    """Make lines missing; ``lines`` is (rows,). The placeholder is the mean of what is left (0 if nothing is)."""
    if lines.any():
        missing = recording.missing[way]
        missing[lines] = True
        forget(recording, way, missing)
        heights = recording.heights[way]
        left = heights[~missing]
        heights[lines] = left.mean() if left.size else 0.0
