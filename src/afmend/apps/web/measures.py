"""Numbers for the page, by the functions that the report and the command line use."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from afmend.apps.web.engine import Mended
from afmend.artifacts.polygons import Point, polygon_mask
from afmend.errors import StepError
from afmend.evaluation.statistics import statistics
from afmend.scan import Scan

Json = dict[str, Any]


def roughness_rows(done: Mended) -> list[Json]:
    """Return statistics as read, leveled, mended, and mended without what was invented."""
    states: tuple[tuple[str, Scan, Literal["with", "without"]], ...] = (
        ("as read", done.opened.scan, "with"),
        ("leveled", done.leveled, "with"),
        ("mended", done.mended, "with"),
        ("mended, measured pixels only", done.mended, "without"),
    )
    rows = []
    for name, scan, repaired in states:
        try:
            rows.append({"state": name, **finite(statistics(scan, done.key, repaired).to_json())})
        except StepError:
            rows.append({"state": name, "pixels": 0})
    return rows


def step_height(done: Mended, first: Sequence[Point], second: Sequence[Point], *, invented: bool) -> Json:
    """Return the height of one area over another in the mended image.

    Means and scatters of the pixels in each area; invented ones count only if ``invented``. The standard error counts
    every pixel as independent, which neighbors are not: it is a lower bound.

    Raises
    ------
    BadMaskError, StepError
        If an area is none, or no pixel in it counts.
    """
    channel = done.channel("mended")
    usable = ~(channel.holes & ~channel.invented)
    if not invented:
        usable &= ~channel.invented
    areas = []
    for name, points in (("first", first), ("second", second)):
        inside = polygon_mask(tuple(points), channel.shape, where=f"{name} area") & usable
        heights = np.asarray(channel.values, dtype=np.float64)[inside]
        if heights.size == 0:
            raise StepError(f"no measured pixel in the {name} area", now="Draw it elsewhere.")
        areas.append({"pixels": int(heights.size), "mean": float(heights.mean()), "median": float(np.median(heights)),
                      "deviation": float(heights.std())})  # fmt: skip
    a, b = areas
    error = math.sqrt(sum(one["deviation"] ** 2 / one["pixels"] for one in areas))
    return {"first": a, "second": b, "unit": channel.unit, "step": b["mean"] - a["mean"],
            "step_of_medians": b["median"] - a["median"], "standard_error": error}  # fmt: skip


def history(done: Mended) -> list[Json]:
    """Return what the steps of the recipe found out: id, facts, and whether they were computed just now."""
    count = len(done.recipe.steps)
    return [{"step": record.step, "version": record.version, "facts": finite(dict(record.facts))}
            for record in done.mended.history[-count:]]  # fmt: skip


def finite(value: Any) -> Any:
    """Return plain JSON: numbers that JSON does not know become null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): finite(item) for key, item in value.items()}
    return [finite(item) for item in value] if isinstance(value, list | tuple) else value
