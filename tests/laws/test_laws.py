"""The laws of the house, over the whole catalogue (numbers as in the design). Law 6 lives with the formats; law 8, of
simulation and inference, has no subject yet."""

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from afmend.catalogue import find_step, step_homes
from afmend.errors import AfmendError
from afmend.pipeline import Recipe, StepUse, run_step
from afmend.recipes import built_in_recipes, check_recipe, load_recipe, repair, replay
from afmend.scan import Masks
from afmend.tip import dilate, erode
from laws.strategies import damaged_scans, params_of
from support import assert_heights_close, rough, scan_of

QUICK = settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
STEPS = sorted(step_homes())
LEVEL = [s for s in STEPS if s.startswith("level.")]
FILL = [s for s in STEPS if s.startswith("fill.")]


def attempt(scan, step_id, params):
    """Run a step; a refusal in afmend's own words is an answer too, but proves no law."""
    try:
        return run_step(scan, find_step(step_id), params)
    except AfmendError:
        assume(False)


@pytest.mark.parametrize("step_id", STEPS)
@given(data=st.data())
@QUICK
def test_law_1_inputs_are_never_changed(step_id, data):
    scan = data.draw(damaged_scans())
    before = scan.channel().values.copy()
    digest = scan.channel().digest()
    done = attempt(scan, step_id, data.draw(params_of(find_step(step_id))))
    assert_heights_close(scan.channel().values, before, atol_nm=0.0)
    assert scan.channel().digest() == digest
    assert done.grid == scan.grid
    assert done.channel().shape == scan.channel().shape
    assert len(done.history) == len(scan.history) + 1
    assert replay(done, scan).channel() == done.channel()


@pytest.mark.parametrize("step_id", LEVEL)
@given(data=st.data())
@QUICK
def test_law_2_masked_pixels_cannot_steer(step_id, data):
    shape = (30, 41)
    z = rough(shape, data.draw(st.integers(0, 99))) + np.linspace(0, 9, shape[1])
    rng = np.random.default_rng(3)
    roles = data.draw(st.sampled_from(["missing", "artifact", "foreground"]))
    mask = np.zeros(shape, bool)
    mask[4:9, 6:17] = True
    mask[20] = True
    masks = Masks().with_mask(roles, "drawn", mask)
    wild = np.where(mask, rng.normal(0, 1e4, shape), z)
    params = data.draw(params_of(find_step(step_id)))
    # Asked to ignore the mask, or to repeat another program's digits with its faults, a step may be steered.
    assume(getattr(params, "use_mask", True) and getattr(params, "convention", "afmend") == "afmend")
    calm_done = attempt(scan_of(z, masks=masks), step_id, params)
    wild_done = attempt(scan_of(wild, masks=masks), step_id, params)
    assert_heights_close(calm_done.channel().values[~mask], wild_done.channel().values[~mask], atol_nm=1e-7)


@pytest.mark.parametrize("step_id", FILL)
@given(data=st.data())
@QUICK
def test_law_4_repair_touches_nothing_else(step_id, data):
    scan = data.draw(damaged_scans())
    holes = scan.channel().holes
    done = attempt(scan, step_id, data.draw(params_of(find_step(step_id)))).channel()
    assert np.array_equal(done.values[~holes], scan.channel().values[~holes])
    assert not (done.invented & ~holes).any()
    changed = done.values != scan.channel().values
    assert not (changed & ~done.invented).any(), "a changed pixel is not marked as invented"


@given(
    z=st.integers(0, 999).map(lambda seed: rough((37, 43), seed)),
    size=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    seed=st.integers(0, 99),
)
@QUICK
def test_law_5_morphology(z, size, seed):
    tip = np.random.default_rng(seed).uniform(0, 3, size)
    tip[size[0] // 2, size[1] // 2] = 3.0  # the apex under the scanned pixel: no window falls off the edge unseen
    closed = erode(dilate(z, tip), tip)
    inner = (slice(size[0], -size[0]), slice(size[1], -size[1]))  # beyond the edge nobody knows the surface
    assert (closed[inner] >= z[inner] - 1e-12).all()
    twice = (slice(3 * size[0], -3 * size[0]), slice(3 * size[1], -3 * size[1]))
    assert_heights_close(erode(dilate(closed, tip), tip)[twice], closed[twice], atol_nm=1e-12)


@pytest.mark.parametrize("step_id", STEPS)
@given(data=st.data())
@QUICK
def test_law_7_params_travel_through_yaml(step_id, data):
    params = data.draw(params_of(find_step(step_id)))
    recipe = Recipe(name="r", steps=(StepUse(step=step_id, params=params.to_json()),))
    again = Recipe.from_yaml(recipe.to_yaml())
    check_recipe(again)
    assert find_step(step_id).params.parse(again.steps[0].params) == params
    assert find_step(step_id).params.parse(json.loads(json.dumps(params.to_json()))) == params


@pytest.mark.parametrize("name", built_in_recipes())
def test_every_recipe_runs_and_replays(name):
    z = rough((48, 70), 5) + np.linspace(0, 30, 70)
    z[20, 10:40] += 9
    scan = scan_of(z, opposite=rough((48, 70), 5) + np.linspace(0, 30, 70))
    done = repair(scan, name)
    assert replay(done, scan).channel() == done.channel()
    assert Recipe.from_yaml(load_recipe(name).to_yaml()) == load_recipe(name)


@pytest.mark.parametrize("seed", range(4))
def test_law_9_no_harm_on_a_clean_scan(seed):
    """A clean, tilted scan comes back as its surface: nearly nothing is marked, and the error is far below Sq."""
    z = rough((96, 128), seed, sq_nm=2.0, smooth_px=3.0)
    noisy = z + np.linspace(0, 40, 128) + np.random.default_rng(seed).normal(0, 0.05, z.shape)
    done = repair(scan_of(noisy)).channel()
    assert done.invented.mean() <= 0.002
    y, x = np.mgrid[:96, :128] / 100.0
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], -1).reshape(-1, 6)
    difference = (done.values - z).ravel()
    rest = difference - terms @ np.linalg.lstsq(terms, difference, rcond=None)[0]
    assert np.sqrt(np.mean(rest**2)) <= 0.25 * 2.0
