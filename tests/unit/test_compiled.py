"""Where numba keeps compiled code in a read-only installation."""

import os
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np
import pytest

from afmend import compiled

KERNEL = """
from lab.compiled import njit
@njit(cache=True)
def double(x):
    return 2 * x
assert double(21) == 42
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the home is found in another way")
@pytest.mark.parametrize("early", ["", "import numba; "])
def test_a_read_only_installation_without_a_home_compiles(tmp_path, early):
    package, temporary = tmp_path / "lab", tmp_path / "temporary"
    package.mkdir()
    temporary.mkdir()
    (package / "__init__.py").touch()
    (package / "kernel.py").write_text(KERNEL)
    shutil.copy(compiled.__file__, package)
    (package / "__pycache__").touch()  # a file in the folder's place: not writable, for root neither
    (tmp_path / "home").touch()
    keep = {name: value for name, value in os.environ.items() if not name.startswith(("NUMBA", "XDG", "COV", "PYTEST"))}
    env = {**keep, "HOME": str(tmp_path / "home"), "TMPDIR": str(temporary), "PYTHONPATH": str(tmp_path),
           "PYTHONDONTWRITEBYTECODE": "1"}  # fmt: skip
    code = f"{early}import lab.kernel"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (folder,) = temporary.iterdir()
    assert list(folder.rglob("*.nbc"))


@pytest.fixture
def clean(monkeypatch, tmp_path):
    monkeypatch.setenv("NUMBA_CACHE_DIR", "")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.delitem(sys.modules, "numba")
    return tmp_path


def test_writable_places_are_left_to_numba(clean, monkeypatch):
    compiled.provide_cache(clean)
    assert not os.environ["NUMBA_CACHE_DIR"]
    (clean / "file").touch()
    monkeypatch.setattr(compiled, "_user_cache", lambda: clean / "cache")
    compiled.provide_cache(clean / "file")
    assert not os.environ["NUMBA_CACHE_DIR"]
    monkeypatch.setattr(compiled, "_user_cache", lambda: clean / "file" / "cache")
    compiled.provide_cache(clean / "file")
    chosen = Path(os.environ["NUMBA_CACHE_DIR"])
    assert chosen.parent == clean
    assert stat.S_IMODE(chosen.stat().st_mode) == 0o700
    monkeypatch.setenv("NUMBA_CACHE_DIR", "mine")
    compiled.provide_cache(clean / "file")
    assert os.environ["NUMBA_CACHE_DIR"] == "mine"


def test_a_folder_that_others_can_write_to_is_not_trusted(tmp_path):
    first = compiled._own_folder(tmp_path)
    assert compiled._own_folder(tmp_path) == first
    first.chmod(0o777)
    second = compiled._own_folder(tmp_path)
    assert second != first
    assert stat.S_IMODE(second.stat().st_mode) == 0o700
    first.rmdir()
    first.symlink_to(second)
    assert compiled._own_folder(tmp_path) not in (first, second)
    first.unlink()
    first.touch()
    assert compiled._own_folder(tmp_path) != first


@pytest.mark.parametrize(
    ("platform", "name", "value", "wanted"),
    [
        ("linux", "XDG_CACHE_HOME", "/c", "/c/numba"),
        ("linux", "HOME", "/h", "/h/.cache/numba"),
        ("darwin", "HOME", "/h", "/h/Library/Caches/numba"),
        ("win32", "LOCALAPPDATA", "/l", "/l/numba"),
    ],
)
def test_the_users_cache_is_where_numba_has_it(monkeypatch, platform, name, value, wanted):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setenv(name, value)
    assert compiled._user_cache() == Path(wanted)


@pytest.mark.parametrize("cores", [1, 2, None])
def test_every_part_is_done_once_however_many_cores(monkeypatch, cores):
    monkeypatch.setenv("OMP_NUM_THREADS", str(cores))
    monkeypatch.setattr(compiled.os, "sched_getaffinity", lambda _process: {0, 1}, raising=False)
    done = np.zeros(7)

    def work(part, parts):
        done[part::parts] += 1

    compiled.side_by_side(work)
    assert done.tolist() == [1] * 7


def test_what_goes_wrong_beside_is_told(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(compiled.os, "sched_getaffinity", lambda _process: {0, 1}, raising=False)

    def work(part, parts):
        if part == 1:
            raise ValueError(f"part 1 of {parts}")

    with pytest.raises(ValueError, match="part 1 of 2"):
        compiled.side_by_side(work)


@pytest.mark.parametrize("cores", [1, 2])
@pytest.mark.parametrize("count", [3, 301])
def test_halves_are_joined_in_order(monkeypatch, cores, count):
    monkeypatch.setenv("OMP_NUM_THREADS", str(cores))
    monkeypatch.setattr(compiled.os, "sched_getaffinity", lambda _process: {0, 1}, raising=False)
    whole = np.arange(2.0 * count).reshape(count, 2)
    rows, lengths = compiled.by_halves(lambda first, stop: (whole[first:stop], whole[first:stop].sum(axis=1)), count)
    assert (rows == whole).all()
    assert (lengths == whole.sum(axis=1)).all()


def test_a_helper_that_other_threads_push_out_still_answers(monkeypatch):
    real = compiled._helper

    def pushed_out(process, thread):
        helper = real(process, thread)
        real.cache_clear()
        return helper

    monkeypatch.setattr(compiled, "_helper", pushed_out)
    monkeypatch.setattr(compiled, "threads", lambda: 2)
    found = []
    caller = threading.Thread(target=lambda: compiled.side_by_side(lambda part, _: found.append(part)), daemon=True)
    caller.start()
    caller.join(20)
    assert sorted(found) == [0, 1]


AT_EXIT = """
import atexit
@atexit.register
def late():
    found = []
    compiled.side_by_side(lambda part, parts: found.append(part))
    print("saved", sorted(found))
from afmend import compiled
compiled.threads = lambda: 2
compiled.side_by_side(lambda part, parts: None)
"""


def test_whatever_runs_at_exit_still_has_its_helper():
    done = subprocess.run([sys.executable, "-c", AT_EXIT], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "saved [0, 1]"
