"""Methods of other people: ``--method [TASK=]module:function``."""

from __future__ import annotations

import difflib
import inspect
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from afmend.errors import BadParameterError
from afmend.evaluation.bench.methods import TASKS, Method, TaskName

_NOW = "Write --method module:function, or --method fill=module:function; the current folder is searched, too."


def third_parties(wishes: Sequence[str], task: TaskName) -> tuple[Method, ...]:
    """Load the functions that a user wants to see in the table of ``task``.

    Without ``TASK=`` the number of its parameters tells: a function of one takes and returns a `Scan` and joins the
    tables level, mask, clean, metrology and harm; a function of three (heights, holes, pixel_nm) joins the table fill.

    Raises
    ------
    BadParameterError
        If there is no such function, or it takes another number of parameters.
    """
    found = []
    for wish in wishes:
        wanted, function, name = _load(wish)
        if task in wanted:
            about = (inspect.getdoc(function) or "a method given by --method").strip().splitlines()[0]
            found.append(Method(name, about, function))
    return tuple(found)


def _load(wish: str) -> tuple[tuple[TaskName, ...], Callable[..., Any], str]:
    where = f"--method {wish}"
    head, sign, rest = wish.partition("=")
    place = rest if sign else head
    module, colon, name = place.partition(":")
    if not (colon and module and name):
        raise BadParameterError("is not module:function", where=where, now=_NOW)
    if os.getcwd() not in sys.path:  # noqa: PTH109 (text for sys.path)
        sys.path.insert(0, os.getcwd())  # noqa: PTH109
    try:
        function = getattr(import_module(module), name)
        count = len([p for p in inspect.signature(function).parameters.values() if p.default is p.empty])
    except (Exception, SystemExit) as error:
        raise BadParameterError(f"cannot be loaded ({type(error).__name__}: {error})", where=where, now=_NOW) from error
    fits: dict[int, tuple[TaskName, ...]] = {1: ("level", "mask", "clean", "metrology", "harm"), 3: ("fill",)}
    if count not in fits:
        now = "One (scan) for levelings and recipes, three (heights, holes, pixel_nm) for fills."
        raise BadParameterError(f"takes {count} parameters", where=where, now=now)
    if not sign:
        return fits[count], function, place
    if head not in fits[count]:
        near = difflib.get_close_matches(head, TASKS, n=1)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        raise BadParameterError(f"a function of {count} parameters is nothing for the task {head!r}", where=where,
                                now=f"{hint}It fits: {', '.join(fits[count])}.")  # fmt: skip
    return (head,), function, place  # type: ignore[return-value]  # head is one of fits
