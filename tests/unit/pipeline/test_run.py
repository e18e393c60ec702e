import numpy as np
import pytest

from afmend.catalogue import find_step
from afmend.errors import BadParameterError, BadRecipeError, ReplayError
from afmend.pipeline import Recipe, StepCache, replay, run_recipe
from support import assert_heights_close, rough, scan_of


def test_recipe_runs_records_and_replays():
    scan = scan_of(rough() + 5)
    recipe = Recipe.from_yaml(
        "name: r\nsteps:\n- step: level.shift\n  params: {reference: median}\n- step: level.shift\n"
    )
    cache = StepCache()
    done = run_recipe(scan, recipe, find_step, cache=cache)
    assert len(done.history) == 2
    assert_heights_close(done.channel().values.mean(keepdims=True), np.zeros((1, 1)), atol_nm=1e-12)
    assert replay(done, scan, find_step).channel() == done.channel()
    assert run_recipe(scan, recipe, find_step, cache=cache) == done
    assert len(cache) == 2
    assert Recipe.from_yaml(recipe.to_yaml()) == recipe
    with pytest.raises(ReplayError, match=r"step 1 \(level\.shift\)"):
        replay(done, scan_of(rough(seed=1)), find_step)


def test_bad_recipes_are_named():
    with pytest.raises(BadRecipeError, match=r"Did you mean 'level\.shift'"):
        find_step("level.shfit")
    with pytest.raises(BadParameterError, match="reference"):
        find_step("level.shift").params.parse({"reference": "mode"})
