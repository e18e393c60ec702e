"""From a table of scans to a gate that can be shipped: trained, calibrated, exported, compared, scored, described."""

from __future__ import annotations

import hashlib
import os
import platform
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from afmend import __version__
from afmend.artifacts.gate.features import VERSION
from afmend.artifacts.gate.maps import MAPS
from afmend.artifacts.gate.model import TASK, Opinion, load_gate, opinion
from afmend.artifacts.gate.sight import sight_digest
from afmend.artifacts.gate.verdicts import VERDICTS
from afmend.errors import ModelError
from afmend.evaluation.gate_scores import score
from afmend.inference.card import Card, write_card
from afmend.inference.model import THREADS, Model
from afmend.simulation.twin import VERSION as TWIN_VERSION
from afmend.training.export import OPSET, described, halve
from afmend.training.gate.calibrate import calibration_of, softmax, temperatures
from afmend.training.gate.head import GateTraining, Head, JointNet, Usual, fit, logits_of
from afmend.training.gate.maps_source import Source
from afmend.training.gate.maps_task import MapTask, map_logits
from afmend.training.gate.shipped import Shipped
from afmend.training.gate.table import Table
from afmend.training.gate.trees import grow, tree_logits
from afmend.training.loop import train

MODEL_VERSION = "5"
HELD_OUT = 5
"""Every so-many-th group of five scans (one of each mix) calibrates."""
DIFFERENCE = 5e-3
"""Of a probability, at most, between torch and what is shipped: its weights are kept in half precision."""
FAILURES = (
    "Trained on simulated scans only: on real ones trust `is_strange`, and your eyes.",
    "A blunt tip alone looks like another sample and passes for good.",
    "A double tip on a sample without features that stand alone (rough, grainy) cannot be told from the sample.",
    "Effects between its limits (`afmend.training.gate.labels.Limits`) were left out of training and of scores.",
    "Leveled, smoothed or otherwise processed heights are not what it was trained on.",
)


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """A trained gate and what it was calibrated on."""

    shipped: Shipped
    calibration: dict[str, Any]
    held_out: Table


