"""The contract of a step, recipes, and running them. No science here.

Belongs here: Params, Knob, the kinds of kernel, Recipe, the runner, replay, the cache per step.
Does not belong here: any algorithm on heights, any file format, the list of built-in steps (catalogue).
"""

from afmend.pipeline.params import Knob, Params
from afmend.pipeline.recipe import Recipe, StepUse
from afmend.pipeline.run import Lookup, StepCache, replay, run_recipe, run_step
from afmend.pipeline.step import Field, Filled, Found, FoundKinds, Leveled, Step, step

__all__ = [
    "Field",
    "Filled",
    "Found",
    "FoundKinds",
    "Knob",
    "Leveled",
    "Lookup",
    "Params",
    "Recipe",
    "Step",
    "StepCache",
    "StepUse",
    "replay",
    "run_recipe",
    "run_step",
    "step",
]
