"""Tiny images end in heights or in one error; the recipes of other programs."""

from importlib.resources import files

import numpy as np
import pytest

from afmend.catalogue import BUILT_IN, find_step
from afmend.errors import StepError
from afmend.pipeline import Field, Recipe
from afmend.recipes import load_recipe, repair
from support import rough, scan_of

METHODS = ("mean", "polynomial", "median_difference", "trimmed_mean_difference", "modus", "matching", "facet_tilt")
CASES = [
    *((step, {}) for step in sorted(BUILT_IN) if step.startswith(("level.", "filter."))),
    *(("level.rows", {"method": m, "convention": c}) for m in METHODS for c in ("afmend", "gwyddion")),
    ("level.plane", {"method": "robust"}),
]


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 3), (5, 12)])
@pytest.mark.parametrize("masked", ["nothing", "half", "all"])
@pytest.mark.parametrize(("step", "params"), CASES)
def test_tiny_images_end_in_heights_or_one_error(step, params, shape, masked):
    found = find_step(step)
    heights = np.random.default_rng(0).normal(0, 1, shape)
    mask = {"nothing": heights > 9, "half": heights > 0, "all": heights < 9}[masked]
    try:
        done = found.kernel(Field(heights, mask), found.params.parse(params)).heights
    except StepError as error:
        assert error.now or "single pixel" in str(error)  # noqa: PT017 (either outcome is right)
    else:
        assert done.shape == shape
        assert np.isfinite(done).all()


@pytest.mark.parametrize("name", ["experts", "gwyddion", "topostats"])
def test_recipes_of_others_name_steps_of_every_kind(name):
    recipe = Recipe.from_yaml((files("afmend.recipes") / f"{name}.yaml").read_text(encoding="utf-8"), name)
    assert recipe.name == name
    for use in recipe.steps:
        if use.step in BUILT_IN:
            find_step(use.step).params.parse(use.params, use.step)


def test_topostats_recipe_zeros_the_ground():
    y, x = np.mgrid[:40, :60]
    bump = (abs(x - 20) < 5) & (abs(y - 15) < 5)
    scan = scan_of(0.1 * x + 0.02 * rough((40, 60)) + 8 * bump)
    done = repair(scan, load_recipe("topostats")).channel()
    assert abs(done.values[~done.masks.foreground["features"]].mean()) < 0.2
    assert done.values[15, 20] == pytest.approx(8, abs=0.3)
