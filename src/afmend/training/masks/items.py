"""Items of the learned masks: made once, by many processes, and drawn many times.

The items of one scan lie in one file of whole numbers, (items, planes, rows, cols): the maps that the network sees, in
steps of 1 / `SCALE`, then the bits of what is wrong, then of what nobody could tell. They depend on the seed and the
number of the scan alone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from afmend.artifacts.learned_inputs import INPUTS, Map
from afmend.artifacts.learned_inputs import VERSION as INPUTS_VERSION
from afmend.pipeline.workers import for_each
from afmend.simulation.twin import VERSION as TWIN_VERSION
from afmend.training.kept import whole
from afmend.training.masks.examples import HARD, LABELS, example_pair, keep_pair, path_of
from afmend.training.masks.inject import VERSION as INJECTED
from afmend.training.masks.vary import CROP, make_item

SCALE = 12.5
"""Inputs lie between -10 and 10; they are kept as whole numbers of so many parts of one."""
EACH = 8
"""Items made of one scan."""
HARD_EVERY = 11
"""One scan in so many has nothing wrong in it, but looks as if."""
PLANES = len(INPUTS) + 2
Planes = NDArray[np.uint8]


def packed(item: tuple[Map, NDArray[np.uint8], NDArray[np.uint8]]) -> Planes:
    """Return an item (inputs, wrong, unsure) as (planes, rows, cols) of whole numbers."""
    out = np.empty((PLANES, *item[1].shape), np.uint8)
    inputs, out[-2], out[-1] = item[0] * np.float32(SCALE), item[1], item[2]
    np.rint(inputs, out=inputs)
    np.clip(inputs, -127, 127, out=inputs)
    out[:-2].view(np.int8)[...] = inputs
    return out


@dataclass(frozen=True, slots=True)
class Data:
    """Where items and held-out scans lie, and of which scans of the twin they are.

    Attributes
    ----------
    folder : Path
    scans, held_out, hard : range
        Seeds of scans to learn from, to judge by, and to judge by that look as if something were wrong.
    seed : int
        Of what is cut from the scans and laid over them.
    boxes : tuple of str
        Of the twin, taken in turn, `len(HARD)` scans each: so every box has hard scans of every kind.
    """

    folder: Path
    scans: range
    held_out: range = range(0)
    hard: range = range(0)
    seed: int = 0
    boxes: tuple[str, ...] = ("train",)

    def box(self, scan: int) -> str:
        """Return the box that a scan is drawn from."""
        return self.boxes[scan // len(HARD) % len(self.boxes)]

    def items(self, scan: int) -> Path:
        """Where the items of a scan lie; the name of the folder holds the versions of all that they were made by."""
        versions = f"v{TWIN_VERSION}-{INPUTS_VERSION}-{LABELS}-{INJECTED}-{EACH}"
        return self.folder / f"items-{self.box(scan)}-{versions}-{self.seed}" / f"{scan}.npy"


Order: TypeAlias = tuple[Data, int, bool | None]
"""Which scan, and whether it is held out and hard, or held out, or to learn from."""


def prepare(
    data: Data,
    *,
    workers: int = 1,
    minutes: float | None = None,
    watch: Callable[[int, int], None] | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Data:
    """Simulate the held-out scans, and make the items; what is there already is kept.

    Parameters
    ----------
    data : Data
    workers : int
    minutes : float, optional
        Begin no further item after this time.
    watch : callable, optional
    stop : callable
        Begin no further item once it says so.

    Returns
    -------
    Data
        With the scans that are ready: all, or the first of them if the time was up.
    """
    end = None if minutes is None else time.monotonic() + 60 * minutes
    for turn in range(len(data.boxes)):
        data.items(turn * len(HARD)).parent.mkdir(parents=True, exist_ok=True)
    kept = [(seed, hard) for seeds, hard in ((data.held_out, False), (data.hard, True)) for seed in seeds]
    orders: list[Order] = [
        (data, seed, hard) for seed, hard in kept if not path_of(data.folder, data.box(seed), seed, hard=hard).exists()
    ]
    orders += [(data, scan, None) for scan in data.scans if not data.items(scan).exists()]
    must = sum(hard is not None for _, _, hard in orders)
    done = 0

    def count(now: int, of: int) -> None:
        nonlocal done
        done = now
        if watch is not None:
            watch(now, of)

    def is_enough() -> bool:
        return done > must and (stop() or (end is not None and time.monotonic() > end))

    for_each(_make, orders, workers, count, is_enough)
    ready = data.scans.start
    while ready < data.scans.stop and data.items(ready).exists():
        ready += 1
    return replace(data, scans=range(data.scans.start, ready))


class Making(threading.Thread):
    """Items being made beside the training that learns from them.

    Parameters
    ----------
    data : Data
    workers : int
    minutes : float
        Begin no further item after this time.
    watch : callable, optional
    """

    def __init__(
        self, data: Data, workers: int, minutes: float, watch: Callable[[int, int], None] | None = None
    ) -> None:
        super().__init__(daemon=True)
        self.data, self.workers, self.minutes, self.watch = data, workers, minutes, watch
        self._enough = threading.Event()
        self._error: Exception | None = None

    def run(self) -> None:
        """Make items."""
        try:
            prepare(self.data, workers=self.workers, minutes=self.minutes, watch=self.watch, stop=self._enough.is_set)
        except Exception as error:  # noqa: BLE001 (told to the thread that waits)
            self._error = error

    def begin(self, minutes: float) -> None:
        """Start, and return after so many minutes, or as soon as there is something to learn from and to judge by."""
        self.start()
        self.join(60 * minutes)
        while self.is_alive() and not _is_ready(self.data):
            self.join(0.1)
        self.tell()

    def end(self) -> None:
        """Begin no further item, and wait for those that were begun."""
        self._enough.set()
        self.join()

    def tell(self) -> None:
        """Raise what went wrong, if anything did."""
        if self._error is not None:
            raise self._error


def _is_ready(data: Data) -> bool:
    kept = [(seed, hard) for seeds, hard in ((data.held_out, False), (data.hard, True)) for seed in seeds]
    there = (path_of(data.folder, data.box(seed), seed, hard=hard).exists() for seed, hard in kept)
    return data.items(data.scans[0]).exists() and all(there)


def _make(order: Order) -> None:
    data, scan, hard = order
    if hard is not None:
        keep_pair(data.folder, data.box(scan), scan, hard=hard)
        return
    pair = example_pair(data.box(scan), scan, hard=scan % HARD_EVERY == 0)
    out = np.empty((EACH, PLANES, *CROP), np.uint8)
    for k in range(EACH):
        out[k] = packed(make_item(pair[k % 2], np.random.default_rng((data.seed, scan, k))))
    path = data.items(scan)
    with whole(path) as partial:
        np.save(partial, out)
