"""``afmend``: the command line. Every command imports what it needs when it runs: ``--help`` is instant."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from afmend.apps.cli.bench import bench_app
from afmend.apps.cli.steps_group import LevelGroup, MaskGroup
from afmend.apps.cli.tip import tip_app
from afmend.apps.cli.train import train_app
from afmend.errors import AfmendError

app = typer.Typer(
    name="afmend",
    help="Mend scanning-probe (AFM/STM) images: read raw scans, level, mark artifacts, repair them with error bars.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(typer.Typer(cls=LevelGroup, no_args_is_help=True), name="level", help="Level scans with one step.")
app.add_typer(
    typer.Typer(cls=MaskGroup, no_args_is_help=True),
    name="mask",
    help="Mark artifacts and write the masks: steps mark.* (steps mask.* reshape masks: for recipes).",
)
app.add_typer(train_app, name="train", help="Train the models that afmend uses, on simulated scans or your own.")
app.add_typer(tip_app, name="tip", help="The tip: simulate it, estimate it, take it off, show where that is certain.")
app.add_typer(bench_app, name="bench", help="Compare methods on scans with a known surface: errors in nm.")

CORES = os.cpu_count() or 1

Inputs = Annotated[list[Path], typer.Argument(help="Scan files, or folders to search.", show_default=False)]
Out = Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.", show_default=False)]
Channel = Annotated[
    str | None, typer.Option(help="Channel: height/trace, phase, a vendor's name ... (default: the topography).")
]
Write = Annotated[str, typer.Option(help="Comma-separated outputs: h5, gwy, gsf, txt, tiff, png, csv.")]
Workers = Annotated[int, typer.Option(min=1, max=256, help="Processes working side by side.")]
Resume = Annotated[bool, typer.Option("--resume", help="Keep what an earlier run of the same order finished.")]
Timeout = Annotated[float, typer.Option(min=1, help="Give up on a file after this many seconds.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


def _version(show: bool) -> None:
    if show:
        from afmend import __version__

        sys.stdout.write(f"afmend {__version__}\n")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command()
def info(
    files: Annotated[list[Path] | None, typer.Argument(help="Scan files.", show_default=False)] = None,
    *,
    as_json: AsJson = False,
    formats: Annotated[bool, typer.Option("--formats", help="List the file formats.")] = False,
) -> None:
    """Say what is in a file: channels, sizes, units, how it was taken."""
    from afmend.apps.cli.info import show_files, show_formats

    if formats:
        show_formats(as_json=as_json)
    if files:
        raise typer.Exit(show_files(files, as_json=as_json))
    if not formats:
        raise typer.BadParameter("name at least one file, or --formats")


@app.command()
def repair(
    inputs: Inputs,
    out: Out,
    *,
    recipe: Annotated[str, typer.Option(help="A built-in recipe, or a YAML file.")] = "auto",
    channel: Channel = None,
    write: Write = "h5,gwy,png",
    exclude: Annotated[
        Path | None, typer.Option(help="Polygons (JSON) or a mask image: areas that must not steer leveling.")
    ] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="Change a parameter: STEP.PARAMETER=VALUE.")] = None,
    workers: Workers = CORES,
    resume: Resume = False,
    timeout: Timeout = 600.0,
    report: Annotated[bool, typer.Option(help="Write report.html.")] = True,
    error_bars: Annotated[bool, typer.Option(help="Error bars of filled pixels; without them it is faster.")] = True,
    gate: Annotated[
        bool, typer.Option(help="Ask the gate first: in good scans nothing is filled; hopeless ones are flagged.")
    ] = False,
    gate_model: Annotated[str, typer.Option(help="The gate that comes with afmend, or a card (.json).")] = "gate",
    as_json: AsJson = False,
) -> None:
    """Level scans, mark their artifacts, fill them with error bars, and write results and a report."""
    from afmend.apps.cli.batch import Wish, repair_files

    wish = Wish(inputs, out, channel, write, workers, resume, timeout, as_json)
    asked = gate_model if gate else None
    raise typer.Exit(repair_files(wish, recipe, set_ or [], exclude, report=report, error_bars=error_bars, gate=asked))


@app.command()
def gate(
    files: Inputs,
    *,
    model: Annotated[
        str, typer.Option(help="The gate that comes with afmend, or a card (.json) of your own.")
    ] = "gate",
    channel: Channel = None,
    running: Annotated[
        bool, typer.Option("--running", help="Judge by the first tenth of the lines, as of a scan that still runs.")
    ] = False,
    lines: Annotated[int | None, typer.Option(min=8, help="Judge by so many of the first lines.")] = None,
    cam: Annotated[Path | None, typer.Option(help="Folder for pictures of what the network marks.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say whether scans are good, what is wrong with them, what to do, and what to change at the instrument.

    Measured on simulated scans; on real ones it is wrong too often to be relied on: look yourself.
    """
    from afmend.apps.cli.gate import GateWish, gate_files

    raise typer.Exit(gate_files(GateWish(files, model, channel, running, lines, cam, as_json)))


