"""Built-in recipes (YAML files beside this module) and the one-call functions: repair, level, mark, replay.

Belongs here: choosing a recipe and running it with the catalogue. Does not belong here: kernels, files, pages.
"""

from afmend.recipes.library import built_in_recipes, check_recipe, load_recipe, without_error_bars
from afmend.recipes.mend import apply_step, level, mark, repair, replay

__all__ = [
    "apply_step",
    "built_in_recipes",
    "check_recipe",
    "level",
    "load_recipe",
    "mark",
    "repair",
    "replay",
    "without_error_bars",
]
