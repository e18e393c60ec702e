import numpy as np
import pytest

from afmend.apps.web import measures
from afmend.apps.web.compose import Wish
from afmend.apps.web.engine import Engine, StoppedError, warm_up
from afmend.apps.web.reading import Library, Reader
from afmend.apps.web.roots import Roots
from afmend.apps.web.schema import schema
from afmend.apps.web.serve import host_names
from afmend.errors import StepError
from afmend.formats import write
from afmend.recipes import load_recipe, repair
from support import scan_of
from web_server import damaged


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scans")
    write(scan_of(damaged()), folder / "a.h5")
    reader = Reader()
    yield Engine(Roots({"root": folder}), Library(reader))
    reader.close()


def wish(name="gwyddion", **more):
    return Wish(ref="root/a.h5", steps=load_recipe(name).steps, **more)


def test_stages_are_those_of_the_recipe(engine):
    told = []
    steps = []
    done = engine.mend(wish(), lambda stage, _: told.append(stage), lambda *step: steps.append(step))
    assert told == ["original", "marked", "leveled", "mended"]
    assert steps[0] == (0, 5, "level.plane")
    assert steps[-1][0] == 4
    assert done.channel("mended") == repair(scan_of(damaged()), "gwyddion").main
    assert done.channel("original") == scan_of(damaged()).main
    assert not done.channel("leveled").invented.any()
    again = engine.mend(wish())
    assert again.ms == {}
    late = Wish(ref="root/a.h5", steps=[*load_recipe("gwyddion").steps[:-1]])
    assert engine.mend(late).ms == {}


def test_it_stops_between_steps(engine):
    asked = []

    def stop():
        asked.append(1)
        return len(asked) > 2

    with pytest.raises(StoppedError):
        engine.mend(wish("auto"), stop=stop)
    assert len(asked) == 3


def test_numbers(engine):
    done = engine.mend(wish())
    rows = measures.roughness_rows(done)
    assert [row["state"] for row in rows[:3]] == ["as read, tilt included", "plane removed", "leveled"]
    assert rows[1]["Sq"] < rows[0]["Sq"]
    assert rows[4]["pixels"] < rows[3]["pixels"]
    steps = measures.history(done)
    assert [one["step"] for one in steps] == [use.step for use in done.recipe.steps]
    hole = ((40.0, 30.0), (100.0, 30.0), (100.0, 31.0), (40.0, 31.0))
    ground = ((0.0, 0.0), (10.0, 0.0), (10.0, 10.0), (0.0, 10.0))
    found = measures.step_height(done, ground, hole, invented=True)
    assert found["second"]["pixels"] == 60
    filled = done.channel("mended").invented
    row, col = (int(v[0]) for v in np.nonzero(filled))
    pixel = ((col, row), (col + 1.0, row), (col + 1.0, row + 1.0), (float(col), row + 1.0))
    with pytest.raises(StepError, match="second area"):
        measures.step_height(done, ground, pixel, invented=False)


def test_warming_up_compiles_what_the_default_needs(capsys):
    warm_up()
    assert capsys.readouterr().err == ""


def test_schema_says_all_that_widgets_need():
    facts = schema()
    ids = [step["id"] for step in facts["steps"]]
    assert {"level.auto", "mask.erase", "fill.seed"} <= set(ids)
    assert {"auto", "learned", "seed"} <= {recipe["name"] for recipe in facts["recipes"]}
    names = {param["name"] for step in facts["steps"] for param in step["params"]}
    assert {"thr", "win", "lam", "min_pix", "max_pix", "ar", "k", "region", "grad", "radius"} <= names
    for step in facts["steps"]:
        for param in step["params"]:
            assert param["help"], (step["id"], param["name"])
            assert param["kind"] in ("integer", "number", "switch", "choice", "text", "json")
            if param["kind"] == "choice":
                assert param["default"] in param["choices"] or param["optional"]


def test_host_names():
    assert host_names("127.0.0.1", 80, ["lab:443"]) == ["127.0.0.1:80", "localhost:80", "[::1]:80", "lab:443"]
    assert "192.168.1.5:80" in host_names("192.168.1.5", 80, [])
    assert "[fe80::1]:80" in host_names("fe80::1", 80, [])
    assert len(host_names("0.0.0.0", 80, [])) == 3  # noqa: S104 (a name, not an open door)
