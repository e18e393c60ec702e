"""Running ``afmend train tip``."""

from __future__ import annotations

from dataclasses import dataclass

from afmend.apps.cli import say
from afmend.apps.cli.train_run import TrainingWish, need_torch, shown_bar, told
from afmend.errors import BadParameterError

RECIPES = ("ours", "bluntness", "seed-1", "seed-2", "seed-3")
BLUNTINGS = ("dilation", "gaussian")


@dataclass(frozen=True, slots=True)
class TipTrainingWish(TrainingWish):
    """What ``afmend train tip`` was told."""

    recipe: str
    blunting: str
    note: str = ""


def train_tip(wish: TipTrainingWish) -> int:
    """Simulate, train, calibrate, export; print where the card is.

    Raises
    ------
    BadParameterError
        If there is no such recipe or way of blunting, or torch is not installed.
    """
    for said, known in ((wish.recipe, RECIPES), (wish.blunting, BLUNTINGS)):
        if said not in known:
            raise BadParameterError(
                f"no {said!r} here", where="afmend train tip", now=f"Say one of {', '.join(known)}."
            )
    need_torch()
    from afmend.training.config import Training
    from afmend.training.loop import train
    from afmend.training.tip.bluntness_task import CONFIG as BLUNT_CONFIG
    from afmend.training.tip.bluntness_task import HELD_OUT as BLUNT_HELD_OUT
    from afmend.training.tip.bluntness_task import BluntnessTask, prepare_rows
    from afmend.training.tip.examples import prepare
    from afmend.training.tip.finish import finish
    from afmend.training.tip.seed_task import CONFIGS, SeedTask
    from afmend.training.tip.task import CONFIG, HELD_OUT, TipTask

    blunt = wish.recipe == "bluntness"
    base = {"ours": CONFIG, "bluntness": BLUNT_CONFIG, **CONFIGS}[wish.recipe]
    kept = BLUNT_HELD_OUT if blunt else HELD_OUT
    steps = wish.steps or base.steps
    changes = {"steps": steps, "seed": wish.seed, "device": wish.device, "judge_every": min(base.judge_every, steps)}
    config = Training.parse({**base.to_json(), **changes}, "afmend train tip")
    held_out = range(kept.start, kept.start + min(len(kept), wish.scans))
    seeds = range(kept.stop, kept.stop + wish.scans)
    for some in (held_out, seeds):
        with shown_bar("Simulating") as watch:
            (prepare_rows if blunt else prepare)(wish.data, some, workers=wish.workers, watch=watch)
    task: TipTask | SeedTask | BluntnessTask = TipTask(wish.data, seeds, held_out)
    if blunt:
        task = BluntnessTask(wish.data, seeds, held_out)
    elif wish.recipe != "ours":
        task = SeedTask(wish.recipe, wish.blunting, wish.data, seeds, held_out)  # type: ignore[arg-type]  # checked above
    with shown_bar("Training") as bar:
        run = train(task, config, wish.out, minutes=wish.minutes, resume=wish.resume, watch=told(bar))
    command = f"afmend train tip --recipe {wish.recipe} --scans {wish.scans} --steps {steps} --seed {wish.seed}"
    command += "" if wish.recipe in ("ours", "bluntness") else f" --blunting {wish.blunting}"
    card = finish(task, run, config, wish.out / "model", name=wish.name, command=command, note=wish.note)
    done = "" if run.done == steps else f"; {run.done} of {steps} batches: go on with --resume"
    use = {
        "ours": f"use it with --set tip.correct.model={card}",
        "bluntness": "use it as `model` of afmend.tip.bluntness.bluntness",
    }.get(wish.recipe, "score it with afmend bench seed-tip")
    say.out().print(f"{card}: {use}{done}", markup=False)
    return 0
