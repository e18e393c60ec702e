"""Damaged files end in one clear error or in sound scans: never another exception, crash, hang or memory hunger."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from mutate import KINDS, mutation
from tiny_images import SAMPLES

from support import ROOT, SCANS, realdata

QUICK, THOROUGH = 16, 300
REAL_FILES = sorted(str(p.relative_to(SCANS)) for p in SCANS.rglob("*") if p.is_file()) if SCANS.is_dir() else []


def survive(path, count):
    paths = os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests")])
    environment = os.environ | {"PYTHONPATH": paths, "OPENBLAS_NUM_THREADS": "1", "PYTHONFAULTHANDLER": "1"}
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("mutate.py")), str(path), str(count)],
        env=environment, capture_output=True, text=True, timeout=60 + 5 * count, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"the reader died with status {done.returncode}:\n{done.stderr[-2000:]}"
    outcome = json.loads(done.stdout.splitlines()[-1])
    assert not outcome["failures"], "\n".join(outcome["failures"][:5])
    assert outcome["read"] + outcome["refused"] == count


@pytest.mark.parametrize("name", SAMPLES)
def test_tiny_files(name, tmp_path):
    SAMPLES[name](tmp_path / name)
    survive(tmp_path / name, QUICK)


@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLES)
def test_tiny_files_thoroughly(name, tmp_path):
    SAMPLES[name](tmp_path / name)
    survive(tmp_path / name, THOROUGH)


@pytest.mark.parametrize("name", REAL_FILES)
class TestRealFiles:
    pytestmark = realdata

    def test_quick(self, name):
        survive(SCANS / name, QUICK)

    @pytest.mark.slow
    def test_thoroughly(self, name):
        survive(SCANS / name, THOROUGH)


def test_mutations_are_deterministic_and_differ():
    data = bytes(range(256)) * 20 + b" Samples: 512 "
    for number in range(2 * len(KINDS)):
        damaged, _ = mutation(data, number)
        assert damaged == mutation(data, number)[0]
    assert len({mutation(data, n)[0] for n in range(40)}) > 30
