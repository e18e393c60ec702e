"""Every built-in step, one line each; third parties add theirs by the entry point group ``afmend.steps``.

A step is imported only when it is asked for: listing the names costs nothing.
"""

from __future__ import annotations

import difflib
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from afmend.errors import BadRecipeError
from afmend.pipeline import Step

BUILT_IN: dict[str, str] = {
    # leveling
    "level.facet": "afmend.leveling.facet:facet",
    "level.plane": "afmend.leveling.plane:plane",
    "level.polynomial": "afmend.leveling.polynomial:polynomial",
    "level.rows": "afmend.leveling.rows:rows",
    "level.auto": "afmend.leveling.auto:level_auto",
    "level.given": "afmend.leveling.given:level_given",
    "level.shift": "afmend.leveling.shift:shift",
    "level.smart_flatten": "afmend.leveling.smart_flatten:smart_flatten",
    "level.three_point": "afmend.leveling.three_point:three_point",
    "level.topostats": "afmend.leveling.topostats:topostats",
    # small-window filters of other programs' recipes
    "filter.conservative": "afmend.leveling.filters:conservative_filter",
    "filter.gaussian": "afmend.leveling.filters:gaussian_filter",
    "filter.mean": "afmend.leveling.filters:mean_filter",
    "filter.median": "afmend.leveling.filters:median_filter",
    # masks and artifacts
    "mark.features": "afmend.artifacts.thresholds:features",
    "mark.jumps": "afmend.artifacts.jumps:jumps",
    "mark.learned": "afmend.artifacts.learned:learned",
    "mark.lines": "afmend.artifacts.lines:lines",
    "mark.outliers": "afmend.artifacts.thresholds:outliers",
    "mark.parachuting": "afmend.artifacts.parachuting:parachuting",
    "mark.saturated": "afmend.artifacts.saturated:saturated",
    "mark.scars": "afmend.artifacts.scars:scars",
    "mark.scars_gwyddion": "afmend.artifacts.peer_scars:scars_gwyddion",
    "mark.scars_topostats": "afmend.artifacts.peer_scars:scars_topostats",
    "mark.seed": "afmend.artifacts.seed_mask:seed_mask",
    "mark.spikes": "afmend.artifacts.spikes:spikes",
    "mark.threshold": "afmend.artifacts.thresholds:threshold",
    "mark.unfinished": "afmend.artifacts.unfinished:unfinished",
    "mask.area": "afmend.artifacts.reshape:area",
    "mask.clear": "afmend.artifacts.combine:clear",
    "mask.combine": "afmend.artifacts.combine:combine",
    "mask.draw": "afmend.artifacts.polygons:draw",
    "mask.erase": "afmend.artifacts.polygons:erase",
    "mask.expand_lines": "afmend.artifacts.reshape:expand_lines",
    "mask.fill_holes": "afmend.artifacts.reshape:fill_holes",
    "mask.given": "afmend.artifacts.given:given",
    "mask.grow": "afmend.artifacts.reshape:grow",
    "mask.remove_small": "afmend.artifacts.reshape:remove_small",
    "mask.shrink": "afmend.artifacts.reshape:shrink",
    "mask.stripes": "afmend.artifacts.stripes:stripes",
    # trace and retrace
    "fuse.denoised": "afmend.fusion.denoise:denoised",
    "fuse.trace_retrace": "afmend.fusion.steps:trace_retrace",
    "mark.both_fly": "afmend.fusion.steps:both_fly",
    # the tip
    "mark.untouched": "afmend.tip.steps:untouched",
    "tip.correct": "afmend.tip.steps:tip_correct",
    # repair
    "fill.auto": "afmend.filling.auto:auto",
    "fill.biharmonic": "afmend.filling.biharmonic:biharmonic",
    "fill.directional": "afmend.filling.lines:directional",
    "fill.kriging": "afmend.filling.kriging:kriging",
    "fill.laplace": "afmend.filling.laplace:laplace",
    "fill.linear": "afmend.filling.lines:linear",
    "fill.median": "afmend.filling.windows:median",
    "fill.navier_stokes": "afmend.filling.opencv:navier_stokes",
    "fill.seed": "afmend.filling.seed:seed",
    "fill.smooth": "afmend.filling.windows:smooth",
    "fill.telea": "afmend.filling.opencv:telea",
}
"""Step id -> "module:function"."""


@cache
def _claims() -> dict[str, tuple[EntryPoint, ...]]:
    """Return what installed packages offer: step id -> all entry points of that name."""
    found: dict[str, tuple[EntryPoint, ...]] = {}
    for entry in entry_points(group="afmend.steps"):
        found[entry.name] = (*found.get(entry.name, ()), entry)
    return found


def step_homes() -> dict[str, str]:
    """Return all known steps, built-in and third-party, as id -> "module:function". Nothing is imported."""
    return {name: entries[0].value for name, entries in _claims().items()} | BUILT_IN


def working_steps(family: str = "") -> tuple[list[Step[Any]], list[BadRecipeError]]:
    """Import all steps (of one family, as "level"); return those that work, by id, and what is wrong with others."""
    steps, problems = [], []
    for step_id in sorted(step_homes()):
        if not step_id.startswith(f"{family}." if family else ""):
            continue
        try:
            steps.append(find_step(step_id))
        except BadRecipeError as error:
            problems.append(error)
    return steps, problems


@cache
def find_step(step_id: str) -> Step[Any]:
    """Import and return a step.

    Raises
    ------
    BadRecipeError
        Naming the nearest known step, or the installed package that offers this one and is broken or claims an
        id that exists already.
    """
    homes = step_homes()
    if step_id not in homes:
        near = difflib.get_close_matches(step_id, homes, n=1)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        raise BadRecipeError(f"no step {step_id!r}", now=f"{hint}`afmend steps` lists them all.")
    entries = _claims().get(step_id, ())
    if len(entries) > (step_id not in BUILT_IN):
        raise BadRecipeError(
            f"the installed package {_package(entries[-1])} claims the step {step_id!r}, which exists already",
            now="Uninstall it, or ask its author for another name.",
        )
    if entries:
        return _load(entries[0])
    module, _, function = BUILT_IN[step_id].partition(":")
    found: Step[Any] = getattr(import_module(module), function).step
    return found


def _load(entry: EntryPoint) -> Step[Any]:
    """Return the step of an installed package."""
    try:
        found = entry.load().step
    except Exception as error:  # noqa: BLE001 (somebody else's code: anything may go wrong at its import)
        problem = f"{type(error).__name__}: {error}"
    else:
        if isinstance(found, Step) and found.id == entry.name:
            return found
        problem = f"{entry.value} is not a step of that id"
    raise BadRecipeError(
        f"the step {entry.name!r} of the installed package {_package(entry)} does not load ({problem})",
        now="Mend or uninstall that package.",
    )


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else entry.module
