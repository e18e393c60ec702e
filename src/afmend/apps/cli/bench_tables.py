"""Tables of ``afmend bench`` that fit the console: what matters least goes first, and no number is ever cut."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from afmend.apps.cli import say

if TYPE_CHECKING:
    from rich.console import Console

NARROW = 120
"""Consoles, pipes and logs of fewer columns get short heads."""
SHORT = {
    "auto against this [95 %]": "auto/this [95 %]",
    "median difference [95 %]": "median Δ [95 %]",
    "auto loses": "loses",
    "left open, %": "open, %",
}
DROPPED = ("ms", "MB", "cases", "p95", "mean", "auto loses", "median difference [95 %]")
"""In this order columns are left out where they do not fit."""
_GAP = 2
_FEWEST = 14
"""Columns that a text may be squeezed to."""
Rows = Sequence[Sequence[str]]


def main_table(console: Console, head: Sequence[str], rows: Rows, styles: Sequence[str], styled: str) -> None:
    """Print one table, without the columns of `DROPPED` that do not fit; ``styles`` color the column ``styled``."""
    kept = list(range(len(head)))
    names = [SHORT.get(name, name) if console.width < NARROW else name for name in head]
    for name in DROPPED:
        if _needed(names, rows, kept) <= console.width:
            break
        kept = [k for k in kept if head[k] != name]
    cells = [[row[k] for k in kept] for row in rows]
    _print(console, [names[k] for k in kept], cells, styles, kept.index(head.index(styled)))


def wide_table(console: Console, head: Sequence[str], rows: Rows) -> None:
    """Print a table, in parts below each other if it is too wide; the first column is in every part."""
    rest = list(range(1, len(head)))
    while rest:
        kept = [0, rest.pop(0)]
        while rest and _needed(head, rows, [*kept, rest[0]]) <= console.width:
            kept.append(rest.pop(0))
        _print(console, [head[k] for k in kept], [[row[k] for k in kept] for row in rows])


def text_table(console: Console, head: Sequence[str], rows: Rows, *, texts: int) -> None:
    """Print a table whose first ``texts`` columns may be broken into lines; the others never are."""
    _print(console, head, rows, texts=texts)


def _needed(head: Sequence[str], rows: Rows, kept: Sequence[int]) -> int:
    return sum(_width(head[k], [row[k] for row in rows]) for k in kept) + _GAP * (len(kept) - 1)


def _width(head: str, cells: Sequence[str]) -> int:
    """Width in which no cell is broken, and the head takes some three lines."""
    words = [*head.split(), *cells]
    return max(*(len(say.printable(word)) for word in words), len(head) // 3 + 2)


def _print(
    console: Console, head: Sequence[str], rows: Rows, styles: Sequence[str] = (), styled: int = -1, *, texts: int = 0
) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    columns = [[row[k] for row in rows] for k in range(len(head))]
    widths = [max(_width(title, cells), len(title)) for title, cells in zip(head, columns, strict=True)]
    if sum(widths) + _GAP * (len(head) - 1) > console.width:
        widths = [_width(title, cells) for title, cells in zip(head, columns, strict=True)]
    shown = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), pad_edge=False)
    for k, title in enumerate(head):
        if k < texts:
            shown.add_column(title, justify="left", min_width=_FEWEST, overflow="fold")
        else:
            shown.add_column(title, justify="right" if k else "left", width=widths[k])
    for row, style in zip(rows, styles or [""] * len(rows), strict=True):
        shown.add_row(*(Text(say.printable(cell), style=style if k == styled else "") for k, cell in enumerate(row)))
    console.print(shown, soft_wrap=False)
