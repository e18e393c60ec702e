import numpy as np
import pytest

from afmend.catalogue import find_step
from afmend.errors import BadParameterError, BadRecipeError, ReplayError
from afmend.pipeline import Recipe, StepCache, replay, run_recipe
from afmend.scan import Channel, Grid, Masks, Scan
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


def test_the_cache_keeps_channels_and_grids_apart():
    z = rough((30, 41)) + np.linspace(0, 5, 41)
    recipe = Recipe.from_yaml("name: r\nsteps: [{step: level.facet}]")
    cache = StepCache()
    twins = [Channel(kind, "trace", z, "nm") for kind in ("height", "height_sensor")]
    scan = Scan.of(Grid(30, 41, 2.0, 3.0), twins)
    one = run_recipe(scan, recipe, find_step, channel="height", cache=cache)
    two = run_recipe(one, recipe, find_step, channel="height_sensor", cache=cache)
    assert two.channel("height_sensor") != twins[1]
    assert len(cache) == 2
    finer = Scan.of(Grid(30, 41, 0.2, 0.3), twins)
    assert run_recipe(finer, recipe, find_step, cache=cache) == run_recipe(finer, recipe, find_step)


def test_what_the_other_direction_lost_does_not_steer():
    rng = np.random.default_rng(2)
    z = rough((60, 80), sq_nm=2.0)
    z[20:40, 20:40] += 25
    lost = np.zeros(z.shape, bool)
    lost[15:45] = True
    marks = []
    for placeholder in (0.0, -500.0):
        other = np.where(lost, placeholder, z + rng.normal(0, 0.01, z.shape))
        channels = [Channel("height", "trace", z, "nm"),
                    Channel("height", "retrace", other, "nm", masks=Masks(missing=lost))]  # fmt: skip
        scan = Scan.of(Grid(60, 80), channels)
        recipe = Recipe.from_yaml("name: r\nsteps: [{step: mark.scars}, {step: mark.spikes}, {step: mark.parachuting}]")
        marks.append(run_recipe(scan, recipe, find_step).channel().artifact)
    assert np.array_equal(*marks)
