"""The seed's classifier on the gate's scans: the same labels, the same test set."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afmend.artifacts.gate.verdicts import VERDICTS
from afmend.artifacts.gate.view import Measured, View
from afmend.pipeline.workers import for_each
from afmend.training.classify.pictures import picture_of
from afmend.training.classify.seed_recipe import SeedResult, scores_of
from afmend.training.gate.examples import make_example, path_of
from afmend.training.gate.labels import UNSURE, label_of
from afmend.training.kept import whole


def seed_pictures(
    folder: Path, box: str, seeds: Iterable[int], *, workers: int = 1, watch: Callable[[int, int], None] | None = None
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return pictures (n, 3, 224, 224) of the traces of all scans with a verdict, leveled, and the verdicts."""
    paths = {seed: folder / f"picture-{path_of(folder, box, seed).name}" for seed in seeds}
    folder.mkdir(parents=True, exist_ok=True)
    for_each(_keep, [(box, seed, str(path)) for seed, path in paths.items() if not path.exists()], workers, watch)
    pictures, labels = [], []
    for path in paths.values():
        with np.load(path) as kept:
            if kept["label"] != UNSURE:
                pictures.append(kept["picture"])
                labels.append(int(kept["label"]))
    return np.stack(pictures).astype(np.float32), np.array(labels, np.int64)


def _keep(order: tuple[str, int, str]) -> None:
    box, seed, path = order
    example = make_example(box, seed)
    label = label_of(example.effects)
    picture = picture_of(View(Measured(example.heights, example.missing)).flat).astype(np.float16)
    with whole(Path(path)) as partial:
        np.savez(partial, picture=picture, label=UNSURE if label is None else VERDICTS.index(label))


def seed_test(result: SeedResult, pictures: NDArray[np.float32], labels: NDArray[np.int64]) -> dict[str, Any]:
    """Score on scans of another box."""
    return scores_of(result.say(pictures), labels, VERDICTS)
