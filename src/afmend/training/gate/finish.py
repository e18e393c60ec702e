"""From a table of scans to a gate that can be shipped: trained, calibrated, exported, compared, scored, described."""

from __future__ import annotations

import hashlib
import platform
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from afmend import __version__
from afmend.artifacts.gate.features import VERSION
from afmend.artifacts.gate.model import TASK, Opinion, load_gate, opinion
from afmend.artifacts.gate.sight import sight_digest
from afmend.artifacts.gate.verdicts import VERDICTS
from afmend.errors import ModelError
from afmend.evaluation.gate_scores import score
from afmend.inference.card import Card, write_card
from afmend.inference.model import Model
from afmend.simulation.twin import VERSION as TWIN_VERSION
from afmend.training.export import OPSET, described, halve
from afmend.training.gate.head import GateTraining
from afmend.training.gate.make import Made
from afmend.training.gate.shipped import Shipped
from afmend.training.gate.table import Table

MODEL_VERSION = "11"
COMPARED, DIFFERENCE = 64, 5e-3
"""Scans that torch and what is shipped are asked about, and by how much a probability may differ: half precision."""
FAILURES = (
    "Trained on simulated scans only: on real ones trust `is_strange`, and your eyes.",
    "Flat areas of a single image without the other direction can pass for lost tracking.",
    "Fringes of one or two periods, or weaker than the surface's own waves, look like the sample.",
    "A blunt tip alone looks like another sample and passes for good.",
    "A double tip on a sample without features that stand alone (rough, grainy) cannot be told from the sample.",
    "Effects between its limits (`afmend.training.gate.labels.Limits`) were left out of training and of scores.",
    "Leveled, smoothed or otherwise processed heights are not what it was trained on.",
)


def finish(
    made: Made, folder: Path, *, learned: Table, boxes: str, name: str = TASK, command: str = "",
    config: GateTraining | None = None, test: tuple[str, Table] | None = None,
) -> Path:  # fmt: skip
    """Export, compare with torch, score what was exported; only then write the card with its scores.

    Parameters
    ----------
    made : Made
    folder : Path
        Where the model and its card go.
    name : str
        Of the model.
    command : str
        That made it.
    config : GateTraining, optional
    learned : Table
        All scans that it was trained and calibrated on.
    boxes : str
        Of the twin, from which they were drawn.
    test : (str, Table), optional
        Another box and scans of it, for the card's scores.

    Returns
    -------
    Path
        Of the card.

    Raises
    ------
    ModelError
        If the exported model does not say what torch says.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.onnx"
    _export(made.shipped, file)
    card = Card(
        name=name, task=TASK, version=MODEL_VERSION, files={"fp32": described(file)}, inputs=learned.names,
        inputs_version=VERSION, outputs=VERDICTS, calibration={**made.calibration, "sight": sight_digest()},
        parameters=sum(p.numel() for p in made.shipped.parameters()),
        made_with=_made_with(learned, command, config or GateTraining()), known_failures=FAILURES,
    )  # fmt: skip
    path = folder / f"{name}.json"
    write_card(card, path)
    _compare(made, path)
    scores: dict[str, Any] = {
        f"each by what learned from others (box {boxes}, also calibrates)": by_kind(made.said, made.table)
    }
    if test is not None:
        scores["test"] = {"box": test[0], **scored(path, test[1])}
    write_card(card.model_copy(update={"scores": scores}), path)
    return path


def _compare(made: Made, card: Path) -> None:
    """Ask ONNX Runtime and torch the same."""
    seen = made.table.features[:COMPARED]
    with torch.no_grad():
        wanted = made.shipped(torch.from_numpy(seen))[0].numpy()
    got = load_gate(str(card)).run({"features": seen})["probability"]
    if float(np.abs(wanted - got).max()) > DIFFERENCE:
        raise ModelError("the exported gate differs from torch", where=str(card), now="Train again.")


def scored(card: Path, table: Table) -> dict[str, Any]:
    """Score a gate on a table, view by view."""
    sure = table.sure
    return by_kind(said_of(load_gate(str(card)), sure), sure)


def by_kind(said: Sequence[Opinion], table: Table) -> dict[str, Any]:
    """Score opinions on the rows of a table, view by view."""
    out: dict[str, Any] = {}
    for kind in np.unique(table.kinds):
        rows = np.flatnonzero(table.kinds == kind)
        out[str(kind)] = score([said[int(k)] for k in rows], [VERDICTS[k] for k in table.labels[rows]])
    return out


def said_of(model: Model, table: Table) -> list[Opinion]:
    """Ask an exported gate about every row."""
    return [
        opinion(model, vector, table.names, str(kind)) for vector, kind in zip(table.features, table.kinds, strict=True)
    ]


def _export(shipped: Shipped, path: Path) -> None:
    measured = shipped.head.middle.numel() - shipped.guesses.numbers
    axes = {"features": {0: "scans"}, "probability": {0: "scans"}, "strangeness": {0: "scans"}}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            shipped, (torch.zeros(2, measured),), str(path), dynamo=False, opset_version=OPSET,
            input_names=["features"], output_names=["probability", "strangeness"], dynamic_axes=axes,
        )  # fmt: skip
    halve(path)


def _made_with(table: Table, command: str, config: GateTraining) -> dict[str, Any]:
    digest = hashlib.sha256(table.features.tobytes()).hexdigest()
    return {
        "command": command, "afmend": __version__, "torch": torch.__version__, "onnxruntime": onnxruntime.__version__,
        "python": platform.python_version(), "machine": platform.machine(), "twin": TWIN_VERSION, "features": digest,
        "scans": int(np.unique(table.seeds).size), "seeds": runs_of(np.unique(table.seeds)),
        "unsure_views": int(np.count_nonzero(table.labels < 0)), "config": config.to_json(),
    }  # fmt: skip


def runs_of(seeds: NDArray[np.int64]) -> list[list[int]]:
    """Return each run of seeds: the first, and one past the last."""
    parts = np.split(seeds, np.flatnonzero(np.diff(seeds) > 1) + 1)
    return [[int(part[0]), int(part[-1]) + 1] for part in parts]
