"""Running a training from the command line."""

from __future__ import annotations

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
    batch: int | None = None
    scan_minutes: float | None = None
    pace: bool = False


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
    from afmend.training.loop import device_of, train
    from afmend.training.masks.examples import prepare
    from afmend.training.masks.finish import finish
    from afmend.training.masks.items import prepare_items
    from afmend.training.masks.own import own_examples
    from afmend.training.masks.task import CONFIG, HELD_OUT, HELD_OUT_HARD, MaskTask

    steps, batch = wish.steps or CONFIG.steps, wish.batch or CONFIG.batch
    changes = {"steps": steps, "batch": batch, "seed": wish.seed, "device": wish.device}
    config = Training.parse({**CONFIG.to_json(), **changes}, "afmend train masks")
    held_out, hard = (range(r.start, r.start + min(len(r), wish.scans)) for r in (HELD_OUT, HELD_OUT_HARD))
    own = () if wish.own is None else own_examples(wish.own)
    for seeds in (held_out, hard):
        with shown_bar("Simulating") as watch:
            prepare(wish.data, seeds, hard=seeds is hard, workers=wish.workers, watch=watch)
    scans = range(HELD_OUT.stop, HELD_OUT.stop + wish.scans)
    with shown_bar("Making items") as watch:
        how = {"workers": wish.workers, "minutes": wish.scan_minutes, "watch": watch}
        scans = prepare_items(wish.data, wish.seed, scans, **how)
    task = MaskTask(wish.data, scans, held_out, own=own, hard=hard, items_seed=wish.seed)
    device = device_of(config)
    if device.type != "cpu":
        task.move_to(device)
        config = config.model_copy(update={"workers": 0})
    with shown_bar("Training") as bar:
        how = {"minutes": wish.minutes, "resume": wish.resume, "start": wish.start, "pace": wish.pace}
        run = train(task, config, wish.out, watch=told(bar), **how)
    card = finish(task, run, config, wish.out / "model", name=wish.name, command=_command(wish, config), note=wish.note)
    complete = run.done == config.steps or wish.pace
    done = "" if complete else f"; {run.done} of {config.steps} batches: go on with --resume"
    say.out().print(f"{card}: use it with --set mark.learned.model={card}{done}", markup=False)
    return 0


def _command(wish: Wish, config: Training) -> str:
    """Return the command that makes this model again."""
    parts = [f"afmend train masks --scans {wish.scans} --steps {config.steps} --seed {wish.seed}"]
    parts += [] if wish.batch is None else [f"--batch {wish.batch}"]
    parts += [] if wish.scan_minutes is None else [f"--scan-minutes {wish.scan_minutes:g}"]
    parts += [f"--minutes {wish.minutes:g} --pace"] if wish.pace and wish.minutes is not None else []
    parts += [] if wish.own is None else [f"--from {wish.own.name}"]
    parts += [] if wish.start is None else [f"--start {wish.start.name}"]
    return " ".join(parts)


def told(bar: Callable[[int, int], None] | None) -> Callable[[int, int, Mapping[str, float]], None] | None:
    """Turn a bar into what the training loop calls."""
    return None if bar is None else lambda done, of, _numbers: bar(done, of)


@contextmanager
def shown_bar(title: str) -> Iterator[Callable[[int, int], None] | None]:
    """Show a bar with one title on a terminal."""
    with say.bar(title) as show:
        yield None if show is None else partial(show, title)
