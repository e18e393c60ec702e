"""Running a training from the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from afmend.apps.cli import say
from afmend.errors import BadParameterError


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command was told."""

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
    own: Path | None
    start: Path | None = None
    note: str = ""


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
    from afmend.training.loop import train
    from afmend.training.masks.examples import prepare
    from afmend.training.masks.finish import finish
    from afmend.training.masks.own import own_examples
    from afmend.training.masks.task import CONFIG, HELD_OUT, MaskTask

    steps = wish.steps or CONFIG.steps
    changes = {"steps": steps, "seed": wish.seed, "device": wish.device, "judge_every": min(CONFIG.judge_every, steps)}
    config = Training.parse({**CONFIG.to_json(), **changes}, "afmend train masks")
    held_out = range(HELD_OUT.start, HELD_OUT.start + min(len(HELD_OUT), wish.scans))
    own = () if wish.own is None else own_examples(wish.own)
    task = MaskTask(wish.data, range(HELD_OUT.stop, HELD_OUT.stop + wish.scans), held_out, own=own)
    for seeds in (task.held_out, task.seeds):
        with shown_bar("Simulating") as watch:
            prepare(wish.data, seeds, workers=wish.workers, watch=watch)
    with shown_bar("Training") as bar:
        run = train(task, config, wish.out, minutes=wish.minutes, resume=wish.resume, start=wish.start, watch=told(bar))
    command = f"afmend train masks --scans {wish.scans} --steps {config.steps} --seed {wish.seed}"
    command += "" if wish.own is None else f" --from {wish.own.name}"
    command += "" if wish.start is None else f" --start {wish.start.name}"
    card = finish(task, run, config, wish.out / "model", name=wish.name, command=command, note=wish.note)
    done = "" if run.done == config.steps else f"; {run.done} of {config.steps} batches: go on with --resume"
    say.out().print(f"{card}: use it with --set mark.learned.model={card}{done}", markup=False)
    return 0


def told(bar: Callable[[int, int], None] | None) -> Callable[[int, int, Mapping[str, float]], None] | None:
    """Turn a bar into what the training loop calls."""
    return None if bar is None else lambda done, of, _numbers: bar(done, of)


@contextmanager
def shown_bar(title: str) -> Iterator[Callable[[int, int], None] | None]:
    """Show a bar with one title on a terminal."""
    with say.bar(title) as show:
        yield None if show is None else partial(show, title)