@app.command()
def classify(
    files: Inputs,
    *,
    model: Annotated[
        str, typer.Option(help="The card (.json) that `afmend train classify` wrote.", show_default=False)
    ],
    channel: Channel = None,
    cam: Annotated[Path | None, typer.Option(help="Folder for pictures of where the network looks.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say to which of your own classes scans belong, with a model that you trained."""
    from afmend.apps.cli.gate import classify_files

    raise typer.Exit(classify_files(files, model, channel, cam, as_json=as_json))


@app.command()
def fuse(
    files: Annotated[list[Path], typer.Argument(help="Scans of one place: files, movies.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="File for the result (.h5).", show_default=False)],
    *,
    channel: Channel = None,
    directions: Annotated[bool, typer.Option(help="Fuse trace and retrace of every scan first.")] = True,
    as_json: AsJson = False,
) -> None:
    """Fuse trace and retrace, repeated scans, the frames of a movie, or two scans with crossed fast axes."""
    from afmend.apps.cli.fuse import fuse_files

    raise typer.Exit(fuse_files(files, out, channel, directions=directions, as_json=as_json))


@app.command()
def roughness(
    files: Annotated[list[Path], typer.Argument(help="Scan files; raw, or mended (.h5).", show_default=False)],
    *,
    channel: Channel = None,
    lines: Annotated[
        Literal["none", "offsets", "slopes", "bends", "cubic"] | None,
        typer.Option(help="What is taken from each line (default: as the history says, offsets for a raw file)."),
    ] = None,
    degree: Annotated[
        int | None, typer.Option(min=0, max=3, help="Degree of the background (default: as the history says, or 1).")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure Sq, Sa and correlation length, corrected for what leveling removed, with intervals."""
    from afmend.apps.cli.roughness import show_roughness

    raise typer.Exit(show_roughness(files, channel, lines, degree, as_json=as_json))


@app.command()
def convert(
    inputs: Inputs,
    out: Out,
    *,
    to: Write = "gwy",
    channel: Channel = None,
    workers: Workers = CORES,
    resume: Resume = False,
    timeout: Timeout = 600.0,
    as_json: AsJson = False,
) -> None:
    """Write scans in another format, as they are."""
    from afmend.apps.cli.batch import Wish, convert_files

    raise typer.Exit(convert_files(Wish(inputs, out, channel, to, workers, resume, timeout, as_json)))


@app.command()
def steps(
    step: Annotated[str | None, typer.Argument(help="One step, to see its parameters.", show_default=False)] = None,
    *,
    as_json: AsJson = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the reference page of all steps.")] = False,
) -> None:
    """List all steps, or the parameters of one."""
    from afmend.apps.cli.describe import reference, show_step, show_steps

    if markdown:
        sys.stdout.write(reference())
    elif step is None:
        show_steps(as_json=as_json)
    else:
        show_step(step, as_json=as_json)


recipe_app = typer.Typer(no_args_is_help=True)
app.add_typer(recipe_app, name="recipe", help="List, show and check recipes.")


@recipe_app.command("list")
def recipe_list() -> None:
    """List the built-in recipes."""
    from afmend.apps.cli.describe import show_recipes

    show_recipes()


@recipe_app.command("show")
def recipe_show(name: Annotated[str, typer.Argument(help="A built-in recipe, or a YAML file.")]) -> None:
    """Print a recipe as YAML."""
    from afmend.recipes import load_recipe

    sys.stdout.write(load_recipe(name).to_yaml())


@recipe_app.command("check")
def recipe_check(name: Annotated[str, typer.Argument(help="A built-in recipe, or a YAML file.")]) -> None:
    """Say whether a recipe makes sense."""
    from afmend.recipes import load_recipe

    recipe = load_recipe(name)
    sys.stdout.write(f"{recipe.name}: {len(recipe.steps)} steps, all known, all parameters in range.\n")


@app.command()
def replay(
    result: Annotated[Path, typer.Argument(help="A result in afmend's HDF5.")],
    raw: Annotated[Path, typer.Argument(help="The raw file it was made from.")],
) -> None:
    """Do everything again from the raw file and compare bit for bit."""
    from afmend.apps.cli.replay import replay_file

    replay_file(result, raw)


@app.command()
def tune(
    inputs: Inputs,
    *,
    out: Annotated[Path, typer.Option("--out", "-o", help="The recipe to write.")] = Path("tuned.yaml"),
    recipe: Annotated[str, typer.Option(help="The recipe to start from.")] = "auto",
    channel: Channel = None,
    as_json: AsJson = False,
) -> None:
    """Choose leveling and filling for your own scans by predicting what was held out; write it if it differs."""
    from afmend.apps.cli.tune import tune_files

    raise typer.Exit(tune_files(inputs, out, recipe, channel, as_json=as_json))


@app.command()
def twin(
    *,
    surface: Annotated[str | None, typer.Option(help="Kind of surface (default: any of the box).")] = None,
    base: Annotated[
        Path | None, typer.Option(help="A real, clean scan as the surface: everything in it counts as truth.")
    ] = None,
    artifacts: Annotated[
        str | None,
        typer.Option(help='Comma-separated: exactly these, or "none" (default: by chance, as the box says).'),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same scan; of a set, the first seed.")] = 0,
    size: Annotated[str | None, typer.Option(help="Pixels: 512, or lines x pixels: 300x400.")] = None,
    box: Annotated[
        str | None, typer.Option(help="A built-in box (train, wide, shifted), or a YAML file (default: train).")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File (.h5), or folder of a set.")] = None,
    set_: Annotated[str | None, typer.Option("--set", help="Write a set of scans from this box.")] = None,
    count: Annotated[int | None, typer.Option(min=1, max=10_000_000, help="Scans in the set (default: 100).")] = None,
    per_shard: Annotated[
        int | None, typer.Option(min=1, max=10_000, help="Scans in a file of the set (default: 50).")
    ] = None,
    double: Annotated[bool, typer.Option("--double", help="Store the set in 64 bits instead of 32.")] = False,
    workers: Workers = CORES,
    choices: Annotated[bool, typer.Option("--list", help="List the surfaces and artifacts of the box.")] = False,
    show_box: Annotated[str | None, typer.Option(help="Print a built-in box as YAML.")] = None,
) -> None:
    """Simulate scans with a known truth: surface, tip, scanner, feedback loop, electronics and mishaps."""
    from afmend.apps.cli import twin as command

    if base is not None and (surface is not None or set_ is not None):
        raise typer.BadParameter("--base goes without --surface and --set")
    if set_ is not None and box is not None:
        raise typer.BadParameter("--set names the box: leave --box out")
    if set_ is None and (count is not None or per_shard is not None or double):
        raise typer.BadParameter("--count, --per-shard and --double go with --set")
    wish = command.Wish(set_ or box or "train", surface, artifacts, seed, size, out, base)
    if show_box is not None:
        raise typer.Exit(command.show_box(show_box))
    if choices:
        raise typer.Exit(command.show_choices(wish.box))
    if set_ is not None:
        raise typer.Exit(command.make_set(wish, count or 100, per_shard or 50, workers, double=double))
    raise typer.Exit(command.make_one(wish))


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")] = Path("afmend-demo"),
) -> None:
    """Mend an example scan with a known surface, and name the report to open."""
    from afmend.apps.cli.demo import run_demo

    raise typer.Exit(run_demo(out))


@app.command()
def web(
    folder: Annotated[Path, typer.Argument(help="The folder that the page may reach.")] = Path(),
    *,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 = any that is free.")] = 0,
    host: Annotated[str, typer.Option(help="Address to listen on; others than 127.0.0.1 let the network in.")] = (
        "127.0.0.1"
    ),
    allow_host: Annotated[
        list[str] | None, typer.Option(help="Host name (with port) under which a proxy serves the page.")
    ] = None,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser.")] = True,
    memory: Annotated[int, typer.Option(min=512, help="Memory in MB that reading a file may take.")] = 6144,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds that reading a file may take.")] = 60.0,
    upload: Annotated[int, typer.Option(min=1, help="MB that a browser may send in all.")] = 2048,
    warm_up: Annotated[bool, typer.Option(help="Compile the default recipe at the start, before it is needed.")] = True,
) -> None:
    """Mend scans in the browser: a page served from this machine."""
    from afmend.apps.cli.say import complain
    from afmend.apps.web.serve import Wish, serve

    wish = Wish(folder, port, host, allow_host or (), browser, memory, timeout, upload, warm_up)
    raise typer.Exit(serve(wish, complain))


def main() -> None:
    """Run the command line; an afmend error becomes one line and exit code 2."""
    try:
        app()
    except AfmendError as error:
        from afmend.apps.cli.say import complain

        complain(str(error))
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
