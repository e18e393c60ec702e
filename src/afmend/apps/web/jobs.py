"""Batches and exports: the batch of the command line, run in a thread, watched and stopped by the page."""

from __future__ import annotations

import math
import os
import secrets
import shutil
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any, Literal

from afmend.apps.batch import Job, JobResult, Order, plan, run_batch
from afmend.apps.batch.plan import find_files
from afmend.apps.batch.summary import finite, rows_of
from afmend.errors import AfmendError
from afmend.formats.register import replacing

State = Literal["running", "done", "stopped", "failed"]
MOST_JOBS = 20
FEWEST = 8
"""Files from which on some can be called unusual."""


@dataclass(frozen=True, slots=True)
class Task:
    """One file of a batch: where it is, how the page calls it, and its own recipe (YAML) and channel."""

    path: Path
    ref: str
    recipe: str
    channel: str | None


@dataclass(slots=True)
class Running:
    """A batch, running or finished.

    ``outputs`` is what it wrote itself, in a fixed order; it is there when the batch has ended, and never changes.
    """

    id: str
    out: Path
    tasks: Sequence[Task]
    state: State = "running"
    began: float = field(default_factory=time.monotonic)
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    error: str = ""
    outputs: tuple[Path, ...] = ()
    stop: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None

    def to_json(self) -> dict[str, Any]:
        """Return what the page shows: state, counts, time left, one entry per finished file."""
        files = dict(self.files)
        done, total = len(files), len(self.tasks)
        fresh = [one["seconds"] for one in files.values() if not one["reused"]]
        odd = unusual(files)
        files = {ref: {**one, "odd": odd.get(ref, "")} for ref, one in files.items()}
        left = (total - done) * sum(fresh) / len(fresh) if fresh and self.state == "running" else None
        return {
            "id": self.id, "state": self.state, "done": done, "total": total, "error": self.error, "left_s": left,
            "out": str(self.out), "files": files, "outputs": [str(p.relative_to(self.out)) for p in self.outputs],
        }  # fmt: skip

    def holds(self, path: Path) -> bool:
        """Say whether an output is still there, and no link that leads elsewhere."""
        return path.is_file() and Path(os.path.realpath(path)).is_relative_to(os.path.realpath(self.out))


