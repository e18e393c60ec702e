"""Running a training from the command line."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from afmend.apps.cli import say
from afmend.errors import BadParameterError

if TYPE_CHECKING:
    from afmend.training.config import Training


ALONE, MAKING, FINISHING = 0.12, 0.75, 0.7
"""With a limit for all: in which share of it items are made before the training begins, in which they are begun at all,
and how many minutes are kept for what follows the training."""
TESTED = 500_000
"""The first simulated scan that models are tested on (`benchmarks/quality/masks.py`)."""


@dataclass(frozen=True, slots=True)
class TrainingWish:
    """What every command was told that trains on simulated scans."""

    out: Path
    data: Path
    scans: int
    minutes: float | None
    resume: bool
    steps: int | None
    seed: int
    workers: int
    device: str
    name: str


@dataclass(frozen=True, slots=True)
class Wish(TrainingWish):
    """What ``afmend train masks`` was told."""

    own: Path | None
    start: Path | None = None
    note: str = ""
    batch: int | None = None
    in_all: float | None = None
    boxes: str = "train,wide"
    first: int | None = None
    rate: float | None = None
    teachers: tuple[Path, ...] = ()


def need_torch() -> None:
    """Refuse politely where torch is not installed.

    Raises
    ------
    BadParameterError
        Saying how to install it.
    """
    if find_spec("torch") is None or find_spec("onnx") is None:
        raise BadParameterError("training needs torch and onnx", now="pip install 'afmend[train]'")


def train_masks(wish: Wish) -> int:
    """Simulate, train, calibrate, export, score; print where the card is."""
    need_torch()
    from afmend.training.config import Training
    from afmend.training.loop import device_of, network_of, train
    from afmend.training.masks.finish import finish
    from afmend.training.masks.items import Data, Making, prepare
    from afmend.training.masks.own import own_examples
    from afmend.training.masks.task import CONFIG, FIRST, HELD_OUT, HELD_OUT_HARD, MaskTask

    begun = time.monotonic()
    _check_scans(wish, FIRST)
    steps, batch, rate = wish.steps or CONFIG.steps, wish.batch or CONFIG.batch, wish.rate or CONFIG.rate
    first = FIRST if wish.first is None else wish.first
    changes = {"steps": steps, "batch": batch, "rate": rate, "seed": wish.seed, "device": wish.device}
    config = Training.parse({**CONFIG.to_json(), **changes}, "afmend train masks")
    held_out, hard = (range(r.start, r.start + min(len(r), wish.scans)) for r in (HELD_OUT, HELD_OUT_HARD))
    own = () if wish.own is None else own_examples(wish.own)
    data = Data(wish.data, range(first, first + wish.scans), held_out, hard, wish.seed, _boxes(wish.boxes))
    device, making, minutes = device_of(config), None, wish.minutes
    earlier = [network_of(MaskTask(data), folder) for folder in wish.teachers]
    if wish.start is not None:
        network_of(MaskTask(data), wish.start)  # what cannot be read is told before an hour of simulating
    if wish.in_all is None:
        with shown_bar("Simulating") as watch:
            data = prepare(data, workers=wish.workers, watch=watch)
    else:
        making = Making(data, wish.workers, MAKING * wish.in_all)
        making.begin(ALONE * wish.in_all)
        config = config.model_copy(update={"judge_every": steps, "workers": 0})
        left = wish.in_all - (time.monotonic() - begun) / 60 - min(FINISHING, 0.3 * wish.in_all)
        minutes = max(left, 0.01)
    task = MaskTask(data, own=own, growing=making is not None, teachers=earlier)
    if device.type != "cpu":
        task.move_to(device)
        config = config.model_copy(update={"workers": 0})
    with shown_bar("Training") as bar:
        run = train(
            task, config, wish.out, minutes=minutes, resume=wish.resume, start=wish.start, pace=making is not None,
            watch=told(bar),
        )  # fmt: skip
    if making is not None:
        making.end()
    card = finish(task, run, config, wish.out / "model", name=wish.name, command=_command(wish, config), note=wish.note)
    if making is not None:
        making.tell()
    done = "" if making or run.done == config.steps else f"; {run.done} of {config.steps} batches: go on with --resume"
    say.out().print(f"{card}: use it with --set mark.learned.model={card}{done}", markup=False)
    return 0


def _check_scans(wish: Wish, usual: int) -> None:
    """Refuse to learn from scans that judge: below the usual first one are held-out ones, above others' tests."""
    first = usual if wish.first is None else wish.first
    if first < usual or first + wish.scans > TESTED:
        raise BadParameterError(
            f"scans {first} to {first + wish.scans - 1} would be learned from", where="--first",
            now=f"They must lie from {usual} to {TESTED - 1}: others judge what was learned.",
        )  # fmt: skip


def _boxes(told: str) -> tuple[str, ...]:
    from afmend.simulation.box import built_in_boxes

    boxes = tuple(told.split(","))
    for box in boxes:
        if box not in built_in_boxes():
            raise BadParameterError(f"no box {box!r}", where="--box", now=f"There are: {', '.join(built_in_boxes())}.")
    return boxes


def _command(wish: Wish, config: Training) -> str:
    """Return the command that makes this model again."""
    parts = [f"afmend train masks --box {wish.boxes} --scans {wish.scans} --steps {config.steps} --seed {wish.seed}"]
    parts += [] if wish.batch is None else [f"--batch {wish.batch}"]
    parts += [] if wish.first is None else [f"--first {wish.first}"]
    parts += [] if wish.rate is None else [f"--rate {wish.rate:g}"]
    parts += [] if wish.in_all is None else [f"--in-all {wish.in_all:g}"]
    parts += [] if wish.own is None else [f"--from {wish.own.name}"]
    parts += [] if wish.start is None else [f"--start {wish.start.name}"]
    parts += [f"--teacher {teacher.name}" for teacher in wish.teachers]
    return " ".join(parts)


def told(bar: Callable[[int, int], None] | None) -> Callable[[int, int, Mapping[str, float]], None] | None:
    """Turn a bar into what the training loop calls."""
    return None if bar is None else lambda done, of, _numbers: bar(done, of)


@contextmanager
def shown_bar(title: str) -> Iterator[Callable[[int, int], None] | None]:
    """Show a bar with one title on a terminal."""
    with say.bar(title) as show:
        yield None if show is None else partial(show, title)
