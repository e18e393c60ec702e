"""``afmend info``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from afmend.apps.cli import say
from afmend.errors import AfmendError
from afmend.scan import Channel, Scan


def show_files(files: Sequence[Path], *, as_json: bool) -> int:
    """Print what is in each file; return the exit code (0 all good, 1 some failed, 2 nothing usable)."""
    from afmend.formats import read_all

    failed = 0
    for path in files:
        try:
            scans = read_all(path)
        except AfmendError as error:
            failed += 1
            say.complain(str(error))
            if as_json:
                facts = {"kind": error.kind, "what": error.what, "where": error.where, "now": error.now}
                say.emit({"file": str(path), "error": facts})
            continue
        for index, scan in enumerate(scans):
            if as_json:
                say.emit(facts_of(path, scan, index, len(scans)))
            else:
                _table(path, scan, index, len(scans))
    return 0 if not failed else 2 if failed == len(files) else 1


def facts_of(path: Path, scan: Scan, index: int, count: int) -> dict[str, Any]:
    """Return everything `info --json` prints about one image."""
    return {
        "file": str(path),
        "format": scan.source.stored or scan.source.format,
        "image": index,
        "images": count,
        "rows": scan.grid.rows,
        "cols": scan.grid.cols,
        "size_nm": list(scan.grid.size_nm) if scan.grid.calibrated else None,
        "calibrated": scan.calibrated,
        "channels": [_channel(channel) for channel in scan.channels.values()],
        "acquisition": scan.acquisition.to_json(),
    }


def _channel(channel: Channel) -> dict[str, Any]:
    z = channel.values
    measured = z[~channel.missing] if channel.masks.missing is not None else z.ravel()
    empty = measured.size == 0
    return {
        "kind": channel.kind,
        "direction": channel.direction,
        "name": channel.name,
        "unit": channel.unit,
        "min": None if empty else float(measured.min()),
        "max": None if empty else float(measured.max()),
        "mean": None if empty else float(measured.mean()),
        "std": None if empty else float(measured.std()),
        "corners": [float(z[0, 0]), float(z[0, -1]), float(z[-1, 0]), float(z[-1, -1])],
        "calibrated": channel.calibrated,
        "missing": int(channel.missing.sum()),
    }


def _table(path: Path, scan: Scan, index: int, count: int) -> None:
    from rich.markup import escape
    from rich.table import Table

    console = say.out()
    grid = scan.grid
    size = f"{grid.size_nm[1]:.6g} x {grid.size_nm[0]:.6g} nm (fast x slow)" if grid.calibrated else "size unknown"
    of = f", image {index + 1} of {count}" if count > 1 else ""
    form = scan.source.stored or scan.source.format
    title = f"{say.printable(path.name)}: {form}{of}, {grid.rows} lines of {grid.cols} pixels, {size}"
    console.print(title, markup=False, style="bold")
    if not scan.calibrated:
        console.print(
            "UNCALIBRATED: the file does not say how large the scan is or what its heights mean.", style="red"
        )
    facts = ", ".join(f"{name} {value}" for name, value in scan.acquisition.to_json().items())
    if facts:
        console.print(facts, markup=False)
    table = Table("channel", "name", "unit", "min", "max", "mean", "std", "missing")
    for channel in scan.channels.values():
        row = _channel(channel)
        numbers = ["-" if row[key] is None else f"{row[key]:.5g}" for key in ("min", "max", "mean", "std")]
        table.add_row(
            escape(str(channel.key)), escape(channel.name), escape(channel.unit), *numbers, str(row["missing"])
        )
    console.print(table)


def show_formats(*, as_json: bool) -> None:
    """List the formats."""
    from rich.table import Table

    from afmend.formats import FORMATS

    table = Table("format", "title", "usual extensions", "writes")
    for form in FORMATS:
        if as_json:
            say.emit({"id": form.id, "title": form.title, "extensions": list(form.extensions), "writes": form.writable})
        table.add_row(form.id, form.title, " ".join(form.extensions), "yes" if form.writable else "")
    if not as_json:
        say.out().print(table)
