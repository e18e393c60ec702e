"""The seed's autoencoders, trained by `afmend train tip --recipe seed-1|2|3`, as methods of its experiment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from afmend.errors import BadParameterError, ModelError
from afmend.inference.card import read_card
from afmend.inference.model import Model, load_model
from afmend.scan.arrays import Heights

Picture = NDArray[np.float32]
Network: TypeAlias = Callable[[Picture], Picture]
"""From a picture (1, rows, cols) to another; sides are multiples of `MULTIPLE`."""
TASK = "tip-seed"
DIFFERENCE, SURFACE = "image minus surface", "surface, 0 to 1"
"""What a model says."""
EDGES = (0.001, 0.999)
MULTIPLE = 16


def scale_of(image: Heights | Picture) -> tuple[float, float]:
    """Return the height that becomes 0, and the range that becomes 1."""
    low, high = (float(v) for v in np.quantile(image[::2, ::2], EDGES))
    return low, max(high - low, 1e-9)


def seed_answer(network: Network, image: Heights, *, difference: bool) -> Heights:
    """Return what a model makes of an image of any size, nm.

    Parameters
    ----------
    network : callable
    image : (rows, cols) float, nm
    difference : bool
        The model says image minus surface, not the surface.
    """
    low, span = scale_of(image)
    picture = np.asarray((image - low) / span, np.float32)
    rows, cols = image.shape
    out = network(np.pad(picture, [(0, -n % MULTIPLE) for n in (rows, cols)], mode="edge")[None])[0, :rows, :cols]
    answer = picture - out if difference else out
    return np.asarray(answer, np.float64) * span + low


def seed_models(folder: Path) -> dict[str, dict[str, Callable[[Heights], Heights]]]:
    """Load every model of the seed in a folder and its subfolders: way of blunting -> name -> method.

    Raises
    ------
    BadParameterError
        If there is none.
    ModelError
        If one cannot be loaded.
    """
    found: dict[str, dict[str, Callable[[Heights], Heights]]] = {}
    for path in sorted(folder.rglob("*.json")):
        try:
            card = read_card(path)
        except ModelError:
            continue  # another JSON file
        if card.task == TASK:
            model = load_model(str(path), TASK, precision="fp32")
            blunting = str(card.made_with.get("blunting", ""))
            found.setdefault(blunting, {})[card.name] = _method(model, difference=card.outputs[0] == DIFFERENCE)
    if not found:
        raise BadParameterError(
            "no model of the seed's", where=str(folder), now="Train some: afmend train tip --recipe seed-1."
        )
    return found


def _method(model: Model, *, difference: bool) -> Callable[[Heights], Heights]:
    def network(picture: Picture) -> Picture:
        answer: Picture = model.run({"maps": picture[None]})["answer"][0]
        return answer

    return lambda image: seed_answer(network, image, difference=difference)
