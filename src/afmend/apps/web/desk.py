"""Work that takes long, in threads of its own: who saves or lists a folder does not wait for it.

It ends early when whoever asked has gone away.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response

from afmend.errors import AfmendError

MOST_WAITING = 64
T = TypeVar("T")
Stop = Callable[[], bool]
"""Says whether nobody waits for the result any more."""


class StoppedError(Exception):
    """Nobody waits for the result any more."""


class BusyError(AfmendError):
    """More was asked at once than is worth keeping."""


class Desk:
    """A few threads for one kind of question.

    Parameters
    ----------
    threads : int
        So many questions are worked on at a time; the others wait.
    """

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="desk")
        self._waiting = 0

    async def do(self, request: Request, work: Callable[[Stop], T]) -> T:
        """Return what ``work`` returns; it gets a function that says when to stop.

        The body of the request must have been read.

        Raises
        ------
        BusyError
            If `MOST_WAITING` are there already.
        StoppedError
            If the client has gone; what waits is not begun then, what runs is told to stop.
        """
        if self._waiting >= MOST_WAITING:
            raise BusyError("too many questions at once", now="Wait for the answers to the others.")
        stop = threading.Event()
        answer = asyncio.get_running_loop().run_in_executor(self._pool, _outcome, work, stop.is_set)
        leaving = asyncio.ensure_future(_left(request))
        self._waiting += 1
        try:
            await asyncio.wait((answer, leaving), return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                raise StoppedError
            result, error = answer.result()
        finally:
            self._waiting -= 1
            stop.set()
            leaving.cancel()
            answer.cancel()
        if error is not None:
            raise error
        return result  # type: ignore[return-value]  # there is one, or there is an error

    def close(self) -> None:
        """Take no more."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _outcome(work: Callable[[Stop], T], stop: Stop) -> tuple[T | None, Exception | None]:
    """Carry an error as a value: not every one may be raised into a future (StopIteration may not)."""
    try:
        return work(stop), None
    except Exception as error:  # noqa: BLE001 (raised again where it is waited for)
        return None, error


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def forget(_request: Request, _error: Exception) -> Response:
    """Answer a `StoppedError`: nobody reads it."""
    return Response(status_code=499)
