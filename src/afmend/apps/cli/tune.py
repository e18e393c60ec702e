"""``afmend tune``: a recipe for a user's own scans, and what the data could not decide."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from afmend.apps.cli import say
from afmend.errors import AfmendError
from afmend.formats.register import replacing
from afmend.recipes import load_recipe

if TYPE_CHECKING:
    from afmend.evaluation.tuning import Verdict
    from afmend.scan import Scan


def tune_files(inputs: Sequence[Path], out: Path, recipe: str, channel: str | None, *, as_json: bool) -> int:
    """Tune a recipe on files, write it, and say why."""
    from afmend.evaluation.tuning import named, tune

    scans, bad = _scans(inputs, out, channel)
    if not scans:
        say.complain("no scan could be used")
        return 2
    start = load_recipe(recipe)
    tuned = tune(scans, start, channel)
    same = tuned.recipe == start
    if not same:
        with replacing(out) as temporary:
            temporary.write_text(named(tuned.recipe, out.stem).to_yaml(), encoding="utf-8")
    pooled = _pooled(scans)
    if as_json:
        say.emit({
            "recipe": recipe if same else str(out), "changed": not same, "scans": len(scans), "pooled": pooled,
            "verdicts": [_plain(one) for one in tuned.verdicts],
        })  # fmt: skip
        return int(bad)
    _tell(tuned.verdicts, len(scans), pooled)
    old = f" ({out} is of an earlier run)" if out.exists() else ""
    end = (
        f"Same as {recipe}: nothing was written{old}. Use it: afmend repair SCANS --out mended --recipe {recipe}"
        if same
        else f"Wrote {out}. Use it: afmend repair SCANS --out mended --recipe {out}"
    )
    say.out().print(end, markup=False)
    return int(bad)


def _tell(verdicts: Sequence[Verdict], scans: int, pooled: str) -> None:
    console = say.out()
    if pooled:
        console.print(pooled, markup=False)
    for verdict in verdicts:
        state = "" if verdict.decided else " (the data cannot decide)"
        console.print(f"{verdict.part}: {verdict.chosen}{state}: {verdict.reason}.", markup=False)
        console.print(f"    {_basis(verdict, scans)}", markup=False)
        for risk in verdict.risks:
            console.print(f"    {_line(risk)}", markup=False)


def _pooled(scans: Sequence[Scan]) -> str:
    """Say that images of different sizes or instruments are judged together; empty if all are of one kind."""
    sizes = {(scan.grid.shape, *(f"{length:.3g}" for length in scan.grid.size_nm)) for scan in scans}
    instruments = {(scan.source.format, scan.acquisition.instrument) for scan in scans}
    if len(sizes) == len(instruments) == 1:
        return ""
    return (
        f"{len(scans)} images are judged together; sizes: {len(sizes)}, instruments: {len(instruments)}. "
        "That is right only if they show one kind of sample, taken alike."
    )


def _basis(verdict: Verdict, scans: int) -> str:
    """Say how many images could be used, of how many, and for leveling how much the directions' jitter differs."""
    if verdict.part == "leveling":
        need = " (needs trace and retrace)"
        if verdict.jitter_apart is not None:
            need += f"; {100 * verdict.jitter_apart:.0f} % of the jitter of their lines differs between the directions"
    else:
        need = " (needs marked pixels)"
    return f"{verdict.scans} of {scans} images could be used{need}"


def _scans(inputs: Sequence[Path], out: Path, channel: str | None) -> tuple[list[Scan], bool]:
    from afmend.apps.batch.plan import find_files
    from afmend.formats import read_all

    scans: list[Scan] = []
    bad = False
    for path, _ in find_files(inputs, out):
        try:
            found = read_all(path)
            for scan in found:
                scan.find(channel)
        except AfmendError as error:
            say.complain(f"{path}: {error}")
            bad = True
        else:
            scans.extend(found)
    return scans, bad


def _line(risk: Any) -> str:
    if risk.against is None:
        number = "could not be judged" if isnan(risk.relative) else f"{risk.relative:.3f}"
        return f"{risk.name:28s} {number}"
    low, high = 1 + risk.against.low, 1 + risk.against.high
    if isnan(low) or isnan(high):
        return f"{risk.name:28s} {risk.relative:.3f}  too few blocks for an interval"
    return f"{risk.name:28s} {risk.relative:.3f}  [{low:.3f}, {high:.3f}] times the risk"


def _plain(verdict: Verdict) -> dict[str, Any]:
    def number(value: float) -> float | None:
        return None if isnan(value) else value

    return {
        "part": verdict.part, "chosen": verdict.chosen, "decided": verdict.decided, "reason": verdict.reason,
        "scans": verdict.scans, "blocks": verdict.blocks, "jitter_apart": verdict.jitter_apart,
        "risks": [
            {"name": risk.name, "relative": number(risk.relative), "failed": risk.failed,
             "interval": None if risk.against is None else [number(risk.against.low), number(risk.against.high)]}
            for risk in verdict.risks
        ],
    }  # fmt: skip
