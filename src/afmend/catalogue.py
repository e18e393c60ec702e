"""Every built-in step, one line each; third parties add theirs by the entry point group ``afmend.steps``.

A step is imported only when it is asked for: listing the names costs nothing.
"""

from __future__ import annotations

import difflib
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from afmend.errors import BadRecipeError
from afmend.pipeline import Step

BUILT_IN: dict[str, str] = {
    # leveling
    "level.auto": "afmend.leveling.auto:level_auto",
    "level.shift": "afmend.leveling.shift:shift",
    # masks and artifacts
    # repair
}
"""Step id -> "module:function"."""


@cache
def step_homes() -> dict[str, str]:
    """Return all known steps, built-in and third-party, as id -> "module:function".

    Raises
    ------
    BadRecipeError
        If an installed package claims the id of another step.
    """
    homes = dict(BUILT_IN)
    for entry in entry_points(group="afmend.steps"):
        if entry.name in homes:
            raise BadRecipeError(
                f"the installed package of {entry.value} claims the step {entry.name!r}, which exists already",
                now="Uninstall it, or ask its author for another name.",
            )
        homes[entry.name] = entry.value
    return homes


@cache
def find_step(step_id: str) -> Step[Any]:
    """Import and return a step.

    Raises
    ------
    BadRecipeError
        Naming the nearest known step.
    """
    homes = step_homes()
    if step_id not in homes:
        near = difflib.get_close_matches(step_id, homes, n=1)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        raise BadRecipeError(f"no step {step_id!r}", now=f"{hint}`afmend steps` lists them all.")
    module, _, function = homes[step_id].partition(":")
    found: Step[Any] = getattr(import_module(module), function).step
    return found
