"""Recipes as YAML: what is refused."""

import pytest

from afmend.catalogue import working_steps
from afmend.errors import BadRecipeError
from afmend.pipeline import Params, Recipe

BOMB = "name: x\nsteps:\n- step: level.plane\n  params:\n    a0: &a0 [1, 1]\n" + "".join(
    f"    a{i + 1}: &a{i + 1} [{', '.join([f'*a{i}'] * 9)}]\n" for i in range(40)
)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (BOMB, "anchors and aliases"),
        ("name: &n x\nsteps: []", "line 1"),
        ("name: x\nname: y\nsteps: []", "'name' stands there twice"),
        ("name: x\nsteps: [{step: level.plane, params: {degree: 1, degree: 2}}]", "'degree' stands there twice"),
        ("name: x\nsteps: [{step: a, params: {? [1] : 2}}]", "unhashable"),
        ("name: 2024-13-45\nsteps: []", "not valid YAML"),
        ("name: !!int x\nsteps: []", "not valid YAML"),
        ("name: !!bool x\nsteps: []", "not valid YAML"),
        ("name: !!timestamp x\nsteps: []", "not valid YAML"),
        ("[" * 5000, "not valid YAML|nested too deeply"),
    ],
)
def test_hostile_yaml_is_one_clear_error(text, says):
    with pytest.raises(BadRecipeError, match=says):
        Recipe.from_yaml(text, "bad.yaml")


def test_the_same_key_in_two_steps_is_fine():
    recipe = Recipe.from_yaml("name: x\nsteps: [{step: a, params: {n: 1}}, {step: a, params: {n: [1, 1]}}]")
    assert [use.params["n"] for use in recipe.steps] == [1, [1, 1]]
    assert Recipe.from_yaml(recipe.to_yaml()) == recipe


def test_shared_values_are_written_without_aliases():
    shared = [1, 2]
    recipe = Recipe.from_mapping({"name": "x", "steps": [{"step": s, "params": {"p": shared}} for s in "ab"]})
    assert Recipe.from_yaml(recipe.to_yaml()) == recipe


class Pair(Params):
    """Not only plain values."""

    ends: tuple[float, float] = (0.0, 1.0)
    name: str | None = None


def test_parameters_become_what_pydantic_writes():
    steps, problems = working_steps()
    assert not problems
    defaults = [
        found.params() for found in steps if not any(f.is_required() for f in found.params.model_fields.values())
    ]
    assert len(defaults) > 20
    for params in (*defaults, Pair.parse({"ends": [1, 2.5]})):
        assert params.to_json() == params.model_dump(mode="json")
        assert type(params).parse(params.to_json()) == params
