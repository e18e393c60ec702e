"""From a trained network to a model with a card."""

from __future__ import annotations

import copy
import platform
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch

from afmend import __version__
from afmend.evaluation.bench.seed_models import DIFFERENCE, SURFACE
from afmend.evaluation.bench.seed_models import TASK as SEED_TASK
from afmend.inference.card import Card, write_card
from afmend.simulation.twin import VERSION as TWIN_VERSION
from afmend.tip.bluntness import INPUTS as BLUNT_INPUTS
from afmend.tip.bluntness import LEVELS
from afmend.tip.bluntness import TASK as BLUNTNESS
from afmend.tip.bluntness import VERSION as BLUNT_VERSION
from afmend.tip.learned import INPUTS, OUTPUTS, TASK, VERSION
from afmend.training.config import Training
from afmend.training.export import export
from afmend.training.loop import Run
from afmend.training.tip.bluntness_task import BluntnessTask, rows_of
from afmend.training.tip.seed_task import SeedTask
from afmend.training.tip.task import TipTask, stored, widening

MODEL_VERSION, BLUNTNESS_VERSION = "1", "2"
"""Of the networks that ship: one more whenever one is trained anew."""
FAILURES = (
    "Trained on simulated surfaces only: where the tip touched nothing it guesses what those look like.",
    "It is as good as the tip it is given: with a tip that is too blunt everything is too low.",
    "The interval holds on simulated surfaces on average; in deep narrow pores the surface can be any depth.",
    "Let the noise be measured: with less than that, the interval is too narrow on images by another simulator.",
)
BLUNT_FAILURES = (
    "Trained on simulated surfaces only: on others the radius may lie outside its quantiles more often than they say.",
    "Grains, particles and lattices are round by nature: there the quantiles lie far apart.",
    "Balls on cones only: of pyramids and worn plateaus it says what ball they look like.",
)


def finish(
    task: TipTask | SeedTask | BluntnessTask, run: Run, config: Training, folder: Path, *, name: str = TASK,
    command: str = "", note: str = "",
) -> Path:  # fmt: skip
    """Calibrate on held-out images, export, compare with torch, write the card.

    Parameters
    ----------
    task : TipTask, SeedTask or BluntnessTask
    run : Run
    config : Training
    folder : Path
        Where the model and its card go.
    name : str
        Of the model.
    command : str
        That made it.
    note : str
        What else should be known of how it was made.

    Returns
    -------
    Path
        Of the card.
    """
    folder.mkdir(parents=True, exist_ok=True)
    network = copy.deepcopy(run.average).cpu().eval().float()
    path = folder / f"{name}.json"
    made_with = _made_with(task, run, config, command, note)
    parameters = sum(p.numel() for p in network.parameters())
    if isinstance(task, BluntnessTask):
        rows, _ = rows_of(task.folder, task.held_out, task.box)
        card = Card(
            name=name, task=BLUNTNESS, version=BLUNTNESS_VERSION, inputs=BLUNT_INPUTS, inputs_version=BLUNT_VERSION,
            outputs=tuple(f"{level:g}" for level in LEVELS),
            files={"fp32": export(network, [rows[:1], rows[:5]], folder / f"{name}.onnx", dynamic=(0,))},
            calibration=task.moves(network), parameters=parameters, made_with=made_with,
            scores={"held out": run.scores}, known_failures=BLUNT_FAILURES,
        )  # fmt: skip
    elif isinstance(task, TipTask):
        examples = stored(task.folder, task.held_out, task.box)
        samples = [np.asarray(one.maps[:1], np.float32) for one in examples[:2]]
        card = Card(
            name=name, task=TASK, version=MODEL_VERSION, inputs=INPUTS, inputs_version=VERSION, outputs=OUTPUTS,
            files={"fp32": export(network, samples, folder / f"{name}.onnx", outputs=("answer",))},
            calibration={"wider": round(widening(network, examples), 4)}, parameters=parameters, made_with=made_with,
            scores={"held out": run.scores}, known_failures=FAILURES,
        )  # fmt: skip
    else:
        examples = stored(task.folder, task.held_out, task.box)
        samples = [
            np.asarray(one.image[None, None, :128, :128], np.float32) / np.ptp(one.image) for one in examples[:1]
        ]
        card = Card(
            name=name, task=SEED_TASK, version=MODEL_VERSION, inputs=("image, 0 to 1",), inputs_version=1,
            outputs=(DIFFERENCE if task.recipe == "seed-1" else SURFACE,),
            files={"fp32": export(network, samples, folder / f"{name}.onnx", outputs=("answer",))},
            parameters=parameters, made_with=made_with, scores={"held out": run.scores},
            known_failures=("A repetition of the seed's experiment, for comparison only.",),
        )  # fmt: skip
    write_card(card, path)
    return path


def _made_with(
    task: TipTask | SeedTask | BluntnessTask, run: Run, config: Training, command: str, note: str
) -> dict[str, Any]:
    begun = {"begun_with": run.begun_with} if run.begun_with else {}
    return {
        "command": command, "afmend": __version__, "torch": torch.__version__, "onnxruntime": onnxruntime.__version__,
        "python": platform.python_version(), "machine": platform.machine(), "twin": TWIN_VERSION, "box": task.box,
        "seeds": [task.seeds.start, task.seeds.stop], "held_out": [task.held_out.start, task.held_out.stop],
        "batches": run.done, "minutes": round(run.minutes, 1), "config": config.to_json(), **begun,
        **({"blunting": task.blunting} if isinstance(task, SeedTask) else {}), **({"note": note} if note else {}),
    }  # fmt: skip
