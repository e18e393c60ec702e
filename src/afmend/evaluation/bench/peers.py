"""Programs of other people, run beside afmend in the same run (``--peers``): each in a process of its own."""

from __future__ import annotations

import atexit
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from afmend.errors import StepError
from afmend.evaluation.bench.cases import KEY
from afmend.evaluation.bench.methods import Method, TaskName
from afmend.evaluation.bench.peer_programs.serving import receive, send
from afmend.scan import Scan
from afmend.scan.arrays import Heights, Mask, adopted
from afmend.scan.channel import NO_ERROR_BAR

JOBS: dict[str, dict[TaskName, tuple[str, str]]] = {
    "Gwyddion": {
        "level": ("level", "fit plane, row medians"),
        **dict.fromkeys(("mask", "clean"), ("mask", "fit plane, row medians, mark scars of both signs")),
        "fill": ("fill", "Laplace solver"),
        "metrology": ("mend", "fit plane, row medians, mark scars of both signs, Laplace solver"),
        "harm": ("mend", "fit plane, row medians, mark scars of both signs, Laplace solver"),
    },
    "TopoStats": dict.fromkeys(("level", "metrology", "harm"), ("level", "Filters with its default configuration")),
}
"""Program -> task -> (job, what it does)."""
_SCRIPTS = {"Gwyddion": "run_gwyddion.py", "TopoStats": "run_topostats.py"}
_NOW = {
    "Gwyddion": "Install its libraries (libgwyddion2, libgwyprocess2), as packages of most Linux systems have them.",
    "TopoStats": "`pip install topostats`, here or in an environment that --peer-python names.",
}


@dataclass(frozen=True, slots=True)
class Peer:
    """A program that was found: ``python`` runs its script."""

    program: str
    version: str
    python: str

    @property
    def text(self) -> str:
        """As it stands in the settings."""
        return f"{self.program}|{self.version}|{self.python}"

    @classmethod
    def of(cls, text: str) -> Peer:
        """Read what `text` wrote."""
        return cls(*text.split("|", 2))


def find_peers(python: Path | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Look for the programs by starting them.

    Parameters
    ----------
    python : Path or None
        Python in which TopoStats is installed; None = this one.

    Returns
    -------
    found : tuple of str
        For `peer_methods`.
    missing : tuple of str
        A sentence about each program that was not found.
    """
    found, missing = [], []
    for program in JOBS:
        chosen = str(python) if python is not None and program == "TopoStats" else sys.executable
        try:
            server = _Server(program, chosen)
        except StepError as error:
            missing.append(f"{program} was not found ({error.what}). {_NOW[program]}")
            continue
        found.append(Peer(program, server.version, chosen).text)
        server.stop()
    return tuple(found), tuple(missing)


def peer_methods(peers: Sequence[str], task: TaskName) -> tuple[Method, ...]:
    """List what the found programs can do for a task."""
    made = []
    for peer in map(Peer.of, peers):
        if task in JOBS[peer.program]:
            job, about = JOBS[peer.program][task]
            run = partial(_fill if task == "fill" else _mend, peer, job)
            name = f"{peer.program} {peer.version} (program)"
            made.append(Method(name, f"the program itself: {about}", run))
    return tuple(made)


def _mend(peer: Peer, job: str, scan: Scan) -> Scan:
    channel = scan.channels[KEY]
    heights = np.asarray(channel.values, dtype=np.float64)
    leveled, marked = _server(peer).do(job, heights, np.zeros(heights.shape, dtype=np.bool_), scan.grid.pixel_nm)
    masks = channel.masks.with_added("artifact", "scar", marked)
    sigma = np.where(marked, NO_ERROR_BAR, 0.0) if job == "mend" else None
    return scan.with_channel(channel.evolve(values=adopted(leveled), masks=masks, uncertainty=sigma))


def _fill(peer: Peer, job: str, heights: Heights, holes: Mask, pixel_nm: tuple[float, float]) -> Heights:
    filled = _server(peer).do(job, heights, holes, pixel_nm)[0]
    return np.where(holes, filled, heights)  # the way to meters and back must not count as a change


@cache
def _server(peer: Peer) -> _Server:
    """One server per program and process, started when it is needed first."""
    server = _Server(peer.program, peer.python)
    atexit.register(server.stop)
    return server


class _Server:
    """A process that runs another program and answers jobs.

    Raises
    ------
    StepError
        If it cannot be started, or the program is not there.
    """

    def __init__(self, program: str, python: str) -> None:
        script = Path(str(files("afmend.evaluation.bench.peer_programs"))) / _SCRIPTS[program]
        try:
            self._process = subprocess.Popen(  # noqa: S603 (our script, by a Python that the user named)
                [python, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        except OSError as error:
            raise StepError(f"{python} cannot be started ({error.strerror})", where=program) from error
        try:
            self.version = str(self._answer(program)[0]["version"])
        except StepError:
            self.stop()
            raise

    def do(self, job: str, heights: Heights, mask: Mask, pixel_nm: tuple[float, float]) -> tuple[Heights, Mask]:
        """Hand over a job and wait for heights in nm and a mask."""
        try:
            send(self._pipe(0), {"job": job, "shape": heights.shape, "pixel_nm": pixel_nm}, heights, mask)
        except OSError as error:
            raise StepError("the program's process is gone", where=job, now="Run without --peers.") from error
        _, leveled, marked = self._answer(job)
        return leveled, marked

    def _answer(self, where: str) -> tuple[dict[str, Any], Heights, Mask]:
        try:
            head, heights, mask = receive(self._pipe(1))
        except (EOFError, ValueError) as error:
            raise StepError("the program's process ended", where=where, now="Run without --peers.") from error
        if "error" in head:
            raise StepError(str(head["error"]), where=where)
        return head, heights, mask

    def _pipe(self, number: int) -> Any:
        return (self._process.stdin, self._process.stdout)[number]

    def stop(self) -> None:
        """End the process."""
        for number in (0, 1):
            with suppress(OSError):  # what could not be delivered any more
                self._pipe(number).close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
