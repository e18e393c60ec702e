"""From the trained networks of the gate's sight to models that can be shipped: exported, scored, described."""

from __future__ import annotations

import copy
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor

from afmend import __version__
from afmend.artifacts.gate import doubles
from afmend.artifacts.gate.sight import INPUTS, TARGETS, TASK, TILING, VERSION, load_sight
from afmend.inference.card import Card, write_card
from afmend.simulation.twin import VERSION as TWIN_VERSION
from afmend.training.config import Training
from afmend.training.export import described, export, halve, quantize
from afmend.training.gate.doubles_net import DoublesNet
from afmend.training.gate.doubles_task import SATELLITES, DoublesTask
from afmend.training.gate.doubles_task import scored as scored_doubles
from afmend.training.gate.sight_items import SCALE, Item
from afmend.training.gate.sight_net import Exported, SightNet
from afmend.training.gate.sight_task import SightTask, scored
from afmend.training.loop import Run

MODEL_VERSION = "4"
SAMPLES = 32
"""Scans that tell how large the numbers within the network become."""
EXACT = ("/network/head/Conv", "/network/stem/stem.0/Conv", "/network/Add_4", "/network/Add_5")
"""Layers kept in single precision; the last two stand before logarithms, where 1/255 of a probability is much."""
FAILURES = (
    "Trained on simulated scans only.",
    "Satellites of a bad tip are not found pixel by pixel: ask the model doubles.",
    "It sees what stands out; a blunt tip alone, and doubles of samples without features that stand alone, do not.",
)
DOUBLES_FAILURES = (
    "Trained on simulated scans only.",
    "Samples that repeat themselves (lattices, pairs of cells) can look like doubles, and their doubles like samples.",
    "A tip that is blunt, or changes within the scan, sets no satellites.",
)


def finish(
    task: SightTask, run: Run, config: Training, folder: Path, *, name: str = TASK, command: str = "", note: str = ""
) -> Path:
    """Export, compare with torch, score what was exported on held-out scans; only then write the card with scores.

    Parameters
    ----------
    task : SightTask
    run : Run
    config : Training
    folder : Path
        Where the model and its card go.
    name, command, note : str
        Of the model; that made it; what else should be known of how it was made.

    Returns
    -------
    Path
        Of the card.
    """
    folder.mkdir(parents=True, exist_ok=True)
    network = Exported(cast("SightNet", copy.deepcopy(run.average).cpu().eval().float()))
    items = task.full()
    samples = [_inputs(task, item)[None] for item in items[:: max(1, len(items) // SAMPLES)]][:SAMPLES]
    files = {"fp32": export(network, samples[:3], folder / f"{name}-fp32.onnx", outputs=("where", "said"))}
    files["int8"] = quantize(folder / f"{name}-fp32.onnx", samples, folder / f"{name}-int8.onnx", keep=EXACT)
    card = Card(
        name=name, task=TASK, version=MODEL_VERSION, files=files, inputs=INPUTS, inputs_version=VERSION,
        outputs=TARGETS, parameters=sum(p.numel() for p in run.average.parameters()),
        made_with=_made_with(task, run, config, command, note), known_failures=FAILURES,
    )  # fmt: skip
    path = folder / f"{name}.json"
    write_card(card, path)  # the model cannot be loaded, and so not scored, without
    scores = {"held out, as trained": _rounded(task.judge(run.average)), "held out": _rounded(_exported(task, path))}
    write_card(card.model_copy(update={"scores": scores}), path)
    return path


def finish_doubles(
    task: DoublesTask, run: Run, config: Training, folder: Path, *, name: str = doubles.TASK, command: str = ""
) -> Path:
    """Do the same with the network that looks for satellites; kept in half precision, as it is small."""
    folder.mkdir(parents=True, exist_ok=True)
    network = DoublesNet(exported=True)
    network.load_state_dict(run.average.state_dict())
    samples = [task.maps(item)[None] for item in task.kept[:: max(1, len(task.kept) // 4)]]
    file = folder / f"{name}.onnx"
    export(network, samples, file)
    halve(file)
    card = Card(
        name=name, task=doubles.TASK, version=MODEL_VERSION, files={"fp32": described(file)}, inputs=doubles.INPUTS,
        inputs_version=doubles.VERSION, outputs=doubles.OUTPUTS,
        parameters=sum(p.numel() for p in run.average.parameters()),
        made_with=_made_with(task, run, config, command), known_failures=DOUBLES_FAILURES,
    )  # fmt: skip
    path = folder / f"{name}.json"
    write_card(card, path)
    model = doubles.load_doubles(str(path))
    said = [float(model.run({"maps": task.maps(item)[None]})["answer"][0]) for item in task.kept]
    found = scored_doubles(said, [item.answers[SATELLITES] for item in task.kept])
    scores = {"held out, as trained": _rounded(task.judge(run.average)), "held out": _rounded(found)}
    write_card(card.model_copy(update={"scores": scores}), path)
    return path


def _inputs(task: SightTask, item: Item) -> NDArray[np.float32]:
    planes = task.data.load(item)[:-1].view(np.int8).astype(np.float32) / np.float32(SCALE)
    more = [-n % m for n, m in zip(planes.shape[1:], TILING.multiple, strict=True)]
    return np.pad(planes, ((0, 0), (0, more[0]), (0, more[1])))


def _exported(task: SightTask, path: Path) -> dict[str, float]:
    model = load_sight(str(path))

    def each() -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32], Tensor]]:
        for item in task.full():
            answer = model.run({"maps": _inputs(task, item)[None]})
            bits = task.data.load(item)[-1]
            wrong = np.stack([(bits >> np.uint8(k)) & 1 for k in range(len(TARGETS))])
            rows, cols = bits.shape
            yield answer["where"][0, :, :rows, :cols] - 0.5, answer["said"][0], torch.from_numpy(wrong)

    return scored(each(), task.full())


def _rounded(numbers: Any) -> dict[str, float]:
    return {name: round(float(value), 4) for name, value in numbers.items()}


def _made_with(
    task: SightTask | DoublesTask, run: Run, config: Training, command: str, note: str = ""
) -> dict[str, Any]:
    return {
        "command": command, "afmend": __version__, "torch": torch.__version__, "onnxruntime": onnxruntime.__version__,
        "python": platform.python_version(), "machine": platform.machine(), "twin": TWIN_VERSION, **task.identity,
        "held_out_items": len(task.kept), "batches": run.done,
        "minutes": round(run.minutes, 1), "config": config.to_json(),
        **({"begun_with": run.begun_with} if run.begun_with else {}), **({"note": note} if note else {}),
    }  # fmt: skip
