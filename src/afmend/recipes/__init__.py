"""Built-in recipes (YAML files beside this module) and the one-call functions: repair, level, mark, replay.

Belongs here: choosing a recipe and running it with the catalogue. Does not belong here: kernels, files, pages.
"""

from afmend.recipes.library import built_in_recipes, check_recipe, load_recipe, without_error_bars
from afmend.recipes.mend import apply_step, level, mark, repair, replay
from afmend.recipes.movies import align_frames, is_movie

__all__ = [
    "align_frames",
    "apply_step",
    "built_in_recipes",
    "check_recipe",
    "is_movie",
    "level",
    "load_recipe",
    "mark",
    "repair",
    "replay",
    "without_error_bars",
]
