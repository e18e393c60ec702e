"""The examples run."""

import subprocess
import sys

import pytest
from PIL import Image

from support import ROOT

pytestmark = pytest.mark.skipif(not (ROOT / "examples").is_dir(), reason="needs the source tree")


def test_gallery(tmp_path):
    command = [sys.executable, str(ROOT / "examples" / "gallery.py"), "--out", str(tmp_path), "--size", "64",
               "--only", "scar"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "| `scar` |" in done.stdout
    with Image.open(tmp_path / "scar.jpg") as picture:
        assert picture.size[0] == 3 * 64 + 16


def test_every_artifact_of_the_boxes_is_in_the_gallery():
    from afmend.simulation import load_box

    page = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
    for name in {*load_box("train").artifacts, *load_box("shifted").artifacts}:
        assert f"| `{name}` |" in page
        assert (ROOT / "examples" / "gallery" / f"{name}.jpg").is_file()
