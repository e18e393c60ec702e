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
Rows = NDArray[np.int64]


class Source:
    """The maps of the scans of a table, as bytes on one device, those of one shape together.

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
        shapes: dict[tuple[int, ...], list[tuple[tuple[int, str], NDArray[np.int8], NDArray[np.float32]]]] = {}
        with ThreadPoolExecutor(READERS) as readers:
            for key, (maps, cells) in zip(keys, readers.map(lambda key: maps_of(folder, box, *key), keys), strict=True):
                shapes.setdefault(maps.shape, []).append((key, maps, cells))
        self._stacks: list[tuple[Tensor, Tensor]] = []
        self._places: dict[tuple[int, str], tuple[int, int]] = {}
        for shape in sorted(shapes):
            members = shapes.pop(shape)
            self._places |= {key: (len(self._stacks), place) for place, (key, _, _) in enumerate(members)}
            both = (np.stack([part for _, part, _ in members]), np.stack([part for _, _, part in members]))
            self._stacks.append((torch.from_numpy(both[0]).to(self.device), torch.from_numpy(both[1]).to(self.device)))

    def groups(self, table: Table) -> list[Rows]:
        """Return the rows of a table, those with maps of one shape together."""
        stacks = np.array([self._places[_key(table, row)][0] for row in range(table.labels.size)], np.int64)
        return [np.flatnonzero(stacks == k) for k in np.unique(stacks)]

    def batches(self, table: Table, size: int) -> Iterator[Rows]:
        """Return all rows of a table, up to ``size`` with maps of one shape at a time."""
        for group in self.groups(table):
            yield from np.array_split(group, -(-group.size // size))

    def seen(self, table: Table, rows: Rows) -> tuple[Tensor, Tensor]:
        """Return maps (rows, 15, rows, cols) and cells (rows, 4, rows / 16, cols / 16) of rows of one shape."""
        places = [self._places[_key(table, int(row))] for row in rows]
        maps, cells = self._stacks[places[0][0]]
        chosen = torch.tensor([place for _, place in places], device=self.device)
        seen = maps[chosen].float() * (MOST / 127)
        alone = torch.from_numpy(table.kinds[rows] == "alone").to(self.device)
        seen[:, PAIR] *= (~alone).float()[:, None, None, None]
        return seen, cells[chosen]

    def maps(self, table: Table, row: int) -> NDArray[np.float32]:
        """Return the maps of one row, (15, rows, cols)."""
        one: NDArray[np.float32] = self.seen(table, np.array([row]))[0][0].cpu().numpy()
        return one


def _key(table: Table, row: int) -> tuple[int, str]:
    kind = str(table.kinds[row])
    return int(table.seeds[row]), kind if kind in ("early", BACK, GRAFT) else "full"
