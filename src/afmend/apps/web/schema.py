"""Steps, recipes and color maps as plain JSON: from it the page makes its sliders, its help and its pictures."""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any

from afmend import __version__
from afmend.catalogue import working_steps
from afmend.pictures.colormaps import MAPS, colormap
from afmend.pipeline import Recipe, Step
from afmend.recipes import built_in_recipes, load_recipe

Json = dict[str, Any]


@cache
def schema() -> Json:
    """Return everything that does not change while the server runs."""
    from afmend.formats import FORMATS

    steps, problems = working_steps()
    return {
        "version": __version__,
        "steps": [step_facts(one) for one in steps],
        "problems": [str(problem) for problem in problems],
        "recipes": [recipe_facts(load_recipe(name)) for name in built_in_recipes()],
        "maps": {name: colormap(name).tobytes().hex() for name in MAPS},
        "endings": sorted({ending for form in FORMATS for ending in form.extensions}),
        "writes": sorted(
            {ending.lstrip(".") for form in FORMATS if form.writable for ending in form.extensions} | {"csv"}
        ),
    }


def recipe_facts(recipe: Recipe) -> Json:
    """Return a recipe as plain JSON."""
    return {
        "name": recipe.name, "description": recipe.description,
        "steps": [{"step": use.step, "params": use.params} for use in recipe.steps],
    }  # fmt: skip


def step_facts(step: Step[Any]) -> Json:
    """Return a step as plain JSON."""
    properties = step.params.model_json_schema().get("properties", {})
    defaults = step.params().to_json()
    return {
        "id": step.id, "kind": step.kind, "version": step.version, "title": step.title,
        "help": inspect.getdoc(step.kernel) or step.title,
        "params": [_param(name, spec, defaults[name]) for name, spec in properties.items()],
    }  # fmt: skip


def _param(name: str, spec: Json, default: Any) -> Json:
    """Return one parameter: its kind of widget and everything the widget shows."""
    variants = [one for one in spec.get("anyOf", [spec]) if one.get("type") != "null"]
    main = variants[0]
    numbers = {"number", "integer"}
    kind = "json"
    if "enum" in main or "const" in main:
        kind = "choice"
    elif len(variants) == 1 and main.get("type") in {*numbers, "boolean", "string"}:
        kind = {"string": "text", "boolean": "switch"}.get(main["type"], main["type"])
    low, high = (main.get(inner, main.get(outer)) for inner, outer in
                 (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")))  # fmt: skip
    return {
        "name": name, "kind": kind, "default": default,
        "choices": main.get("enum", [main["const"]] if "const" in main else []),
        "low": low, "high": high, "low_open": "exclusiveMinimum" in main, "high_open": "exclusiveMaximum" in main,
        "optional": len(variants) < len(spec.get("anyOf", [spec])), "unit": spec.get("unit", ""),
        "step": spec.get("step"), "recommended": spec.get("recommended"), "advanced": spec.get("advanced", False),
        "help": spec.get("description", ""),
    }  # fmt: skip
