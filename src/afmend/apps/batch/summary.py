"""The summary of a run: summary.csv, summary.json, report.html. Always written."""

from __future__ import annotations

import csv
import datetime as dt
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from afmend import __version__
from afmend.apps.batch.job import JobResult
from afmend.apps.batch.plan import Order
from afmend.evaluation.tables import cell
from afmend.formats.register import replacing
from afmend.pipeline import Recipe

if TYPE_CHECKING:
    from afmend.evaluation.report import Card

LEADING = ("file", "image", "status", "verdict", "action", "error", "warnings", "format", "channel", "rows", "cols",
           "calibrated")  # fmt: skip


def rows_of(results: Sequence[JobResult]) -> list[dict[str, Any]]:
    """Return one flat row per image, and one per file that gave none."""
    rows: list[dict[str, Any]] = []
    for result in results:
        if result.error is not None:
            rows.append({"file": result.path, "status": "failed", "error": sentence(result.error)})
        for scan in result.scans:
            error = sentence(scan.error) if scan.error else ""
            status = "failed" if error else "doubtful" if scan.row.get("warnings") else "processed"
            rows.append({**scan.row, "status": status, "error": error})
    return rows


def sentence(error: Mapping[str, str]) -> str:
    """Write an error's JSON as one line."""
    where = f"{error['where']}: " if error["where"] else ""
    return f"{error['kind']}: {where}{error['what']}. {error['now']}".strip()


def write_summary(order: Order, results: Sequence[JobResult], planned: int) -> None:
    """Write summary.csv, summary.json and, if ordered, report.html into the output folder."""
    rows = rows_of(results)
    columns = [*LEADING, *sorted({key for row in rows for key in row} - set(LEADING))]
    with replacing(order.out / "summary.csv") as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows({key: cell(value) for key, value in row.items()} for row in rows)
    facts = {
        "afmend": __version__,
        "mode": order.mode,
        "recipe": order.recipe,
        "planned": planned,
        "finished": len(results),
        "processed": sum(result.good for result in results),
        "results": [{**finite(result.to_json()), "reused": result.reused} for result in results],
    }
    with replacing(order.out / "summary.json") as temporary:
        temporary.write_text(json.dumps(facts, indent=1, allow_nan=False), encoding="ascii")
    if order.report:
        _report(order, results)


def finite(value: Any) -> Any:
    """Return JSON types without NaN and infinities, which JSON does not know: they become None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    return [finite(item) for item in value] if isinstance(value, (list, tuple)) else value


def by_verdict(cards: list[Card]) -> list[Card]:
    """Sort by verdict, the worst first; the images of one file stay together, by the worst of them."""
    from afmend.artifacts.gate.verdicts import GOOD, IMAGING, NOT_TRACKING, TIP

    order = (NOT_TRACKING, TIP, IMAGING, GOOD, "")
    worst: dict[str, int] = {}
    for card in cards:
        worst[card.file] = min(worst.get(card.file, len(order)), order.index(card.verdict))
    return sorted(cards, key=lambda card: worst[card.file])


def _report(order: Order, results: Sequence[JobResult]) -> None:
    from afmend.evaluation.report import Card, Failure, RunFacts, write_report

    cards, failures = [], []
    for result in results:
        errors = [result.error, *(scan.error for scan in result.scans)]
        failures += [Failure(result.path, **error) for error in errors if error is not None]
        paths = [Path(scan.card) for scan in result.scans if scan.card]
        cards += [Card.from_json(json.loads(path.read_text(encoding="utf-8"))) for path in paths]
    now = dt.datetime.now(tz=dt.UTC).astimezone().isoformat(timespec="seconds")
    write_report(
        order.out / "report.html",
        by_verdict(cards),
        failures,
        RunFacts(recipe=Recipe.from_yaml(order.recipe), date=now),
    )
