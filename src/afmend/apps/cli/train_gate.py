"""Training the gate and a user's own classes from the command line."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

from afmend.apps.cli import say
from afmend.apps.cli.train_run import TrainingWish, need_torch, shown_bar, told
from afmend.errors import BadParameterError

LEARNED_FROM = "train,wide"
"""Boxes: a block of scans from the one, a block from the other."""
FIRST_SEED = 5_000
"""Of the scans that teach: beyond the seeds of the scans that it is judged by, as one seed gives similar scans in
similar boxes, and far from those that its networks learned from. (The learned masks are judged by some of them.)"""
FIRST_MOST = {"scans": 15_000, "regular": 5_000, "odd": 5_000}
"""How many scans the first range of seeds of each kind has."""
FURTHER_SEED, LAST_FURTHER_SEED = 4_000_010, 4_085_010
"""Of the scans beyond that."""


@dataclass(frozen=True, slots=True)
class SightTrainingWish(TrainingWish):
    """What ``afmend train sight`` or ``afmend train doubles`` was told."""

    tips: int
    regular: int
    odd: int
    part: int
    what: str
    start: Path | None = None


@dataclass(frozen=True, slots=True)
class GateTrainingWish:
    """What ``afmend train gate`` was told."""

    out: Path
    data: Path
    scans: int
    seed: int
    workers: int
    name: str
    regular: int
    odd: int
    tested: int
    recipe: str
    weights: Path | None
    epochs: int


@dataclass(frozen=True, slots=True)
class ClassWish:
    """What the command was told."""

    folder: Path
    out: Path
    channel: str | None
    folds: int
    minutes: float | None
    steps: int | None
    seed: int
    name: str
    as_json: bool


def train_sight(wish: SightTrainingWish) -> int:
    """Simulate, train one of the two networks, export, score; print where the card is."""
    need_torch()
    from afmend.training.config import Training
    from afmend.training.gate import doubles_task, sight_task
    from afmend.training.gate.sight_finish import finish, finish_doubles
    from afmend.training.gate.sight_items import Data, prepare
    from afmend.training.loop import train

    usual = sight_task.CONFIG if wish.what == "sight" else doubles_task.CONFIG
    changes = {"steps": wish.steps or usual.steps, "seed": wish.seed, "device": wish.device}
    config = Training.parse({**usual.to_json(), **changes}, f"afmend train {wish.what}")
    data = Data(wish.data, LEARNED_FROM, wish.scans, wish.tips, wish.regular, wish.odd, wish.part)
    with shown_bar("Simulating") as watch:
        prepare(data, workers=wish.workers, watch=watch)
    task = sight_task.SightTask(data) if wish.what == "sight" else doubles_task.DoublesTask(data)
    with shown_bar("Training") as bar:
        run = train(task, config, wish.out, minutes=wish.minutes, resume=wish.resume, start=wish.start, watch=told(bar))
    counts = " ".join(f"--{kind} {count}" for kind, count in data.counts.items())
    numbers = f"{counts} --steps {config.steps} --seed {wish.seed}"
    numbers += f" --part {wish.part}" if wish.part else ""
    begun = "" if wish.start is None else f" --start {wish.start.name}"
    how: Any = {"name": wish.name, "command": f"afmend train {wish.what} {numbers}{begun}"}
    if isinstance(task, sight_task.SightTask):
        card = finish(task, run, config, wish.out / "model", **how)
    else:
        card = finish_doubles(task, run, config, wish.out / "model", **how)
    done = "" if run.done == config.steps else f"; {run.done} of {config.steps} batches: go on with --resume"
    say.out().print(f"{card}{done}", markup=False)
    return 0


def seeds_of(scans: int = 0, regular: int = 0, odd: int = 0) -> list[int]:
    """Return the seeds of so many scans of each kind: of one range, then of a further one.

    Raises
    ------
    BadParameterError
        If there are not so many.
    """
    from afmend.training.gate.scenes import FIRST_ODD, FIRST_REGULAR, FURTHER_ODD, LAST_FURTHER_ODD

    first = {"scans": FIRST_SEED, "regular": FIRST_REGULAR, "odd": FIRST_ODD}
    further = {"scans": range(FURTHER_SEED, LAST_FURTHER_SEED), "odd": range(FURTHER_ODD, LAST_FURTHER_ODD)}
    found: list[int] = []
    for kind, count in {"scans": scans, "regular": regular, "odd": odd}.items():
        there = range(first[kind], first[kind] + FIRST_MOST[kind])
        some = list(islice(chain(there, further.get(kind, ())), count))
        if len(some) < count:
            raise BadParameterError(f"there are {len(some)} such scans at most", where=f"--{kind}", now="Take fewer.")
        found += some
    return found


def train_gate(wish: GateTrainingWish) -> int:
    """Simulate, measure, train, calibrate, export, score; print where the card is."""
    need_torch()
    if wish.recipe not in ("afmend", "seed"):
        raise BadParameterError(f"no recipe {wish.recipe!r}", now="There are: afmend, seed.")
    if wish.recipe == "seed":
        return _seed(wish)
    from afmend.training.gate.finish import finish
    from afmend.training.gate.head import GateTraining
    from afmend.training.gate.make import make
    from afmend.training.gate.table import make_table

    config = GateTraining(seed=wish.seed)
    with shown_bar("Simulating") as watch:
        seeds = seeds_of(scans=wish.scans, regular=wish.regular, odd=wish.odd)
        table = make_table(wish.data, LEARNED_FROM, seeds, workers=wish.workers, watch=watch)
    made = make(table, config)
    test = None
    if wish.tested:
        with shown_bar("Simulating") as watch:
            test = ("shifted", make_table(wish.data, "shifted", range(wish.tested), workers=wish.workers, watch=watch))
    command = (
        f"afmend train gate --scans {wish.scans} --regular {wish.regular} --odd {wish.odd} --tested {wish.tested} "
        f"--seed {wish.seed}"
    )
    card = finish(
        made, wish.out / "model", learned=table, boxes=LEARNED_FROM, name=wish.name, command=command, config=config,
        test=test,
    )  # fmt: skip
    say.out().print(f"{card}: use it with `afmend gate --model {card}`", markup=False)
    return 0


def _seed(wish: GateTrainingWish) -> int:
    """Train the seed's classifier on scans of the box train and score it on the same test set."""
    from afmend.artifacts.gate.verdicts import VERDICTS
    from afmend.training.classify.seed_gate import seed_pictures, seed_test
    from afmend.training.classify.seed_recipe import SeedRecipe, radar_svg, train_seed

    seeds = seeds_of(scans=wish.scans)
    with shown_bar("Simulating") as watch:
        learn = seed_pictures(wish.data, "train", seeds, workers=wish.workers, watch=watch)
    config = SeedRecipe(seed=wish.seed, epochs=wish.epochs)
    with shown_bar("Training") as bar:
        result = train_seed(*learn, VERDICTS, config=config, weights=wish.weights, watch=bar)
    scores: dict[str, Any] = {**result.scores}
    if wish.tested:
        with shown_bar("Simulating") as watch:
            test = seed_pictures(wish.data, "shifted", range(wish.tested), workers=wish.workers, watch=watch)
        scores["shifted box"] = seed_test(result, *test)
    wish.out.mkdir(parents=True, exist_ok=True)
    path = wish.out / "seed-recipe.json"
    path.write_text(json.dumps({"config": config.to_json(), "scores": scores}, indent=1), encoding="utf-8")
    (wish.out / "seed-radar.svg").write_text(radar_svg(result.scores, VERDICTS), encoding="utf-8")
    for part, found in scores.items():
        low, high = found["accuracy"][1:]
        say.out().print(
            f"{part}: accuracy {found['accuracy'][0]:.3f} ({low:.3f} to {high:.3f}), macro-F1 {found['macro_f1']:.3f}, "
            f"{found['scans']} scans",
            markup=False,
        )
    say.out().print(f"{path}, {wish.out / 'seed-radar.svg'}", markup=False)
    return 0


