"""The house's own rules, run by the one test command: style, types, layers, lazy imports."""

import ast
import subprocess
import sys

import pytest

from support import ROOT

pytestmark = pytest.mark.skipif(not (ROOT / "pyproject.toml").is_file(), reason="needs the source tree")

SOURCES = sorted((ROOT / "src").rglob("*.py"))


def run(*command):
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]


def test_ruff():
    run(sys.executable, "-m", "ruff", "check", ".")


def test_format():
    run(sys.executable, "-m", "ruff", "format", "--check", ".")


def test_mypy():
    run(sys.executable, "-m", "mypy")


def test_layers():
    run(sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()")


@pytest.mark.parametrize("statement", ["import afmend", "import afmend.apps.cli.main"])
def test_import_is_light(statement):
    heavy = [
        "torch",
        "matplotlib",
        "pandas",
        "numba",
        "scipy",
        "cv2",
        "h5py",
        "tifffile",
        "PIL",
        "starlette",
        "uvicorn",
        "numpy",
    ]
    code = f"{statement}; import sys; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_room_without_a_meaning():
    bad = {"utils", "common", "helpers", "misc", "core"}
    assert [p for p in SOURCES if bad & {p.stem, p.parent.name}] == []


def test_rooms_say_what_belongs_there():
    for path in (ROOT / "src" / "afmend").glob("*/__init__.py"):
        doc = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        assert "elongs here" in doc or path.parent.name == "apps", f"{path} does not say what belongs in the room"


def test_files_are_small():
    long = [f"{path}: {n}" for path in SOURCES if (n := len(path.read_text(encoding="utf-8").splitlines())) > 420]
    assert long == []
