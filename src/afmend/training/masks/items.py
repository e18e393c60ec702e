"""Items of the learned masks: made once, by many processes, and drawn many times.

The items of one scan lie in one file of whole numbers, (items, planes, rows, cols): the maps that the network sees, in
steps of 1 / `SCALE`, then the bits of what is wrong, then of what nobody could tell. They depend on the seed and the
number of the scan alone.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from afmend.artifacts.learned_inputs import INPUTS, KINDS, Map
from afmend.artifacts.learned_inputs import VERSION as INPUTS_VERSION
from afmend.pipeline.workers import for_each
from afmend.simulation.twin import VERSION as TWIN_VERSION
from afmend.training.masks.examples import LABELS, example_pair, keep_pair, path_of
from afmend.training.masks.inject import VERSION as INJECTED
from afmend.training.masks.vary import CROP, make_item

SCALE = 12.5
"""Inputs lie between -10 and 10; they are kept as whole numbers of so many parts of one."""
EACH = 16
"""Items made of one scan."""
HARD_EVERY = 11
"""One scan in so many has nothing wrong in it, but looks as if."""
PLANES = len(INPUTS) + 2
Planes = NDArray[np.uint8]


def packed(item: tuple[Map, NDArray[np.uint8], NDArray[np.uint8]]) -> Planes:
    """Return an item as (planes, rows, cols) of whole numbers."""
    inputs, wrong, unsure = item
    out = np.empty((PLANES, *inputs.shape[1:]), np.uint8)
    out[:-2] = np.rint(np.clip(inputs * np.float32(SCALE), -127, 127)).astype(np.int8).view(np.uint8)
    values = (1 << np.arange(len(KINDS), dtype=np.uint8))[:, None, None]
    for plane, bits in zip((-2, -1), (wrong, unsure), strict=True):
        out[plane] = (bits * values).sum(axis=0, dtype=np.uint8)
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
    box : str
    """

    folder: Path
    scans: range
    held_out: range = range(0)
    hard: range = range(0)
    seed: int = 0
    box: str = "train"

    def items(self, scan: int) -> Path:
        """Where the items of a scan lie; the name of the folder holds the versions of all that they were made by."""
        versions = f"v{TWIN_VERSION}-{INPUTS_VERSION}-{LABELS}-{INJECTED}-{EACH}"
        return self.folder / f"items-{self.box}-{versions}-{self.seed}" / f"{scan}.npy"


Order: TypeAlias = tuple[Data, int, bool | None]
"""Which scan, and whether it is held out and hard, or held out, or to learn from."""


def prepare(
    data: Data, *, workers: int = 1, minutes: float | None = None, watch: Callable[[int, int], None] | None = None
) -> Data:
    """Simulate the held-out scans, and make the items; what is there already is kept.

    Parameters
    ----------
    data : Data
    workers : int
    minutes : float, optional
        Begin no further item after this time.
    watch : callable, optional

    Returns
    -------
    Data
        With the scans that are ready: all, or the first of them if the time was up.
    """
    end = None if minutes is None else time.monotonic() + 60 * minutes
    data.items(0).parent.mkdir(parents=True, exist_ok=True)
    kept = [(seed, hard) for seeds, hard in ((data.held_out, False), (data.hard, True)) for seed in seeds]
    orders: list[Order] = [
        (data, seed, hard) for seed, hard in kept if not path_of(data.folder, data.box, seed, hard=hard).exists()
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
        return end is not None and done > must and time.monotonic() > end

    for_each(_make, orders, workers, count, is_enough)
    ready = data.scans.start
    while ready < data.scans.stop and data.items(ready).exists():
        ready += 1
    return replace(data, scans=range(data.scans.start, ready))


def _make(order: Order) -> None:
    data, scan, hard = order
    if hard is not None:
        keep_pair(data.folder, data.box, scan, hard=hard)
        return
    pair = example_pair(data.box, scan, hard=scan % HARD_EVERY == 0)
    out = np.empty((EACH, PLANES, *CROP), np.uint8)
    for k in range(EACH):
        out[k] = packed(make_item(pair[k % 2], np.random.default_rng((data.seed, scan, k))))
    path = data.items(scan)
    partial = path.with_name(f".{os.getpid()}-{path.stem}.npy")
    np.save(partial, out)
    partial.replace(path)
