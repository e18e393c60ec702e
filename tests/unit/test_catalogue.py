"""Steps of other packages: broken ones stop nobody, and their knobs may have any name."""

import sys
from importlib.metadata import EntryPoint
from types import ModuleType, SimpleNamespace

import pytest
from typer.testing import CliRunner

from afmend import catalogue
from afmend.apps.cli import main, steps_group
from afmend.errors import BadRecipeError
from afmend.pipeline import Field, Leveled, Params, step
from afmend.pipeline.params import Knob
from support import rough, scan_of


class Odd(Params):
    """A step whose knobs are named like shared flags."""

    out: float = Knob(1.0, "Is added.", unit="nm")
    write: bool = Knob(False, "Is another flag.")
    knob_out: int = Knob(3, "Stands where the prefix leads.")
    plain: int = Knob(2, "Is free.")


@step("level.odd", Odd, version="1")
def odd(field: Field, params: Odd) -> Leveled:
    return Leveled(field.heights + params.out)


@pytest.fixture
def installed(monkeypatch):
    """Install a package with a good step, broken ones, and a stolen id."""
    module = ModuleType("labpackage")
    module.odd, module.number = odd, 3
    monkeypatch.setitem(sys.modules, "labpackage", module)
    homes = {
        "level.odd": "labpackage:odd", "level.absent": "no_such_module:x", "level.gone": "labpackage:gone",
        "level.number": "labpackage:number", "level.misnamed": "labpackage:odd", "level.plane": "labpackage:odd",
        "mark.absent": "no_such_module:x",
    }  # fmt: skip
    entries = [EntryPoint(name, value, "afmend.steps") for name, value in homes.items()]
    for entry in entries:
        vars(entry)["dist"] = SimpleNamespace(name="lab-package")
    monkeypatch.setattr(catalogue, "entry_points", lambda group: entries if group == "afmend.steps" else [])
    caches = (catalogue._claims, catalogue.find_step, steps_group._complain_once)
    for cached in caches:
        cached.cache_clear()
    yield
    for cached in caches:
        cached.cache_clear()


@pytest.mark.parametrize(
    ("step_id", "says"),
    [
        ("level.absent", "lab-package does not load .ModuleNotFoundError"),
        ("level.gone", "lab-package does not load .AttributeError"),
        ("level.number", "lab-package does not load .AttributeError"),
        ("level.misnamed", "labpackage:odd is not a step of that id"),
        ("level.plane", "lab-package claims the step 'level.plane', which exists already"),
    ],
)
@pytest.mark.usefixtures("installed")
def test_a_broken_step_is_an_error_only_when_it_is_asked_for(step_id, says):
    assert catalogue.find_step("level.odd").params is Odd
    assert catalogue.find_step("level.shift").id == "level.shift"
    with pytest.raises(BadRecipeError, match=says):
        catalogue.find_step(step_id)


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("words", [["steps"], ["level", "--help"]])
def test_listings_skip_broken_steps_with_one_line_each(words):
    done = CliRunner().invoke(main.app, words)
    assert done.exit_code == 0
    assert "odd" in done.stdout
    assert "misnamed" not in done.stdout
    lines = [line for line in done.stderr.splitlines() if "level." in line]
    assert len(lines) == 5
    assert all(line.startswith("BadRecipeError: ") and "lab-package" in line for line in lines)


@pytest.mark.usefixtures("installed")
def test_asking_for_a_broken_command_says_why():
    done = CliRunner().invoke(main.app, ["level", "absent", "--help"])
    assert isinstance(done.exception, BadRecipeError)
    assert CliRunner().invoke(main.app, ["level", "nonsense", "--help"]).exit_code == 2
    assert CliRunner().invoke(main.app, ["mask", "auto", "--help"]).exit_code == 0


@pytest.mark.usefixtures("installed")
def test_knobs_named_like_shared_flags_get_a_prefix(tmp_path, monkeypatch):
    import afmend

    raw = scan_of(rough((8, 13)))
    afmend.write(raw, tmp_path / "a.gsf")
    orders = []
    monkeypatch.setattr("afmend.apps.cli.batch.step_files", lambda *order: orders.append(order) or 0)
    words = ["level", "odd", tmp_path / "a.gsf", "--out", tmp_path / "o", "--knob-knob-out", "7.5", "--knob-write",
             "--knob-out", "4", "--plain", "5", "--write", "gsf"]  # fmt: skip
    done = CliRunner().invoke(main.app, list(map(str, words)))
    assert done.exit_code == 0, done.output
    ((wish, step_id, areas, knobs),) = orders
    assert (step_id, areas) == ("level.odd", None)
    assert (str(wish.out), wish.write) == (str(tmp_path / "o"), "gsf")
    assert knobs == {"out": 7.5, "write": True, "knob_out": 4, "plain": 5}


def test_the_help_of_mask_says_where_the_other_steps_are():
    done = CliRunner().invoke(main.app, ["mask", "--help"], terminal_width=200)
    assert "for recipes" in " ".join(done.stdout.split())
