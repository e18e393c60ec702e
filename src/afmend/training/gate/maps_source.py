"""Maps of many simulated scans, in memory where they are needed: a network asks for them thousands of times."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from afmend.artifacts.gate.maps import MOST
from afmend.training.gate.table import BACK, GRAFT, PAIR, Table, maps_of

READERS = 8
AT_ONCE = 512
Rows = NDArray[np.int64]


class Source:
    """The maps of the scans of a table, as bytes on one device.

    Parameters
    ----------
    table : Table
        Parts of it may be asked for.
    folder, box : Path, str
        Where `table.make_table` put them.
    device : torch.device or str
    """

    def __init__(self, table: Table, folder: Path, box: str, device: torch.device | str = "cpu") -> None:
        self.box, self.device = box, torch.device(device)
        keys = sorted({_key(table, row) for row in range(table.labels.size)})
        self._kept: dict[tuple[int, str], tuple[Tensor, Tensor]] = {}
        with ThreadPoolExecutor(READERS) as readers:
            # Some at a time: all of them twice would not fit where they fit once.
            for some in (keys[start : start + AT_ONCE] for start in range(0, len(keys), AT_ONCE)):
                for key, both in zip(some, readers.map(lambda key: maps_of(folder, box, *key), some), strict=True):
                    maps, cells = (torch.from_numpy(part).to(self.device) for part in both)
                    self._kept[key] = (maps, cells)

    def groups(self, table: Table) -> list[Rows]:
        """Return the rows of a table, those with maps of one shape together."""
        shapes = [self._kept[_key(table, row)][0].shape for row in range(table.labels.size)]
        return [np.flatnonzero([shape == one for shape in shapes]) for one in sorted(set(shapes))]

    def batches(self, table: Table, size: int) -> Iterator[Rows]:
        """Return all rows of a table, up to ``size`` with maps of one shape at a time."""
        for group in self.groups(table):
            yield from np.array_split(group, -(-group.size // size))

    def seen(self, table: Table, rows: Rows) -> tuple[Tensor, Tensor]:
        """Return maps (rows, 24, rows, cols) and cells (rows, 4, rows / 16, cols / 16) of rows of one shape."""
        kept = [self._kept[_key(table, int(row))] for row in rows]
        seen = torch.stack([maps for maps, _ in kept]).float() * (MOST / 127)
        alone = torch.from_numpy(table.kinds[rows] == "alone").to(self.device)
        seen[:, PAIR] *= (~alone).float()[:, None, None, None]
        return seen, torch.stack([cells for _, cells in kept])

    def maps(self, table: Table, row: int) -> NDArray[np.float32]:
        """Return the maps of one row, (24, rows, cols)."""
        one: NDArray[np.float32] = self.seen(table, np.array([row]))[0][0].cpu().numpy()
        return one


def _key(table: Table, row: int) -> tuple[int, str]:
    kind = str(table.kinds[row])
    return int(table.seeds[row]), kind if kind in ("early", BACK, GRAFT) else "full"
