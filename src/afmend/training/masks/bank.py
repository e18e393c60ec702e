"""A bank of prepared items: made once, drawn many times; on a CPU, to make one costs more than to learn from it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from afmend.artifacts.learned_inputs import Map

Bytes = NDArray[np.uint8]
Item = tuple[Map, Bytes, Bytes]
"""Inputs (maps, rows, cols), wrong and unsure (kinds, rows, cols) of 0 and 1."""
SCALE = 12.5
"""Inputs lie between -10 and 10; they are kept as whole numbers of so many parts of one."""


class Bank:
    """Items by number, kept in a folder.

    Parameters
    ----------
    folder : Path
    make : callable
        Makes an item from its number; the same number gives the same item.
    """

    def __init__(self, folder: Path, make: Callable[[int], Item]) -> None:
        self.folder, self.make = folder, make

    def item(self, number: int) -> Item:
        """Return an item, and keep it if it is new."""
        path = self.folder / f"{number}.npz"
        if not path.exists():
            self._keep(path, self.make(number))
        with np.load(path) as kept:
            inputs = kept["inputs"].astype(np.float32) * np.float32(1 / SCALE)
            wrong, unsure = (np.unpackbits(kept[name], axis=-1) for name in ("wrong", "unsure"))
        return (inputs, wrong, unsure)

    def _keep(self, path: Path, item: Item) -> None:
        inputs, wrong, unsure = item
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{os.getpid()}-{path.name}")
        whole = np.rint(np.clip(inputs * SCALE, -127, 127)).astype(np.int8)
        np.savez(partial, inputs=whole, wrong=np.packbits(wrong, axis=-1), unsure=np.packbits(unsure, axis=-1))
        partial.replace(path)
