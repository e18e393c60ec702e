"""``afmend steps`` and ``afmend recipe list``."""

from __future__ import annotations

import inspect
from typing import Any

from afmend.apps.cli import say
from afmend.catalogue import find_step, step_homes
from afmend.pipeline import Step
from afmend.recipes import built_in_recipes, load_recipe


def show_steps(*, as_json: bool) -> None:
    """List every step of the catalogue."""
    from rich.table import Table

    table = Table("step", "kind", "what it does")
    for step_id in sorted(step_homes()):
        step = find_step(step_id)
        if as_json:
            say.emit(_facts(step))
        table.add_row(step.id, step.kind, step.title)
    if not as_json:
        say.out().print(table)


def show_step(step_id: str, *, as_json: bool) -> None:
    """Show the parameters of one step, and when not to use it."""
    from rich.table import Table

    step = find_step(step_id)
    if as_json:
        say.emit(_facts(step))
        return
    console = say.out()
    console.print(f"{step.id} (version {step.version}, {step.kind})", style="bold", markup=False)
    console.print(inspect.getdoc(step.kernel) or step.title, markup=False)
    table = Table("parameter", "default", "unit", "range", "usually", "what it does")
    for knob in _facts(step)["parameters"]:
        cells = (knob["name"], knob["default"], knob["unit"], knob["range"], knob["recommended"], knob["help"])
        table.add_row(*("" if cell is None else str(cell) for cell in cells))
    console.print(table)


def _facts(step: Step[Any]) -> dict[str, Any]:
    return {
        "step": step.id,
        "version": step.version,
        "kind": step.kind,
        "title": step.title,
        "parameters": knobs(step),
    }


def knobs(step: Step[Any]) -> list[dict[str, Any]]:
    """Return the parameters of a step as plain facts, for help, docs and pages."""
    schema = step.params.model_json_schema()
    found = []
    for name, spec in schema.get("properties", {}).items():
        low = spec.get("minimum", spec.get("exclusiveMinimum"))
        high = spec.get("maximum", spec.get("exclusiveMaximum"))
        limits = (
            None if low is None and high is None else f"{'' if low is None else low} .. {'' if high is None else high}"
        )
        found.append(
            {
                "name": name,
                "default": spec.get("default"),
                "unit": spec.get("unit", ""),
                "range": limits or " | ".join(map(str, spec.get("enum", []))) or None,
                "recommended": spec.get("recommended"),
                "advanced": spec.get("advanced", False),
                "help": spec.get("description", ""),
            }
        )
    return found


def show_recipes() -> None:
    """List the built-in recipes with their descriptions."""
    from rich.table import Table

    table = Table("recipe", "steps", "what it is")
    for name in built_in_recipes():
        recipe = load_recipe(name)
        table.add_row(name, str(len(recipe.steps)), recipe.description)
    say.out().print(table)
