"""The functions most users call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from afmend.catalogue import find_step
from afmend.errors import ReplayError
from afmend.pipeline import Recipe, StepCache, run_recipe, run_step
from afmend.pipeline import replay as replay_history
from afmend.pipeline.run import Watch
from afmend.recipes.library import check_recipe, shared_recipe, without_error_bars
from afmend.scan import Channel, ChannelKey, Scan
from afmend.scan.arrays import digest

_WRONG_FILE = "Is this the raw file that the result was made from?"


def repair(
    scan: Scan,
    recipe: str | Path | Recipe = "auto",
    channel: str | ChannelKey | None = None,
    *,
    error_bars: bool = True,
    watch: Watch | None = None,
    cache: StepCache | None = None,
) -> Scan:
    """Level one channel of a scan, mark its artifacts and fill them, as a recipe says.

    Parameters
    ----------
    scan : Scan
        Never changed.
    recipe : str, Path or Recipe
        Name of a built-in recipe, path of a YAML file, or a `Recipe`.
    channel : str or ChannelKey, optional
        "height/trace", "phase", a vendor's channel name ...; the topography if not given.
    error_bars : bool
        False: leave them out where a step can, which is faster (see `without_error_bars`).
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
    chosen = _recipe(recipe) if error_bars else without_error_bars(_recipe(recipe))
    return run_recipe(scan, chosen, find_step, channel=channel, watch=watch, cache=cache)


def mark(scan: Scan, recipe: str | Path | Recipe = "auto", channel: str | ChannelKey | None = None) -> Scan:
    """Do as `repair`, but stop before the first fill: leveled, artifacts marked, nothing invented."""
    return run_recipe(scan, _until_first_fill(_recipe(recipe)), find_step, channel=channel)


def level(scan: Scan, method: str = "auto", channel: str | ChannelKey | None = None, /, **params: Any) -> Scan:
    """Level one channel with a single step: ``method`` is the part after "level." in `afmend steps`.

    Every keyword is a parameter of the step: ``level(scan, "rows", method="median")``.
    """
    return apply_step(scan, f"level.{method}", channel, **params)


def apply_step(scan: Scan, step: str, channel: str | ChannelKey | None = None, /, **params: Any) -> Scan:
    """Apply one step of the catalogue by its id; every keyword is a parameter of the step."""
    found = find_step(step)
    return run_step(scan, found, found.params.parse(params, step), channel)


def replay(result: Scan, raw: Scan) -> Scan:
    """Do again on ``raw`` what was done to ``result``, and compare grid and channels bit for bit.

    Returns
    -------
    Scan
        What came out: its grid is that of ``result``, and so is every channel that ``result`` has.

    Raises
    ------
    ReplayError
        Naming the step, the channel or the part that differs; or if ``result`` has no history.
    """
    if not result.history:
        raise ReplayError("the result has no history", now="Only results written as .h5 can be replayed.")
    if result.grid != raw.grid:
        raise ReplayError(f"the grid differs ({result.grid} and {raw.grid})", now=_WRONG_FILE)
    for key in (*(record.channel for record in result.history), *result.channels):
        if key not in raw.channels:
            raise ReplayError(f"the raw file has no channel {key}", now=_WRONG_FILE)
    again = replay_history(result, raw, find_step)
    for key, channel in result.channels.items():
        if again.channels[key] != channel:
            raise ReplayError(
                f"the {_difference(channel, again.channels[key])} of channel {key} differ from the replay",
                now="The result was changed after it was made, or its format rounds: replay the .h5 file.",
            )
    return again


def _difference(mine: Channel, other: Channel) -> str:
    parts = {
        "values": digest(mine.values) == digest(other.values),
        "masks": mine.masks == other.masks,
        "error bars": digest(mine.uncertainty) == digest(other.uncertainty),
        "name or unit": (mine.name, mine.unit, mine.calibrated) == (other.name, other.unit, other.calibrated),
    }
    return ", ".join(part for part, same in parts.items() if not same)


def _recipe(recipe: str | Path | Recipe) -> Recipe:
    if isinstance(recipe, str | Path):
        return shared_recipe(recipe)
    check_recipe(recipe)
    return recipe


def _until_first_fill(recipe: Recipe) -> Recipe:
    kept = []
    for use in recipe.steps:
        if find_step(use.step).kind == "repair":
            break
        kept.append(use)
    return recipe.model_copy(update={"steps": tuple(kept)})
