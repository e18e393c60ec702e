"""The routes of the page's server."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from afmend.apps.web import measures
from afmend.apps.web.compose import MOST_STEPS, Wish
from afmend.apps.web.desk import Desk, Stop, StoppedError, forget
from afmend.apps.web.engine import Engine, warm_up
from afmend.apps.web.guard import Keys
from afmend.apps.web.jobs import Jobs
from afmend.apps.web.judging import Judging
from afmend.apps.web.outputs import Outputs
from afmend.apps.web.reading import Library, Reader
from afmend.apps.web.requests import Answer, body, parsed, read_json, refuse
from afmend.apps.web.roots import Roots
from afmend.apps.web.running import Run, Runner
from afmend.apps.web.sessions import MOST_BYTES, Sessions
from afmend.apps.web.tips import Tips
from afmend.apps.web.tries import Tries
from afmend.apps.web.uploads import Uploads
from afmend.apps.web.words import words
from afmend.errors import AfmendError, BadRecipeError
from afmend.pipeline import Recipe
from afmend.recipes import check_recipe

TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
"""Stated, not guessed: on some systems the register of types says otherwise."""
MOST_YAML = 1 << 20
"""Letters of a recipe; a file of YAML is read slowly."""
Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Settings:
    """What the server is told.

    ``root``: the folder that the page may reach; ``scratch``: for uploads and exports, emptied by the caller;
    ``warm``: compile the default recipe at the start.
    """

    root: Path
    scratch: Path
    address: str = "http://127.0.0.1/"
    memory_mb: int = 6144
    read_timeout_s: float = 60.0
    cache_bytes: int = 1_500_000_000
    upload_bytes: int = 2 << 30
    state: Path | None = None
    warm: bool = False


class _Image(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    ref: str = Field(max_length=5000)
    frame: int = Field(0, ge=0, le=100_000)


class _StepHeight(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    wish: Wish
    first: tuple[tuple[float, float], ...] = Field(max_length=10_000)
    second: tuple[tuple[float, float], ...] = Field(max_length=10_000)
    invented: bool = False


class Bench:
    """Everything behind the page; its methods are the handlers.

    Parameters
    ----------
    settings : Settings
    keys : Keys
    """

    def __init__(self, settings: Settings, keys: Keys) -> None:
        self._settings = settings
        self._keys = keys
        uploads = settings.scratch / "uploads"
        uploads.mkdir(parents=True, exist_ok=True)
        self._roots = Roots({"root": settings.root, "upload": uploads})
        self._reader = Reader(settings.read_timeout_s, settings.memory_mb)
        self._sketcher = Reader(min(settings.read_timeout_s, 20.0), settings.memory_mb)
        self._engine = Engine(self._roots, Library(self._reader), settings.cache_bytes)
        self._runner = Runner(self._engine)
        self._judging = Judging(self._roots, settings.memory_mb)
        self._mends, self._reads, self._draws = Desk(2), Desk(4), Desk(1)
        self._jobs = Jobs(settings.scratch)
        self._sessions = Sessions(settings.root, settings.state)
        self._uploads = Uploads(self._roots, uploads, settings.upload_bytes)
        self._outputs = Outputs(self._roots, self._engine, self._jobs, settings.scratch)

    def routes(self) -> list[Route]:
        """List all routes."""
        return [
            Route("/", self.static),
            Route("/static/{name:path}", self.static),
            Route("/api/schema", self.schema),
            Route("/api/browse", self.browse),
            Route("/api/thumb", self.thumb),
            Route("/api/info", self.info, methods=["POST"]),
            Route("/api/run", self.run, methods=["POST"]),
            Route("/api/measure", self.measure, methods=["POST"]),
            Route("/api/step_height", self.step_height, methods=["POST"]),
            Route("/api/words", self.words, methods=["POST"]),
            Route("/api/recipe", self.recipe, methods=["POST"]),
            Route("/api/session/{tab}", self.session, methods=["GET", "PUT"]),
            Route("/api/token", self.token, methods=["POST"]),
            *self._judging.routes(),
            *Tips(self._engine, self._mends).routes(),
            *Tries(self._engine, self._mends).routes(),
            *self._uploads.routes(),
            *self._outputs.routes(),
        ]

    def close(self) -> None:
        """Stop jobs and processes."""
        self._jobs.close()
        self._runner.close()
        for desk in (self._mends, self._reads, self._draws):
            desk.close()
        self._reader.close()
        self._sketcher.close()
        self._judging.close()

    async def static(self, request: Request) -> Response:
        """Serve a file of the page."""
        name = request.path_params.get("name", "index.html")
        page = files("afmend.apps.web") / "static"
        for part in name.split("/"):
            if part.startswith(".") or "\\" in part or not part:
                return Response("Not found.\n", 404)
            page = page / part
        ending = name[name.rfind(".") :]
        if len(name) > 200 or ending not in TYPES or not page.is_file():  # systems stumble over longer names
            return Response("Not found.\n", 404)
        return Response(page.read_bytes(), media_type=TYPES[ending], headers={"cache-control": "no-cache"})

    async def schema(self, _request: Request) -> Response:
        """Say which steps, recipes and color maps there are."""
        from afmend.apps.web.schema import schema

        found = await asyncio.to_thread(schema)
        return Answer({**found, "root": self._settings.root.name or str(self._settings.root)})

    async def browse(self, request: Request) -> Response:
        """List a folder."""
        ref = request.query_params.get("ref", "root")
        entries, cut = await asyncio.to_thread(self._roots.browse, ref)
        return Answer({"ref": ref, "entries": [asdict(entry) for entry in entries], "cut": cut})

    async def thumb(self, request: Request) -> Response:
        """Draw a small picture of a file, with what it is."""
        path = self._roots.path(request.query_params.get("ref", ""))
        facts, _ = await self._draws.do(request, lambda _: self._sketcher.ask(path, want="thumb", size=128))
        return Answer(facts)

    async def info(self, request: Request) -> Response:
        """Say what is in a file."""
        asked = await parsed(request, _Image)
        ref = asked.ref
        opened = await self._reads.do(request, lambda _: self._engine.open(ref, asked.frame))
        scan = opened.scan
        channels = [
            {"key": str(key), "name": one.name, "unit": one.unit, "calibrated": one.calibrated}
            for key, one in scan.channels.items()
        ]
        return Answer({
            "ref": ref, "frame": opened.frame, "count": opened.count, "grid": asdict(scan.grid),
            "size_nm": scan.grid.size_nm, "channels": channels, "main": str(scan.main.key),
            "acquisition": scan.acquisition.to_json(), "source": asdict(scan.source),
            "header": {k: v[:200] for k, v in list(scan.header.items())[:400]},
        })  # fmt: skip

    async def run(self, request: Request) -> Response:
        """Mend an image and stream its pictures."""
        wanted = await parsed(request, Run)
        return StreamingResponse(self._runner.stream(wanted), media_type="application/octet-stream")

    async def measure(self, request: Request) -> Response:
        """Return roughness numbers."""
        wish = await parsed(request, Wish)

        def work(stop: Stop) -> list[dict[str, Any]]:
            return measures.roughness_rows(self._engine.mend(wish, stop=stop))

        return Answer({"rows": await self._mends.do(request, work)})

    async def step_height(self, request: Request) -> Response:
        """Return the height of one area over another."""
        asked = await parsed(request, _StepHeight)

        def work(stop: Stop) -> dict[str, Any]:
            done = self._engine.mend(asked.wish, stop=stop)
            return measures.step_height(done, asked.first, asked.second, invented=asked.invented)

        return Answer(await self._mends.do(request, work))

    async def words(self, request: Request) -> Response:
        """Return the work as a command, as Python and as a recipe."""
        wish = await parsed(request, Wish)

        def work(_stop: Stop) -> dict[str, str]:
            opened = self._engine.open(wish.ref, wish.frame)
            channel = wish.channel or str(opened.scan.main.key)
            return words(wish, self._roots.path(wish.ref).name, channel, opened.count)

        return Answer(await self._reads.do(request, work))

    async def recipe(self, request: Request) -> Response:
        """Check a recipe in YAML and return it as JSON, or the other way round."""
        data = await body(request)
        return Answer(await self._reads.do(request, lambda _: _recipe(data)))

    async def session(self, request: Request) -> Response:
        """Load or save the work of a tab."""
        tab = request.path_params["tab"]
        if request.method == "GET":
            state = await asyncio.to_thread(self._sessions.load, tab)
            return Response(f'{{"state":{state}}}', media_type="application/json")
        await asyncio.to_thread(self._sessions.save, tab, await body(request, MOST_BYTES))
        return Answer({"saved": True})

    async def token(self, _request: Request) -> Response:
        """Return an address that lets one more browser in."""
        return Answer({"address": f"{self._settings.address}?token={self._keys.new_token()}"})


def _recipe(data: bytes) -> dict[str, Any]:
    from afmend.apps.web.schema import recipe_facts

    found = read_json(data)
    if isinstance(found, dict) and isinstance(found.get("yaml"), str):
        if len(found["yaml"]) > MOST_YAML:
            raise BadRecipeError("is too long for the page", where="the file", now="Use it with `afmend repair`.")
        recipe = Recipe.from_yaml(found["yaml"], "the file")
    else:
        recipe = Recipe.from_mapping(found, "the page")
    if len(recipe.steps) > MOST_STEPS:
        raise BadRecipeError(f"holds more than {MOST_STEPS} steps", where=recipe.name, now="Take some out.")
    check_recipe(recipe)
    return {"recipe": recipe_facts(recipe), "yaml": recipe.to_yaml()}


def make_app(settings: Settings, keys: Keys) -> Starlette:
    """Return the application, without its guard."""
    bench = Bench(settings, keys)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        if settings.warm:
            threading.Thread(target=warm_up, daemon=True).start()
        yield
        await asyncio.to_thread(bench.close)

    handlers: dict[Any, Any] = {AfmendError: refuse, StoppedError: forget}
    return Starlette(routes=bench.routes(), exception_handlers=handlers, lifespan=lifespan)
