"""The seed's classifier on the gate's scans: the same labels, the same test set."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afmend.artifacts.gate.verdicts import VERDICTS
from afmend.artifacts.gate.view import Measured, View
from afmend.training.classify.pictures import picture_of
from afmend.training.classify.seed_recipe import SeedResult, scores_of
from afmend.training.gate.examples import load_example, prepare
from afmend.training.gate.labels import label_of


def seed_pictures(
    folder: Path, box: str, seeds: Iterable[int], *, workers: int = 1, watch: Callable[[int, int], None] | None = None
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return pictures (n, 3, 224, 224) of the traces of all scans with a verdict, leveled, and the verdicts."""
    seeds = list(seeds)
    prepare(folder, box, seeds, workers=workers, watch=watch)
    pictures, labels = [], []
    for seed in seeds:
        example = load_example(folder, box, seed)
        label = label_of(example.effects)
        if label is not None:
            pictures.append(picture_of(View(Measured(example.heights, example.missing)).flat).astype(np.float16))
            labels.append(VERDICTS.index(label))
    return np.stack(pictures).astype(np.float32), np.array(labels, np.int64)


def seed_test(result: SeedResult, pictures: NDArray[np.float32], labels: NDArray[np.int64]) -> dict[str, Any]:
    """Score on scans of another box."""
    return scores_of(result.say(pictures), labels, VERDICTS)
