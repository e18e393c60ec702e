"""``afmend twin``, as a user calls it."""

import json

import pytest

import afmend
from afmend.simulation import artifact_masks, read_set, truth_of
from e2e_cli import cli
from support import rough, scan_of


def test_one_scan(tmp_path):
    done = cli("twin", "--surface", "particles", "--artifacts", "scar,parachute", "--seed", 7, "--size", "48x64",
               "-o", tmp_path / "scan.h5")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "48 x 64 px, surface particles" in done.stdout
    scan = afmend.read(tmp_path / "scan.h5")
    assert truth_of(scan).shape == (48, 64)
    assert scan.history[0].params["artifacts"] == ["parachute", "scar"]
    assert artifact_masks(scan)
    again = cli("twin", "--surface", "particles", "--artifacts", "scar,parachute", "--seed", 7, "--size", "48x64",
                "-o", tmp_path / "again.h5")  # fmt: skip
    assert again.returncode == 0
    assert afmend.read(tmp_path / "again.h5").channels == scan.channels


def test_no_artifacts_and_the_default_name(tmp_path):
    done = cli("twin", "--artifacts", "none", "--size", 32, "--box", "shifted", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert afmend.read(tmp_path / "shifted-0.h5").history[0].facts["clean"] is True


def test_a_real_scan_as_the_surface(tmp_path):
    afmend.write(scan_of(rough((32, 40), 1)), tmp_path / "real.gwy")
    done = cli("twin", "--base", tmp_path / "real.gwy", "--artifacts", "scar", "-o", tmp_path / "x.h5")
    assert done.returncode == 0, done.stderr
    assert "32 x 40 px, surface measured" in done.stdout
    assert cli("twin", "--base", tmp_path / "real.gwy", "--surface", "particles").returncode == 2


def test_a_set_is_resumed(tmp_path):
    words = ("twin", "--set", "train", "--size", 24, "--workers", 1, "--per-shard", 2, "-o", tmp_path / "set")
    assert cli(*words, "--count", 2).returncode == 0
    done = cli(*words, "--count", 3)
    assert done.returncode == 0, done.stderr
    assert "3 scans in 2 shards" in done.stdout
    assert len(list(read_set(tmp_path / "set"))) == 3
    assert json.loads((tmp_path / "set" / "manifest.json").read_text())["format"] == "afmend-twin-set"


def test_boxes_can_be_read_and_used(tmp_path):
    listed = cli("twin", "--list")
    assert "particles" in listed.stdout
    assert "parachute" in listed.stdout
    box = cli("twin", "--show-box", "train").stdout
    (tmp_path / "mine.yaml").write_text(box.replace("name: train", "name: mine"))
    done = cli("twin", "--box", tmp_path / "mine.yaml", "--size", 24, "-o", tmp_path / "x.h5")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "words",
    [("--size", "wide"), ("--size", "3x4x5"), ("--surface", "moon"), ("--artifacts", "moon"), ("--box", "moon"),
     ("--show-box", "moon"), ("-o", "scan.moon")],
)  # fmt: skip
def test_bad_wishes_end_in_one_line(words, tmp_path):
    done = cli("twin", *words, cwd=tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Error: " in done.stderr
