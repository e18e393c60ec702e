"""The server's side of the reader process: start it, ask it, end it when it takes too long."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from afmend import errors
from afmend.apps.web import wire
from afmend.errors import AfmendError, CorruptFileError
from afmend.pipeline.workers import ONE_THREAD, bury, end, pipe
from afmend.scan import Scan

TIMEOUT_S = 60.0
MEMORY_MB = 6144


def state_of(path: Path) -> tuple[Path, int, int]:
    """Return what changes when a file changes: its path, time and size.

    Raises
    ------
    CorruptFileError
        If there is no such file any more.
    """
    try:
        facts = path.stat()
    except OSError as error:
        raise CorruptFileError(
            "cannot be opened", where=path.name, now="Was it moved? List the folder again."
        ) from error
    return path, facts.st_mtime_ns, facts.st_size


@dataclass(frozen=True, slots=True)
class Opened:
    """One image of a file."""

    scan: Scan
    frame: int
    count: int


class Reader:
    """Reads files in a process of its own, one at a time.

    Parameters
    ----------
    timeout_s : float
        A file that takes longer is given up.
    memory_mb : int
        Address space that the process may use (not limited on Windows).
    yields : int
        How far it stands back for others, 0 to 19 (as ``nice``; not on Windows).
    """

    def __init__(self, timeout_s: float = TIMEOUT_S, memory_mb: int = MEMORY_MB, yields: int = 0) -> None:
        self._timeout_s = timeout_s
        self._memory_mb = memory_mb
        self._yields = yields
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def ask(self, path: Path, **wish: Any) -> tuple[dict[str, Any], list[NDArray[Any]]]:
        """Ask for something of a file; see `reader_process`.

        Raises
        ------
        AfmendError
            What the reader said about the file, or that it died or took too long over it.
        """
        with self._lock:
            facts, arrays = self._exchange(path, {"path": str(path), **wish})
        if "error" in facts:
            kind, what, where, now = facts["error"]
            family = getattr(errors, str(kind), CorruptFileError)
            raise family(what, where=where, now=now)
        return facts, arrays

    def close(self) -> None:
        """Let the process end by itself, or end it if it is busy."""
        process = self._process
        if process is None:
            return
        end(process, patience_s=3)
        self._process = None

    def _exchange(self, path: Path, request: dict[str, Any]) -> tuple[dict[str, Any], list[NDArray[Any]]]:
        if self._process is not None and self._process.poll() is not None:
            self._retire(self._process)  # it ended while it had nothing to do: this file is not to blame
        process = self._process or self._start()
        late = threading.Event()

        def give_up() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(self._timeout_s, give_up)
        timer.daemon = True
        timer.start()
        try:
            pipe(process.stdin).write(json.dumps(request).encode("ascii") + b"\n")
            pipe(process.stdin).flush()
            answer = wire.receive(pipe(process.stdout))
        except Exception as error:  # whatever it was: the next answer would be the rest of this one
            code = self._retire(process)
            raise self._lost(path, late=late.is_set(), code=code) from error
        finally:
            timer.cancel()
            timer.join()
        if late.is_set():  # just after the answer
            self._retire(process)
        return answer

    def _retire(self, process: subprocess.Popen[bytes]) -> int:
        self._process = None
        process.kill()
        return bury(process)

    def _lost(self, path: Path, *, late: bool, code: int) -> AfmendError:
        if late:
            what = f"reading took longer than {self._timeout_s:g} s and was stopped"
        else:
            what = f"its reader died (code {code}), perhaps out of memory"
        return CorruptFileError(what, where=path.name, now="Copy it again from the instrument, or report it.")

    def _start(self) -> subprocess.Popen[bytes]:
        self._process = subprocess.Popen(  # noqa: S603 (this very Python, and two numbers)
            [sys.executable, "-m", "afmend.apps.web.reader_process", str(self._memory_mb), str(self._yields)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **ONE_THREAD},
            start_new_session=True,
        )
        return self._process


class Library:
    """Opened images, the latest kept in memory."""

    def __init__(self, reader: Reader, limit_bytes: int = 1 << 30) -> None:
        self._reader = reader
        self._limit = limit_bytes
        self._kept: OrderedDict[tuple[Any, ...], Opened] = OrderedDict()
        self._lock = threading.Lock()

    def open(self, path: Path, frame: int = 0) -> Opened:
        """Return one image of a file, read again only if the file changed.

        Raises
        ------
        AfmendError
            As `Reader.ask`.
        """
        key = (*state_of(path), frame)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        answer, arrays = self._reader.ask(path, want="scan", frame=frame)
        opened = Opened(wire.unpack(answer["scan"], arrays), int(answer["frame"]), int(answer["count"]))
        with self._lock:
            self._kept[key] = opened
            while len(self._kept) > 1 and sum(_size(one.scan) for one in self._kept.values()) > self._limit:
                self._kept.popitem(last=False)
        return opened


def _size(scan: Scan) -> int:
    return sum(channel.values.nbytes for channel in scan.channels.values())
