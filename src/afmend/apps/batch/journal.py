"""The journal: one small file per finished input, written after its outputs, so that a run can be taken up again."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path

import xxhash

from afmend import __version__
from afmend.apps.batch.job import FRAME_SIGN, Job, JobResult
from afmend.apps.batch.plan import PRIVATE
from afmend.errors import AfmendError, CorruptFileError
from afmend.formats.register import replacing

CHUNK = 1 << 22


class Journal:
    """Remembers finished jobs in ``out/.afmend/journal``."""

    def __init__(self, out: Path) -> None:
        self._folder = out / PRIVATE / "journal"

    def recall(self, job: Job) -> JobResult | None:
        """Return the result of the same job on the same bytes, if all its outputs still exist and it was good."""
        try:
            kept = json.loads(self.place(job).read_text(encoding="ascii"))
            result = JobResult.from_json(kept["result"], reused=True)
            same = result.fingerprint == fingerprint(job)
            whole = all(Path(name).stat().st_size == size for name, size in kept["sizes"].items())
        except (OSError, ValueError, KeyError, TypeError, AfmendError):
            return None
        return result if result.good and same and whole else None

    def keep(self, job: Job, result: JobResult) -> None:
        """Write down a finished job, whole or not at all."""
        names = [name for scan in result.scans for name in (*scan.outputs, *([scan.card] if scan.card else []))]
        sizes = {name: Path(name).stat().st_size for name in names}
        with replacing(self.place(job)) as temporary:
            temporary.write_text(json.dumps({"sizes": sizes, "result": result.to_json()}), encoding="ascii")

    def place(self, job: Job) -> Path:
        """Return the file about a job."""
        return self._folder / f"{xxhash.xxh3_128_hexdigest(os.fsencode(job.stem))}.json"


def holds_only(out: Path, jobs: Sequence[Job]) -> bool:
    """Say whether a folder is empty, not there, or holds the results of these very jobs on the same bytes.

    Outputs without an entry in the journal were cut off by a kill: of these jobs, they are their results, too.
    """
    files = [path for path in out.rglob("*") if path.is_file()]
    if not (out / PRIVATE).is_dir():
        return not files
    journal = Journal(out)
    mine = {journal.place(job): job for job in jobs}
    for file in (out / PRIVATE / "journal").glob("*.json"):
        try:
            result = JobResult.from_json(json.loads(file.read_text(encoding="ascii"))["result"])
            same = file in mine and result.fingerprint == fingerprint(mine[file])
        except (OSError, ValueError, KeyError, TypeError, AfmendError):
            return False
        if not same and any(scan.outputs for scan in result.scans):
            return False
    known = {"summary.csv", "summary.json", "report.html", "recipe.yaml"}
    stems = tuple(f"{job.stem}{sign}" for job in jobs for sign in (".", FRAME_SIGN))
    return all(
        path.relative_to(out).as_posix() in known or path.relative_to(out).parts[0].startswith(".")
        or str(path).startswith(stems) for path in files
    )  # fmt: skip


def fingerprint(job: Job) -> str:
    """Hash of everything a job's outputs depend on: the input's bytes, the order and afmend's version."""
    state = xxhash.xxh3_128(json.dumps([__version__, job.to_json()], sort_keys=True).encode())
    if not Path(job.path).is_file():
        raise CorruptFileError("is not a file", where=Path(job.path).name, now="Check the path.")
    with Path(job.path).open("rb") as file:
        while chunk := file.read(CHUNK):
            state.update(chunk)
    return state.hexdigest()


def sweep(out: Path) -> None:
    """Remove unfinished files of processes of this machine that no longer run (after a kill)."""
    start = f".afmend-{platform.node()[:40]}-"
    for path in out.rglob(f"{start}*"):
        owner = path.name[len(start) :].partition("-")[0]
        if owner.isdigit() and not _runs(int(owner)):
            path.unlink(missing_ok=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
