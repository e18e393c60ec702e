"""The first lines of one scan and the last of another as one more scan to learn from, made where the network learns."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from afmend.artifacts.gate.maps import MAPS
from afmend.artifacts.gate.verdicts import GOOD, IMAGING, NOT_TRACKING, VERDICTS
from afmend.training.gate.damage import CELL_PX
from afmend.training.gate.effects import TARGETS
from afmend.training.gate.labels import ASKED, Limits
from afmend.training.gate.table import PAIR, UNSURE

SHARE = 0.8
"""Of the scans that may be spliced."""
FEWEST = 4
"""Rows of cells that a scan must have."""
ASTRAY, WRONG = ASKED.index("astray"), ASKED.index("wrong")
OTHERS = [k for k in range(len(ASKED)) if k not in (ASTRAY, WRONG)]
MEASURED = MAPS.index("measured")
Parts = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]
"""Maps, features, verdicts, cells, answers."""


def spliced(parts: Parts, rng: np.random.Generator) -> Parts:
    """Put lines of the scan before in place of the last lines of some scans of a batch.

    What is damaged or astray is known cell by cell, so the answers follow from the shares of both parts by the rule
    for every scan (`labels.label_of`). Only scans of which everything else is answered with no are spliced: without
    ghosts, noise, waves, and without holes. The features of a spliced scan are not known.

    Parameters
    ----------
    parts : tuple
        See `Parts`; scans of one shape.
    rng : numpy.random.Generator
    """
    maps, features, labels, cells, answers = parts
    count, rows = len(maps), cells.shape[2]
    if rows < FEWEST:
        return parts
    lot = torch.from_numpy(rng.random(count) < SHARE).to(maps.device)
    cuts = torch.from_numpy(rng.integers(1, rows, count)).to(maps.device)
    paired = maps[:, PAIR].abs().amax(dim=(1, 2, 3)) > 0
    fit = (answers[:, OTHERS] == 0).all(dim=1) & (maps[:, MEASURED].amin(dim=(1, 2)) > 0)
    chosen = lot & fit & fit.roll(1) & (paired == paired.roll(1))
    below = torch.arange(rows, device=maps.device)[None] >= cuts[:, None]
    below &= chosen[:, None]
    lines = torch.nn.functional.pad(below.repeat_interleave(CELL_PX, dim=1), (0, maps.shape[2] - rows * CELL_PX))
    lines[:, rows * CELL_PX :] = below[:, -1:]
    maps = torch.where(lines[:, None, :, None], maps.roll(1, dims=0), maps)
    cells = torch.where(below[:, None, :, None], cells.roll(1, dims=0), cells)
    said = _answers(cells)
    answers = torch.where(chosen[:, None], said.to(answers.dtype), answers)
    labels = torch.where(chosen, _labels(said), labels)
    return maps, features * (~chosen)[:, None], labels, cells, answers


def _answers(cells: Tensor) -> Tensor:
    """Answer the questions from the shares of cells, all others with no."""
    at = Limits()
    clear, faint, astray = (cells[:, TARGETS.index(name)].mean(dim=(1, 2)) for name in ("clear", "faint", "astray"))
    said = torch.zeros((len(cells), len(ASKED)), dtype=torch.int64, device=cells.device)
    said[:, ASTRAY] = (astray >= at.astray[1]).long() - ((astray > at.astray[0]) & (astray < at.astray[1])).long()
    said[:, WRONG] = (clear >= at.wrong[1]).long() - ((faint > at.wrong[0]) & (clear < at.wrong[1])).long()
    return said


def _labels(said: Tensor) -> Tensor:
    """Return verdicts by what outweighs what."""
    worst = torch.full_like(said[:, 0], VERDICTS.index(GOOD))
    for question, verdict in ((WRONG, IMAGING), (ASTRAY, NOT_TRACKING)):
        worst = torch.where(said[:, question] == 1, VERDICTS.index(verdict), worst)
        worst = torch.where(said[:, question] == UNSURE, UNSURE, worst)
    return worst
