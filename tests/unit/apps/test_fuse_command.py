"""``afmend fuse``."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from afmend.apps.cli.main import app
from afmend.errors import BadScanError
from afmend.formats import read, write
from support import rough, scan_of

SHAPE = (40, 60)


def made(folder: Path, name: str, *, both: bool, seed: int) -> str:
    rng = np.random.default_rng(seed)
    z = rough(SHAPE, 1, 1.0, 3.0)
    noisy = [z + 0.2 * rng.standard_normal(SHAPE) for _ in range(2)]
    return str(write(scan_of(noisy[0], opposite=noisy[1] if both else None), folder / name))


def test_the_directions_of_one_scan(tmp_path: Path) -> None:
    file = made(tmp_path, "pair.h5", both=True, seed=0)
    found = CliRunner().invoke(app, ["fuse", file, "-o", str(tmp_path / "out.h5"), "--json"])
    assert found.exit_code == 0, found.output
    told = json.loads(found.stdout)
    assert told["pairs"] == 1
    assert told["noise_after"] < told["noise_before"]
    assert told["noise_after_measured"] is False
    assert len(told["direction_shifts_px"][0]) == len(told["direction_shift_errors_px"][0]) == 3
    assert read(tmp_path / "out.h5").history[-1].step == "fuse.trace_retrace"


def test_repeated_scans(tmp_path: Path) -> None:
    files = [made(tmp_path, f"{n}.h5", both=False, seed=n) for n in range(4)]
    found = CliRunner().invoke(app, ["fuse", *files, "-o", str(tmp_path / "out.h5")])
    assert found.exit_code == 0, found.output
    assert "4 scan(s), 0 with both directions" in found.stdout
    assert "noise after" in found.stdout
    assert "expected, not measured" not in found.stdout
    assert "of the pixels, one alone" in found.stdout
    assert read(tmp_path / "out.h5").history[-1].step == "fuse.frames"


def test_a_foreign_frame_is_named(tmp_path: Path) -> None:
    files = [made(tmp_path, f"{n}.h5", both=False, seed=n) for n in range(7)]
    files.append(str(write(scan_of(rough(SHAPE, 50, 1.0, 3.0)), tmp_path / "foreign.h5")))
    found = CliRunner().invoke(app, ["fuse", *files, "-o", str(tmp_path / "out.h5")])
    assert found.exit_code == 0, found.output
    assert re.search(r"left out, counting from 0, .*: 7 \(-?0\.\d\d, needed 0\.\d\d\)", found.stdout)


def test_doubts_are_told(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    files = []
    for n in range(2):
        z = rough(SHAPE, 1, 1.0, 3.0) + 0.05 * rng.standard_normal(SHAPE)
        z[10:20, 20:40] += 4.0 * n
        files.append(str(write(scan_of(z, opposite=rng.standard_normal(SHAPE)), tmp_path / f"{n}.h5")))
    one = CliRunner().invoke(app, ["fuse", files[0], "-o", str(tmp_path / "one.h5")])
    assert "shift between the directions: " in one.stdout
    assert "(expected, not measured)" in one.stdout
    assert "warning: " in one.stdout
    two = CliRunner().invoke(app, ["fuse", *files, "-o", str(tmp_path / "two.h5")])
    assert two.exit_code == 0, two.output
    assert "least certain of 2" in two.stdout
    assert "of 2 scans with both directions" in two.stdout
    plain = CliRunner().invoke(app, ["fuse", *files, "-o", str(tmp_path / "three.h5"), "--no-directions"])
    assert "disputed: " in plain.stdout
    assert "(expected, not measured)" in plain.stdout


def test_an_unknown_shift_is_told(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    noise = scan_of(rng.standard_normal(SHAPE), opposite=rng.standard_normal(SHAPE))
    file = str(write(noise, tmp_path / "noise.h5"))
    found = CliRunner().invoke(app, ["fuse", file, "-o", str(tmp_path / "out.h5")])
    assert found.exit_code == 0, found.output
    assert "unknown shift between trace and retrace, taken as 0: scan 0" in " ".join(found.stdout.split())


def test_nothing_to_fuse(tmp_path: Path) -> None:
    file = made(tmp_path, "one.h5", both=False, seed=0)
    found = CliRunner().invoke(app, ["fuse", file, "-o", str(tmp_path / "out.h5")])
    assert isinstance(found.exception, BadScanError)
    with pytest.raises(BadScanError, match="nothing to fuse"):
        raise found.exception
