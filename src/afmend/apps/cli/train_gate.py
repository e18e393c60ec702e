"""Training the gate and a user's own classes from the command line."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from afmend.apps.cli import say
from afmend.apps.cli.train_run import TrainingWish, need_torch, shown_bar, told
from afmend.errors import BadParameterError

LEARNED_FROM = "train,wide"
"""Boxes: a block of scans from the one, a block from the other."""
FIRST_SEED = 10_000
"""Of the scans that teach: far from those of the learned masks, and of any test."""


@dataclass(frozen=True, slots=True)
class GateTrainingWish(TrainingWish):
    """What ``afmend train gate`` was told."""

    more: int
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


def train_gate(wish: GateTrainingWish) -> int:
    """Simulate, measure, train, calibrate, export, score; print where the card is."""
    need_torch()
    if wish.recipe not in ("afmend", "seed"):
        raise BadParameterError(f"no recipe {wish.recipe!r}", now="There are: afmend, seed.")
    if wish.recipe == "seed":
        return _seed(wish)
    from afmend.training.gate.finish import finish, make
    from afmend.training.gate.head import GateTraining
    from afmend.training.gate.maps_source import Source
    from afmend.training.gate.table import make_table
    from afmend.training.loop import device_of

    told_config = {"seed": wish.seed, "device": wish.device, **({"map_steps": wish.steps} if wish.steps else {})}
    config = GateTraining.parse(told_config, "afmend train gate")
    device = device_of(config.loop())
    with shown_bar("Simulating") as watch:
        table = make_table(
            wish.data, LEARNED_FROM, range(FIRST_SEED, FIRST_SEED + wish.scans), workers=wish.workers, watch=watch
        )
    source = Source(table, wish.data, LEARNED_FROM, device)
    more = None
    if wish.more:
        first = FIRST_SEED + wish.scans
        with shown_bar("Simulating") as watch:
            more = make_table(
                wish.data,
                LEARNED_FROM,
                range(first, first + wish.more),
                mapped=False,
                workers=wish.workers,
                watch=watch,
            )
    with shown_bar("Training") as bar:
        made = make(
            table, source, wish.out, config, more=more, minutes=wish.minutes, resume=wish.resume, watch=told(bar)
        )
    test = None
    if wish.tested:
        with shown_bar("Simulating") as watch:
            tested = make_table(
                wish.data, "shifted", range(wish.tested), learned=False, workers=wish.workers, watch=watch
            )
        test = (tested.sure, Source(tested.sure, wish.data, "shifted"))
    command = (
        f"afmend train gate --scans {wish.scans} --more {wish.more} --tested {wish.tested} --steps {config.map_steps} "
        f"--seed {wish.seed}"
    )
    card = finish(
        made, wish.out / "model", learned=table, source=source, name=wish.name, command=command, config=config,
        test=test,
    )  # fmt: skip
    say.out().print(f"{card}: use it with `afmend gate --model {card}`", markup=False)
    return 0


def _seed(wish: GateTrainingWish) -> int:
    """Train the seed's classifier on the same scans and score it on the same test set."""
    from afmend.artifacts.gate.verdicts import VERDICTS
    from afmend.training.classify.seed_gate import seed_pictures, seed_test
    from afmend.training.classify.seed_recipe import SeedRecipe, radar_svg, train_seed

    seeds = range(FIRST_SEED, FIRST_SEED + wish.scans)
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
