"""The page of a run: tables and plots in one file without external resources."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from afmend.evaluation.bench.methods import TASKS
from afmend.evaluation.bench.page_plots import calibration_plot, family_plot, forest_plot, sigma_plot
from afmend.evaluation.bench.page_tables import (
    against,
    claim_rows,
    correlation_sentences,
    guard_columns,
    headroom,
    main_table,
    number,
    percent,
    ranked,
    recall_rows,
    skipped_sentences,
    without_cases,
)
from afmend.evaluation.bench.summary import Json
from afmend.evaluation.metrics.compare import FEWEST
from afmend.evaluation.page_frame import page_head, resource, table
from afmend.evaluation.report_facts import safe
from afmend.formats.register import replacing
from afmend.pictures.numerals import plain


def write_page(data: Json, path: Path) -> None:
    """Write the page of a document (see `results.document`), all or nothing.

    Raises
    ------
    WriteError
        If the disk refuses.
    """
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        style = resource("report.css") + resource("bench/bench.css")
        file.write(page_head(f"afmend bench – {data['settings']['suite']}", style=style, afmend=data["afmend"]))
        file.write(_header(data))
        for entry in data["tables"]:
            file.write(_section(data, entry))
        for task in data["without_cases"]:
            file.write(f"<p>{safe(without_cases(task))}</p>\n")
        if data["correlation"]:
            file.write(_correlation(data))
        if data["claims"]:
            file.write(_claims(data["claims"]))
        if data["skipped"]:
            lines = "".join(f"<li>{safe(sentence, 1000)}</li>" for sentence in skipped_sentences(data))
            file.write(f"<h2>Scans left out</h2>\n<section><ul>{lines}</ul></section>\n")
        file.write(_failures(data["failures"]))
        file.write(_foot(data))


def _header(data: Json) -> str:
    wish = data["settings"]
    origin = f"files of {wish['data']}" if wish["data"] else f"box “{wish['box']}”, seed {wish['seed']}"
    sizes = ", ".join(map(str, wish["sizes"]))
    links = "".join(f'<a href="#{safe(t["task"])}">{safe(t["title"])}</a>' for t in data["tables"])
    more = '<a href="#correlation">What sigma_bg is worth</a>' if data["correlation"] else ""
    more += '<a href="#claims">Figures to quote</a>' if data["claims"] else ""
    return (
        f"<header><h1>afmend bench: {safe(wish['suite'])}</h1>"
        f'<p class="facts">afmend {safe(data["afmend"])} · {safe(origin)} · {safe(wish["count"])} scans per task of '
        f"{safe(sizes)} px · {safe(plain(data['cost']['seconds'], 3))} s with {safe(data['cost']['workers'])} "
        f"workers · {safe(data['cost']['machine'])}</p>"
        '<p class="lead">Every number is an error against a known surface. Scans come from the twin, an instrument in '
        "software: they are as good as its physics, and no more. Intervals (95 %) are over scans, paired; fewer than "
        f"{FEWEST} scans have none. No correction is made for the number of comparisons: of 20 differences that are "
        "none, one looks real. "
        "<b>auto against this</b> is the ratio auto / this of the errors, geometric mean (below 1: afmend's default "
        "has the smaller error), or, with Δ, the difference auto − this (of the sizes of signed errors: the median "
        "difference). Scans on which auto loses by more than 1 % of the error (0.1 points of a share) are counted and "
        "named, so that anyone can look.</p>"
        f"<nav>{links}{more}</nav></header>\n"
    )


def _section(data: Json, entry: Json) -> str:
    costs = data["cost"]["tasks"][entry["task"]]
    parts = [
        f'<h2 id="{safe(entry["task"])}">{safe(entry["title"])}</h2>\n<section>',
        f"<p>{safe(entry['about'], 1000)}</p>",
        f'<p class="facts">{entry["cases"]} cases of {entry["scans"]} scans.</p>',
        main_table(data, entry, costs),
        _guards(entry),
        _kinds(entry),
        f'<p class="note">{safe(headroom(entry), 1000)}</p>' if headroom(entry) else "",
        f'<div class="plot">{forest_plot(entry)}</div>',
    ]
    for group in entry["groups"]:
        parts.append(f"<h4>By {safe(group)}</h4>")
        parts.append(f'<div class="plot">{family_plot(entry, group)}</div>')
        parts.append(_breakdown(entry, group))
    if entry["task"] == "fill":
        parts.append(_calibration(entry))
    return "\n".join([*parts, _losses(entry), "</section>\n"])


def _guards(entry: Json) -> str:
    """Means of everything besides the primary score, and what each is."""
    columns = guard_columns(entry)
    if not columns:
        return ""
    rows = [
        (safe(line["method"]), *(_guard_cell(line["metrics"].get(column["key"]) or {}, line) for column in columns))
        for line in ranked(entry)
    ]
    about = "; ".join(f"{c['title']}: {c['about']}" for c in entry["columns"] if c["about"])
    head = ("method", *(safe(column["title"]) for column in columns))
    return (
        "<h4>Everything else: median – 95th percentile (of sizes, where errors have a sign)</h4>"
        f"{table(head, rows, 'numbers guards')}"
        f'<p class="note">{safe(about, 3000)}.</p>'
    )


def _kinds(entry: Json) -> str:
    head, rows = recall_rows(entry)
    if not rows:
        return ""
    shown = table([safe(cell) for cell in head], [[safe(cell) for cell in row] for row in rows], "numbers")
    return f"<h4>Recall by kind, %: mean over the scans that have it</h4>{shown}"


def _guard_cell(spread: Json, line: Json) -> str:
    """Median, percentile and bias; few numbers have a median only, and say how few they are."""
    if spread.get("median") is None:
        return "–"
    count = f" <small>n={spread['count']}</small>" if spread["count"] != line["cases"] else ""
    if spread["count"] < FEWEST:
        return f"{number(spread['median'])}{count}"
    signed = spread.get("bias")
    bias = f"<br><small>bias {number(signed)}</small>" if signed is not None else ""
    return f"{number(spread['median'])} <small>– {number(spread['p95'])}</small>{count}{bias}"


def _breakdown(entry: Json, group: str) -> str:
    values = entry["groups"][group]
    names = [line["method"] for line in entry["methods"]]
    rows = [(safe(name), *(_group_cell(values[value].get(name)) for value in values)) for name in names]
    first = next(iter(entry["columns"]))["title"]
    shown = table(("method", *map(safe, values)), rows, "numbers")
    title = f"Median of {safe(first)}, by {safe(group)}; n = scans; auto against each [95 %], from {FEWEST} scans on"
    return f"<details><summary>{title}</summary>{shown}</details>"


def _group_cell(spread: Json | None) -> str:
    if spread is None or spread["median"] is None:
        return "–"
    compared = spread["against_auto"]
    known = compared and compared["low"] is not None
    more = f"; {against(compared)}" if known else ""
    return f"{number(spread['median'])} <small>n={spread['scans']}{more}</small>"


def _calibration(entry: Json) -> str:
    plot = calibration_plot(entry)
    if not plot:
        return ""
    return (
        "<h4>Are the error bars honest?</h4><p>Share of the filled pixels whose truth lies inside the interval, "
        "against what the interval promises; mean over cases. Below the diagonal = error bars too small.</p>"
        f'<div class="plot">{plot}</div>'
    )


def _losses(entry: Json) -> str:
    rows = []
    for line in entry["methods"]:
        lost = line.get("auto_loses")
        if not lost or not lost["share"]:
            continue
        worst = "; ".join(
            f"{safe(one['case'])} ({safe(', '.join(str(one[g]) for g in entry['groups']))}): "
            f"{number(one['auto'])} against {number(one['other'])}"
            for one in lost["worst"]
        )
        rows.append((safe(line["method"]), percent(lost["share"]), str(lost["common"]), worst))
    if not rows:
        return "<h4>Where auto loses</h4><p>Nowhere, against none of these methods.</p>"
    shown = table(("against", "auto is worse on", "of cases", "the worst: auto against the other"), rows, "losses")
    return f"<h4>Where auto loses</h4>{shown}"


def _correlation(data: Json) -> str:
    found = data["correlation"]
    words = "".join(f'<p class="big">{safe(sentence, 1000)}</p>' for sentence in correlation_sentences(found))
    nothing = " and ".join(number(one["with_nothing"]) for one in found.values())
    return (
        f'<h2 id="correlation">What sigma_bg is worth</h2>\n<section>{words}'
        f"<p>1 would mean that sigma_bg can stand in for the truth, 0 that it says nothing. With the unleveled scan as "
        f"one more method, the values are {nothing}: a method that is hopeless in every number makes any numbers agree."
        f'</p><div class="plot">{sigma_plot(data)}</div>'
        '<p class="note">One point per scan and leveling. Lower left is good; a metric that ranks methods as the truth '
        "does would make each scan's points rise from left to right.</p></section>\n"
    )


def _claims(claims: Sequence[Json]) -> str:
    head, rows = claim_rows(claims)
    shown = table(head, [[safe(cell, 300) for cell in row] for row in rows], "losses")
    return f'<h2 id="claims">Figures to quote</h2>\n<section>{shown}</section>\n'


def _failures(failures: Sequence[Json]) -> str:
    if not failures:
        return ""
    rows = [(safe(f["method"]), safe(f["task"]), safe(f["case"]), safe(f["error"], 1000)) for f in failures[:200]]
    more = f"<p>… and {len(failures) - 200} more in bench.json.</p>" if len(failures) > 200 else ""
    shown = table(("method", "task", "case", "error"), rows)
    return f'<h2 id="failures">Failures</h2>\n<section>{shown}{more}</section>\n'


def command(data: Json) -> str:
    """Return the command that makes the numbers of a document again."""
    wish = data["settings"]
    words = ["afmend", "bench", wish["suite"]]
    words += ["--data", wish["data"]] if wish["data"] else ["--box", wish["box"]]
    words += ["--seed", str(wish["seed"]), "--count", str(wish["count"])]
    if len(wish["sizes"]) == 1:
        words += ["--size", str(wish["sizes"][0])]
    if list(wish["tasks"]) != list(TASKS):
        words += ["--tasks", ",".join(wish["tasks"])]
    for method in wish["methods"]:
        words += ["--method", method]
    if wish["peers"]:
        words += ["--peers", *(["--peer-python", wish["peer_python"]] if wish.get("peer_python") else [])]
    return shlex.join(words)


def _foot(data: Json) -> str:
    return (
        f"<footer>Written by afmend {safe(data['afmend'])}. The same settings give the same numbers, but for seconds "
        f"and megabytes ({safe(data['cost']['memory'])}). Run it again: <code>{safe(command(data), 2000)}</code>"
        "</footer>\n</main>\n</body>\n</html>\n"
    )
