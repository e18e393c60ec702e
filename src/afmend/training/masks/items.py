"""Items of the learned masks: made once, by many processes, and drawn many times.

The items of one scan lie in one file of whole numbers, (items, planes, rows, cols): the maps that the network sees, in
steps of 1 / `SCALE`, then the bits of what is wrong, then of what nobody could tell. They depend on the seed and the
number of the scan alone.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from afmend.artifacts.learned_inputs import INPUTS, KINDS, Map
from afmend.artifacts.learned_inputs import VERSION as INPUTS_VERSION
from afmend.pipeline.workers import for_each
from afmend.simulation.twin import VERSION as TWIN_VERSION
from afmend.training.masks.examples import LABELS, example_pair
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


def folder_of(folder: Path, box: str, seed: int) -> Path:
    """Where the items lie; the name holds the versions of all that they were made by."""
    return folder / f"items-{box}-v{TWIN_VERSION}-{INPUTS_VERSION}-{LABELS}-{INJECTED}-{EACH}-{seed}"


def file_of(folder: Path, box: str, seed: int, scan: int) -> Path:
    """Where the items of a scan lie."""
    return folder_of(folder, box, seed) / f"{scan}.npy"


def prepare_items(
    folder: Path, seed: int, scans: range, *, box: str = "train", workers: int = 1, minutes: float | None = None,
    watch: Callable[[int, int], None] | None = None,
) -> range:  # fmt: skip
    """Make the items of these scans; what is there already is kept.

    Parameters
    ----------
    folder : Path
    seed : int
        Of what is cut from the scans and laid over them.
    scans : range
        Seeds of the scans.
    box : str
    workers : int
    minutes : float, optional
        Begin nothing more after this time.
    watch : callable, optional

    Returns
    -------
    range
        The scans that are ready: all, or the first of them if the time was up.
    """
    folder_of(folder, box, seed).mkdir(parents=True, exist_ok=True)
    end = None if minutes is None else time.monotonic() + 60 * minutes
    orders = [(str(folder), box, seed, scan) for scan in scans if not file_of(folder, box, seed, scan).exists()]
    for_each(_make, orders, workers, watch, enough=None if end is None else lambda: time.monotonic() > end)
    ready = scans.start
    while ready < scans.stop and file_of(folder, box, seed, ready).exists():
        ready += 1
    return range(scans.start, ready)


def _make(order: tuple[str, str, int, int]) -> None:
    folder, box, seed, scan = order
    pair = example_pair(box, scan, hard=scan % HARD_EVERY == 0)
    out = np.empty((EACH, PLANES, *CROP), np.uint8)
    for k in range(EACH):
        out[k] = packed(make_item(pair[k % 2], np.random.default_rng((seed, scan, k))))
    path = file_of(Path(folder), box, seed, scan)
    partial = path.with_name(f".{os.getpid()}-{path.stem}.npy")
    np.save(partial, out)
    partial.replace(path)
