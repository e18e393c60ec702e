"""A gate made of a table of scans: sizes guessed, verdicts learned, calibrated by what did not learn from the scan."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from afmend.artifacts.gate.model import Opinion, conclude
from afmend.artifacts.gate.verdicts import VERDICTS
from afmend.errors import BadParameterError
from afmend.training.gate.calibrate import calibration_of, softmax, temperatures
from afmend.training.gate.head import GateTraining, Head, Usual, fit, logits_of
from afmend.training.gate.labels import UNSURE
from afmend.training.gate.shipped import Shipped
from afmend.training.gate.table import Table
from afmend.training.gate.trees import Forked, Trees, grow, grow_for_sizes, said_by

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """A trained gate.

    Attributes
    ----------
    shipped : Shipped
        Learned from all scans.
    calibration : dict
    table : Table
        The scans that have a label.
    said : list of Opinion
        Of those, each by what learned from the other parts only.
    """

    shipped: Shipped
    calibration: dict[str, Any]
    table: Table
    said: list[Opinion]


def make(table: Table, config: GateTraining | None = None) -> Made:
    """Train and calibrate.

    Trees guess the sizes of all effects; perceptrons and trees, added with fitted factors, make verdicts of features
    and guesses. They learn from guesses by trees that did not see the scan (Wolpert 1992,
    doi:10.1016/S0893-6080(05)80023-1). Trees for scans of which both directions are known learn from such scans alone.
    What is shipped learns from all scans; it is calibrated by what is said of the scans of each part by the same,
    learned from the other parts (cross-conformal prediction, Vovk 2015, doi:10.1007/s10472-013-9368-4).
    """
    config = config or GateTraining()
    part = parts_of(table, config)
    guesses, guessed = guessed_sizes(table, part, config)
    seen = replace(table, features=np.concatenate((table.features, guessed), axis=1).astype(np.float32))
    logits, strange = np.zeros((2, part.size, len(VERDICTS))), np.zeros(part.size)
    for k in range(config.folds):
        apart = part == k
        head, trees, usual = _learned(seen.part(~apart), config)
        judged = seen.features[apart]
        logits[0, apart], logits[1, apart] = logits_of(head, judged), said_by(trees, judged)
        strange[apart] = _strangeness(Shipped(guesses, head, trees, usual, (1, 1)), judged)
    sure = table.labels != UNSURE
    heat = temperatures(tuple(logits[:, sure]), table.labels[sure])
    shown = softmax(np.tensordot(heat, logits[:, sure], 1))
    calibration = dict(calibration_of(shown, table.labels[sure], table.kinds[sure], strange, heat))
    said = [
        conclude([float(p) for p in one], float(away), calibration, str(kind))
        for one, away, kind in zip(shown, strange[sure], table.kinds[sure], strict=True)
    ]
    return Made(Shipped(guesses, *_learned(seen, config), heat).eval(), calibration, table.sure, said)


def parts_of(table: Table, config: GateTraining) -> NDArray[np.int64]:
    """Return to which part each row belongs: all views of one scan, and scans of all mixes, go together.

    Raises
    ------
    BadParameterError
        If a part is empty.
    """
    part = (table.seeds // 5) % config.folds
    if np.unique(part).size < config.folds:
        raise BadParameterError(f"too few scans for {config.folds} parts", now="Take more scans.")
    return part


def guessed_sizes(table: Table, part: NDArray[np.int64], config: GateTraining) -> tuple[Trees, Numbers]:
    """Return what guesses sizes, learned from all rows, and guesses by trees that did not learn from the row's part."""
    guessed = np.zeros(table.sizes.shape)
    for k in np.unique(part):
        others = part != k
        blind = grow_for_sizes(table.features[others], table.sizes[others], config)
        guessed[part == k] = said_by(blind, table.features[part == k])
    return grow_for_sizes(table.features, table.sizes, config), guessed


def _learned(seen: Table, config: GateTraining) -> tuple[Head, Forked, Usual]:
    sure, paired = seen.sure, seen.names.index("pair there")
    head = fit(sure.features, sure.labels, len(VERDICTS), config)
    both = sure.part(sure.features[:, paired] > 0)
    two, any_view = (grow(part.features, part.labels, len(VERDICTS), config) for part in (both, sure))
    with torch.no_grad():
        scaled = head.scaled(torch.from_numpy(seen.features)).double().numpy()
    return head, Forked(two, any_view, paired), Usual.of(scaled)


@torch.no_grad()
def _strangeness(shipped: Shipped, seen: NDArray[np.float32]) -> Numbers:
    away: Numbers = shipped.strangeness(torch.from_numpy(seen)).double().numpy()
    return away
