"""From what the user named to a list of jobs with distinct outputs, the same every time."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from afmend.apps.batch.job import FRAME_SIGN, Job, Mode

SCALA_PART = re.compile(r"\.[ts][fb]\d+$", re.IGNORECASE)
PRIVATE = ".afmend"
"""Folder inside the output folder that holds the journal and the report's cards."""


@dataclass(frozen=True, slots=True)
class Order:
    """What the user wants done with all files.

    ``recipe`` is YAML text, so that the workers need no file; ``report`` asks for report.html; ``gate`` names the model
    that decides what happens to each image.
    """

    out: Path
    recipe: str = ""
    channel: str | None = None
    write: tuple[str, ...] = ("h5", "gwy", "png")
    mode: Mode = "mend"
    before: tuple[Mapping[str, Any], ...] = ()
    report: bool = True
    workers: int = 1
    resume: bool = False
    timeout_s: float = 600.0
    gate: str | None = None


def plan(inputs: Iterable[Path], order: Order) -> list[Job]:
    """List the jobs, sorted by input, each with its own output names.

    A folder is searched whole for regular files; hidden ones, the output folder and the outputs of other runs are left
    out, links to folders not followed.
    """
    taken = {"summary", "report"}  # the run's own files
    jobs = []
    for path, relative in find_files(inputs, order.out):
        stem = _free(_printable(relative), taken)
        card = str(order.out / PRIVATE / "cards" / f"{stem}.json") if order.report else None
        target = str(order.out / stem)
        how = (order.recipe, order.channel, order.write, order.mode, order.before, card, order.gate)
        jobs.append(Job(str(path), target, *how))
    return jobs


def find_files(inputs: Iterable[Path], out: Path) -> list[tuple[Path, str]]:
    """List the files of inputs, as (path, path relative to the folder given): see `plan`."""
    found: dict[Path, str] = {}
    skip = _resolved(out)
    for given in inputs:
        if not given.is_dir():
            found.setdefault(given, given.name)
            continue
        for folder, names, files in os.walk(given):
            here = Path(folder)
            if here != given and (here / PRIVATE).is_dir():
                names.clear()
                continue
            names[:] = sorted(n for n in names if not n.startswith(".") and _resolved(here / n) != skip)
            for name in sorted(files):
                if not name.startswith(".") and (here / name).is_file():
                    found.setdefault(here / name, str((here / name).relative_to(given)))
    parts = {path for path in found if SCALA_PART.search(path.name) and _has_par(path, found)}
    return sorted(((path, name) for path, name in found.items() if path not in parts), key=lambda item: str(item[0]))


def _has_par(path: Path, found: Mapping[Path, str]) -> bool:
    """Say whether an Omicron SCALA data file comes with its parameter file, which reads them all."""
    return any(path.with_suffix(ending) in found for ending in (".par", ".PAR"))


def _resolved(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _printable(relative: str) -> str:
    """Make a name that every file system takes from one that perhaps none should have had."""
    raw = os.fsencode(relative).decode("utf-8", "backslashreplace").replace("\\", "_")
    parts = (
        "".join(c if c.isprintable() and c not in f'<>:"|?*{FRAME_SIGN}' else "_" for c in part)
        for part in raw.split("/")
    )
    return "/".join(part[:150] or "_" for part in parts)


def _free(name: str, taken: set[str]) -> str:
    unique, n = name, 1
    while unique.casefold() in taken:
        n += 1
        unique = f"{name}~{n}"
    taken.add(unique.casefold())
    return unique
