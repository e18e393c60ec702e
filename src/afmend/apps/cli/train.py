"""``afmend train``: train the models that afmend uses, on simulated scans or your own. Needs ``afmend[train]``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

train_app = typer.Typer(no_args_is_help=True)

CORES = os.cpu_count() or 1

Out = Annotated[Path, typer.Option("--out", "-o", help="Folder for checkpoint, log, model and card.")]
Minutes = Annotated[float | None, typer.Option(min=0.05, help="Stop after so many minutes; go on with --resume.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint in the folder.")]
Steps = Annotated[int | None, typer.Option(min=1, help="Batches in all (default: as the task says).")]
Seed = Annotated[int, typer.Option(min=0, help="Chooses first weights and every item.")]
Workers = Annotated[int, typer.Option(min=1, max=256, help="Processes that simulate and prepare scans.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Start = Annotated[Path | None, typer.Option(help="Folder of another run whose weights to begin with.")]


@train_app.command()
def masks(
    *,
    out: Out = Path("checkpoints/masks"),
    data: Annotated[Path, typer.Option(help="Folder for simulated scans; what is there is used again.")] = Path(
        "checkpoints/scans"
    ),
    box: Annotated[str, typer.Option(help="Built-in boxes of the twin that scans are drawn from, in turn.")] = (
        "train,wide"
    ),
    scans: Annotated[int, typer.Option(min=2, help="Simulated scans to learn from.")] = 1500,
    in_all: Annotated[
        float | None,
        typer.Option("--in-all", min=0.2, help="A complete model within so many minutes, items and scores included."),
    ] = None,
    minutes: Minutes = None,
    resume: Resume = False,
    steps: Steps = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Items of a batch (default: as the task says).")] = None,
    seed: Seed = 0,
    workers: Workers = CORES,
    device: Device = "auto",
    name: Annotated[str, typer.Option(help="What the model is called.")] = "masks",
    own: Annotated[
        Path | None,
        typer.Option("--from", help="Folder of raw scans with masks that you corrected (.h5, .gwy)."),
    ] = None,
    start: Start = None,
    teacher: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of another run: the mean answer of all that are named is learned beside the truth."),
    ] = None,
    first: Annotated[
        int | None, typer.Option(min=0, help="Number of the first simulated scan to learn from (default: 100000).")
    ] = None,
    rate: Annotated[
        float | None, typer.Option(min=1e-9, max=1.0, help="Highest learning rate (default: 0.004).")
    ] = None,
    note: Annotated[str, typer.Option(help="A remark for the card: what else should be known of this run.")] = "",
) -> None:
    """Train the learned masks (step mark.learned) on scans of the twin, and on scans of your own."""
    from afmend.apps.cli.train_run import Wish, train_masks

    wish = Wish(
        out, data, scans, minutes, resume, steps, seed, workers, device, name, own, start, note, batch, in_all, box,
        first=first, rate=rate, teachers=tuple(teacher or ()),
    )  # fmt: skip
    raise typer.Exit(train_masks(wish))


Items = Annotated[Path, typer.Option("--data", help="Folder for what is learned from; what is there is used again.")]
Mixed = Annotated[
    int, typer.Option("--scans", min=105, max=99_995, help="Simulated scans of the boxes train and wide, all mixes.")
]
Tips = Annotated[
    int, typer.Option("--tips", min=0, max=99_995, help="Further ones drawn for bad tips, every third for good ones.")
]

Regular = Annotated[
    int, typer.Option("--regular", min=0, max=5_005, help="Further ones: gratings, lattices, terraces.")
]
Odd = Annotated[
    int, typer.Option("--odd", min=0, max=5_005, help="Further ones with displaced lines, waves, or hardly any noise.")
]


def _looking(what: str, words: str) -> None:
    """Add the command that trains one of the two networks that the gate looks with."""

    @train_app.command(what, help=words)
    def command(
        *,
        out: Out = Path("checkpoints") / what,
        data: Items = Path("checkpoints/sight-items"),
        scans: Mixed = 7000,
        tips: Tips = 2100,
        regular: Regular = 0,
        odd: Odd = 0,
        minutes: Minutes = None,
        resume: Resume = False,
        steps: Steps = None,
        seed: Seed = 0,
        workers: Workers = CORES,
        device: Device = "auto",
        name: Annotated[str, typer.Option(help="What the model is called.")] = what,
        start: Start = None,
        part: Annotated[
            int, typer.Option(min=0, help="0: the first so many scans; 1: as many further ones. Other numbers overlap.")
        ] = 0,
    ) -> None:
        from afmend.apps.cli.train_gate import SightTrainingWish, train_sight

        wish = SightTrainingWish(
            out, data, scans, minutes, resume, steps, seed, workers, device, name, tips, regular, odd, part, what, start
        )
        raise typer.Exit(train_sight(wish))


_looking("sight", "Train the network that shows the gate what is wrong where, on simulated scans (4 MB of items each).")
_looking(
    "doubles",
    "Train the network that tells the gate of double tips, on the items of `train sight` with the same counts.",
)


@train_app.command()
def gate(
    *,
    out: Out = Path("checkpoints/gate"),
    data: Annotated[Path, typer.Option(help="Folder for simulated scans; what is there is used again.")] = Path(
        "checkpoints/gate-scans"
    ),
    scans: Annotated[
        int, typer.Option(min=50, max=100_000, help="Simulated scans of the boxes train and wide.")
    ] = 25_000,
    regular: Annotated[
        int,
        typer.Option(min=0, max=5_000, help="Further ones: gratings, lattices, terraces, and bad tips on any surface."),
    ] = 5_000,
    odd: Annotated[
        int, typer.Option(min=0, max=50_000, help="Further ones with displaced lines, fringes, or hardly any noise.")
    ] = 5_000,
    tested: Annotated[int, typer.Option(min=0, max=5_000, help="Scans of the box shifted to score by; 0 = none.")] = 0,
    seed: Seed = 0,
    workers: Workers = CORES,
    name: Annotated[str, typer.Option(help="What the model is called.")] = "gate",
    recipe: Annotated[str, typer.Option(help="afmend, or seed: the ResNet-18 of the paper that afmend grew from.")] = (
        "afmend"
    ),
    weights: Annotated[
        Path | None, typer.Option(help="With --recipe seed: a file of ImageNet weights of a ResNet-18.")
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="With --recipe seed: epochs of each of the two stages.")] = 20,
) -> None:
    """Train the gate (`afmend gate`), or for comparison the seed's classifier, on simulated scans.

    It looks with the networks that come with afmend (`afmend train sight`, `doubles`, `masks`). What was measured is
    kept: a stopped command goes on where it stopped.
    """
    from afmend.apps.cli.train_gate import GateTrainingWish, train_gate

    wish = GateTrainingWish(out, data, scans, seed, workers, name, regular, odd, tested, recipe, weights, epochs)
    raise typer.Exit(train_gate(wish))


@train_app.command()
def tip(
    *,
    recipe: Annotated[
        str,
        typer.Option(
            help="ours; bluntness: how blunt an unknown tip may be; for comparison seed-1, seed-2, seed-3: the "
            "autoencoders of the seed."
        ),
    ] = "ours",
    blunting: Annotated[
        str, typer.Option(help="With a seed recipe: what it learns to undo, dilation or gaussian (the seed's).")
    ] = "dilation",
    out: Out = Path("checkpoints/tip"),
    data: Annotated[Path, typer.Option(help="Folder for simulated images; what is there is used again.")] = Path(
        "checkpoints/tip-images"
    ),
    scans: Annotated[int, typer.Option(min=8, help="Simulated images to learn from.")] = 4000,
    minutes: Minutes = None,
    resume: Resume = False,
    steps: Steps = None,
    seed: Seed = 0,
    workers: Workers = CORES,
    device: Device = "auto",
    name: Annotated[str, typer.Option(help="What the model is called (default: tip, or bluntness).")] = "",
    note: Annotated[str, typer.Option(help="A remark for the card: what else should be known of this run.")] = "",
) -> None:
    """Train the learned correction of the tip, or what guesses its radius, on surfaces of the twin's box train."""
    from afmend.apps.cli.train_tip import TipTrainingWish, train_tip

    wish = TipTrainingWish(
        out,
        data,
        scans,
        minutes,
        resume,
        steps,
        seed,
        workers,
        device,
        name or ("bluntness" if recipe == "bluntness" else "tip"),
        recipe,
        blunting,
        note,
    )
    raise typer.Exit(train_tip(wish))


@train_app.command()
def classify(
    folder: Annotated[Path, typer.Argument(help="One subfolder of scans per class.", show_default=False)],
    *,
    out: Out = Path("checkpoints/classes"),
    channel: Annotated[str | None, typer.Option(help="Channel (default: the topography).")] = None,
    folds: Annotated[int, typer.Option(min=2, max=50, help="Parts of the cross-validation.")] = 5,
    minutes: Minutes = None,
    steps: Steps = None,
    seed: Seed = 0,
    name: Annotated[str, typer.Option(help="What the model is called.")] = "classes",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Train a classifier of your own classes from about 50 scans per class, judged by cross-validation."""
    from afmend.apps.cli.train_gate import ClassWish, train_classes

    raise typer.Exit(train_classes(ClassWish(folder, out, channel, folds, minutes, steps, seed, name, as_json)))
