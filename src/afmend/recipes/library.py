"""Finding and checking recipes."""

from __future__ import annotations

import difflib
from importlib.resources import files
from pathlib import Path

from afmend.catalogue import find_step
from afmend.errors import BadRecipeError
from afmend.pipeline import Recipe


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
    text = str(name)
    if text in built_in_recipes():
        recipe = Recipe.from_yaml((files("afmend.recipes") / f"{text}.yaml").read_text(encoding="utf-8"), text)
    elif text.endswith((".yaml", ".yml")) or Path(text).is_file():
        recipe = Recipe.from_file(Path(text))
    else:
        near = difflib.get_close_matches(text, built_in_recipes(), n=1)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        known = ", ".join(built_in_recipes())
        raise BadRecipeError(f"no recipe {text!r}", now=f"{hint}There are: {known}, or give a .yaml file.")
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
