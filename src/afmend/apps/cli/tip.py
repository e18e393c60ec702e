"""``afmend tip``: simulate the tip, estimate it, take it off, show where that is certain."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from afmend.apps.cli import tip_words
from afmend.pictures.numerals import ghosts_at

if TYPE_CHECKING:
    from afmend.scan import Scan
    from afmend.scan.arrays import Heights

tip_app = typer.Typer(no_args_is_help=True)
TALLEST = 1.0
"""Height of a tip in pictures over its width: what is taller is drawn flatter, and says so."""

File = Annotated[Path, typer.Argument(help="A scan.", show_default=False)]
Files = Annotated[list[Path], typer.Argument(help="Scans taken with one tip.", show_default=False)]
Channel = Annotated[str | None, typer.Option(help="Channel (default: the topography).")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Level = Annotated[bool, typer.Option(help="Level first (step level.auto).")]
Radius = Annotated[
    float | None, typer.Option(min=0.001, help="Radius of a known tip, nm (default: estimated from the scan).")
]
Angle = Annotated[float, typer.Option(min=2, max=80, help="Angle between axis and flank of the tip, degrees.")]
Double = Annotated[bool, typer.Option("--double/--single", help="Look for the ghosts of a second apex, too.")]


@tip_app.command()
def estimate(
    files: Files, *, channel: Channel = None, level: Level = True, angle: Angle = 20.0, as_json: AsJson = False
) -> None:
    """Say what scans tell about the tip, or why they tell nothing."""
    from afmend.apps.cli import say
    from afmend.tip.double import find_ghost
    from afmend.tip.doubts import size_doubts
    from afmend.tip.estimate import estimate_tip

    scans = [_leveled(file, channel, level=level) for file in files]
    shown = [scan.main for scan in scans]
    pixel = _one_pixel(scans, files)
    found = estimate_tip(
        [_heights(one.values) for one in shown], pixel, usable=[~one.holes for one in shown], flank_deg=angle
    )
    ghosts = [find_ghost(_heights(one.values), pixel, ~one.holes) for one in shown]
    ghost = max(ghosts, key=lambda one: one.score)
    doubts = size_doubts(found.radius_nm)
    if as_json:
        say.emit({**found.facts, **ghost.facts, **({"warnings": doubts} if doubts else {})})
        return
    console = say.out()
    if found.verdict == "confident":
        low, high = found.interval_nm
        console.print(f"radius {found.radius_nm:.3g} nm, 95 % between {low:.3g} and {high:.3g} nm: {found.reason}")
    elif found.verdict == "bound":
        console.print(f"no estimate: {found.reason}. The radius is at most {found.interval_nm[1]:.3g} nm.")
    else:
        console.print(f"no estimate: {found.reason}.")
    if found.advice:
        console.print(found.advice)
    if ghost.found:
        console.print(f"double tip: ghosts {ghosts_at(ghost.offset_nm, ghost.depth_nm)} (score {ghost.score:.2f})")
    elif "suspicion" in ghost.facts:
        console.print(f"{ghost.facts['suspicion']} (score {ghost.score:.2f})", markup=False)
    for doubt in doubts:
        console.print(f"warning: {doubt}", markup=False)


@tip_app.command()
def correct(
    file: File,
    out: Annotated[Path, typer.Option("--out", "-o", help="File for the result (.h5, .gwy, ...).", show_default=False)],
    *,
    channel: Channel = None,
    level: Level = True,
    radius: Radius = None,
    angle: Angle = 20.0,
    double: Double = True,
    untouched: Annotated[
        str,
        typer.Option(
            help="Heights where the tip touched nothing: expected (a rule of thumb's), learned (a network's), mean (of "
            "both) or bound (the highest possible)."
        ),
    ] = "mean",
    unsure: Annotated[
        str, typer.Option(help="If the scan does not show the radius: undo what is better on average, or leave.")
    ] = "average",
    as_json: AsJson = False,
) -> None:
    """Take the tip off, or less of it if it is not known; mark what it never touched."""
    from afmend.apps.cli import say
    from afmend.catalogue import find_step
    from afmend.evaluation.outputs import write
    from afmend.pipeline import run_step

    scan = _leveled(file, channel, level=level)
    key = scan.main.key
    values = {**_params(radius, angle, double=double), "unsure": unsure}
    for name, more in (("mark.untouched", {}), ("tip.correct", {"untouched": untouched})):
        step = find_step(name)
        # Both see the same pixels: what was marked just before is no artifact to the second.
        scan = run_step(scan, step, step.params.parse({**values, **more}, name), key)
    path = write(scan, out)
    facts = scan.history[-1].facts
    if as_json:
        say.emit({"out": str(path), **facts})
        return
    say.out().print(f"{path}: {tip_words.corrected(facts)}", markup=False)
    for doubt in facts.get("warnings", ()):
        say.out().print(f"warning: {doubt}", markup=False)


@tip_app.command()
def certainty(
    file: File,
    out: Annotated[Path, typer.Option("--out", "-o", help="Picture (.png).", show_default=False)],
    *,
    channel: Channel = None,
    level: Level = True,
    radius: Radius = None,
    angle: Angle = 20.0,
    double: Double = True,
) -> None:
    """Draw a scan, in blue where it is not certain that the tip touched; striped if nothing is certain."""
    from afmend.apps.cli import say
    from afmend.catalogue import find_step
    from afmend.pictures.maps import fit, paint, robust_range
    from afmend.pipeline import run_step

    scan = _leveled(file, channel, level=level)
    step = find_step("mark.untouched")
    marked = run_step(scan, step, step.params.parse(_params(radius, angle, double=double), step.id), scan.main.key)
    heights, facts = _heights(scan.main.values), marked.history[-1].facts
    size = fit(scan.grid.shape, scan.grid.pixel_nm, longest=800)
    picture = paint(heights, size, robust_range(heights))
    mask = marked.main.masks.artifact.get("untouched")
    _save(tip_words.certainty_picture(picture, mask, facts), out)
    say.out().print(f"{out}: {tip_words.certain_where(facts)}", markup=False)
    for doubt in facts.get("warnings", ()):
        say.out().print(f"warning: {doubt}", markup=False)


@tip_app.command()
def show(
    out: Annotated[Path, typer.Option("--out", "-o", help="Picture (.png).", show_default=False)],
    *,
    file: Annotated[Path | None, typer.Option("--from", help="Estimate it from this scan.")] = None,
    radius: Radius = None,
    angle: Angle = 20.0,
    pixel: Annotated[float, typer.Option(min=1e-6, help="Size of the pixels of a given tip, nm.")] = 1.0,
    depth: Annotated[float, typer.Option(min=1e-6, help="How much of the tip is shown, nm.")] = 30.0,
) -> None:
    """Draw a tip: from above and in three dimensions."""
    import numpy as np

    from afmend.errors import BadParameterError
    from afmend.pictures.maps import fit, paint
    from afmend.pictures.surface3d import View, surface
    from afmend.scan import Grid
    from afmend.tip.estimate import estimate_tip
    from afmend.tip.shapes import SphereCone, tip_array

    if (file is None) == (radius is None):
        raise BadParameterError("which tip", where="afmend tip show", now="Give either --from SCAN or --radius.")
    shape, sides = SphereCone(radius_nm=radius or 1.0, half_angle_deg=angle), (pixel, pixel)
    if file is not None:
        scan = _leveled(file, None, level=True)
        found = estimate_tip([_heights(scan.main.values)], scan.grid.pixel_nm, usable=[~scan.main.holes])
        if found.shape is None:
            raise BadParameterError(f"the tip is not known: {found.reason}", where=str(file), now=found.advice)
        shape, sides = found.shape, scan.grid.pixel_nm
    tip = tip_array(shape, sides, depth)
    grid, limits = Grid(tip.shape[0], tip.shape[1], *sides), (-depth, 0.0)
    tip = np.maximum(tip, -depth)
    size = fit(grid.shape, grid.pixel_nm, longest=400)
    true = View(relief=min(depth / max(grid.size_nm), TALLEST))  # as tall as it is, not flattened
    flat, solid = paint(tip, size, limits), np.asarray(surface(tip, grid, limits, view=true).convert("RGB"))
    height = max(flat.shape[0], solid.shape[0])
    page = np.full((height, flat.shape[1] + solid.shape[1] + 10, 3), 255, np.uint8)
    page[: flat.shape[0], : flat.shape[1]] = flat
    page[: solid.shape[0], -solid.shape[1] :] = solid
    _save(page, out)


@tip_app.command()
def simulate(
    file: File,
    out: Annotated[Path, typer.Option("--out", "-o", help="File for the result (.h5, .gwy, ...).", show_default=False)],
    *,
    channel: Channel = None,
    radius: Annotated[float, typer.Option(min=0.001, help="Radius of the tip, nm.")] = 10.0,
    angle: Angle = 20.0,
    ghost: Annotated[
        tuple[float, float, float] | None, typer.Option(help="Second apex: slow and fast offset and drop, nm.")
    ] = None,
) -> None:
    """Image a surface with a tip: take a scan as the truth and dilate it."""
    from afmend.apps.cli import say
    from afmend.evaluation.outputs import write
    from afmend.formats import read
    from afmend.tip import dilate, tip_array
    from afmend.tip.shapes import Multiple, Placed, SphereCone, TipShape

    scan = read(file)
    key = scan.find(channel)
    one = SphereCone(radius_nm=radius, half_angle_deg=angle)
    shape: TipShape = one
    if ghost is not None:
        shape = Multiple(first=one, others=(Placed(shape=one, offset_nm=ghost[:2], drop_nm=ghost[2]),))
    heights = _heights(scan.channels[key].values)
    made = dilate(heights, tip_array(shape, scan.grid.pixel_nm, float(heights.max() - heights.min())))
    path = write(scan.with_channel(scan.channels[key].evolve(values=made)), out)
    say.out().print(f"{path}: as a {shape.kind} tip of {radius:g} nm would show it", markup=False)


def _params(radius: float | None, angle: float, *, double: bool) -> dict[str, Any]:
    given = {"source": "estimate"} if radius is None else {"source": "given", "radius_nm": radius}
    return {**given, "half_angle_deg": angle, "double_tip": double}


def _heights(values: Any) -> Heights:
    import numpy as np

    return np.asarray(values, dtype=np.float64)


def _leveled(file: Path, channel: str | None, *, level: bool) -> Scan:
    """Read a scan whose topography and pixels are calibrated, and level it."""
    from afmend.catalogue import find_step
    from afmend.errors import BadScanError
    from afmend.formats import read
    from afmend.pipeline import run_step

    scan = read(file)
    key = scan.find(channel)
    if scan.channels[key].unit != "nm" or not scan.grid.calibrated:
        raise BadScanError(
            "not a calibrated height map", where=str(file), now="A tip has a size: calibrate heights and pixels."
        )
    if not level:
        # A step that changes nothing would only lengthen the history: name the channel by its key.
        return scan if scan.main.key == key else scan.with_channel(scan.channels[key])
    step = find_step("level.auto")
    return run_step(scan, step, step.params(), key)


def _one_pixel(scans: list[Scan], files: list[Path]) -> tuple[float, float]:
    from afmend.errors import BadScanError

    pixel = scans[0].grid.pixel_nm
    for scan, file in zip(scans, files, strict=True):
        if any(abs(a / b - 1) > 0.01 for a, b in zip(scan.grid.pixel_nm, pixel, strict=True)):
            raise BadScanError("its pixels have another size", where=str(file), now="Estimate from each scan alone.")
    return pixel


def _save(picture: Any, out: Path) -> None:
    from PIL import Image

    from afmend.formats.register import replacing

    with replacing(out) as temporary:
        Image.fromarray(picture).save(temporary, format="PNG")
