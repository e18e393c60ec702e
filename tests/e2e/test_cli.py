"""The command line, as a user calls it."""

import json
import re

import numpy as np
import pytest

import afmend
from afmend.apps.cli.describe import reference
from e2e_cli import cli
from support import ROOT, SCANS, realdata, rough, scan_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    here = tmp_path_factory.mktemp("scans")
    z = rough((44, 60), 2) + np.linspace(0, 25, 60)
    z[20, 8:50] += 14
    afmend.write(scan_of(z), here / "a.gwy")
    (here / "bad.spm").write_bytes(b"nothing")
    return here


def test_info(folder):
    done = cli("info", "--json", folder / "a.gwy")
    (line,) = done.stdout.splitlines()
    facts = json.loads(line)
    assert done.returncode == 0
    assert (facts["rows"], facts["cols"], facts["calibrated"], facts["format"]) == (44, 60, True, "gwyddion")
    assert np.max(np.abs(np.array(facts["size_nm"]) - [88.0, 180.0])) < 1e-9
    assert facts["channels"][0]["unit"] == "nm"
    assert len(facts["channels"][0]["corners"]) == 4
    mixed = cli("info", folder / "a.gwy", folder / "bad.spm")
    assert mixed.returncode == 1
    assert "44 lines of 60 pixels" in mixed.stdout
    assert mixed.stderr.startswith("UnknownFormatError: bad.spm")
    assert len(mixed.stderr.splitlines()) == 1
    assert cli("info", folder / "absent").returncode == 2


def test_repair_replay_and_settings(folder, tmp_path):
    done = cli("repair", folder, "--out", tmp_path, "--write", "h5,gwy,txt,csv,png,tiff,gsf", "--workers", 1)
    assert done.returncode == 1, done.stderr
    assert "bad.spm" in done.stderr
    assert "1 of 2 files processed" in done.stdout
    written = {p.name for p in tmp_path.iterdir() if p.is_file()}
    endings = ("h5", "gwy", "txt", "csv", "png", "tiff", "gsf")
    assert {f"a.gwy.{e}" for e in endings} | {"summary.csv", "summary.json", "report.html"} == written
    again = cli("replay", tmp_path / "a.gwy.h5", folder / "a.gwy")
    assert again.returncode == 0, again.stderr
    assert "identical bit for bit" in again.stdout
    z = rough((44, 60), 3)
    afmend.write(scan_of(z), tmp_path / "other.gwy")
    assert "ReplayError: step 1" in cli("replay", tmp_path / "a.gwy.h5", tmp_path / "other.gwy").stderr
    wrong = cli("repair", folder, "--out", tmp_path, "--set", "level.nothing.x=1")
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("BadParameterError")
    assert "no writer for 'xyz'" in cli("repair", folder, "--out", tmp_path, "--write", "xyz").stderr


def test_exclusions_enter_the_history(folder, tmp_path):
    polygons = tmp_path / "areas.json"
    polygons.write_text(json.dumps({"polygons": [{"points": [[2, 2], [30, 2], [30, 20], [2, 20]]}]}))
    done = cli("repair", folder / "a.gwy", "--out", tmp_path / "o", "--exclude", polygons, "--write", "h5")
    assert done.returncode == 0, done.stderr
    mended = afmend.read(tmp_path / "o/a.gwy.h5")
    assert mended.history[0].step == "mask.draw"
    assert mended.main.masks.foreground["drawn"].sum() == 28 * 18
    assert cli("replay", tmp_path / "o/a.gwy.h5", folder / "a.gwy").returncode == 0


def test_error_bars_can_be_left_out(folder, tmp_path):
    options = ("--out", tmp_path, "--write", "h5", "--no-report", "--no-error-bars")
    done = cli("repair", folder / "a.gwy", *options)
    assert done.returncode == 0, done.stderr
    mended = afmend.read(tmp_path / "a.gwy.h5")
    assert mended.history[-1].params["error_bars"] is False
    assert np.isinf(mended.main.uncertainty[mended.main.invented]).all()
    wrong = cli("repair", folder / "a.gwy", *options, "--recipe", "gwyddion")
    assert wrong.stderr.startswith("BadRecipeError: gwyddion: no step has error bars")


def test_level_and_mask_are_made_from_the_steps(folder, tmp_path):
    done = cli("level", "rows", folder / "a.gwy", "--out", tmp_path / "l", "--method", "median", "--write", "h5")
    assert done.returncode == 0, done.stderr
    assert afmend.read(tmp_path / "l/a.gwy.h5").history[-1].params["method"] == "median"
    assert "--method" in cli("level", "rows", "--help").stdout
    assert cli("mask", "auto", folder / "a.gwy", "--out", tmp_path / "m", "--write", "h5").returncode == 0
    marked = afmend.read(tmp_path / "m/a.gwy.h5").main
    assert marked.artifact[20, 8:50].mean() > 0.9
    assert not marked.invented.any()
    assert cli("mask", "scars", folder / "a.gwy", "--out", tmp_path / "s", "--write", "h5").returncode == 0
    assert "rows" in cli("level", "--help").stdout


def test_convert_keeps_everything(folder, tmp_path):
    assert cli("convert", folder / "a.gwy", "--out", tmp_path, "--to", "h5,gsf", "--json").returncode == 0
    raw = afmend.read(folder / "a.gwy")
    assert afmend.read(tmp_path / "a.gwy.h5").main == raw.main
    assert afmend.read(tmp_path / "a.gwy.gsf").main.shape == raw.main.shape


def test_steps_and_recipes():
    assert "mark.scars" in cli("steps").stdout
    assert "recommended" in cli("steps", "--json").stdout
    assert "parameter" in cli("steps", "level.rows").stdout
    shown = cli("recipe", "show", "auto").stdout
    assert afmend.Recipe.from_yaml(shown).name == "auto"
    assert "steps, all known" in cli("recipe", "check", "auto").stdout
    assert "Did you mean 'auto'" in cli("recipe", "show", "outo").stderr
    assert "experts" in cli("recipe", "list").stdout
    assert cli("--version").stdout == f"afmend {afmend.__version__}\n"


def test_the_reference_page_is_current():
    page = (ROOT / "docs/reference/steps.md").read_text(encoding="utf-8")
    assert page == reference(), "run: afmend steps --markdown > docs/reference/steps.md"


def test_demo_names_the_report(tmp_path):
    done = cli("demo", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    *_, last = done.stdout.splitlines()
    assert last.startswith("Open the report: ")
    before, after = (float(text) for text in re.findall(r"([\d.]+) nm", done.stdout)[:2])
    assert after < 0.25 * before
    assert (tmp_path / "mended/report.html").is_file()


class TestRealData:
    pytestmark = realdata

    def test_broken_files_end_in_one_error(self):
        for path in sorted((SCANS / "broken").iterdir()):
            done = cli("info", path)
            assert done.returncode == 2
            assert len(done.stderr.splitlines()) == 1, done.stderr
            assert path.name in done.stderr
