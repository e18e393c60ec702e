"""``afmend roughness``: numbers that can be quoted, of each file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from afmend.apps.cli import say
from afmend.errors import AfmendError, StepError
from afmend.scan import ChannelKey, Scan

if TYPE_CHECKING:
    from afmend.evaluation.removed import Removed

LINES = {"none": None, "offsets": 0, "slopes": 1, "bends": 2, "cubic": 3}
"""What is taken from each line -> degree of the polynomial."""


def show_roughness(
    files: Sequence[Path], channel: str | None, lines: str | None, degree: int | None, *, as_json: bool
) -> int:
    """Print the roughness of every image; return the exit code (0 all good, 1 some failed, 2 nothing usable)."""
    from afmend.formats import read_all

    failed = 0
    for path in files:
        try:
            for index, scan in enumerate(read_all(path)):
                facts = {"file": str(path), "image": index, **measured(scan, channel, lines, degree)}
                say.emit(facts) if as_json else _table(facts)
        except AfmendError as error:
            failed += 1
            say.complain(str(error) if str(path) in str(error) else f"{path}: {error}")
    return 0 if not failed else 2 if failed == len(files) else 1


def measured(scan: Scan, channel: str | None, lines: str | None, degree: int | None) -> dict[str, Any]:
    """Return what `--json` prints about one image: how it was leveled, and the roughness without and with fills.

    What is taken from lines and image is what the history of a mended scan tells, or else offsets and a plane. If the
    history tells of more than can be given back, nothing is measured unless both are named. Of a channel that has both
    directions, "both_directions" is the part that they share.
    """
    from afmend.evaluation.removed import Removed, cannot_give_back, removed_by
    from afmend.evaluation.roughness import quotable_roughness

    key = scan.find(channel)
    out: dict[str, Any] = {"channel": str(key), "unit": scan.channels[key].unit, "calibrated": scan.calibrated}
    records = [record for record in scan.history if record.channel == key]
    known = removed_by(records) if records else Removed(0, 1)
    if known is None and (lines is None or degree is None):
        return out | {"reason": f"{cannot_give_back(records)}: measure the raw file, or name --lines and --degree"}
    chosen = known or Removed(None, 0)
    if lines is not None:
        chosen = chosen._replace(line_degree=LINES[lines])
    if degree is not None:
        chosen = chosen._replace(degree=degree)
    out |= {"line_degree": chosen.line_degree, "degree": chosen.degree, "warnings": []}
    if known is None or chosen.together(known) != chosen:
        out["warnings"].append("more was removed from this scan before than is corrected for: measure the raw file")
    ways: tuple[Literal["without", "with"], ...] = ("without", "with")
    for repaired in ways if scan.channels[key].invented.any() else ways[:1]:
        found = quotable_roughness(scan, key, line_degree=chosen.line_degree, degree=chosen.degree, repaired=repaired)
        out[f"{repaired}_filled_pixels"] = found.to_json()
        if repaired == "without":
            out["warnings"] += found.warnings
    if not records and scan.opposite(key) is not None:
        out["both_directions"] = _shared(scan, key, chosen)
    return out


def _shared(scan: Scan, key: ChannelKey, chosen: Removed) -> dict[str, Any]:
    """Return the roughness that both directions share, as JSON; the reason if there is none."""
    from afmend.fusion.agreement import agreement

    try:
        return agreement(scan, key, degree=chosen.degree, line_degree=chosen.line_degree).to_json()
    except StepError as error:
        return {"reason": error.what}


def _table(facts: dict[str, Any]) -> None:
    from rich.markup import escape
    from rich.table import Table

    console = say.out()
    if "reason" in facts:
        console.print(f"{facts['file']} [{facts['image']}] {facts['channel']}: {facts['reason']}", markup=False)
        return
    lines = next(name for name, degree in LINES.items() if degree == facts["line_degree"])
    about = escape(f"{facts['file']} [{facts['image']}] {facts['channel']}")
    taken = f"taken from lines: {lines}; from the image: a polynomial of degree {facts['degree']}"
    console.print(f"[bold]{about}[/bold]: {taken}")
    table = Table()
    for name in ("", "pixels", "raw", "corrected", "95 % interval"):
        table.add_column(name, justify="left" if name in ("", "pixels") else "right", no_wrap=True)
    unit, length = (facts["unit"], "nm") if facts["calibrated"] else (f"{facts['unit']} ?", "px")
    rows = (
        (f"Sq / {unit}", "Sq", "Sq_interval"),
        (f"Sa / {unit}", "Sa", "Sa_interval"),
        (f"correlation / {length}", "correlation_nm", "correlation_interval_nm"),
    )
    for way, pixels in (("without", "measured"), ("with", "with filled")):
        found: dict[str, Any] = facts.get(f"{way}_filled_pixels", {})
        for label, name, ends in rows if found else ():
            raw, (low, high) = found[f"{name}_raw"], found[ends]
            cells = ("–" if raw is None else f"{raw:.4g}", f"{found[name]:.4g}", f"{low:.4g} to {high:.4g}")
            table.add_row(label, pixels, *cells)
    pair = facts.get("both_directions", {})
    if pair.get("sq") is not None:
        low, high = pair["interval"]
        cells = (f"{pair['sq_trace']:.4g}", f"{pair['sq']:.4g}", f"{low:.4g} to {high:.4g}")
        table.add_row(f"Sq / {unit}", "both directions", *cells)
    console.print(table)
    if pair.get("sq") is None and "both_directions" in facts:
        console.print(f"Both directions: {pair.get('reason', 'they share nothing')}", markup=False)
    for warning in pair.get("warnings", ()):
        console.print(f"Warning (both directions): {warning}", markup=False)
    for warning in facts["warnings"]:
        console.print(f"Warning: {warning}", markup=False)
