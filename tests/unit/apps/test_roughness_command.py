"""``afmend roughness``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from afmend.apps.cli.main import app
from afmend.formats import write
from afmend.recipes import apply_step, repair
from support import rough, scan_of

SHAPE = (60, 110)


def run(*words: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["roughness", *map(str, words)])
    return done.exit_code, done.output


def test_a_raw_file_gets_offsets_and_a_plane(tmp_path: Path) -> None:
    path = write(scan_of(rough(SHAPE, seed=2)), tmp_path / "raw.gwy")
    code, text = run(path, "--json")
    facts = json.loads(text)
    assert code == 0
    assert (facts["line_degree"], facts["degree"]) == (0, 1)
    found = facts["without_filled_pixels"]
    assert found["Sa_interval"][0] < found["Sa"] < found["Sa_interval"][1] < found["Sq_interval"][1]
    assert "with_filled_pixels" not in facts
    chosen = json.loads(run(path, "--json", "--lines", "none", "--degree", "2")[1])
    assert (chosen["line_degree"], chosen["degree"]) == (None, 2)
    assert chosen["without_filled_pixels"]["Sq_raw"] != pytest.approx(found["Sq_raw"], abs=1e-6)


def test_a_mended_file_knows_what_was_removed(tmp_path: Path) -> None:
    z = rough(SHAPE, seed=2)
    z[20, 30:90] += 40.0
    path = write(repair(scan_of(z)), tmp_path / "mended.h5")
    code, text = run(path)
    assert code == 0
    assert "with filled" in text
    assert "Warning: more was removed" not in text
    blurred = write(apply_step(scan_of(z), "filter.mean"), tmp_path / "blurred.h5")
    assert "filter.mean takes more than polynomials" in run(blurred)[1].replace("\n", " ")
    assert json.loads(run(blurred, "--json")[1]).keys() == {"file", "image", "channel", "unit", "calibrated", "reason"}
    forced = json.loads(run(blurred, "--json", "--lines", "offsets", "--degree", "1")[1])
    assert "more was removed" in forced["warnings"][0]


def test_both_directions_tell_noise_from_roughness(tmp_path: Path) -> None:
    z, rng = rough((90, 160), seed=4), np.random.default_rng(3)
    pair = scan_of(z + rng.normal(0, 0.8, z.shape), opposite=z + rng.normal(0, 0.8, z.shape))
    path = write(pair, tmp_path / "pair.gwy")
    found = json.loads(run(path, "--json")[1])
    alone, shared = found["without_filled_pixels"], found["both_directions"]
    assert shared["noise_trace"] == pytest.approx(0.8, rel=0.15)
    assert shared["sq"] < 0.9 * alone["Sq_raw"]
    assert alone["grain"] == pytest.approx(0.8, rel=0.25)
    assert any("no correlation from pixel to pixel" in warning for warning in found["warnings"])
    assert "both directions" in run(path)[1]


@pytest.mark.parametrize("degree", range(4))
def test_every_degree_that_can_be_corrected_has_a_name(degree: int, tmp_path: Path) -> None:
    lines = apply_step(scan_of(rough(SHAPE, seed=2)), "level.rows", method="polynomial", degree=degree)
    code, text = run(write(lines, tmp_path / "lines.h5"))
    assert code == 0, text
    assert "Warning: more was removed" not in text


def test_bad_files_are_named(tmp_path: Path) -> None:
    bad = tmp_path / "bad.gwy"
    bad.write_bytes(b"GWYP nothing")
    code, text = run(bad)
    assert code == 2
    assert "bad.gwy" in text
    good = write(scan_of(rough(SHAPE, seed=2)), tmp_path / "raw.gwy")
    assert run(bad, good)[0] == 1
