"""The gate looks through the network that marks artifacts: what it finds where, and how much of it."""

from __future__ import annotations

import numpy as np

from afmend.artifacts.gate.view import Map, Measured
from afmend.artifacts.learned import load_masks_model, probabilities
from afmend.artifacts.learned_inputs import KINDS
from afmend.pipeline import Field

SIGHT = "masks-3"
"""The model that the gate learned to look through; that of `mark.learned` is newer. The gate's card names its file."""
NAMES = tuple(f"learned {kind}" for kind in KINDS)
SHARES = (0.001, 0.003, 0.01, 0.1)
"""Of the pixels: the probability that so many reach."""
WORST = (0, 50, 8)
"""Lines: the worst, the worst but a fiftieth, but an eighth of all."""
LEAST = 1e-4


def sight(measured: Measured) -> Map:
    """Return how probable it is that a pixel is wrong, (7, rows, cols) float32, in the order of `learned_inputs.KINDS`.

    The scan direction is judged by itself: whether there is another changes what is known of it, not what it is.

    Raises
    ------
    ModelError
        See `artifacts.learned.load_masks_model`.
    """
    field = Field(np.asarray(measured.heights, np.float64), measured.missing, direction="trace")
    return np.stack(list(probabilities(field, load_masks_model(SIGHT)).values()))


def sight_digest() -> str:
    """Return the hash of the model's file."""
    return load_masks_model(SIGHT).card.files["int8"].sha256


def sight_features(shown: Map) -> dict[str, float]:
    """Return how much is wrong by kind, as powers of ten: on average, from 0.5 and 0.1 on, in places, in lines."""
    found: dict[str, float] = {}
    for name, values in zip(NAMES, shown, strict=True):
        lines = np.sort(values.mean(axis=1))[::-1]
        ranks = [int(share * values.size) for share in SHARES]
        ordered = np.partition(values.ravel(), [values.size - 1 - rank for rank in ranks])
        numbers = {
            "mean": float(values.mean()), "clear": float(np.mean(values > 0.5)), "faint": float(np.mean(values > 0.1)),
            **{f"top {100 * share:g} %": float(ordered[-1 - rank]) for share, rank in zip(SHARES, ranks, strict=True)},
            **{f"line {part}": float(lines[lines.size // part if part else 0]) for part in WORST},
        }  # fmt: skip
        found |= {
            f"{name} {what}": float(np.log10(LEAST + value)) - float(np.log10(LEAST)) for what, value in numbers.items()
        }
    return found


def sight_maps(shown: Map) -> Map:
    """Return the probabilities as the network takes them: powers of ten, from 0 at 1/1000 or less to 8 at 1."""
    from afmend.artifacts.gate.maps import MOST

    return np.asarray((np.log10(shown + np.float32(1e-3)) + 3) * np.float32(MOST / 3), np.float32)
