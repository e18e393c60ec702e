"""The main table of a task, as HTML, and its numbers as text for the console, too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from afmend.evaluation.bench.methods import AUTO
from afmend.evaluation.bench.summary import Json
from afmend.evaluation.bench.task import OPEN
from afmend.evaluation.report_facts import safe
from afmend.pictures.numerals import plain

MEDIAN = "median difference [95 %]"
AGAINST = "auto against this [95 %]"


def heads(entry: Json) -> tuple[str, ...]:
    """Heads of the main table of a task."""
    gaps = ("left open, %",) if _shows_gaps(entry) else ()
    both = (MEDIAN,) if _shows_medians(entry) else ()
    return (
        "method",
        "median",
        "mean",
        "p95",
        AGAINST,
        *both,
        "auto loses",
        *gaps,
        "ms",
        "MB",
        "cases",
    )


def _shows_medians(entry: Json) -> bool:
    primary = entry["columns"][0]
    return bool(primary["compare"] == "difference" and primary["better"] != "zero")


def _shows_gaps(entry: Json) -> bool:
    return any(column["key"] == OPEN for column in entry["columns"])


def number(value: float | None) -> str:
    """Three digits, or a dash for none."""
    return "–" if value is None else plain(value, 3)


def percent(share: float | None) -> str:
    """Write a share as percent; few cases are not rounded to none."""
    if share is None:
        return "–"
    return f"{100 * share:.1f} %" if 0 < share < 0.01 else f"{100 * share:.0f} %"


def milliseconds(seconds: float | None) -> str:
    """Whole milliseconds above ten."""
    if seconds is None:
        return "–"
    return f"{1000 * seconds:.0f}" if seconds >= 0.01 else f"{1000 * seconds:.1f}"


def without_cases(task: str) -> str:
    """Say that a task has no table."""
    more = " It needs scans without artifacts." if task in ("harm", "clean") else ""
    return f"No scan is fit for the task {task!r}: it has no table.{more}"


def skipped_sentences(data: Json) -> list[str]:
    """Say which scans were left out, task by task and reason by reason."""
    groups: dict[tuple[str, str], list[str]] = {}
    for skip in data["skipped"]:
        groups.setdefault((skip["task"], skip["reason"]), []).append(skip["case"])
    count = data["settings"]["count"]
    return [
        f"{task}: {len(names)} of {count} scans left out, {reason}: {', '.join(names[:5])}{', …' * (len(names) > 5)}"
        for (task, reason), names in groups.items()
    ]


def against(found: Json | None) -> str:
    """Write a ratio or a difference with its interval."""
    if found is None or found["value"] is None:
        return "–"
    return ("" if found["kind"] == "ratio" else "Δ ") + interval(found)


def interval(found: Json) -> str:
    """Write a number with its interval, if it has one."""
    if found["low"] is None:
        return number(found["value"])
    return f"{number(found['value'])} [{number(found['low'])}, {number(found['high'])}]"


def verdict(found: Json | None, better: str) -> str:
    """Say whether ``auto`` is "better" or "worse" than another method, beyond doubt; "" = not decided."""
    if found is None or found["low"] is None:
        return ""
    return decided(found["kind"], better, found["low"], found["high"])


def decided(kind: str, better: str, low: float, high: float, rounding: float = 0.0) -> str:
    """Say what an interval means: "better" or "worse"; "" = it holds no change, or there is none (NaN)."""
    still = 1.0 if kind == "ratio" else 0.0
    if not (high < still - rounding or low > still + rounding):
        return ""
    return "better" if (high < still) != (better == "high") else "worse"


def recall_rows(entry: Json) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return head and rows of the recall by kind of artifact; no rows for tasks that find none."""
    rows = [
        (kind.replace("_", " "), str(max(cell["count"] for cell in found.values())),
         *(number(cell["mean"]) for cell in found.values()))
        for kind, found in entry["kinds"].items()
    ]  # fmt: skip
    return ("kind", "scans", *next(iter(entry["kinds"].values()), ())), rows


def guard_columns(entry: Json) -> list[Json]:
    """List the columns besides the primary one that any method has a number in."""
    return [c for c in entry["columns"][1:] if any(c["key"] in line["metrics"] for line in entry["methods"])]


