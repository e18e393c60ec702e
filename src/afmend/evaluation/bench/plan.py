"""What a run of the benchmark does: settings, and the scans it is cut into."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from afmend.errors import BadParameterError
from afmend.evaluation.bench.cases import cases_in
from afmend.evaluation.bench.methods import TASKS, TaskName

SUITES = {"quick": (60, (256,)), "full": (204, (256, 384, 512))}
"""Suite -> scans per task, lines of a scan (taken in turn)."""
SMALLEST, LARGEST = 48, 1024
_SEEDS = 1_000_000


@dataclass(frozen=True, slots=True)
class Settings:
    """What was asked for; the numbers of a run depend on this, and on nothing else.

    Attributes
    ----------
    suite : str
        "quick" or "full"; the name of a command otherwise.
    box : str
        Built-in box or YAML file from which the twin draws scans.
    seed : int
        Another seed, other scans.
    count : int
        Scans per task.
    sizes : tuple of int
        Pixels of a line, taken in turn; every third scan has three lines for every four pixels.
    tasks : tuple of TaskName
    methods : tuple of str
        Functions of the user, ``[TASK=]module:function``.
    data : str or None
        Folder of HDF5 files, instead of the twin.
    peers : tuple of str
        Programs of other people that run in the same run.
    peer_python : str or None
        The Python in which TopoStats was looked for, if not this one.
    """

    suite: str = "quick"
    box: str = "shifted"
    seed: int = 0
    count: int = 60
    sizes: tuple[int, ...] = (256,)
    tasks: tuple[TaskName, ...] = TASKS
    methods: tuple[str, ...] = ()
    data: str | None = None
    peers: tuple[str, ...] = ()
    peer_python: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        plain = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}
        return plain | {"peers": [" ".join(peer.split("|")[:2]) for peer in self.peers]}

    def shape(self, index: int) -> tuple[int, int]:
        """(rows, cols) of a scan."""
        cols = self.sizes[index % len(self.sizes)]
        return (cols * 3 // 4, cols) if index % 3 == 2 else (cols, cols)

    def seed_of(self, index: int) -> int:
        """Seed of the twin of a scan: what `afmend twin --seed` takes to show it."""
        return self.seed * _SEEDS + index


def settings_of(
    suite: str,
    *,
    tasks: Sequence[str] = (),
    count: int | None = None,
    size: int | None = None,
    data: Path | None = None,
    **rest: Any,
) -> Settings:
    """Complete what the user said by what the suite says.

    Raises
    ------
    BadParameterError
        If a task is unknown, or a number out of range.
    MissingChannelError
        If the folder of data holds no HDF5 file.
    """
    usual_count, usual_sizes = SUITES.get(suite, SUITES["quick"])
    for task in tasks:
        if task not in TASKS:
            raise BadParameterError(f"no task {task!r}", where="--tasks", now=f"There are: {', '.join(TASKS)}.")
    if size is not None and not SMALLEST <= size <= LARGEST:
        raise BadParameterError(f"the size is {size} px", where="--size", now=f"From {SMALLEST} to {LARGEST}.")
    if count is not None and count < 1:
        raise BadParameterError(f"the count is {count}", where="--count", now="At least one scan.")
    chosen = tuple(task for task in TASKS if task in tasks or not tasks)
    if data is not None:
        there = len(cases_in(data))
        count = min(count or there, there)
    return Settings(suite, count=count or usual_count, sizes=usual_sizes if size is None else (size,), tasks=chosen,
                    data=None if data is None else str(data), **rest)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Unit:
    """The smallest piece of work: all methods of a task on one scan."""

    task: TaskName
    index: int


def units_of(settings: Settings) -> tuple[Unit, ...]:
    """Cut a run into pieces, in the order of the tables."""
    return tuple(Unit(task, index) for task in settings.tasks for index in range(settings.count))
