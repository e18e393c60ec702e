"""The tip in the report: what was found out about it, what was corrected, and what the tip never touched."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from afmend.evaluation.page_frame import table
from afmend.evaluation.report_facts import safe
from afmend.pictures.numerals import ghosts_at
from afmend.scan import Grid, Record

STEPS = ("tip.correct", "mark.untouched")
SHOWN_RADII = 3.0
"""The tip is drawn so many radii deep."""


def tip_section(records: Sequence[Record], grid: Grid) -> str:
    """Return the section as HTML; empty if no step dealt with the tip.

    Parameters
    ----------
    records : sequence of Record
        Of the channel shown, in order.
    grid : Grid
    """
    found = [record for record in records if record.step in STEPS]
    if not found:
        return ""
    last = next((record for record in reversed(found) if record.step == STEPS[0]), found[-1])
    facts, rows = last.facts, []
    if "skipped" in facts:
        rows.append(("nothing was corrected", safe(facts["skipped"])))
        if facts.get("advice"):
            rows.append(("what would help", safe(facts["advice"])))
    rows += _known(facts)
    marks = (record.facts for record in found if record.step == "mark.untouched" and "skipped" not in record.facts)
    marked = next((facts.get("pixels") for facts in marks), None)
    if marked is not None:
        share = 100 * int(marked) / (grid.rows * grid.cols)
        done = any(record.step == STEPS[0] and "skipped" not in record.facts for record in found)
        told = "are guesses" if done else "were not measured"
        rows.append(("never touched", f"{share:.1f} % of the pixels: there the heights {told}"))
    return f"<h4>Tip</h4>{table(('', ''), rows, 'numbers')}{_picture(facts, grid)}"


def _known(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = []
    radius = facts.get("radius_nm")
    if radius is not None and "interval_nm" not in facts:
        rows.append(("radius, as given", f"{radius:.3g} nm"))
    elif radius is not None:
        low, high = facts["interval_nm"]
        if facts.get("verdict") == "confident":
            rows.append(("radius", f"{radius:.3g} nm (95 %: {low:.3g} to {high:.3g} nm)"))
        else:
            rows.append(("radius", f"at most {high:.3g} nm"))
    if facts.get("unsure"):
        least, likely = facts.get("quantile_10_nm", facts.get("at_least_nm")), facts["likely_nm"]  # before 6: at least
        rows.append(
            ("likely radius", f"{likely:.3g} nm; in nine of ten cases on simulated surfaces at least {least:.3g} nm")
        )
        rows.append(
            ("corrected", "as far as is better on average: the scan does not show the radius, and no height is certain")
        )
    if facts.get("double_tip"):
        rows.append(("double tip", f"ghosts {ghosts_at(facts['offset_nm'], facts['depth_nm'])}"))
    elif facts.get("suspicion"):
        rows.append(("double tip", safe(facts["suspicion"])))
    if "certain_share" in facts and not facts.get("unsure"):
        rows.append(("certain", f"{100 * facts['certain_share']:.1f} % of the pixels"))
    if facts.get("model"):
        said = f"heights as the network {facts['model']!r} says, where they fit"
        if facts.get("untouched") == "mean":
            said = f"the mean of a rule of thumb and of what the network {facts['model']!r} says, where that fits"
        rows.append(("where it touched nothing", safe(said)))
    return rows


def _picture(facts: Mapping[str, Any], grid: Grid) -> str:
    """Draw the tip that was taken off, from its radius and flank."""
    radius = facts.get("radius_nm")
    if facts.get("unsure"):
        radius = facts["likely_nm"]
    if radius is None or "certain_share" not in facts:
        return ""
    from afmend.evaluation.report_pictures import data_uri
    from afmend.pictures.annotate import encoded
    from afmend.pictures.surface3d import surface
    from afmend.tip.shapes import SphereCone, tip_heights

    depth, side = SHOWN_RADII * radius, math.sqrt(grid.pixel_slow_nm * grid.pixel_fast_nm)
    shape = SphereCone(radius_nm=radius, half_angle_deg=facts.get("half_angle_deg", 20.0))
    steps = np.linspace(-2.5 * radius, 2.5 * radius, 61)
    tip = np.maximum(tip_heights(shape, steps[:, None], steps[None, :]), -depth)
    step = float(steps[1] - steps[0])
    picture = data_uri(encoded(surface(tip, Grid(61, 61, step, step), (-depth, 0.0)), "WEBP", quality=80), "webp")
    note = f"The tip, {5 * radius:.3g} nm wide; pixels of the scan are {side:.3g} nm."
    return f'<figure><img src="{picture}" alt="tip"><figcaption>{safe(note)}</figcaption></figure>'
