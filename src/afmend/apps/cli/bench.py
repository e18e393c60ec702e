"""``afmend bench``: methods on scans with a known surface. Every command imports what it needs when it runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

bench_app = typer.Typer(no_args_is_help=True)

CORES = os.cpu_count() or 1

Box = Annotated[str, typer.Option(help="Box from which the twin draws scans: shifted, train, wide, or a YAML file.")]
Seed = Annotated[int, typer.Option(min=0, max=2000, help="Another seed, other scans.")]
Count = Annotated[int | None, typer.Option(min=1, help="Scans per task (default: as the suite says).")]
Size = Annotated[int | None, typer.Option(help="Pixels of a line (default: as the suite says).")]
Workers = Annotated[int, typer.Option(min=1, max=256, help="Processes side by side; the numbers do not depend on it.")]
Tasks = Annotated[str, typer.Option(help="Comma-separated: level, mask, clean, fill, metrology, harm (default: all).")]
Out = Annotated[Path, typer.Option("--out", "-o", help="Folder for bench.json and bench.html.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the JSON instead of tables.")]
Methods = Annotated[
    list[str] | None,
    typer.Option("--method", help="A method of yours, [TASK=]module:function; may be given again."),
]
Data = Annotated[
    Path | None, typer.Option(help="Take the scans from a folder of HDF5 files (as `afmend twin` writes them).")
]
Peers = Annotated[bool, typer.Option("--peers", help="Run TopoStats and Gwyddion beside afmend, if they are found.")]
PeerPython = Annotated[
    Path | None, typer.Option(help="With --peers: the Python in which TopoStats is installed (default: this one).")
]


@bench_app.command("full", help="All tasks on more than 200 scans of 256 to 512 pixels each: for a release or a paper.")
@bench_app.command("quick", help="All tasks on a few dozen scans of 256 pixels: minutes.")
def suite(
    context: typer.Context,
    *,
    box: Box = "shifted",
    seed: Seed = 0,
    count: Count = None,
    size: Size = None,
    workers: Workers = CORES,
    tasks: Tasks = "",
    out: Out = Path("afmend-bench"),
    as_json: AsJson = False,
    method: Methods = None,
    data: Data = None,
    peers: Peers = False,
    peer_python: PeerPython = None,
) -> None:
    """Run the suite that the command is called after."""
    from afmend.apps.cli.bench_run import Wish, run_suite

    name = context.command.name or "quick"
    raise typer.Exit(run_suite(Wish(name, box, seed, count, size, workers, tasks, out, as_json, tuple(method or ()),
                                    data, peers, peer_python)))  # fmt: skip


@bench_app.command()
def compare(
    before: Annotated[Path, typer.Argument(help="bench.json of the older run.", show_default=False)],
    after: Annotated[Path, typer.Argument(help="bench.json of the newer run.", show_default=False)],
    *,
    everything: Annotated[bool, typer.Option("--all", help="Also show what did not move beyond doubt.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say what moved between two runs, beyond doubt, on the cases that both have."""
    from afmend.apps.cli.bench_run import compare_files

    compare_files(before, after, everything=everything, as_json=as_json)


@bench_app.command()
def metrics(
    *,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print docs/reference/metrics.md.")] = False,
    as_json: AsJson = False,
) -> None:
    """List every metric: what it measures, its unit, which way is better, and where it comes from."""
    from afmend.apps.cli.bench_run import show_metrics

    show_metrics(markdown=markdown, as_json=as_json)


@bench_app.command("roughness", help="How much leveling lowers Sq of random surfaces, before and after correction.")
@bench_app.command(
    "seed-ripple", help="Repeat the seed paper's ripple test (0.40 of the height, 0.01 per px), with numbers."
)
@bench_app.command(
    "seed-table-4", help="Repeat the seed paper's Table 4 (restoration) on twin scans, beside the true error."
)
@bench_app.command(
    "seed-table-3", help="Repeat the seed paper's Table 3 (leveling) on twin scans, beside the true error."
)
def seed_table(
    context: typer.Context, *, box: Box = "shifted", seed: Seed = 0, count: Count = None, size: Size = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Print the table that the command is called after."""
    from afmend.apps.cli.bench_run import show_seed_table

    show_seed_table((context.command.name or "").removeprefix("seed-"), box, seed, count, size, as_json=as_json)


@bench_app.command("seed-tip")
def seed_tip_table(
    *,
    box: Box = "shifted",
    seed: Seed = 0,
    count: Count = None,
    size: Size = None,
    models: Annotated[
        Path | None, typer.Option(help="Folder of models from `afmend train tip --recipe seed-1`, -2, -3.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Repeat the seed's tip experiment on many surfaces: raw, blind as Gwyddion, afmend; dilation and Gaussian."""
    from afmend.apps.cli import say
    from afmend.apps.cli.bench_tables import text_table
    from afmend.evaluation.bench.seed_models import seed_models
    from afmend.evaluation.bench.seed_tip import seed_tip

    found = seed_tip(box, seed, count or 12, size or 192, None if models is None else seed_models(models))
    if as_json:
        say.emit(found)
        return
    console = say.out()
    console.print(found["title"], style="bold", markup=False)
    text_table(console, found["head"], found["rows"], texts=2)
    for note in found["notes"]:
        console.print(note, markup=False)
