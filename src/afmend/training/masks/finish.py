"""From a trained network to a model that can be shipped: calibrated, exported, compared, scored, described."""

from __future__ import annotations

import copy
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnxruntime
import torch

from afmend import __version__
from afmend.artifacts.learned import TASK, Learned, learned, load_masks_model
from afmend.artifacts.learned_inputs import INPUTS, KINDS, VERSION, Map, model_inputs
from afmend.evaluation.mask_scores import Marker, interval, mean_of, pooled, score, simulated
from afmend.inference.card import Card, write_card
from afmend.pipeline import Field
from afmend.scan.arrays import Mask
from afmend.simulation.box import load_box
from afmend.simulation.drawing import draw
from afmend.simulation.twin import VERSION as TWIN_VERSION
from afmend.simulation.twin import simulate
from afmend.training.config import Training
from afmend.training.export import export, quantize
from afmend.training.loop import Run
from afmend.training.masks.calibrate import Calibrated, platt, probabilities, thresholds
from afmend.training.masks.items import EACH
from afmend.training.masks.task import MaskTask, scored
from afmend.training.networks import LineUNet

MODEL_VERSION = "5"
FAILURES = (
    "Trained on simulated scans only; on hand-labeled real scans it finds less than on simulated ones (see scores).",
    "Lines whose shape differs from that of their neighbors, and faint long streaks, are often missed on real scans.",
    "Chatter and lost tracking, switched on, are marked on parts of sound real scans.",
    "Where the other direction is given, it is trusted: what both show counts as surface.",
    "Structures one line high that lie exactly along the fast axis look like scars where only one direction is given.",
    "A loop that lags everywhere in the scan is a matter of the scan, not of pixels: it is not marked.",
    "Tip artifacts (double or blunt tips) are not marked.",
)


def finish(
    task: MaskTask,
    run: Run,
    config: Training,
    folder: Path,
    *,
    name: str = TASK,
    command: str = "",
    note: str = "",
    scored_on: tuple[str, range] = ("train", range(0)),
) -> Path:
    """Calibrate on held-out scans, export, compare with torch, score what was exported; only then write the card.

    Parameters
    ----------
    task : MaskTask
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
    scored_on : (box, range of seeds)
        Scans of the twin on which the exported model is scored.

    Returns
    -------
    Path
        Of the card.
    """
    folder.mkdir(parents=True, exist_ok=True)
    answers, hard = task.held_out_maps(run.average), task.hard_maps(run.average)
    line = platt(answers)
    network = cast("LineUNet", copy.deepcopy(run.average).cpu().eval().float())
    calibrated = Calibrated(network, *line).eval()
    shown, shown_hard = probabilities(answers, *line), probabilities(hard, *line)
    chosen, worth = thresholds(shown, shown_hard)
    samples = [_padded(model_inputs(answer[3].heights, None, answer[3].opposite)) for answer in answers[:24]]
    files = {"fp32": export(calibrated, samples[:3], folder / f"{name}-fp32.onnx", outputs=("probability",))}
    files["int8"] = quantize(
        folder / f"{name}-fp32.onnx", samples, folder / f"{name}-int8.onnx", keep=("/network/head/Conv",)
    )
    card = Card(
        name=name, task=TASK, version=MODEL_VERSION, files=files, inputs=INPUTS, inputs_version=VERSION, outputs=KINDS,
        thresholds=chosen, parameters=sum(p.numel() for p in run.average.parameters()),
        made_with=_made_with(task, run, config, command, note),
        scores={"held out": scored(answers, 0.5), "held out, at the thresholds": worth},
        known_failures=FAILURES,
    )  # fmt: skip
    path = folder / f"{name}.json"
    write_card(card, path)  # the model cannot be loaded, and so not scored, without
    if len(scored_on[1]):
        scores = {**card.scores, "exported": scored_scans(path, *scored_on)}
        write_card(card.model_copy(update={"scores": scores}), path)
    return path


def _padded(maps: Map) -> Map:
    more = [-n % m for n, m in zip(maps.shape[1:], LineUNet.MULTIPLE, strict=True)]
    return np.pad(maps, ((0, 0), (0, more[0]), (0, more[1])))[None]


def _made_with(task: MaskTask, run: Run, config: Training, command: str, note: str) -> dict[str, Any]:
    data = task.data
    begun = {"begun_with": run.begun_with} if run.begun_with else {}
    taught = {"taught_by": task.taught_by} if task.taught_by else {}
    return {
        "command": command, "afmend": __version__, "torch": torch.__version__, "onnxruntime": onnxruntime.__version__,
        "python": platform.python_version(), "machine": platform.machine(), "twin": TWIN_VERSION, "boxes": data.boxes,
        "seeds": [task.scans.start, task.scans.stop], "held_out": [data.held_out.start, data.held_out.stop],
        "batches": run.done, "minutes": round(run.minutes, 1), "config": config.to_json(),
        "items": len(task.scans) * EACH, "held_out_hard": [data.hard.start, data.hard.stop], **begun, **taught,
        **({"note": note} if note else {}),
    }  # fmt: skip


def marker(card: Path | str, **params: Any) -> Marker:
    """Return what marks everything that `mark.learned` marks, all kinds together."""
    load_masks_model(str(card))
    chosen = Learned(model=str(card), **params)

    def mark(field: Field) -> Mask:
        out = np.zeros(field.shape, dtype=np.bool_)
        for mask in learned(field, chosen).masks.values():
            out |= mask
        return out

    return mark


def scored_scans(card: Path, box: str, seeds: Sequence[int]) -> dict[str, Any]:
    """Score an exported model on scans of the twin: lines and scars, and false marks on clean scans."""
    mark, chance = marker(card), load_box(box)
    rows, clean = [], []
    for seed in seeds:
        judged = simulated(simulate(draw(chance, seed, shape=(256, 256))), seen_only=True)
        row = score(judged, mark(judged.field))
        rows.append(row)
        if judged.clean:
            clean.append(row)
    overlap = {key: _rounded(interval(rows, lambda some, key=key: pooled(some)[key])) for key in ("iou", "dice")}  # type: ignore[misc]
    return {
        "box": box, "seeds": [seeds[0], seeds[-1] + 1], "what": "visible lines and scars, one line of tolerance, int8",
        **overlap, "false on clean, %": _rounded(interval(clean, mean_of("false_percent"))),
    }  # fmt: skip


def _rounded(numbers: tuple[float, float, float]) -> list[float | None]:
    return [round(x, 4) if np.isfinite(x) else None for x in numbers]
