"""The stream of one run: progress, pictures as soon as they are there, and the end."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from afmend.apps.web import frames
from afmend.apps.web.compose import Wish
from afmend.apps.web.desk import StoppedError
from afmend.apps.web.engine import Engine, Mended
from afmend.apps.web.measures import history
from afmend.apps.web.requests import facts_of
from afmend.errors import AfmendError
from afmend.scan import Channel, Grid

_LOG = logging.getLogger(__name__)
HEIGHTS = ("original", "leveled", "mended")
"""Pictures of heights: the same content, the same picture."""


class Run(BaseModel):
    """A request of the page: what to do, which pictures it has already, how fine the others should be.

    ``part``: (first row, end, first column, end) to compute first, for those who cannot wait; ``part_only``: and then
    nothing else, unless a part shows nothing.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    rev: int = Field(ge=0)
    wish: Wish
    have: dict[str, str] = {}
    preview_px: int = Field(0, ge=0, le=4096)
    sigma: bool = False
    part: tuple[int, int, int, int] | None = None
    part_only: bool = False


def _panels(stage: str, run: Run) -> tuple[str, ...]:
    """Name the pictures that a stage brings."""
    if stage == "marked":
        return ("raw_mask",)
    if stage == "leveled":
        return ("leveled", "mask")
    if stage == "mended":
        return ("mended", "flags", "sigma") if run.sigma else ("mended", "flags")
    return ("original",)


def _picture(panel: str, channel: Channel, grid: Grid, most_px: int) -> bytes:
    if panel in ("raw_mask", "mask"):
        return frames.mask_frame(panel, channel, grid, most_px)
    if panel == "flags":
        return frames.flags_frame(channel, grid, most_px)
    if panel == "sigma":
        return frames.sigma_frame(channel, grid)
    return frames.heights_frame(panel, channel, grid, most_px)


def _teller(run: Run, put: Callable[[bytes | None], None], spent: dict[str, float]) -> Callable[[str, Mended], None]:
    """Return what sends the pictures of a stage, as far as the page has not got them; the time goes to ``spent``."""
    sent: dict[str, str] = {}

    def tell(stage: str, done: Mended) -> None:
        start = time.perf_counter()
        channel, grid = done.channel(stage), done.opened.scan.grid
        for panel in _panels(stage, run):
            key = frames.frame_key(panel, channel, run.preview_px)
            content = key.partition(":")[2]
            if _known(key, run.have.get(panel)):
                put(frames.message({"t": "same", "panel": panel, "key": key}))
            elif panel in HEIGHTS and content in sent:  # nothing was filled: the picture is there already
                put(frames.message({"t": "alias", "panel": panel, "key": key, "of": sent[content]}))
            else:
                put(_picture(panel, channel, grid, run.preview_px))
            if panel in HEIGHTS:
                sent.setdefault(content, panel)
        spent["frames"] += time.perf_counter() - start

    return tell


def _known(key: str, have: str | None) -> bool:
    """Say whether the page has this picture already, or a finer one of the same content."""
    return have is not None and have in (key, f"{key.rpartition(':')[0]}:0")


class Runner:
    """Runs wishes in threads and streams what comes out."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._pool = ThreadPoolExecutor(4, thread_name_prefix="mend")

    def close(self) -> None:
        """Take no more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def stream(self, run: Run) -> AsyncIterator[bytes]:
        """Yield the messages of a run; when nobody reads any more, it ends before its next step."""
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        stop = threading.Event()

        def put(data: bytes | None) -> None:
            loop.call_soon_threadsafe(queue.put_nowait, data)

        work = loop.run_in_executor(self._pool, self._work, run, put, stop.is_set)
        try:
            while (data := await queue.get()) is not None:
                yield data
            await work
        finally:
            stop.set()

    def _work(self, run: Run, put: Callable[[bytes | None], None], stop: Callable[[], bool]) -> None:
        began = time.perf_counter()
        spent = {"frames": 0.0}
        tell = _teller(run, put, spent)

        def step(index: int, count: int, name: str) -> None:
            put(frames.message({"t": "step", "rev": run.rev, "index": index, "count": count, "step": name}))

        try:
            if self._part(run, put, stop) and run.part_only:
                put(frames.message({"t": "part_done", "rev": run.rev}))
                return
            done = self._engine.mend(run.wish, tell, step, stop)
            times = {"server_ms": time.perf_counter() - began, "frames_ms": spent["frames"]}
            times = {name: round(1000 * seconds, 2) for name, seconds in times.items()}
            put(frames.message({"t": "done", "rev": run.rev, **times, "ms": done.ms, **_outcome(done)}))
        except StoppedError:
            pass
        except AfmendError as error:
            put(frames.message({"t": "error", "rev": run.rev, "error": facts_of(error)}))
        except Exception as error:  # noqa: BLE001 (not raised again: a future cannot carry every error)
            text = " ".join(str(error).split())[:300]
            facts = {
                "kind": type(error).__name__,
                "what": text or "no message",
                "where": "",
                "now": "This is a bug: please report it.",
            }
            put(frames.message({"t": "error", "rev": run.rev, "error": facts}))
            _LOG.exception("a run failed")
        finally:
            put(None)

    def _part(self, run: Run, put: Callable[[bytes | None], None], stop: Callable[[], bool]) -> bool:
        """Send the pictures of a part of the image; say whether there were any."""
        previewed = None if run.part is None else self._engine.preview(run.wish, run.part, stop)
        if previewed is None:
            return False
        put(frames.message({"t": "part", "rev": run.rev, "box": previewed.box}))
        for stage, scan in previewed.scans.items():
            channel = scan.channels[scan.find(run.wish.channel)]
            for panel in _panels(stage, run):
                put(_picture(panel, channel, scan.grid, 0))
        put(frames.message({"t": "part_end", "rev": run.rev}))
        return True


def _outcome(done: Mended) -> dict[str, Any]:
    channel = done.channel("mended")
    return {
        "channel": str(done.key), "digest": channel.digest(), "history": history(done),
        "steps": [use.step for use in done.recipe.steps],
    }  # fmt: skip