def train_classes(wish: ClassWish) -> int:
    """Read a folder, cross-validate, train on everything, print the figures and where the card is."""
    need_torch()
    from afmend.training.classify.folder import collect
    from afmend.training.classify.own import ClassTraining, failures_of, finish, validate

    found = collect(wish.folder, wish.channel)
    for text in (*found.skipped, *failures_of(found)[1:]):
        say.complain(text)
    groups = len(set(found.groups.tolist()))
    changes = {"seed": wish.seed, "folds": wish.folds, **({"steps": wish.steps} if wish.steps else {})}
    config = ClassTraining(**changes)
    if groups < config.folds:
        raise BadParameterError(
            f"the scans show only {groups} different places or files", where=str(wish.folder),
            now="Take scans of more places, or fewer --folds.",
        )  # fmt: skip
    with shown_bar("Cross-validating") as bar:
        per = config.steps

        def watch(k: int, folds: int) -> Any:
            return None if bar is None else lambda done, _of, _numbers: bar(k * per + done, folds * per)

        checked = validate(found, config, wish.out, minutes=wish.minutes, watch=watch)
    command = f"afmend train classify {wish.folder.name} --folds {config.folds} --seed {config.seed}"
    with shown_bar("Training") as bar:
        card = finish(
            found, checked, config, wish.out, name=wish.name, command=command, minutes=wish.minutes, watch=told(bar)
        )
    scores = json.loads(card.read_text(encoding="utf-8"))["scores"]["cross-validation"]
    if wish.as_json:
        say.emit({"card": str(card), "names": list(found.classes), **scores})
        return 0
    accuracy, low, high = scores["accuracy"]
    say.out().print(
        f"Cross-validated accuracy {accuracy:.3f} (95 % interval {low:.3f} to {high:.3f}), "
        f"macro-F1 {scores['macro_f1']:.3f}: "
        f"{scores['scans']} scans of {groups} places, {scores['folds']} folds.",
        markup=False,
    )
    for name, row in zip(found.classes, scores["confusion"], strict=True):
        said = ", ".join(f"{other} {count}" for other, count in zip(found.classes, row, strict=True))
        say.out().print(f"  {name}: said to be {said}", markup=False)
    say.out().print(f"{card}: use it with `afmend classify --model {card}`", markup=False)
    return 0
