"""Writing and reading the document of a run: JSON whose parts are checked before anybody compares them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, model_validator

from afmend.errors import CorruptFileError, WriteError
from afmend.formats.register import replacing

FORMAT = "afmend-bench"
LAYOUT = 2


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)


class _Column(_Part):
    key: str
    title: str
    better: Literal["low", "high", "zero"]
    compare: Literal["ratio", "difference", ""]


class _Line(_Part):
    method: str


class _Table(_Part):
    task: str
    columns: list[_Column] = Field(min_length=1)
    methods: list[_Line]


class _Case(_Part):
    unit: int
    case: str


class _Document(_Part):
    """What `bench compare` relies on."""

    afmend: str
    settings: dict[str, Any]
    tables: list[_Table]
    cases: dict[str, list[_Case]]
    scores: dict[str, dict[str, dict[str, list[FiniteFloat | None]]]]

    @model_validator(mode="after")
    def _parts_fit(self) -> _Document:
        for table in self.tables:
            if table.task not in self.cases or table.task not in self.scores:
                raise ValueError(f"the table {table.task!r} has no cases or scores")
            scores, count = self.scores[table.task], len(self.cases[table.task])
            if missing := [line.method for line in table.methods if line.method not in scores]:
                raise ValueError(f"the method {missing[0]!r} of the table {table.task!r} has no scores")
            if any(len(numbers) != count for method in scores.values() for numbers in method.values()):
                raise ValueError(f"some scores of the table {table.task!r} are not {count} numbers")
        return self


def write_json(data: Mapping[str, Any], path: Path) -> None:
    """Write a document, all or nothing.

    Raises
    ------
    WriteError
        If the disk refuses.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"the folder cannot be made ({error.strerror})", where=str(path.parent),
                         now="Choose another --out.") from error  # fmt: skip
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        json.dump(data, file, allow_nan=False, separators=(",", ":"))
        file.write("\n")


def read_json(path: Path) -> dict[str, Any]:
    """Read a document written by `write_json`.

    Raises
    ------
    CorruptFileError
        If it is none, of another layout, or damaged.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CorruptFileError(f"cannot be read ({error})", where=str(path),
                               now="Give a bench.json written by `afmend bench`.") from error  # fmt: skip
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise CorruptFileError("is no result of `afmend bench`", where=str(path), now="Give a bench.json.")
    if data.get("layout") != LAYOUT:
        raise CorruptFileError(
            f"has layout {data.get('layout')}, this afmend reads layout {LAYOUT}", where=str(path),
            now="Compare runs of the same afmend, or run the benchmark again.",
        )  # fmt: skip
    try:
        _Document.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise CorruptFileError(f"is damaged ({place + ': ' if place else ''}{first['msg']})", where=str(path),
                               now="Run the benchmark again.") from error  # fmt: skip
    return data
