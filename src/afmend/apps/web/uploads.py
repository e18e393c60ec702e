"""Files that a browser sends: streamed into a folder of their own, under safe names, within limits."""

from __future__ import annotations

import asyncio
import shutil
from itertools import count
from pathlib import Path
from urllib.parse import unquote

import xxhash
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from afmend.apps.web.requests import Answer, TooLargeError, chunks
from afmend.apps.web.roots import Roots, plain_name, printable

SPARE_BYTES = 256 << 20
"""Left free on the disk."""
MOST_FILES = 5000


class Uploads:
    """The folder of uploads.

    Parameters
    ----------
    roots : Roots
        Knows the folder as "upload".
    folder : Path
    limit_bytes : int
        All uploads together.
    """

    def __init__(self, roots: Roots, folder: Path, limit_bytes: int) -> None:
        self._roots = roots
        self._folder = folder
        self._limit = limit_bytes
        self._used = 0
        self._count = 0
        self._names = count()

    def routes(self) -> list[Route]:
        """List the routes."""
        return [
            Route("/api/upload", self.upload, methods=["POST"]),
            Route("/api/sample", self.sample, methods=["POST"]),
        ]

    async def upload(self, request: Request) -> Response:
        """Keep one file; the name comes in the header X-Name, percent-encoded."""
        name = plain_name(unquote(request.headers.get("x-name", ""), errors="replace"))
        folder = self._new_folder()
        target = folder / name
        content = xxhash.xxh3_128()
        taken = 0
        try:
            with target.open("xb") as file:
                async for chunk in chunks(request, self._limit):
                    taken += len(chunk)
                    self._used += len(chunk)
                    self._check_room()
                    content.update(chunk)
                    await asyncio.to_thread(file.write, chunk)
            kept, again = await asyncio.to_thread(self._keep, target, content.hexdigest())
        except BaseException:
            self._give_back(taken)
            shutil.rmtree(folder, ignore_errors=True)
            raise
        if again:
            self._give_back(taken)
        return Answer({"ref": self._ref(kept), "name": printable(name)})

    def _give_back(self, taken: int) -> None:
        """Count a file out again that takes no room."""
        self._used -= taken
        self._count -= 1

    def _keep(self, file: Path, content: str) -> tuple[Path, bool]:
        """Move a file to where its content says: sent again, it is the same file, and drawings on it come back.

        Say whether it was there already.
        """
        home = self._folder / content[:20]
        home.mkdir(exist_ok=True)
        again = (home / file.name).exists()
        kept = file.replace(home / file.name)
        shutil.rmtree(file.parent, ignore_errors=True)
        return kept, again

    async def sample(self, _request: Request) -> Response:
        """Make a scan to try: a simulated one, on an ordinary bad day."""
        path = await asyncio.to_thread(self._sample)
        return Answer({"ref": self._ref(path), "name": path.name})

    def _sample(self) -> Path:
        from afmend.formats import write
        from afmend.simulation import as_measured
        from afmend.simulation.example import example_scan

        path = self._folder / "sample" / "sample.gwy"
        if not path.is_file():
            write(as_measured(example_scan()), path)
        return path

    def _ref(self, path: Path) -> str:
        return self._roots.ref("upload", self._roots["upload"] / path.relative_to(self._folder))

    def _check_room(self) -> None:
        if self._used > self._limit or shutil.disk_usage(self._folder).free < SPARE_BYTES:
            raise TooLargeError("there is no room for more", now="Start `afmend web` on the folder instead.")

    def _new_folder(self) -> Path:
        """Make a folder for one file: two files of one name stay two."""
        if self._count >= MOST_FILES:
            raise TooLargeError(f"more than {MOST_FILES} files are not taken", now="Start `afmend web` on the folder.")
        self._count += 1
        folder = self._folder / f"new{next(self._names):04d}"
        folder.mkdir()
        return folder
