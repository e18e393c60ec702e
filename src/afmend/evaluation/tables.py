"""Tables of numbers as CSV files."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from afmend.formats.register import replacing

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_statistics_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write one line per row; the columns are all keys in the order in which they first appear.

    The file appears whole or not at all, in a folder that is made if need be. Every cell goes through `cell`.

    Raises
    ------
    WriteError
        If the folder cannot be written to; an older file stays as it was.
    """
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        table.writerow({column: cell(column) for column in columns})
        table.writerows({key: cell(value) for key, value in row.items()} for row in rows)


def cell(value: Any) -> Any:
    """Return what may stand in a cell of a CSV file.

    Nothing becomes an empty cell, a float keeps every digit, stray bytes in a text become readable escapes, and a text
    that a spreadsheet would run as a formula begins with an apostrophe.
    """
    if value is None:
        return ""
    if isinstance(value, float):
        return repr(float(value))
    if not isinstance(value, str):
        return value
    text = value.encode("utf-8", "backslashreplace").decode("utf-8")
    return f"'{text}" if text.startswith(_FORMULA) else text
