"""Reading what a browser sends, within limits, and saying what is wrong with it in JSON."""

from __future__ import annotations

import asyncio
import json
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from afmend.errors import AfmendError, BadParameterError

MOST_JSON = 16 << 20
"""Bytes of a request: a recipe with a hundred thousand drawn points."""
PATIENCE_S = 30.0
"""A sender that is silent for longer is given up."""
M = TypeVar("M", bound=BaseModel)


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


async def json_body(request: Request, limit: int = MOST_JSON) -> Any:
    """Return the JSON of a request.

    Raises
    ------
    BadParameterError, TooLargeError
    """
    data = b"".join([chunk async for chunk in chunks(request, limit)])
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadParameterError("the request is not JSON", now="Reload the page.") from error


async def parsed(request: Request, model: type[M]) -> M:
    """Return the JSON of a request as a checked object.

    Raises
    ------
    BadParameterError, TooLargeError
    """
    data = await json_body(request)
    try:
        return model.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise BadParameterError(f"{place}: {first['msg']}", now="Reload the page.") from error


def facts_of(error: AfmendError) -> dict[str, str]:
    """Return an error as plain JSON."""
    return {"kind": error.kind, "what": error.what, "where": error.where, "now": error.now}


async def refuse(_request: Request, error: Exception) -> Response:
    """Answer an `AfmendError`."""
    if not isinstance(error, AfmendError):  # pragma: no cover (registered for AfmendError only)
        raise error
    return JSONResponse({"error": facts_of(error)}, 413 if isinstance(error, TooLargeError) else 422)
