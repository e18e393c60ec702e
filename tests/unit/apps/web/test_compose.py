import numpy as np
import pytest
from pydantic import ValidationError

from afmend.apps.web.compose import Stroke, Wish, first_fill, last_marking, raw_marking, with_drawings
from afmend.apps.web.words import words
from afmend.errors import BadRecipeError
from afmend.pipeline import Recipe
from afmend.recipes import load_recipe, mark, repair
from support import scan_of
from web_server import damaged

BOX = ((10.0, 5.0), (20.0, 5.0), (20.0, 9.0), (10.0, 9.0))


def stroke(layer, shift=0.0):
    return Stroke(layer=layer, polygons=(tuple((x + shift, y) for x, y in BOX),))


def ids(recipe):
    return [use.step for use in recipe.steps]


def test_without_drawings_the_recipe_stays():
    recipe = load_recipe("auto")
    assert with_drawings(recipe, []) == recipe


def test_exclusions_and_additions_come_first_erasures_after_the_last_mark():
    recipe = load_recipe("auto")
    made = with_drawings(recipe, [stroke("exclude"), stroke("add"), stroke("erase")])
    assert ids(made)[:2] == ["mask.draw", "mask.draw"]
    assert ids(made)[2:7] == ids(recipe)[:5]
    assert ids(made)[7:] == ["mask.erase", "level.auto", "fill.auto"]
    assert made.steps[0].params["role"] == "foreground"
    assert made.steps[1].params["role"] == "artifact"


def masks_after(strokes, recipe="auto"):
    made = with_drawings(load_recipe(recipe), strokes)
    return mark(scan_of(damaged()), made).main


def test_order_of_strokes_counts():
    box = np.zeros((96, 128), bool)
    box[5:9, 10:20] = True
    assert not masks_after([stroke("add"), stroke("erase")]).artifact[box].any()
    assert masks_after([stroke("add"), stroke("erase"), stroke("add")]).artifact[box].all()
    assert masks_after([stroke("erase"), stroke("add")]).artifact[box].all()


def test_exclusions_can_be_taken_back():
    drawn = masks_after([stroke("exclude"), stroke("include", 5.0)]).masks.foreground["drawn"]
    assert drawn[6, 10:15].all()
    assert not drawn[6, 15:].any()


def test_erasing_keeps_what_a_detector_marks_elsewhere():
    before = masks_after([])
    whole = Stroke(layer="erase", polygons=(((0.0, 28.0), (128.0, 28.0), (128.0, 33.0), (0.0, 33.0)),))
    after = masks_after([whole])
    assert before.artifact[30, 50:90].any()
    assert not after.artifact[28:33].any()
    assert after.artifact[61:63].any()


@pytest.mark.parametrize(
    ("name", "raw", "marking", "filling"),
    [("auto", 5, 5, 6), ("seed", 1, 5, 5), ("gwyddion", 3, 3, 3), ("topostats", 0, 0, 4), ("experts", 6, 6, 8)],
)
def test_where_the_panels_are_taken(name, raw, marking, filling):
    steps = load_recipe(name).steps
    assert (raw_marking(steps), last_marking(steps)) == (raw, marking)
    assert first_fill(steps) in (filling, len(steps))


def test_wish_becomes_a_recipe_that_runs():
    wish = Wish(ref="root/a", steps=load_recipe("gwyddion").steps, strokes=(stroke("exclude"),), name="own")
    assert wish.recipe().name == "own"
    done = repair(scan_of(damaged()), wish.recipe())
    assert len(done.history) == 6


@pytest.mark.parametrize("more", [{"steps": []}, {"steps": [{"step": "no.such"}]}])
def test_senseless_recipes_are_refused(more):
    with pytest.raises(BadRecipeError):
        Wish(ref="root/a", **more).recipe()


@pytest.mark.parametrize("more", [{"frame": -1}, {"strokes": [{"layer": "other", "polygons": []}]}, {"more": 1}])
def test_senseless_wishes_are_refused(more):
    with pytest.raises(ValidationError):
        Wish.model_validate({"ref": "root/a", "steps": [], **more})


def test_words_of_a_built_in_recipe():
    found = words(Wish(ref="root/a", steps=load_recipe("auto").steps), "it's a scan.spm", "height/trace", 1)
    command = "afmend repair 'it'\"'\"'s a scan.spm' --out mended --channel height/trace --recipe auto\n"
    assert found["command"] == command
    assert "afmend.repair(scan, 'auto', 'height/trace')" in found["python"]


def test_words_of_an_own_recipe_run(tmp_path, monkeypatch):
    import afmend

    scan = scan_of(damaged())
    afmend.write(scan, tmp_path / "raw.h5")
    monkeypatch.chdir(tmp_path)
    wish = Wish(ref="root/a", frame=0, steps=load_recipe("gwyddion").steps, strokes=(stroke("exclude"),), name='a"""b')
    found = words(wish, "raw.h5", "height", 2)
    assert Recipe.from_yaml(found["yaml"]).steps == wish.recipe().steps
    exec(found["python"], {})  # noqa: S102 (what the page tells people to run must run)
    assert afmend.read("mended.h5").main == repair(scan, wish.recipe()).main
