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
    tuned = tune(scans, load_recipe(recipe), channel)
    with replacing(out) as temporary:
        temporary.write_text(named(tuned.recipe, out.stem).to_yaml(), encoding="utf-8")
    if as_json:
        say.emit({"recipe": str(out), "scans": len(scans), "verdicts": [_plain(one) for one in tuned.verdicts]})
        return int(bad)
    console = say.out()
    for verdict in tuned.verdicts:
        state = "" if verdict.decided else " (the data cannot decide)"
        console.print(f"{verdict.part}: {verdict.chosen}{state}: {verdict.reason}.", markup=False)
        for risk in verdict.risks:
            console.print(f"    {_line(risk)}", markup=False)
    console.print(f"Wrote {out}. Use it: afmend repair SCANS --out mended --recipe {out}", markup=False)
    return int(bad)


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
    return f"{risk.name:28s} {risk.relative:.3f}  [{low:.3f}, {high:.3f}] times the risk"


def _plain(verdict: Verdict) -> dict[str, Any]:
    def number(value: float) -> float | None:
        return None if isnan(value) else value

    return {
        "part": verdict.part, "chosen": verdict.chosen, "decided": verdict.decided, "reason": verdict.reason,
        "risks": [
            {"name": risk.name, "relative": number(risk.relative), "failed": risk.failed,
             "interval": None if risk.against is None else [number(risk.against.low), number(risk.against.high)]}
            for risk in verdict.risks
        ],
    }  # fmt: skip
