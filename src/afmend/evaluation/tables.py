"""Tables of numbers as CSV files."""

from __future__ import annotations

import csv
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from afmend.errors import WriteError


def write_statistics_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write one line per row; the columns are all keys in the order in which they first appear.

    The file appears whole or not at all: it is written beside its place and renamed. Missing values stay empty,
    floats keep every digit.

    Raises
    ------
    WriteError
        If the folder cannot be written to; an older file stays as it was.
    """
    columns = list(dict.fromkeys(key for row in rows for key in row))
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", newline="", dir=path.parent, prefix=f".{path.name}.", delete=False
        ) as file:
            partial = Path(file.name)
            table = csv.DictWriter(file, columns, restval="", lineterminator="\n")
            table.writeheader()
            table.writerows({key: _cell(value) for key, value in row.items()} for row in rows)
    except OSError as error:
        raise WriteError(f"cannot be written ({error.strerror or error})", where=str(path),
                         now="Choose another folder, or make room.") from error  # fmt: skip
    try:
        partial.chmod(0o666 & ~_umask())
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise WriteError(f"cannot be replaced ({error.strerror or error})", where=str(path),
                         now="Close the program that holds it open.") from error  # fmt: skip


def _cell(value: Any) -> Any:
    return "" if value is None else repr(value) if isinstance(value, float) else value


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
