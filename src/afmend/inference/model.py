"""A trained model, ready to answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afmend.errors import ModelError
from afmend.inference.card import Card, checked_bytes, find_card, read_card

THREADS = 2
Map = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A model and its card.

    Attributes
    ----------
    card : Card
    session : onnxruntime.InferenceSession
    """

    card: Card
    session: Any

    def run(self, inputs: Mapping[str, Map]) -> dict[str, Map]:
        """Return every output of the network by name.

        Raises
        ------
        ModelError
            If the network cannot take these inputs.
        """
        names = [output.name for output in self.session.get_outputs()]
        try:
            answers = self.session.run(names, dict(inputs))
        except Exception as error:  # ONNX Runtime's errors have no common class that it exports
            raise ModelError(
                f"the model {self.card.name} cannot take these inputs ({str(error)[:160]})",
                now="Is it a model for this task?",
            ) from error
        return dict(zip(names, answers, strict=True))


def load_model(name: str, task: str, *, precision: str = "int8") -> Model:
    """Load a model by name or by the path of its card; the file is checked against the card's hash, once.

    Raises
    ------
    ModelError
        If it is missing, was changed, or is for another task.
    """
    path = find_card(name).resolve()
    model = _loaded(path, path.stat().st_mtime_ns, precision)
    if model.card.task != task:
        raise ModelError(
            f"is a model for {model.card.task!r}, needed is one for {task!r}", where=str(path), now="Name another."
        )
    return model


def load_made_for(
    name: str, task: str, seen: tuple[tuple[str, ...], tuple[str, ...], int], again: str, *, precision: str = "int8"
) -> Model:
    """Load a model that must be made for the inputs that this afmend makes.

    Parameters
    ----------
    name, task, precision : str
        See `load_model`.
    seen : (inputs, outputs, version)
        What the card must name: inputs and outputs in order, and the version of the inputs.
    again : str
        What to do otherwise.

    Raises
    ------
    ModelError
        See `load_model`; or if it is made for other inputs.
    """
    model = load_model(name, task, precision=precision)
    if (model.card.inputs, model.card.outputs, model.card.inputs_version) != seen:
        raise ModelError("the model was made for other inputs than this afmend makes", where=model.card.name, now=again)
    return model


@lru_cache(maxsize=8)
def _loaded(path: Path, _changed: int, precision: str) -> Model:
    import onnxruntime

    card = read_card(path)
    data = checked_bytes(card, path, precision)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    # Waiting threads must not burn the cores that other workers of a batch need.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ModelError(
            f"ONNX Runtime cannot load it ({str(error)[:160]})",
            where=str(path),
            now="Reinstall afmend and onnxruntime.",
        ) from error
    return Model(card, session)
