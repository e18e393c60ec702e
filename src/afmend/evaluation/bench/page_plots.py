"""Which plot shows what of a document."""

from __future__ import annotations

from afmend.evaluation.bench import charts
from afmend.evaluation.bench.methods import AUTO
from afmend.evaluation.bench.summary import Json
from afmend.evaluation.bench.tasks.fill import LEVELS

HIGHLIGHTED = (AUTO, "column polynomial 2", "row polynomial 2", "median of differences", "polynomial 2", "seed")
"""Levelings with a color of their own."""


def forest_plot(entry: Json) -> str:
    """``auto`` against every other method, by the primary score."""
    column = entry["columns"][0]
    rows = []
    for line in entry["methods"]:
        if entry["roles"].get(line["method"]) == "oracle":
            continue
        found = line["against_auto"].get(column["key"]) if line["against_auto"] else None
        if found and found["value"] is not None:
            rows.append(charts.Interval(line["method"], found["value"], found["low"], found["high"]))
    if not rows:
        return ""
    rows.sort(key=lambda row: row.value)
    ratio = column["compare"] == "ratio"
    better, worse = "auto is better", "auto is worse"
    if column["better"] == "high":
        better, worse = worse, better
    kind = (
        "auto / other, geometric mean over scans"
        if ratio
        else f"auto − other, {'median' if column['better'] == 'zero' else 'mean'} over scans"
    )
    title = f"{column['title']}: {kind}"
    return charts.forest(rows, still=1.0 if ratio else 0.0, log=ratio, title=title, left=better, right=worse)


def family_plot(entry: Json, group: str) -> str:
    """Median of the primary score per value of a group."""
    column = entry["columns"][0]
    high = column["better"] == "high"
    values = {
        value: {
            name: spread["median"]
            for name, spread in methods.items()
            if name not in entry["roles"] and spread["median"] is not None and (high or spread["median"] > 0)
        }
        for value, methods in entry["groups"][group].items()
    }
    values = {value: found for value, found in values.items() if found}
    if not values:
        return ""
    counts = {value: max(spread["scans"] for spread in entry["groups"][group][value].values()) for value in values}
    title = f"median of {column['title']}"
    return charts.strips(values, highlight=AUTO, title=title, log=not high, high=high, counts=counts)


def sigma_plot(data: Json) -> str:
    """sigma_bg against the true error, both relative to Sq of the true surface."""
    roles = next(entry["roles"] for entry in data["tables"] if entry["task"] == "level")
    scores = {method: found for method, found in data["scores"]["level"].items() if method not in roles}
    clouds = []
    rest: list[tuple[float, float]] = []
    for method, columns in scores.items():
        points = []
        for sigma, error, percent in zip(
            columns.get("sigma_bg_nm", []), columns.get("rmse_nm", []), columns.get("rmse_percent_of_sq", []),
            strict=True,
        ):  # fmt: skip
            if sigma and error and percent:
                sq = 100.0 * error / percent
                points.append((sigma / sq, error / sq))
        if method in HIGHLIGHTED:
            color = charts.COLORS[HIGHLIGHTED.index(method)]
            clouds.append(charts.Cloud(method, color, points))
        elif method != "nothing":
            rest += points
    clouds.sort(key=lambda cloud: -HIGHLIGHTED.index(cloud.name))
    return charts.scatter(
        [charts.Cloud("other levelings", "#b9bec6", rest), *clouds],
        x_title="sigma_bg / Sq of the truth", y_title="true error / Sq of the truth",
    )  # fmt: skip


def calibration_plot(entry: Json) -> str:
    """Promised against real coverage of every fill with error bars."""
    lines = {}
    for line in entry["methods"]:
        points = [
            (float(level), spread["mean"])
            for level in LEVELS
            if (spread := line["metrics"].get(f"coverage_{level}_percent")) and spread["mean"] is not None
        ]
        if points:
            lines[line["method"]] = points
    if not lines:
        return ""
    return charts.curves(lines, x_title="promised, %", y_title="inside the interval, %")
