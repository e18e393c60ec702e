"""Recognising and reading TIFFs with ImageJ's calibration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from afmend.errors import CorruptFileError, UnsupportedFileError
from afmend.formats.hostile import FileBytes
from afmend.formats.register import Verdict
from afmend.formats.scaling import positive, scaled
from afmend.formats.tifftags import DESCRIPTION, X_RESOLUTION, Y_RESOLUTION, Page, first_page, pages
from afmend.scan import Channel, Direction, Grid, Scan
from afmend.scan.channel import DIRECTIONS
from afmend.scan.units import in_memory

FACTS = "afmend"
_IMAGEJ = "ImageJ="


def recognise(head: bytes, path: Path) -> Verdict:
    """Look for ImageJ's description with a unit of length, or afmend's own line."""
    page = first_page(head, path)
    if page is None:
        return Verdict.NO
    try:
        lines = description_of(page)
    except CorruptFileError:
        return Verdict.NO
    known = FACTS in lines or (in_memory(lines.get("unit", ""))[0] == "nm" and X_RESOLUTION in page.tags)
    return Verdict.YES if known else Verdict.NO


def description_of(page: Page) -> dict[str, str]:
    """Return ImageJ's "key=value" lines; empty if the picture is not ImageJ's."""
    text = page.text(DESCRIPTION) or ""
    if not text.startswith(_IMAGEJ):
        return {}
    pairs = (line.partition("=") for line in text.splitlines())
    return {key.strip(): value.strip().replace("\\u00B5", "µ") for key, _, value in pairs}


def read(path: Path) -> list[Scan]:
    """Read all pages: afmend's own as channels of one scan, others' as one scan each.

    Raises
    ------
    CorruptFileError, UnsupportedFileError
        If it is damaged, compressed, in color, or its pages overlap.
    """
    file = FileBytes(path)
    found = list(pages(file))
    lines = description_of(found[0])
    facts = _facts(lines)
    channels = []
    budget = file.size
    for number, page in enumerate(found):
        raw = page.raster()
        budget -= raw.nbytes
        if budget < 0:
            raise CorruptFileError("its pictures overlap", now="Save it again.")
        if raw.ndim != 2:
            raise UnsupportedFileError("it is a color picture", now="Save it as 32-bit gray values.")
        about = facts["channels"][number] if number < len(facts["channels"]) else {}
        channels.append(_channel(raw, about, lines.get("vunit", "")))
    grid = _grid(found[0], lines, facts, channels[0].shape)
    if facts["channels"]:
        if any(channel.shape != grid.shape for channel in channels):
            raise CorruptFileError("its channels differ in size", now="Save it again.")
        return [Scan.of(grid, channels, header=lines)]
    grids = [_grid(found[0], lines, facts, channel.shape) for channel in channels]
    return [Scan.of(own, [channel], header=lines) for own, channel in zip(grids, channels, strict=True)]


def _facts(lines: dict[str, str]) -> dict[str, Any]:
    try:
        facts = json.loads(lines.get(FACTS, "{}"))
    except (ValueError, RecursionError) as error:
        raise CorruptFileError("its metadata are damaged", now="Save it again.") from error
    facts = facts if isinstance(facts, dict) else {}
    channels = facts.get("channels")
    about = [c if isinstance(c, dict) else {} for c in channels] if isinstance(channels, list) else []
    return {"channels": about, "pixel_nm": facts.get("pixel_nm")}


def _channel(raw: Any, about: dict[str, Any], unit: str) -> Channel:
    unit, factor = in_memory(str(about.get("unit", unit)))
    stated = about.get("direction")
    direction: Direction = next((known for known in DIRECTIONS if known == stated), "unknown")
    return Channel.from_raw(
        str(about.get("kind", "height")),
        direction,
        scaled(raw, factor, 0.0, "the picture"),
        unit,
        name=str(about.get("name", "")),
        calibrated=bool(about.get("calibrated", bool(unit))),
    )


def _grid(page: Page, lines: dict[str, str], facts: dict[str, Any], shape: tuple[int, int]) -> Grid:
    exact = facts["pixel_nm"]
    if isinstance(exact, list) and len(exact) == 2 and all(isinstance(p, int | float) for p in exact):
        slow, fast = exact
    else:
        unit, factor = in_memory(lines.get("unit", ""))
        slow, fast = (_step(page.number(code)) for code in (Y_RESOLUTION, X_RESOLUTION))
        if unit != "nm" or slow is None or fast is None:
            return Grid.uncalibrated(shape)
        slow, fast = slow * factor, fast * factor
    return Grid(*shape, float(slow), float(fast)) if positive(slow, fast) else Grid.uncalibrated(shape)


def _step(per_unit: float | None) -> float | None:
    return 1 / per_unit if per_unit is not None and positive(per_unit) else None
