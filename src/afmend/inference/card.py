"""The card of a model: what it sees and says, what it was made of, how good it is, and what its files must hold."""

from __future__ import annotations

import hashlib
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from afmend.errors import ModelError
from afmend.pipeline.params import Knob, Params

RETRAIN = "Reinstall afmend, or train a model with `afmend train`."


class ModelFile(Params):
    """One exported file of a model."""

    file: str = Knob(..., "Name, beside the card.")
    sha256: str = Knob(..., "Hash of its bytes.")
    size_bytes: int = Knob(..., "Size.", ge=0)


class Card(Params):
    """A model card, as it is kept beside the model in JSON."""

    name: str = Knob(..., "What the model is called.")
    task: str = Knob(..., "What it is for: masks, gate, classify.")
    version: str = Knob(..., "Raised whenever the model's answers change.")
    files: dict[str, ModelFile] = Knob(..., "Exported files by precision: fp32, int8.")
    inputs: tuple[str, ...] = Knob(..., "What it sees, in order.")
    inputs_version: int = Knob(..., "Version of the code that makes the inputs.")
    outputs: tuple[str, ...] = Knob(..., "What it tells apart, in order.")
    thresholds: dict[str, float] = Knob({}, "Calibrated probability from which an output counts, per output.")
    calibration: dict[str, Any] = Knob({}, "Other numbers found on held-out scans, which its answers need.")
    parameters: int = Knob(..., "How many numbers were learned.", ge=0)
    made_with: dict[str, Any] = Knob(..., "Command, versions, seeds, time, configuration.")
    scores: dict[str, Any] = Knob({}, "Figures with 95 % intervals, and what was scored.")
    known_failures: tuple[str, ...] = Knob((), "Where not to trust it.")
    license: str = Knob("MIT", "Of the model.")


def find_card(name: str) -> Path:
    """Return the path of a card: of a model that comes with afmend, by name, or of any other, by path.

    Raises
    ------
    ModelError
        If there is no such model.
    """
    if name.endswith(".json"):
        path = Path(name)
        if not path.is_file():
            raise ModelError("there is no such model card", where=name, now="Check the path.")
        return path
    folder = Path(str(files("afmend.inference") / "models"))
    path = folder / f"{name}.json"
    if Path(name).name != name or not path.is_file():
        known = ", ".join(sorted(card.stem for card in folder.glob("*.json"))) or "none"
        raise ModelError(
            f"no model {name!r} comes with this afmend (there are: {known})",
            now="Name one of them, give the path of a card (.json), or reinstall afmend.",
        )
    return path


def read_card(path: Path) -> Card:
    """Read a card.

    Raises
    ------
    ModelError
        If it is not a card.
    """
    try:
        return Card.model_validate_json(path.read_bytes())
    except (OSError, ValidationError, ValueError) as error:
        raise ModelError(
            f"is not a model card ({str(error).splitlines()[0][:120]})", where=str(path), now=RETRAIN
        ) from error


def write_card(card: Card, path: Path) -> None:
    """Write a card as JSON that people can read."""
    path.write_text(json.dumps(card.to_json(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def checked_bytes(card: Card, path: Path, precision: str) -> bytes:
    """Return the bytes of a model whose hash is the one in its card.

    Raises
    ------
    ModelError
        If the file is missing, or another one.
    """
    entry = card.files.get(precision)
    if entry is None:
        raise ModelError(
            f"the model has no {precision} file", where=str(path), now=f"It has: {', '.join(sorted(card.files))}."
        )
    file = path.parent / Path(entry.file).name
    try:
        data = file.read_bytes()
    except OSError as error:
        raise ModelError("the model's file is missing", where=str(file), now=RETRAIN) from error
    if hashlib.sha256(data).hexdigest() != entry.sha256:
        raise ModelError("is not the file that the model's card describes", where=str(file), now=RETRAIN)
    return data