def unusual(files: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Name the files whose numbers lie far from the middle of their batch, and which number that is.

    Roughness is compared by its ratio. Few files have no middle.
    """
    found: dict[str, str] = {}
    for name, words, least in (("Sq_mended", "roughness", 0.1), ("invented_percent", "share filled", 1.0)):
        values = {ref: float(one[name]) for ref, one in files.items() if one.get(name) is not None}
        if name == "Sq_mended":
            values = {ref: math.log10(max(value, 1e-12)) for ref, value in values.items()}
        if len(values) < FEWEST:
            continue
        middle = median(values.values())
        spread = max(least, 1.4826 * median(abs(value - middle) for value in values.values()))
        for ref, value in values.items():
            if abs(value - middle) > 4 * spread:
                found.setdefault(ref, words)
    return found


class Jobs:
    """All batches of this server, the latest of those that have ended.

    Parameters
    ----------
    scratch : Path, optional
        What batches wrote in there goes with them.
    """

    def __init__(self, scratch: Path | None = None) -> None:
        self._scratch = scratch
        self._jobs: dict[str, Running] = {}

    def __getitem__(self, name: str) -> Running:
        return self._jobs[name]

    def get(self, name: str) -> Running | None:
        """Return a batch by its id, or None."""
        return self._jobs.get(name)

    def writes_to(self, out: Path) -> bool:
        """Say whether a batch is writing to a folder now."""
        return any(job.state == "running" and job.out == out for job in self._jobs.values())

    def start(self, tasks: Sequence[Task], order: Order) -> Running:
        """Start a batch; it writes what ``afmend repair`` writes. Recipes and channels are those of the tasks.

        Files that are read together with another one are no tasks of their own.
        """
        read = {path for path, _ in find_files([task.path for task in tasks], order.out)}
        tasks = [task for task in tasks if task.path in read]
        running = Running(secrets.token_hex(8), order.out, tasks)
        self._jobs[running.id] = running
        for old in [name for name, job in self._jobs.items() if job.state != "running"][:-MOST_JOBS]:
            gone = self._jobs.pop(old)
            if self._scratch is not None and gone.out.is_relative_to(self._scratch):
                shutil.rmtree(gone.out, ignore_errors=True)
        running.thread = threading.Thread(target=_run, args=(running, order), daemon=True)
        running.thread.start()
        return running

    def close(self) -> None:
        """Stop everything and wait for it."""
        for job in self._jobs.values():
            job.stop.set()
        for job in self._jobs.values():
            if job.thread is not None:
                job.thread.join(timeout=10)


def jobs_of(tasks: Sequence[Task], order: Order) -> list[Job]:
    """List what a batch will do, file by file."""
    by_path = {str(task.path): task for task in tasks}
    return [_own(job, by_path) for job in plan([task.path for task in tasks], order)]


def _own(job: Job, by_path: Mapping[str, Task]) -> Job:
    task = by_path[job.path]
    return replace(job, recipe=task.recipe, channel=task.channel)


def _write_recipes(tasks: Sequence[Task], order: Order) -> list[Path]:
    """Write the recipe of most files, and those of the others beside their results; return where."""
    common = Counter(task.recipe for task in tasks).most_common(1)[0][0]
    own = {Path(f"{job.stem}.recipe.yaml"): job.recipe for job in jobs_of(tasks, order) if job.recipe != common}
    recipes = {order.out / "recipe.yaml": common, **own}
    for path, recipe in recipes.items():
        with replacing(path) as temporary:
            temporary.write_text(recipe, encoding="utf-8")
    return list(recipes)


def _run(running: Running, order: Order) -> None:
    by_path: Mapping[str, Task] = {str(task.path): task for task in running.tasks}

    def change(job: Job) -> Job:
        return _own(job, by_path)

    def watch(result: JobResult, _done: int, _of: int) -> None:
        written.update(Path(name) for scan in result.scans for name in scan.outputs)
        running.files[by_path[result.path].ref] = _facts(result)

    written: set[Path] = set()
    state: State = "failed"
    try:
        run_batch([task.path for task in running.tasks], order, watch, change=change, stop=running.stop.is_set)
        written.update(_write_recipes(running.tasks, order))
        written.update(order.out / name for name in ("summary.csv", "summary.json", *["report.html"] * order.report))
        state = "stopped" if running.stop.is_set() and len(running.files) < len(running.tasks) else "done"
    except (AfmendError, OSError) as error:
        running.error = str(error)
    except Exception as error:  # noqa: BLE001 (whatever it was: who waits for the batch must learn that it is over)
        running.error = f"{type(error).__name__}: {error}. This is a bug: please report it."
    running.outputs = tuple(sorted(path for path in written if running.holds(path)))
    running.state = state  # last: who sees the end finds the outputs


def _facts(result: JobResult) -> dict[str, Any]:
    """Return what the page shows of a file; of the frames of a movie, shares are those of the worst."""
    rows: list[dict[str, Any]] = [finite(row) for row in rows_of([result])]
    first = rows[0] if rows else {}
    shares = ("invented_percent", "artifact_percent", "missing_percent", "open_percent")
    return {
        "good": result.good, "reused": result.reused, "seconds": result.seconds, "images": len(result.scans),
        "error": next((row["error"] for row in rows if row.get("error")), ""),
        "unit": first.get("unit", ""), "verdict": first.get("verdict", ""), "action": first.get("action", ""),
        "artifacts": first.get("artifacts", ""), "probability": first.get("probability"),
        "strange": bool(first.get("strange")),
        **{name: first.get(name) for name in ("Sq_as_read", "Sq_mended")},
        **{name: max((row[name] for row in rows if row.get(name) is not None), default=None) for name in shares},
    }  # fmt: skip
