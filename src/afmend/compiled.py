"""Compiled loops: every kernel module takes ``njit`` from here, so that numba finds a place for its cache.

numba keeps compiled code beside the module, or in the user's cache directory. In a read-only installation without a
writable home it gives up ("cannot cache function: no locator available"); then a folder of the user's own in the
temporary directory serves. Import this module where numba would be imported: late.
"""

from __future__ import annotations

import os
import stat
import sys
import tempfile
import threading
import weakref
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

_VARIABLE = "NUMBA_CACHE_DIR"
_MANY_LINES = 256
_Tasks: TypeAlias = "SimpleQueue[tuple[Callable[[int, int], object], SimpleQueue[BaseException | None]] | None]"


def provide_cache(package: Path) -> None:
    """Set ``NUMBA_CACHE_DIR`` if numba can write neither beside the modules of ``package`` nor in the user's cache."""
    if os.environ.get(_VARIABLE) or _writable(package / "__pycache__") or _writable(_user_cache()):
        return
    os.environ[_VARIABLE] = str(_own_folder(Path(tempfile.gettempdir())))
    if "numba" in sys.modules:  # somebody else imported it
        sys.modules["numba"].config.reload_config()


def _user_cache() -> Path:
    """Return the folder that numba uses if the installation is read-only."""
    if sys.platform == "win32":
        home = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        home = "~/Library/Caches"
    else:
        home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.path.expanduser(home)) / "numba"  # noqa: PTH111 (Path.expanduser raises where there is no home)


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _own_folder(home: Path) -> Path:
    """Return a folder in ``home`` that nobody else can write to: numba runs what it finds there."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    folder = home / f"afmend-numba-{user}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        mine = stat.S_ISDIR(found.st_mode) and found.st_uid == user and not found.st_mode & 0o022
    except OSError:
        mine = False
    return folder if mine else Path(tempfile.mkdtemp(prefix="afmend-numba-", dir=home))


def threads() -> int:
    """Count the cores that this process may use; workers of a batch, one per core, are told to use one thread."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    free = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(free, int(asked)) if asked.isdecimal() else free


def side_by_side(work: Callable[[int, int], object]) -> None:
    """Call ``work(part, 2)`` for both parts, on two threads where there are two cores and OMP_NUM_THREADS allows.

    For kernels that release the interpreter's lock and write each part into places of its own, so that the result
    does not depend on the number of parts.
    """
    if threads() < 2 or sys.is_finalizing():  # the same parts: sums of parts must not depend on the machine
        work(0, 2)
        work(1, 2)
        return
    done: SimpleQueue[BaseException | None] = SimpleQueue()
    helper = _helper(os.getpid(), threading.get_ident())  # held until it answers: without anybody it would end
    helper.tasks.put((work, done))
    try:
        work(0, 2)
    finally:
        failure = done.get()
        del helper
    if failure is not None:
        raise failure


class _Helper:
    """A thread that waits for work until nobody holds it any more; the futures of an executor take longer to tell."""

    def __init__(self) -> None:
        self.tasks: _Tasks = SimpleQueue()
        weakref.finalize(self, self.tasks.put, None).atexit = False  # other functions at exit may still need it
        threading.Thread(target=_serve, args=(self.tasks,), name="afmend", daemon=True).start()


def _serve(tasks: _Tasks) -> None:
    while (task := tasks.get()) is not None:
        work, done = task
        try:
            work(1, 2)
            done.put(None)
        except BaseException as failure:  # noqa: BLE001 (whoever waits raises it)
            done.put(failure)
        del task, work, done  # they hold arrays


@lru_cache(maxsize=8)
def _helper(process: int, thread: int) -> _Helper:  # noqa: ARG001 (one for each thread of each process)
    """Keep a helper: to start a thread takes a tenth of a millisecond."""
    return _Helper()


def by_halves(work: Callable[[int, int], tuple[NDArray[Any], ...]], count: int) -> tuple[NDArray[Any], ...]:
    """Join what ``work(first, stop)`` returns for both halves of ``count`` lines along axis 0; see `side_by_side`.

    Few lines are not worth a second thread.
    """
    if count < _MANY_LINES:
        return work(0, count)
    found: dict[int, tuple[NDArray[Any], ...]] = {}

    def half(part: int, parts: int) -> None:
        found[part] = work(count * part // parts, count * (part + 1) // parts)

    side_by_side(half)
    return tuple(np.concatenate(arrays) for arrays in zip(*(found[part] for part in sorted(found)), strict=True))


provide_cache(Path(__file__).parent)

from numba import njit  # noqa: E402 (only now: numba reads the variable when it is imported)

__all__ = ["by_halves", "njit", "side_by_side"]
