"""Finding and checking recipes."""

from __future__ import annotations

import difflib
from functools import cache
from importlib.resources import files
from pathlib import Path

from afmend.catalogue import find_step
from afmend.errors import BadRecipeError
from afmend.pipeline import Recipe

ERROR_BARS = "error_bars"
"""Name of the parameter of steps that can do without."""


@cache
def built_in_recipes() -> tuple[str, ...]:
    """Names of the recipes that come with afmend."""
    here = files("afmend.recipes")
    return tuple(sorted(entry.name[:-5] for entry in here.iterdir() if entry.name.endswith(".yaml")))


def load_recipe(name: str | Path) -> Recipe:
    """Load a built-in recipe by name, or a user's recipe from a YAML file, and check it.

    Raises
    ------
    BadRecipeError, BadParameterError
        If there is no such recipe, or it does not make sense.
    """
    recipe = shared_recipe(name)
    return recipe.model_copy(deep=True) if str(name) in built_in_recipes() else recipe


def shared_recipe(name: str | Path) -> Recipe:
    """Do as `load_recipe`, but do not copy what is built in: for those who only look at it."""
    text = str(name)
    if text in built_in_recipes():
        return _built_in(text)
    if text.endswith((".yaml", ".yml")) or Path(text).is_file():
        recipe = Recipe.from_file(Path(text))
    else:
        near = difflib.get_close_matches(text, built_in_recipes(), n=1)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        known = ", ".join(built_in_recipes())
        raise BadRecipeError(f"no recipe {text!r}", now=f"{hint}There are: {known}, or give a .yaml file.")
    check_recipe(recipe)
    return recipe


@cache
def _built_in(name: str) -> Recipe:
    recipe = Recipe.from_yaml((files("afmend.recipes") / f"{name}.yaml").read_text(encoding="utf-8"), name)
    check_recipe(recipe)
    return recipe


def check_recipe(recipe: Recipe) -> None:
    """Raise `BadRecipeError` or `BadParameterError` unless every step and parameter of a recipe exists."""
    if not recipe.steps:
        raise BadRecipeError("holds no steps", where=recipe.name, now="Add at least one step.")
    for number, use in enumerate(recipe.steps, start=1):
        where = f"{recipe.name}, step {number} ({use.step})"
        try:
            found = find_step(use.step)
        except BadRecipeError as error:
            raise error.at(where) from error
        found.params.parse(use.params, where)


def without_error_bars(recipe: Recipe) -> Recipe:
    """Return a recipe whose steps with a parameter ``error_bars`` have it off: faster, no error bar on filled pixels.

    Raises
    ------
    BadRecipeError
        If no step has that parameter.
    """
    chosen = [ERROR_BARS in find_step(use.step).params.model_fields for use in recipe.steps]
    if not any(chosen):
        raise BadRecipeError("no step has error bars to leave out", where=recipe.name,
                             now="Run it as it is: none of its steps would be faster.")  # fmt: skip
    steps = (
        use.model_copy(update={"params": {**use.params, ERROR_BARS: False}}) if has else use
        for has, use in zip(chosen, recipe.steps, strict=True)
    )
    return recipe.model_copy(update={"steps": tuple(steps)})