def ranked(entry: Json) -> list[Json]:
    """Lines of a table, best median of the primary score first; who left pixels open comes later, who has none last."""
    primary = entry["columns"][0]
    key, sign = primary["key"], -1.0 if primary["better"] == "high" else 1.0

    def rank(line: Json) -> tuple[bool, bool, float]:
        median = (line["metrics"].get(key) or {}).get("median")
        gaps = entry["task"] == "fill" and bool((line["metrics"].get(OPEN) or {}).get("mean"))
        return (median is None, gaps, 0.0 if median is None else sign * median)

    return sorted(entry["methods"], key=rank)


def lines_of(entry: Json, costs: Mapping[str, Any]) -> list[tuple[tuple[str, ...], str]]:
    """Return the cells of every line of a table under `heads`, best median first, and ``auto``'s verdict on it."""
    primary = entry["columns"][0]
    key = primary["key"]
    rows: list[tuple[tuple[str, ...], str]] = []
    for line in ranked(entry):
        spread = line["metrics"].get(key) or {}
        compared = (line["against_auto"] or {}).get(key)
        lost = line.get("auto_loses")
        share = "–" if not lost else percent(lost["share"])
        oracle = entry["roles"].get(line["method"]) == "oracle"
        cost = costs[line["method"]]
        failed = f" ({line['failed']} failed)" if line["failed"] else ""
        cells = (
            line["method"], number(spread.get("median")), number(spread.get("mean")), number(spread.get("p95")),
            "" if line["method"] == AUTO else against(compared),
            *((f"Δ {interval(compared['median'])}" if compared else "",) if _shows_medians(entry) else ()),
            "" if line["method"] == AUTO else share,
            *((number((line["metrics"].get(OPEN) or {}).get("mean")),) if _shows_gaps(entry) else ()),
            milliseconds(cost["median_seconds"]), number(cost["peak_megabytes"]), f"{spread.get('count', 0)}{failed}",
        )  # fmt: skip
        rows.append((cells, "" if oracle else verdict(compared, primary["better"])))
    return rows


def correlation_sentences(found: Json) -> list[str]:
    """Say what sigma_bg is worth, against each error."""
    names = {"leveling": "the leveling error", "rmse": "the full RMSE"}
    return [
        f"Rank correlation of sigma_bg with {names[name]}, over {len(one['methods'])} levelings, mean of "
        f"{one['scans']} scans: {interval(one)}; negative on {100 * one['negative']:.0f} %; its best leveling is "
        f"truly the best on {100 * one['same_best']:.0f} % of the scans."
        for name, one in found.items()
    ]


def claim_rows(claims: Sequence[Json]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return head and rows of the figures to quote."""
    return ("figure", "value [95 %]", "scans"), [(c["claim"], interval(c), str(c["scans"])) for c in claims]


def headroom(entry: Json) -> str:
    """Say how far ``auto`` is from what is possible; empty for a table without oracles."""
    words = []
    for line in entry["methods"]:
        if entry["roles"].get(line["method"]) != "oracle":
            continue
        excess = [
            f"{against(found)} times its {column['title'].removesuffix(', % of Sq')}"
            for column in entry["columns"][:2]
            if (found := line["against_auto"].get(column["key"])) and found["value"] is not None
        ]
        if excess:
            words.append(f"auto has {' and '.join(excess)} ({line['method']})")
    return f"Headroom, against oracles that know the truth: {'; '.join(words)}." if words else ""


def main_table(data: Json, entry: Json, costs: Mapping[str, Any]) -> str:
    """Lay out the main table of a task."""
    primary = entry["columns"][0]
    titles = data["methods"][entry["task"]]
    extra = set(titles) - set(data["built_in"][entry["task"]])
    head = "".join(f'<th scope="col">{safe(cell)}</th>' for cell in heads(entry))
    body = []
    for cells, said in lines_of(entry, costs):
        kind = "auto" if cells[0] == AUTO else "peer" if cells[0] in extra else entry["roles"].get(cells[0], "")
        color = {"better": "good", "worse": "bad"}.get(said, "")
        inside = f'<th scope="row" title="{safe(titles.get(cells[0], ""))}">{safe(cells[0])}</th>'
        inside += "".join(
            f'<td class="{color}">{safe(cell)}</td>' if heads(entry)[k + 1] == AGAINST else f"<td>{safe(cell)}</td>"
            for k, cell in enumerate(cells[1:])
        )
        body.append(f'<tr class="{kind}">{inside}</tr>')
    caption = f"{primary['title']} ({primary['about']}); green: auto is better beyond doubt, red: worse."
    return (
        f'<div class="wide"><table class="numbers"><caption>{safe(caption)}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )
