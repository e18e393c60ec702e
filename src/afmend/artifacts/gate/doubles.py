"""Does everything stand in the scan twice? A network that correlates what it has learned to look for with itself.

Satellites of a second apex stand at one shift from their features, all over the scan. A network that looks at places
one by one cannot gather such evidence; this one turns the scan into maps of what may be a feature and what may be its
satellite, correlates them at every shift up to 26 lines and 40 pixels of a scan of 256, and judges the peaks.
"""

from __future__ import annotations

import numpy as np

from afmend.artifacts.gate.view import Map
from afmend.inference.model import Model, load_made_for

TASK = "doubles"
INPUTS = (
    "height", "height over the surroundings", "slope along the line", "bend along the line", "slope of the relief",
    "measured",
)  # fmt: skip
"""Of the sight's inputs."""
VERSION = 2
OUTPUTS = ("satellites",)
SIDE = 128
"""Pixels per side, on average, that scans are brought to by a whole number: as those that it learned from."""
FEWEST_LINES = 64
"""Fewer lines are not asked about."""


def smaller(inputs: Map) -> Map:
    """Return maps (maps, rows, cols) averaged over squares, to about `SIDE` x `SIDE` pixels."""
    count, rows, cols = inputs.shape
    every = max(1, round(float(np.sqrt(rows * cols)) / SIDE))
    rows, cols = rows // every, cols // every
    cut = inputs[:, : rows * every, : cols * every]
    return np.asarray(cut.reshape(count, rows, every, cols, every).mean(axis=(2, 4)), np.float32)


def satellites(inputs: Map, model: Model | None = None) -> float:
    """Return the logit of "a bad tip set satellites"; 0 where there are fewer than 64 lines.

    Parameters
    ----------
    inputs : (6, rows, cols) float32
        In the order of `INPUTS`.
    model : Model, optional
        From `load_doubles`.
    """
    if inputs.shape[1] < FEWEST_LINES:
        return 0.0
    return float((model or load_doubles()).run({"maps": smaller(inputs)[None]})["answer"][0])


def load_doubles(name: str = TASK) -> Model:
    """Load the network by name or by the path of its card.

    Raises
    ------
    ModelError
        If it is missing, for another task, or made for other inputs than this afmend makes.
    """
    made_for = (INPUTS, OUTPUTS, VERSION)
    return load_made_for(name, TASK, made_for, "Train it again: `afmend train doubles`.", precision="fp32")
