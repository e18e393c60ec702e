"""The card's roughness: raw, corrected for what leveling removed, with intervals, with and without filled pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from afmend.errors import StepError
from afmend.evaluation.page_frame import table
from afmend.evaluation.removed import Removed, cannot_give_back, removed_by
from afmend.evaluation.report_facts import safe
from afmend.evaluation.roughness import Roughness, quotable_roughness
from afmend.pictures.numerals import display, plain, quantity
from afmend.scan import ChannelKey, Record, Scan

UNSURE_LINES = 0.25
"""Warn if the height of a line is uncertain by more than this share of Sq."""


class Quoted(NamedTuple):
    """Roughness of the measured pixels, and with the filled ones if there are some; or why there is none."""

    measured: Roughness | None
    filled: Roughness | None
    removed: Removed | None
    reason: str


def quote(mended: Scan, key: ChannelKey, records: Sequence[Record]) -> Quoted:
    """Measure the roughness of a mended channel as its history allows."""
    removed = removed_by(records)
    if removed is None:
        return Quoted(None, None, None, f"{cannot_give_back(records)}: measure the raw file.")
    try:
        found = [
            quotable_roughness(mended, key, line_degree=removed.line_degree, degree=removed.degree, repaired=how)
            for how in (("without", "with") if mended.channels[key].invented.any() else ("without",))
        ]
    except StepError as error:
        return Quoted(None, None, removed, f"{error.what}.")
    return Quoted(found[0], found[1] if len(found) > 1 else None, removed, "")


def moved_results(quoted: Quoted, records: Sequence[Record]) -> list[str]:
    """Warn of results that moved more than their error bars allow, and of lines whose height is unsure."""
    one, two = quoted.measured, quoted.filled
    if one is None:
        return []
    out = []
    if two is not None:
        low, high = one.Sq_interval
        if not low <= two.Sq <= high:
            out.append(
                f"MOVED: with the filled pixels Sq is {plain(two.Sq, 3)}, outside the interval {plain(low, 3)} to "
                f"{plain(high, 3)} of the measured ones: quote it without them."
            )
        low, high = one.correlation_interval_nm
        if not low <= two.correlation_nm <= high:
            out.append("MOVED: the filled pixels change the correlation length beyond its interval: quote it without.")
    sigmas = [v for r in records for name, v in r.facts.items() if name.startswith("line_sigma_median")]
    if sigmas and sigmas[-1] > UNSURE_LINES * one.Sq:
        out.append(
            f"UNSURE LINES: the height of a line is known to {plain(100 * sigmas[-1] / one.Sq, 2)} % of Sq only: "
            "do not compare heights far apart along the slow axis."
        )
    return out


def roughness_section(quoted: Quoted, unit: str, *, calibrated: bool, lengths: bool) -> str:
    """Return the section as HTML; ``calibrated`` and ``lengths`` say whether heights and lengths have true units."""
    title = "<h4>Roughness, corrected for leveling; noise included</h4>"
    if quoted.measured is None or quoted.removed is None:
        return f'{title}<p class="note">Not computed: {safe(quoted.reason)}</p>'
    rows = _rows("unmarked px", quoted.measured, unit, calibrated=calibrated, lengths=lengths)
    if quoted.filled is not None:
        rows += _rows("with filled", quoted.filled, unit, calibrated=calibrated, lengths=lengths)
    taken = f"a polynomial of degree {quoted.removed.degree} of the image"
    if quoted.removed.line_degree is not None:
        taken = f"polynomials of degree {quoted.removed.line_degree} of all lines and {taken}"
    doubts = "".join(f" <b>{safe(w[0].upper() + w[1:])}.</b>" for w in quoted.measured.warnings)
    share = plain(100 * quoted.measured.removed_share, 2)
    grain = (
        f"{quantity(quoted.measured.grain, unit)}{'' if calibrated else ' ?'}" if quoted.measured.grain else "Nothing"
    )
    return (
        f"{title}{table(('', 'pixels', 'raw', 'corrected', '95 % interval'), rows, 'numbers')}"
        f'<p class="note">“Raw”: {safe(taken)} subtracted, which is at least what the leveling took. A random surface '
        f"with this autocorrelation loses {share} % of its variance by that; “corrected” gives it back. "
        f"{safe(grain)} of Sq has no correlation from pixel to pixel. What both directions share, without the noise in "
        f"which they differ: <code>afmend roughness</code> on the raw file.{doubts}</p>"
    )


def _rows(pixels: str, found: Roughness, unit: str, *, calibrated: bool, lengths: bool) -> list[tuple[str, ...]]:
    shown = display(found.Sq, unit)
    label = shown.label if calibrated else f"{shown.label} ?"
    length = display(found.correlation_nm, "nm")
    across = length.label if lengths else "px"
    sq = (found.Sq_raw, found.Sq, *found.Sq_interval)
    sa = (found.Sa_raw, found.Sa, *found.Sa_interval)
    return [
        (f"Sq <small>{safe(label)}</small>", pixels, *_cells(sq, shown.factor)),
        (f"Sa <small>{safe(label)}</small>", pixels, *_cells(sa, shown.factor)),
        (f"correlation length <small>{safe(across)}</small>", pixels,
         *_cells((found.correlation_nm_raw, found.correlation_nm, *found.correlation_interval_nm),
                 length.factor if lengths else 1.0)),
    ]  # fmt: skip


def _cells(values: Sequence[float], factor: float) -> tuple[str, str, str]:
    text = ["–" if math.isnan(value) else plain(value / factor, 3) for value in values]
    return text[0], text[1], f"{text[2]} to {text[3]}"
