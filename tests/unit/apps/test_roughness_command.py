"""``afmend roughness``."""

from __future__ import annotations

import json
from pathlib import Path

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
    assert "Warning: more was removed" in run(write(apply_step(scan_of(z), "filter.mean"), tmp_path / "blurred.h5"))[1]


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
