"""The functions most users call."""

from __future__ import annotations

from typing import Any

from afmend.catalogue import find_step
from afmend.pipeline import Recipe, StepCache, run_recipe, run_step
from afmend.pipeline import replay as replay_history
from afmend.pipeline.run import Watch
from afmend.recipes.library import check_recipe, load_recipe
from afmend.scan import ChannelKey, Scan


def repair(
    scan: Scan,
    recipe: str | Recipe = "auto",
    channel: str | ChannelKey | None = None,
    *,
    watch: Watch | None = None,
    cache: StepCache | None = None,
) -> Scan:
    """Level one channel of a scan, mark its artifacts and fill them, as a recipe says.

    Parameters
    ----------
    scan : Scan
        Never changed.
    recipe : str or Recipe
        Name of a built-in recipe, path of a YAML file, or a `Recipe`.
    channel : str or ChannelKey, optional
        "height/trace", "phase", a vendor's channel name ...; the topography if not given.
    watch : callable, optional
        Called before each step with (index, count, step id).
    cache : StepCache, optional
        Keeps intermediate results between calls.

    Returns
    -------
    Scan
        The mended channel beside the untouched others, with masks, error bars and history.

    Raises
    ------
    MissingChannelError, BadRecipeError, BadParameterError, StepError
    """
    return run_recipe(scan, _recipe(recipe), find_step, channel=channel, watch=watch, cache=cache)


def mark(scan: Scan, recipe: str | Recipe = "auto", channel: str | ChannelKey | None = None) -> Scan:
    """Do as `repair`, but stop before the first fill: leveled, artifacts marked, nothing invented."""
    return run_recipe(scan, _until_first_fill(_recipe(recipe)), find_step, channel=channel)


def level(scan: Scan, method: str = "auto", channel: str | ChannelKey | None = None, **params: Any) -> Scan:
    """Level one channel with a single step: ``method`` is the part after "level." in `afmend steps`."""
    return apply_step(scan, f"level.{method}", channel, **params)


def apply_step(scan: Scan, step: str, channel: str | ChannelKey | None = None, **params: Any) -> Scan:
    """Apply one step of the catalogue by its id, with its parameters as keywords."""
    found = find_step(step)
    return run_step(scan, found, found.params.parse(params, step), channel)


def replay(result: Scan, raw: Scan) -> Scan:
    """Do again on ``raw`` what was done to ``result``; raise `ReplayError` naming the step that differs."""
    return replay_history(result, raw, find_step)


def _recipe(recipe: str | Recipe) -> Recipe:
    if isinstance(recipe, str):
        return load_recipe(recipe)
    check_recipe(recipe)
    return recipe


def _until_first_fill(recipe: Recipe) -> Recipe:
    kept = []
    for use in recipe.steps:
        if find_step(use.step).kind == "repair":
            break
        kept.append(use)
    return recipe.model_copy(update={"steps": tuple(kept)})
