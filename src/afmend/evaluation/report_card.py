"""One scan of the report: pictures, what was invented, statistics before and after, every parameter."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from afmend.evaluation.page_frame import table
from afmend.evaluation.report_changes import UNTOUCHED, Change, change_between, changes_heights, guessed
from afmend.evaluation.report_facts import Card, finite, safe
from afmend.evaluation.report_numbers import Harm, Inventory, Region, harm, inventory, records_of
from afmend.evaluation.report_pictures import LEFT_OPEN, Panel, Told, line_profile, panels
from afmend.evaluation.report_roughness import moved_results, quote, roughness_section
from afmend.evaluation.report_states import DIMENSIONLESS, SHOWN_WITH_THE_STEP, State, no_steps, states
from afmend.evaluation.report_tip import tip_section
from afmend.evaluation.report_warnings import MANY_PATCHES, percent, warnings, with_unit
from afmend.pictures.annotate import size_text
from afmend.pictures.maps import INVENTED, KIND_COLORS, kind_colors
from afmend.pictures.numerals import display, measure, plain
from afmend.scan import Channel, ChannelKey, Grid, Record, Scan
from afmend.scan.arrays import Mask
from afmend.scan.channel import NO_ERROR_BAR

LONG_LIST = 8
"""Longer lists among the facts of a step are summed up."""


def card(original: Scan, leveled: Scan | None, mended: Scan, key: ChannelKey, *, also: Sequence[str] = ()) -> Card:
    """Make the card of one repaired scan.

    Parameters
    ----------
    original : Scan
        As read from the file.
    leveled : Scan or None
        As it was just before the first step that fills, or changes heights after leveling (`first_change`); None if
        there is none: then it is ``mended``.
    mended : Scan
        The result.
    key : ChannelKey
        Which channel was worked on.
    also : sequence of str
        More to warn of: what only who sees other scans can know.

    Returns
    -------
    Card
        Plain data: it can be pickled, and kept as JSON.
    """
    raw, result = original.channels[key], mended.channels[key]
    before = result if leveled is None else leveled.channels[key]
    records = records_of(mended, key)
    guesses = guessed(result, records)
    found = inventory(result, guesses)
    moved = harm(before, result, records[len(records_of(original, key)) :], guesses)
    shown = before if any(map(changes_heights, moved.later)) else _on_the_zero_of(before, result)
    change = change_between(shown, result) if before is not result else None
    by = ", ".join(moved.later) if change is not None else ""
    told = Told(by, change, bool(found.filled), bool(found.guessed), found.region_count > MANY_PATCHES)
    after = _with_guesses(result, guesses)
    three = states(raw, before, after, unharmed=change is None and moved.pixels == 0, by=by)
    quoted = quote(mended, key, records)
    warned = [*also, *warnings(original, mended, key, before, found, moved), *moved_results(quoted, records)]
    artifacts = {kind.kind: kind.marked for kind in found.kinds}
    body = [
        _facts(mended, after, found),
        _list("warnings", warned),
        _gallery(panels(raw, shown, after, mended.grid, told)),
        _legend(after, found),
        _figure(line_profile(raw, shown, after, mended.grid)),
        '<div class="columns">',
        f"<div>{_invented(found, after, mended.grid)}</div>",
        f"<div>{_statistics(three, after, found)}{_no_harm(moved, after, found, change)}",
        roughness_section(quoted, after.unit, calibrated=after.calibrated, lengths=mended.grid.calibrated),
        "</div></div>",
        tip_section(records, mended.grid),
        _history(records),
    ]
    return Card(
        file=mended.source.file or original.source.file,
        frame=mended.source.index,
        frames=mended.source.count,
        channel=str(key),
        unit=after.unit,
        status=_status(found, by),
        invented=found.invented / found.pixels,
        sq_before=finite(three[1].every["Sq"]),
        sq_after=finite(three[2].every["Sq"]),
        artifacts=artifacts,
        warnings=tuple(warned),
        html="\n".join(part for part in body if part),
    )


def _with_guesses(channel: Channel, guesses: Mask) -> Channel:
    """Return the channel with guessed heights as invented ones without error bars, so that all count and draw them."""
    new = guesses & ~channel.invented
    if not new.any():
        return channel
    known = np.zeros(channel.shape) if channel.uncertainty is None else channel.uncertainty
    return channel.evolve(uncertainty=np.where(new, NO_ERROR_BAR, known))


def _status(found: Inventory, by: str) -> str:
    if found.filled and found.left_open:
        return "partly repaired"
    if found.filled:
        return "repaired"
    if by:
        return "corrected"
    return "marked only" if found.marked else "nothing marked"


def _on_the_zero_of(before: Channel, after: Channel) -> Channel:
    """Shift ``before`` by what a later step added to every measured pixel, so that one color range serves both."""
    measured = ~(after.invented | after.holes)
    if before is after or not measured.any():
        return before
    steps = (after.values - before.values)[measured]
    middle = float(np.median(steps))
    scale = max(float(np.abs(after.values[measured]).max()), abs(middle))
    if middle == 0.0 or float(np.abs(steps - middle).max()) > 1e-9 * scale:
        return before
    return before.evolve(values=before.values + middle)


def _list(kind: str, lines: Sequence[str]) -> str:
    if not lines:
        return ""
    return f'<ul class="{kind}">' + "".join(f"<li>{safe(line)}</li>" for line in lines) + "</ul>"


def _facts(scan: Scan, channel: Channel, found: Inventory) -> str:
    facts = scan.acquisition.to_json()
    known = [size_text(scan.grid), f"{percent(found.invented, found.pixels)} invented"]
    known += [str(facts[name]) for name in ("instrument", "mode", "date") if name in facts]
    name = f" (“{safe(channel.name)}”)" if channel.name else ""
    return f'<p class="facts">{safe(channel.key)}{name} · ' + " · ".join(safe(text) for text in known) + "</p>"


def _gallery(pictures: Sequence[Panel]) -> str:
    figures = [
        f'<figure><div class="picture"><img src="{p.uri}" width="{p.width}" height="{p.height}" alt="{safe(p.title)}">'
        + (f'<img class="marks" src="{p.overlay}" width="{p.width}" height="{p.height}" alt="">' if p.overlay else "")
        + f"</div><figcaption><b>{safe(p.title)}</b> {safe(p.caption)}</figcaption></figure>"
        for p in pictures
    ]
    return f'<div class="gallery">{"".join(figures)}</div>'


def _swatch(color: str, *, outline: bool = False, striped: bool = False) -> str:
    stripes = '<path d="M0 12L12 0M-3 3L3 -3M9 15L15 9" stroke="#8c8c8c" stroke-width="3"/>' if striped else ""
    fill = f'fill="none" stroke="{color}" stroke-width="3"' if outline else f'fill="{color}"'
    square = f'<rect width="12" height="12" {fill}/>'
    return f'<svg class="swatch" viewBox="0 0 12 12" width="12" height="12">{square}{stripes}</svg>'


def _legend(channel: Channel, found: Inventory) -> str:
    colors = kind_colors(list(channel.masks.artifact))
    entries = []
    for count in found.kinds:
        share = percent(count.marked, found.pixels)
        if count.kind in channel.masks.artifact:
            entries.append(f"{_swatch(colors[count.kind])}{safe(count.kind)} {share}")
        else:
            entries.append(f"{_swatch('#cdcdcd', striped=True)}never measured {share}")
    if channel.masks.foreground:
        pixels = int(channel.masks.union("foreground", shape=channel.shape).sum())
        names = safe(", ".join(channel.masks.foreground))
        share = percent(pixels, found.pixels)
        entries.append(
            f"{_swatch(KIND_COLORS['foreground'])}foreground ({names}; kept out of the background fit) {share}"
        )
    if found.invented:
        share = percent(found.invented, found.pixels)
        what = ["filled in"] * bool(found.filled) + ["guessed where the tip touched nothing"] * bool(found.guessed)
        entries.append(f"{_swatch(INVENTED, outline=True)}{' or '.join(what)}, not measured {share}")
    if (channel.artifact & channel.left_open).any():
        entries.append(f"{_swatch(LEFT_OPEN)}artifact left open (on Repaired)")
    if not entries:
        return '<p class="legend">Nothing was marked.</p>'
    return '<ul class="legend">' + "".join(f"<li>{entry}</li>" for entry in entries) + "</ul>"


def _figure(svg: str) -> str:
    if not svg:
        return ""
    caption = "<figcaption><b>Line profile</b> through the most invented line</figcaption>"
    return f'<figure class="profile">{svg}{caption}</figure>'


def _invented(found: Inventory, channel: Channel, grid: Grid) -> str:
    if not found.kinds and not found.invented:
        return "<h4>What was invented</h4><p>Nothing: no pixel was marked, none was filled.</p>"
    parts = ["<h4>What was invented, and where</h4>"]
    rows = [
        (safe(k.kind), f"{k.marked}", percent(k.marked, found.pixels), f"{k.filled}", f"{k.boxes}", safe(k.lines))
        for k in found.kinds
    ]
    rows.append(
        ("<i>together</i>", f"{found.marked}", percent(found.marked, found.pixels), f"{found.invented}", "", "")
    )
    parts.append(
        table(
            (
                "kind",
                "marked px",
                "of scan",
                "invented px" if found.guessed else "filled px",
                "patches",
                "lines (first = 0)",
            ),
            rows,
            "numbers",
        )
    )
    if found.regions:
        parts.append(f"<h4>Largest of {found.region_count} {'invented' if found.guessed else 'filled'} patches</h4>")
        places = [_region_cells(region, grid) for region in found.regions]
        parts.append(table(("lines", "columns", "size (fast × slow)", "px"), places, "numbers"))
    parts.append(_error_bars(found, channel))
    return "".join(parts)


def _region_cells(region: Region, grid: Grid) -> tuple[str, str, str, str]:
    (top, bottom), (left, right) = region.rows, region.cols
    size = f"{right - left} × {bottom - top} px"
    if grid.calibrated:
        slow, fast = grid.pixel_nm
        size = f"{measure((right - left) * fast)} × {measure((bottom - top) * slow)}"
    return (_range(top, bottom), _range(left, right), size, str(region.pixels))


def _range(start: int, stop: int) -> str:
    return f"{start}–{stop - 1}" if stop - start > 1 else str(start)


def _error_bars(found: Inventory, channel: Channel) -> str:
    if not found.invented:
        return ""
    guesses = ""
    if found.guessed:
        share = percent(found.guessed, found.pixels)
        guesses = (
            f"<p><b>Guessed:</b> {found.guessed} pixels ({share}) that the tip never touched: their heights are likely "
            f"ones, or bounds, not measured{_bars_of_guesses(channel)}.</p>"
        )
    if not found.filled:
        return guesses
    if found.sigma_median is None or found.sigma_max is None:
        text = "none of the filled pixels has one: the method cannot say how wrong it may be."
    else:
        text = f"median σ {with_unit(found.sigma_median, channel)}, largest σ {with_unit(found.sigma_max, channel)}"
        missing = found.without_error_bar
        text += f"; {missing} filled pixels have none." if missing else "; every filled pixel has one."
    return f"{guesses}<p><b>Error bars:</b> {safe(text)}</p>"


def _bars_of_guesses(channel: Channel) -> str:
    if channel.uncertainty is None:
        return ", without error bars"
    sigma = channel.uncertainty[channel.masks.artifact[UNTOUCHED]]
    known = sigma[np.isfinite(sigma) & (sigma > 0)]
    return f"; median σ {with_unit(float(np.median(known)), channel)}" if known.size else ", without error bars"


def _statistics(three: Sequence[State], channel: Channel, found: Inventory) -> str:
    head = "".join(
        f'<th scope="colgroup" colspan="2">{safe(state.title)}<small>{safe(state.note)}</small></th>' for state in three
    )
    kinds = (
        "all px",
        "unmarked",
        "all px",
        "unmarked",
        "with invented" if found.guessed else "with filled",
        "unmarked",
    )
    second = "".join(f'<th scope="col">{kind}</th>' for kind in kinds)
    sets = [values for state in three for values in (state.every, state.measured)]
    sq = [values["Sq"] for values in sets]
    shown = display(max((value for value in sq if finite(value) is not None), default=0.0), channel.unit)
    unit = shown.label if channel.calibrated else f"{shown.label} ?"
    rows = []
    for name in dict.fromkeys(name for values in sets for name in values):
        if name in SHOWN_WITH_THE_STEP:
            continue
        scale, label = (1.0, "") if name in DIMENSIONLESS else (shown.factor, f" <small>{safe(unit)}</small>")
        cells = "".join(f"<td>{_statistic(name, values, scale)}</td>" for values in sets)
        rows.append(f'<tr><th scope="row">{safe(name)}{label}</th>{cells}</tr>')
    return (
        '<h4>Statistics, with and without repaired pixels</h4><div class="wide"><table class="numbers">'
        f'<thead><tr><th rowspan="2"></th>{head}</tr><tr>{second}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
        '<p class="note">“Unmarked” leaves out missing, artifact and filled pixels: the same pixels in all three '
        "states. Pixels that were never measured and not filled count nowhere.</p>"
        + (f'<p class="note">{safe(why)}</p>' if (why := _step_note(three[2].measured, channel)) else "")
    )


def _statistic(name: str, values: Mapping[str, float], scale: float) -> str:
    value = values.get(name)
    if value is None or finite(value) is None:
        why = no_steps(values) if name == "step height" else ""
        return f'<span title="{safe(why)}">–</span>' if why else "–"
    if name == "steps":
        return f"{value:.0f}"
    return plain(value / scale, 3)


def _step_note(values: Mapping[str, float], channel: Channel) -> str:
    """Say how far the steps differ, or why there are none."""
    if values.get("steps", 0.0) > 1:
        low, high = (with_unit(values[name], channel) for name in ("lowest step", "highest step"))
        return f"Step height: the median of {values['steps']:.0f} steps of {low} to {high} (repaired, unmarked pixels)."
    return no_steps(values)


def _no_harm(moved: Harm, channel: Channel, found: Inventory, change: Change | None) -> str:
    untouched = found.pixels - found.invented
    kind = "note"
    if untouched == 0:
        text = "there are none."
    elif moved.pixels == 0:
        since = f" to what {', '.join(moved.earlier)} and leveling made of them" if moved.earlier else ""
        text = f"unchanged by the repair, all {untouched} bit-identical{since}."
    elif moved.excused:
        steps = ", ".join(moved.later)
        text = (f"{moved.pixels} of {untouched} changed by up to {with_unit(moved.largest, channel)}, by steps that "
                f"change heights on purpose: {steps}.")  # fmt: skip
    else:
        text = f"HARM: {moved.pixels} were changed by up to {with_unit(moved.largest, channel)}. This must not be."
        kind = "bad"
    if found.guessed and change is not None:
        low, high = with_unit(change.low, channel), with_unit(change.high, channel)
        text += f" With the guessed ones, {change.pixels} of {found.pixels} pixels changed, by {low} to {high}."
    return f'<p class="{kind}">Pixels outside the mask: {safe(text)}</p>'


def _history(records: Sequence[Record]) -> str:
    if not records:
        return "<p>No step was applied.</p>"
    rows = [
        (
            f"{number}. {safe(record.step)}",
            safe(record.version),
            parameters(record.params),
            parameters(record.facts, exact=False),
            f"<code>{safe(record.after[:12])}</code>",
        )
        for number, record in enumerate(records, start=1)
    ]
    content = table(("step", "version", "every parameter", "found out", "hash after"), rows, "history")
    return f"<details><summary>History: {len(records)} steps with every parameter</summary>{content}</details>"


def parameters(values: Mapping[str, Any], *, exact: bool = True) -> str:
    """Write parameters as "name = value" lines, as HTML; if ``exact`` with every digit, to be typed in again."""
    lines = [f"{safe(name)} = <b>{safe(_shown(value, exact=exact))}</b>" for name, value in values.items()]
    return "<br>".join(lines) if lines else "–"


def _shown(value: Any, *, exact: bool) -> str:
    if isinstance(value, float) and not exact:
        return f"{value:.6g}"
    if isinstance(value, (list, tuple)) and len(value) > LONG_LIST and not exact:
        return _summed_up(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _summed_up(values: Sequence[Any]) -> str:
    numbers = [v for v in values if isinstance(v, (int, float)) and not isinstance(v, bool) and finite(v) is not None]
    if len(numbers) < len(values):
        return f"{len(values)} values"
    low, middle, high = (f"{v:.6g}" for v in (min(numbers), float(np.median(numbers)), max(numbers)))
    return f"{len(numbers)} values: min {low}, median {middle}, max {high}"
