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


@train_app.command()
def masks(
    *,
    out: Out = Path("checkpoints/masks"),
    data: Annotated[Path, typer.Option(help="Folder for simulated scans; what is there is used again.")] = Path(
        "checkpoints/scans"
    ),
    scans: Annotated[int, typer.Option(min=8, help="Simulated scans to learn from.")] = 2250,
    minutes: Minutes = None,
    resume: Resume = False,
    steps: Steps = None,
    seed: Seed = 0,
    workers: Workers = CORES,
    device: Device = "auto",
    name: Annotated[str, typer.Option(help="What the model is called.")] = "masks",
) -> None:
    """Train the learned masks (step mark.learned) on the twin's box train."""
    from afmend.apps.cli.train_run import Wish, train_masks

    wish = Wish(out, data, scans, minutes, resume, steps, seed, workers, device, name)
    raise typer.Exit(train_masks(wish))
