"""Methods: every baseline runs; third parties are loaded, or told why not."""

import numpy as np
import pytest

from afmend.errors import BadParameterError
from afmend.evaluation.bench.cases import KEY, case_of
from afmend.evaluation.bench.makers import with_holes
from afmend.evaluation.bench.methods import TASKS, Method, bilinear, methods_of, unique
from afmend.evaluation.bench.tasks import find_task
from afmend.evaluation.bench.third_party import third_parties
from support import assert_heights_close

from .standin import twin_scan

MODULE = '''
def level(scan):
    """Does nothing at all.

    More words.
    """
    return scan

def fill(heights, holes, pixel_nm, strength=3):
    heights[holes] = 0.0
    return heights

def two(a, b):
    return a

VALUE = 3
'''


@pytest.fixture
def mine(tmp_path, monkeypatch):
    (tmp_path / "my_methods.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.parametrize("task", TASKS)
def test_every_baseline_runs(task):
    case = case_of(twin_scan(1))
    if task == "fill":
        case = with_holes(case, 1)[4]
    found = find_task(task)
    names = [method.name for method in methods_of(task)]
    assert names[0] == "auto"
    assert found.name == task
    for method in methods_of(task):
        scores = found.score(case, found.run(method, case))
        assert np.isfinite(scores[found.primary.key]) or task in ("mask", "metrology"), method.name
        assert method.title


def test_the_baselines_that_every_table_holds():
    levelings = {f"{way} polynomial {degree}" for way in ("row", "column") for degree in (1, 2)}
    levelings |= {"nothing", "polynomial 2", "row median", "median of differences"}
    levelings |= {"gwyddion", "topostats", "experts", "seed", "auto"}
    for task in ("metrology", "harm"):
        assert {method.name for method in methods_of(task)} == levelings
    assert {method.name for method in methods_of("level") if not method.role} == levelings
    assert {method.name for method in methods_of("mask")} == {
        "auto", "gwyddion", "seed", "nothing", "topostats scars", "learned",
    }  # fmt: skip
    assert {method.name for method in methods_of("fill")} == {
        "auto", "kriging", "bilinear", "linear across lines", "laplace", "biharmonic", "telea", "navier-stokes", "seed",
    }  # fmt: skip


def test_a_recipe_levels_up_to_its_first_fill_and_mends_to_its_end():
    scan = case_of(twin_scan(1)).measured
    level = {method.name: method for method in methods_of("level")}
    whole = {method.name: method for method in methods_of("metrology")}
    assert not level["gwyddion"].run(scan).channels[KEY].invented.any()
    assert whole["gwyddion"].run(scan).channels[KEY].invented.any()


def test_bilinear_is_exact_on_a_plane_with_pixels_that_are_not_square():
    y, x = np.mgrid[:31, :44].astype(float)
    plane = 2.5 * y - 0.7 * x + 3
    holes = np.zeros(plane.shape, bool)
    holes[10:14] = True
    holes[20:25, 30:40] = True
    assert_heights_close(bilinear(np.where(holes, 1e6, plane), holes, (2.0, 3.0)), plane, atol_nm=1e-9)
    holes[:, 42:] = True
    filled = bilinear(np.where(holes, 1e6, plane), holes, (2.0, 3.0))
    assert np.abs(filled - plane).max() < 7, "beyond the last data the nearest pixel counts"


@pytest.mark.usefixtures("mine")
def test_third_parties():
    for task in ("level", "mask", "metrology", "harm"):
        (found,) = third_parties(["my_methods:level", "my_methods:fill"], task)
        assert (found.name, found.title) == ("my_methods:level", "Does nothing at all.")
    (found,) = third_parties(["my_methods:level", "my_methods:fill"], "fill")
    assert (found.name, found.title) == ("my_methods:fill", "a method given by --method")
    assert third_parties(["level=my_methods:level"], "mask") == ()


@pytest.mark.usefixtures("mine")
@pytest.mark.parametrize("code", ["def f(:", "raise RuntimeError('no')", "import sys; sys.exit(3)", "raise KeyError"])
def test_code_that_cannot_be_loaded_is_one_error(tmp_path, code):
    name = f"broken_{abs(hash(code))}"
    (tmp_path / f"{name}.py").write_text(code)
    with pytest.raises(BadParameterError, match=f"--method {name}:f: cannot be loaded"):
        third_parties([f"{name}:f"], "level")


@pytest.mark.usefixtures("mine")
@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ("my_methods", "is not module:function"),
        (":level", "is not module:function"),
        ("no_such_module_here:f", "cannot be loaded"),
        ("my_methods:absent", "cannot be loaded"),
        ("my_methods:VALUE", "cannot be loaded"),
        ("my_methods:two", "takes 2 parameters"),
        ("fill=my_methods:level", "nothing for the task 'fill'"),
        ("levle=my_methods:level", "Did you mean 'level'"),
    ],
)
def test_third_parties_that_are_none(wish, words):
    with pytest.raises(BadParameterError, match=words):
        third_parties([wish], "level")


def test_names_are_unique():
    method = Method("a", "b", lambda scan: scan)
    assert unique([method]) == (method,)
    with pytest.raises(BadParameterError, match="two methods are called 'a'"):
        unique([method, method])
