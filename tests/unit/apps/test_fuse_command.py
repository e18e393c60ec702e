"""``afmend fuse``."""

from __future__ import annotations

import json
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
    assert read(tmp_path / "out.h5").history[-1].step == "fuse.trace_retrace"


def test_repeated_scans(tmp_path: Path) -> None:
    files = [made(tmp_path, f"{n}.h5", both=False, seed=n) for n in range(4)]
    found = CliRunner().invoke(app, ["fuse", *files, "-o", str(tmp_path / "out.h5")])
    assert found.exit_code == 0, found.output
    assert "4 scan(s), 0 with both directions" in found.stdout
    assert "noise after" in found.stdout
    assert read(tmp_path / "out.h5").history[-1].step == "fuse.frames"


def test_a_foreign_frame_is_named(tmp_path: Path) -> None:
    files = [made(tmp_path, f"{n}.h5", both=False, seed=n) for n in range(7)]
    files.append(str(write(scan_of(rough(SHAPE, 50, 1.0, 3.0)), tmp_path / "foreign.h5")))
    found = CliRunner().invoke(app, ["fuse", *files, "-o", str(tmp_path / "out.h5")])
    assert found.exit_code == 0, found.output
    assert "left out, for they show something else: 7" in found.stdout


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
