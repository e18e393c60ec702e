"""Routes for batches, exports, and the files that come out."""

from __future__ import annotations

import asyncio
import mimetypes
import re
import secrets
import threading
import zipfile
from collections.abc import Sequence
from itertools import count
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from afmend.apps.batch import Order
from afmend.apps.batch.journal import holds_only
from afmend.apps.web.compose import Wish
from afmend.apps.web.engine import Engine
from afmend.apps.web.guard import REPORT_POLICY
from afmend.apps.web.jobs import Jobs, Running, Task, jobs_of
from afmend.apps.web.requests import Answer, facts_of, parsed
from afmend.apps.web.roots import Roots, plain_name, printable
from afmend.errors import AfmendError, BadParameterError, WriteError

MOST_FILES = 5000
MOST_BYTES = 16 << 20
"""Of an order: five thousand files with their recipes."""
SHOWN = {".png": "image/png", ".html": "text/html"}
"""Outputs that a browser may show; everything else is a download."""


class TakenError(AfmendError):
    """A folder for results holds something else; ``free`` is a name that is free."""

    free = ""


class BatchWish(BaseModel):
    """What to do with which files."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    wishes: tuple[Wish, ...] = Field(min_length=1, max_length=MOST_FILES)
    write: tuple[str, ...] = Field(("h5", "gwy", "png"), max_length=20)
    place: str = Field("root", max_length=5000)
    folder: str = Field("", max_length=100)
    replace: bool = False
    report: bool = True
    resume: bool = False
    workers: int = Field(1, ge=1, le=64)
    gate: bool = False


class Outputs:
    """Starts batches and hands out their files."""

    def __init__(self, roots: Roots, engine: Engine, jobs: Jobs, scratch: Path) -> None:
        self._roots = roots
        self._engine = engine
        self._jobs = jobs
        self._scratch = scratch
        self._starting = threading.Lock()

    def routes(self) -> list[Route]:
        """List the routes."""
        return [
            Route("/api/batch", self.start, methods=["POST"]),
            Route("/api/batch/{job}", self.state),
            Route("/api/batch/{job}/stop", self.stop, methods=["POST"]),
            Route("/api/output/{job}/all.zip", self.all),
            Route("/api/output/{job}/file/{index:int}", self.one),
        ]

    async def start(self, request: Request) -> Response:
        """Start a batch: into a folder beside the scans, or, without one, for download."""
        wanted = await parsed(request, BatchWish, MOST_BYTES)
        try:
            running = await asyncio.to_thread(self._start, wanted)
        except TakenError as error:
            return Answer({"error": {**facts_of(error), "free": error.free}}, 409)
        return Answer(running.to_json())

    def _start(self, wanted: BatchWish) -> Running:
        from afmend.apps.web.schema import schema
        from afmend.artifacts.gate.model import TASK

        known = schema()["writes"]
        for ending in wanted.write:
            if ending not in known:
                raise WriteError(f"no writer for {ending!r}", now=f"There are: {', '.join(known)}.")
        if not wanted.write:
            raise WriteError("nothing to write", now=f"There are: {', '.join(known)}.")
        tasks = [
            Task(self._roots.path(wish.ref), wish.ref, wish.recipe().to_yaml(), wish.channel) for wish in wanted.wishes
        ]
        for task in tasks:
            if task.path.is_dir():
                raise BadParameterError("is a folder", where=printable(task.path.name), now="Name the files in it.")
        if len({task.path for task in tasks}) < len(tasks):
            raise BadParameterError("a file is named twice", now="Name every file once.")
        out = self._out(wanted.place, wanted.folder)
        endings = tuple(dict.fromkeys(wanted.write))
        order = Order(out, tasks[0].recipe, tasks[0].channel, endings, report=wanted.report, workers=wanted.workers,
                      resume=wanted.resume, gate=TASK if wanted.gate else None)  # fmt: skip
        with self._starting:
            if wanted.folder:
                self._check_free(tasks, order, replace=wanted.replace)
            return self._jobs.start(tasks, order)

    def _check_free(self, tasks: Sequence[Task], order: Order, *, replace: bool) -> None:
        """Refuse a folder that holds anything but results of the same order, unless that may be replaced.

        Raises
        ------
        TakenError
        """
        out = order.out
        if self._jobs.writes_to(out):
            what = "a batch is writing into that folder"
        elif replace or holds_only(out, jobs_of(tasks, order)):
            return
        else:
            what = "that folder holds other files, perhaps results of another batch"
        free = free_name(out)
        error = TakenError(what, where=out.name, now=f"{free} is free.")
        error.free = free
        raise error

    def _out(self, place: str, folder: str) -> Path:
        if not folder:
            return self._scratch / "out" / secrets.token_hex(6)
        if plain_name(folder) != folder:
            raise BadParameterError(f"{folder!r} is no plain folder name", now=f"Take {plain_name(folder)!r}.")
        if place.partition("/")[0] != "root" or not self._roots.path(place).is_dir():
            raise BadParameterError("the open folder is gone", now="Open another folder.")
        return self._roots.path(f"{place}/{folder}")

    async def state(self, request: Request) -> Response:
        """Say how far a batch is."""
        job = self._jobs.get(request.path_params["job"])
        return Answer(await asyncio.to_thread(job.to_json)) if job else _gone()

    async def stop(self, request: Request) -> Response:
        """Stop a batch; what is finished stays."""
        job = self._jobs.get(request.path_params["job"])
        if job is None:
            return _gone()
        job.stop.set()
        return Answer(await asyncio.to_thread(job.to_json))

    async def one(self, request: Request) -> Response:
        """Hand out one file."""
        job = self._jobs.get(request.path_params["job"])
        index = int(request.path_params["index"])
        if job is None or index >= len(job.outputs) or not job.holds(job.outputs[index]):
            return _gone()
        return _file(job.outputs[index], shown="show" in request.query_params)

    async def all(self, request: Request) -> Response:
        """Hand out all files in one archive."""
        job = self._jobs.get(request.path_params["job"])
        files = [path for path in job.outputs if job.holds(path)] if job else []
        if job is None or not files:
            return _gone()
        target = self._scratch / f"{secrets.token_hex(8)}.zip"  # of this request alone: two may come at once
        await asyncio.to_thread(_zip, target, job.out, files)
        drop = BackgroundTask(target.unlink, missing_ok=True)
        return FileResponse(target, media_type="application/zip", filename="afmend.zip", background=drop)


def free_name(folder: Path) -> str:
    """Return the folder's name with the first number behind it that no file or folder beside it has."""
    base = re.sub(r"-\d+$", "", folder.name)
    return next(name for n in count(2) if not (folder.parent / (name := f"{base}-{n}")).exists())


def _file(path: Path, *, shown: bool) -> Response:
    kind = SHOWN.get(path.suffix.lower()) if shown else None
    if kind is None:
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        return FileResponse(path, media_type=kind, filename=path.name)
    policy = {"content-security-policy": REPORT_POLICY}
    return FileResponse(path, media_type=kind, filename=path.name, content_disposition_type="inline", headers=policy)


def _zip(target: Path, out: Path, files: list[Path]) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for path in files:
            archive.write(path, path.relative_to(out))


def _gone() -> Response:
    return Answer(
        {"error": {"kind": "Gone", "what": "there is no such batch any more", "where": "", "now": "Run it again."}}, 404
    )
