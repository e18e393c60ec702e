"""From what the page holds (steps, some switched off; drawings) to one recipe that the command line runs as well."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from afmend.catalogue import find_step
from afmend.pipeline import Recipe, StepUse
from afmend.recipes import check_recipe

MOST_STEPS = 100
"""Of a recipe, for the page."""


class Stroke(BaseModel):
    """One thing drawn: on which layer, and its areas in pixels (x, y)."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    layer: str = Field(pattern="^(exclude|add|erase|include)$")
    polygons: tuple[tuple[tuple[float, float], ...], ...]


class Wish(BaseModel):
    """What the page wants done to one image."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    ref: str = Field(max_length=5000)
    frame: int = Field(0, ge=0, le=100_000)
    channel: str | None = None
    name: str = Field("mine", max_length=100)
    steps: tuple[StepUse, ...] = Field(max_length=MOST_STEPS)
    strokes: tuple[Stroke, ...] = Field((), max_length=5000)

    def recipe(self) -> Recipe:
        """Return the whole recipe, drawings included.

        Raises
        ------
        BadRecipeError, BadParameterError
        """
        return with_drawings(Recipe(name=self.name, steps=self.steps), self.strokes)


def with_drawings(recipe: Recipe, strokes: Sequence[Stroke]) -> Recipe:
    """Put what was drawn into a recipe.

    Exclusions and added artifacts come first, so that every step knows them. What is erased comes after the last step
    before the first fill that marks or reshapes; from there on the strokes are replayed in the order in which they
    were drawn, so that a stroke over an erased place counts again.

    Raises
    ------
    BadRecipeError, BadParameterError
        If the recipe itself does not make sense.
    """
    check_recipe(recipe)
    first = _replayed(strokes, ("exclude", "include"), "foreground", from_first="")
    adds = [area for stroke in strokes if stroke.layer == "add" for area in stroke.polygons]
    first += [_draw(adds, "artifact")] if adds else []
    last = _replayed(strokes, ("add", "erase"), "artifact", from_first="erase")
    place = last_marking(recipe.steps) if last else 0
    steps = (*first, *recipe.steps[:place], *last, *recipe.steps[place:])
    return recipe.model_copy(update={"steps": steps})


def first_fill(steps: Sequence[StepUse]) -> int:
    """Return how many steps come before the first fill."""
    return next((i for i, use in enumerate(steps) if find_step(use.step).kind == "repair"), len(steps))


def last_marking(steps: Sequence[StepUse]) -> int:
    """Return how many steps it takes until all masks of the first fill are there."""
    before = steps[: first_fill(steps)]
    return max((i + 1 for i, use in enumerate(before) if find_step(use.step).kind in ("detect", "reshape")), default=0)


def raw_marking(steps: Sequence[StepUse]) -> int:
    """Return how many steps it takes until detectors are done and no mask was grown, joined or cut yet."""
    end = last_marking(steps)
    seen, done = False, 0
    for i, use in enumerate(steps[:end]):
        kind = find_step(use.step).kind
        if kind == "reshape" and seen and not use.step.startswith("mask.draw"):
            break
        seen |= kind == "detect"
        done = i + 1
    return done


def _replayed(strokes: Sequence[Stroke], layers: tuple[str, str], role: str, from_first: str) -> list[StepUse]:
    """Return draw and erase steps for strokes of two layers in their order, neighbors of one layer together."""
    mine = [stroke for stroke in strokes if stroke.layer in layers]
    start = next((i for i, stroke in enumerate(mine) if stroke.layer == from_first), len(mine)) if from_first else 0
    groups: list[tuple[str, list[Any]]] = []
    for stroke in mine[start:]:
        if not groups or groups[-1][0] != stroke.layer:
            groups.append((stroke.layer, []))
        groups[-1][1].extend(stroke.polygons)
    return [_draw(areas, role) if layer in ("exclude", "add") else _erase(areas, role) for layer, areas in groups]


def _draw(areas: Sequence[Any], role: str) -> StepUse:
    return StepUse(step="mask.draw", params={"polygons": _plain(areas), "role": role})


def _erase(areas: Sequence[Any], role: str) -> StepUse:
    name = {"name": "drawn"} if role == "foreground" else {}
    return StepUse(step="mask.erase", params={"polygons": _plain(areas), "role": role, **name})


def _plain(areas: Sequence[Any]) -> list[list[list[float]]]:
    return [[[round(float(x), 3), round(float(y), 3)] for x, y in area] for area in areas]
