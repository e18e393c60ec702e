"""Telling classes of scans apart with a model that a user trained: what it sees, what it says, and where it looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afmend.artifacts.gate.view import Measured, View
from afmend.errors import ModelError, StepError
from afmend.inference.model import Model, load_model
from afmend.scan import ChannelKey, Scan

TASK = "classify"
SIDE = 96
"""Scans are seen at so many lines of so many pixels."""
INPUTS = ("height in nm", "height in this scan", "height over the surroundings")
VERSION = 1
Map = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Classified:
    """What a model says of one scan.

    Attributes
    ----------
    probabilities : mapping of str to float
    activation : (classes, rows, cols) float32
        Class activation maps on the pixels of the scan: where each class gets its evidence from. Their means are the
        logits, up to a constant: they are exact (Zhou 2016, doi:10.1109/CVPR.2016.319).
    """

    probabilities: dict[str, float]
    activation: Map

    @property
    def label(self) -> str:
        """The most probable class."""
        return max(self.probabilities, key=lambda name: self.probabilities[name])


def heights_of(scan: Scan, channel: str | ChannelKey | None = None) -> Map:
    """Return a channel leveled by its usual slopes, holes filled, scaled to `SIDE` pixels; unit of the channel.

    Raises
    ------
    StepError
        If nothing was measured.
    """
    import cv2

    found = scan.channels[scan.find(channel)]
    if found.missing.all():
        raise StepError("nothing was measured", where=str(found.key))
    flat = View(Measured(found.values, found.missing)).flat
    return np.asarray(cv2.resize(flat, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.float32)


def class_inputs(heights: Map, scale: float) -> Map:
    """Return what the network sees, (3, rows, cols).

    Parameters
    ----------
    heights : (rows, cols) float32
        From `heights_of`.
    scale : float
        Usual relief of the scans that the model was trained on, same unit: heights count, not only shapes.
    """
    import cv2

    z = heights - np.median(heights)
    low, high = np.percentile(z, (2, 98))
    own = max(float(high - low) / 4, 1e-6 * scale, 1e-12)
    over = z - cv2.blur(z, (9, 9))
    maps = np.stack([z / scale, z / own, over / (0.3 * own)])
    return np.asarray(maps / (1 + np.abs(maps) / 6), np.float32)


def classify(scan: Scan, model: str, channel: str | ChannelKey | None = None) -> Classified:
    """Say to which of a user's classes a scan belongs.

    Parameters
    ----------
    scan : Scan
    model : str
        Path of the card (.json) that ``afmend train classify`` wrote.
    channel : str or ChannelKey, optional
        The topography if not given.

    Raises
    ------
    ModelError
        If the model is missing or for something else.
    StepError
        If nothing was measured.

    Notes
    -----
    When not to use it: on scans of another kind or size than those it was trained on; it has no class for them.
    """
    return classified(heights_of(scan, channel), load_classes(model), scan.grid.shape)


def load_classes(name: str) -> Model:
    """Load a model of ``afmend train classify``.

    Raises
    ------
    ModelError
        If it is missing, for another task, or made by an afmend that shows scans in another way.
    """
    model = load_model(name, TASK, precision="fp32")
    if (model.card.inputs, model.card.inputs_version) != (INPUTS, VERSION):
        raise ModelError(
            "the model was made for other inputs than this afmend makes", where=model.card.name,
            now="Train it again: `afmend train classify`.",
        )  # fmt: skip
    return model


def classified(heights: Map, model: Model, shape: tuple[int, int]) -> Classified:
    """Ask a model about scaled heights; activation maps come back in ``shape``."""
    import cv2

    answer = model.run({"maps": class_inputs(heights, float(model.card.calibration["scale"]))[None]})
    shown: Any = answer["probability"][0]
    large = [cv2.resize(part, shape[::-1], interpolation=cv2.INTER_LINEAR) for part in answer["activation"][0]]
    names = model.card.outputs
    return Classified({name: float(p) for name, p in zip(names, shown, strict=True)}, np.stack(large))