def held_out(table: Table) -> NDArray[np.bool_]:
    """Say which scans calibrate: all views of one scan go together."""
    chosen: NDArray[np.bool_] = (table.seeds // 5) % HELD_OUT == 0
    return chosen


def make(
    table: Table, source: Source, folder: Path, config: GateTraining | None = None, *, more: Table | None = None,
    **how: Any,
) -> Made:  # fmt: skip
    """Train on four fifths of the scans, calibrate on the rest.

    Parameters
    ----------
    table : Table
    source : Source
        Where the maps of these scans are.
    folder : Path
        Of the training run.
    config : GateTraining, optional
    more : Table, optional
        Further scans, of which only features are known.
    how : optional
        ``minutes``, ``resume``, ``watch``: see `afmend.training.loop.train`.
    """
    config = config or GateTraining()
    apart = held_out(table)
    run = train(MapTask(table.part(~apart), table.part(apart).sure, source, config), config.loop(), folder, **how)
    return assembled(cast("JointNet", run.average.cpu().eval().float()), table, source, config, more)


def assembled(joint: JointNet, table: Table, source: Source, config: GateTraining, more: Table | None = None) -> Made:
    """Train perceptrons and trees on features, add them to a trained network, and calibrate on the held-out fifth."""
    sure = table.sure
    apart = held_out(sure)
    learned, kept = sure.part(~apart), sure.part(apart)
    known = [learned] if more is None else [learned, more.sure]
    features, labels = (np.concatenate([getattr(part, name) for part in known]) for name in ("features", "labels"))
    head: Head = fit(features, labels, len(VERDICTS), config, source.device)
    trees = grow(features, labels, len(VERDICTS), config)
    parts = (
        logits_of(head, kept.features), tree_logits(trees, kept.features),
        map_logits(joint.to(source.device), kept, source),
    )  # fmt: skip
    heat = temperatures(parts, kept.labels)
    shown = table.shown
    usual, others = (shown.part(held_out(shown) == here).features for here in (False, True))
    with torch.no_grad():
        scaled = head.scaled(torch.from_numpy(usual)).double().numpy()
        shipped = Shipped(head, trees, joint.cpu(), Usual.of(scaled), heat).eval()
        strange = shipped.strangeness(torch.from_numpy(others)).double().numpy()
    said = softmax(np.tensordot(heat, np.stack(parts), 1))
    return Made(shipped, dict(calibration_of(said, kept.labels, kept.kinds, strange, heat)), kept)


def finish(
    made: Made, folder: Path, *, learned: Table, source: Source, name: str = TASK, command: str = "",
    config: GateTraining | None = None, test: tuple[Table, Source] | None = None,
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
        All scans of the training box.
    source : Source
        Of their maps.
    test : (Table, Source), optional
        Scans of another box, for the card's scores.

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
    _compare(made, source, path)
    scores = {f"held out (box {source.box}, also calibrates)": scored(path, made.held_out, source)}
    if test is not None:
        scores["test"] = {"box": test[1].box, **scored(path, *test)}
    write_card(card.model_copy(update={"scores": scores}), path)
    return path


def _compare(made: Made, source: Source, card: Path) -> None:
    """Ask ONNX Runtime and torch the same."""
    model = load_gate(str(card))
    for k in range(min(8, made.held_out.labels.size)):
        seen = made.held_out.features[k : k + 1]
        maps = source.maps(made.held_out, k)[None]
        with torch.no_grad():
            wanted = made.shipped(torch.from_numpy(seen), torch.from_numpy(maps))[0].numpy()
        got = model.run({"features": seen, "maps": maps})["probability"]
        if float(np.abs(wanted - got).max()) > DIFFERENCE:
            raise ModelError("the exported gate differs from torch", where=str(card), now="Train again.")


def scored(card: Path, table: Table, source: Source) -> dict[str, Any]:
    """Score a gate on a table, view by view."""
    sure = table.sure
    said = said_of(load_gate(str(card)), sure, source)
    out: dict[str, Any] = {}
    for kind in np.unique(sure.kinds):
        rows = np.flatnonzero(sure.kinds == kind)
        out[str(kind)] = score([said[k] for k in rows], [VERDICTS[k] for k in sure.labels[rows]])
    return out


def said_of(model: Model, table: Table, source: Source) -> list[Opinion]:
    """Ask an exported gate about every row."""

    def one(row: int) -> Opinion:
        return opinion(model, table.features[row], source.maps(table, row), table.names, str(table.kinds[row]))

    with ThreadPoolExecutor(max(1, (os.cpu_count() or 1) // THREADS)) as threads:
        return list(threads.map(one, range(table.labels.size)))


def _export(shipped: Shipped, path: Path) -> None:
    axes = {
        "features": {0: "scans"}, "maps": {0: "scans", 2: "rows", 3: "cols"}, "probability": {0: "scans"},
        "strangeness": {0: "scans"}, "activation": {0: "scans", 2: "less_rows", 3: "less_cols"},
    }  # fmt: skip
    samples = (torch.zeros(2, shipped.head.middle.numel()), torch.zeros(2, len(MAPS), 96, 128))
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            shipped, samples, str(path), dynamo=False, opset_version=OPSET, input_names=["features", "maps"],
            output_names=["probability", "strangeness", "activation"], dynamic_axes=axes,
        )  # fmt: skip
    halve(path)


def _made_with(table: Table, command: str, config: GateTraining) -> dict[str, Any]:
    digest = hashlib.sha256(table.features.tobytes()).hexdigest()
    return {
        "command": command, "afmend": __version__, "torch": torch.__version__, "onnxruntime": onnxruntime.__version__,
        "python": platform.python_version(), "machine": platform.machine(), "twin": TWIN_VERSION, "features": digest,
        "scans": int(np.unique(table.seeds).size), "seeds": [int(table.seeds.min()), int(table.seeds.max()) + 1],
        "unsure_views": int(np.count_nonzero(table.shown.labels < 0)), "config": config.to_json(),
        "device": torch.cuda.get_device_name() if config.device != "cpu" and torch.cuda.is_available() else "CPU",
    }  # fmt: skip
