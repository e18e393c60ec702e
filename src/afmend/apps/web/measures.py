"""Numbers for the page, by the functions that the report and the command line use."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from afmend.apps.web.engine import Mended
from afmend.artifacts.polygons import Point, polygon_mask
from afmend.catalogue import find_step
from afmend.errors import StepError
from afmend.evaluation.statistics import statistics
from afmend.pipeline import Recipe, StepUse, run_recipe
from afmend.scan import Scan

Json = dict[str, Any]
MOST_RATIO, MOST_SKEW, LEAST_SPREAD = 3.0, 0.3, 0.05
"""An area is not flat if it scatters so many times as much as the other, or if its mean is so many of its deviations
off its median; a spread below the last, in steps, does no harm."""


def roughness_rows(done: Mended) -> list[Json]:
    """Return statistics as read, without a plane, leveled, mended, and mended without what was invented."""
    states: tuple[tuple[str, Scan | None, Literal["with", "without"]], ...] = (
        ("as read, tilt included", done.opened.scan, "with"),
        ("plane removed", _without_plane(done), "with"),
        ("leveled", done.leveled, "with"),
        ("mended", done.mended, "with"),
        ("mended, measured pixels only", done.mended, "without"),
    )
    rows = []
    for name, scan, repaired in states:
        if scan is None:
            continue
        try:
            rows.append({"state": name, **finite(statistics(scan, done.key, repaired).to_json())})
        except StepError:
            rows.append({"state": name, "pixels": 0})
    return rows


def _without_plane(done: Mended) -> Scan | None:
    """Take a plane off what was read, so that tilt does not pass for roughness; None where none can be fitted."""
    recipe = Recipe(name="plane", steps=(StepUse(step="level.plane"),))
    try:
        return run_recipe(done.opened.scan, recipe, find_step, channel=done.key)
    except StepError:
        return None


def step_height(done: Mended, first: Sequence[Point], second: Sequence[Point], *, invented: bool) -> Json:
    """Return the height of one area over another in the mended image.

    Means and scatters of the pixels in each area; invented ones count only if ``invented``. The standard error counts
    every pixel as independent, which neighbors are not: it is a lower bound. Areas that do not look flat are named in
    ``warnings``.

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
    warnings = not_flat(areas, channel.unit)
    return {"first": a, "second": b, "warnings": warnings, "unit": channel.unit, "step": b["mean"] - a["mean"],
            "step_of_medians": b["median"] - a["median"], "standard_error": error}  # fmt: skip


def not_flat(areas: Sequence[Json], unit: str) -> list[str]:
    """Say which of two areas is not one terrace: it scatters far more than the other, or is skewed.

    With a share f of an area on the other terrace, h away, its deviation is h sqrt(f (1 - f)) and its mean f h off. A
    deviation below a twentieth of the step thus allows for 0.3 % of error at most, and is never warned about.
    """
    step = abs(areas[1]["mean"] - areas[0]["mean"])
    found = []
    for number, (area, other) in enumerate((areas, areas[::-1]), start=1):
        apart, spread = abs(area["mean"] - area["median"]), area["deviation"]
        reasons = []
        if spread > MOST_RATIO * other["deviation"]:
            reasons.append(
                f"its heights scatter by {spread:.3g} {unit}, those of the other by {other['deviation']:.3g}"
            )
        if apart > MOST_SKEW * spread:
            reasons.append(f"its mean and its median are {apart:.3g} {unit} apart")
        if reasons and spread > LEAST_SPREAD * step:
            found.append(f"Area {number} is not flat: {' and '.join(reasons)}. It may lie across a step, or hold "
                         "something; the standard error does not tell. Draw it smaller.")  # fmt: skip
    return found


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
