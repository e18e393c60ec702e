"""Reading what a browser sends, within limits, and saying what is wrong with it in JSON."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from afmend.errors import AfmendError, BadParameterError

MOST_JSON = 4 << 20
"""Bytes of a question about one image: a recipe with two hundred thousand drawn points."""
PATIENCE_S = 30.0
"""A sender that is silent for longer is given up."""
M = TypeVar("M", bound=BaseModel)
_SURROGATE = re.compile("[\ud800-\udfff]")


class TooLargeError(AfmendError):
    """More was sent than is taken."""


async def chunks(request: Request, limit: int) -> Any:
    """Yield the body of a request piece by piece; refuse one that is too long or too slow."""
    told = request.headers.get("content-length", "0")
    if not told.isdigit() or int(told) > limit:
        raise TooLargeError(f"more than {limit >> 20} MB are not taken", now="Copy the file into the folder instead.")
    total = 0
    stream = request.stream()
    while True:
        try:
            chunk = await asyncio.wait_for(anext(stream), PATIENCE_S)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise TooLargeError("nothing came for too long", now="Send it again.") from error
        total += len(chunk)
        if total > limit:
            raise TooLargeError(
                f"more than {limit >> 20} MB are not taken", now="Copy the file into the folder instead."
            )
        yield chunk


async def body(request: Request, limit: int = MOST_JSON) -> bytes:
    """Return what a request holds.

    Raises
    ------
    TooLargeError
    """
    return b"".join([chunk async for chunk in chunks(request, limit)])


def read_json(data: bytes) -> Any:
    """Read JSON; takes its time if there is much of it, so call it in a thread.

    Raises
    ------
    BadParameterError
        If it is none, or holds numbers that JSON does not know.
    """
    try:
        found = json.loads(data)
        json.dumps(found, allow_nan=False)  # NaN, and 1e999, which becomes infinite
    except (ValueError, RecursionError) as error:
        raise BadParameterError("the request is not JSON", now="Reload the page.") from error
    return found


async def parsed(request: Request, model: type[M], limit: int = MOST_JSON) -> M:
    """Return the JSON of a request as a checked object.

    Raises
    ------
    BadParameterError, TooLargeError
    """
    return await asyncio.to_thread(_checked, await body(request, limit), model)


def _checked(data: bytes, model: type[M]) -> M:
    try:
        return model.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        if first["type"] == "json_invalid":
            raise BadParameterError("the request is not JSON", now="Reload the page.") from error
        place = ".".join(str(part) for part in first["loc"])
        raise BadParameterError(f"{place}: {first['msg']}", now="Reload the page.") from error


def plain(text: str) -> str:
    """Return a text that UTF-8 can say: names of files may hold bytes that are none."""
    return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)


class Answer(Response):
    """JSON, whatever signs the names in it hold."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Write it."""
        return plain(json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))).encode()


def facts_of(error: AfmendError) -> dict[str, str]:
    """Return an error as plain JSON."""
    return {"kind": error.kind, "what": error.what, "where": error.where, "now": error.now}


async def refuse(_request: Request, error: Exception) -> Response:
    """Answer an `AfmendError`."""
    if not isinstance(error, AfmendError):  # pragma: no cover (registered for AfmendError only)
        raise error
    return Answer({"error": facts_of(error)}, 413 if isinstance(error, TooLargeError) else 422)
