"""``afmend replay``."""

from __future__ import annotations

from pathlib import Path

from afmend.apps.cli import say
from afmend.errors import ReplayError
from afmend.formats import read_all
from afmend.recipes import replay


def replay_file(result: Path, raw: Path) -> None:
    """Replay every image of a result and say so.

    Raises
    ------
    ReplayError
        Naming the first step that differs, or what does not fit.
    """
    done, sources = read_all(result), read_all(raw)
    for scan in done:
        index = scan.source.index
        if not 0 <= index < len(sources):
            raise ReplayError(f"has no image {index}", where=raw.name, now="Is this the right raw file?")
        try:
            replay(scan, sources[index])
        except ReplayError as error:
            raise error.at(result.name) from error
        steps = ", ".join(record.step for record in scan.history)
        say.out().print(f"{result.name}: identical bit for bit after {steps}.", markup=False)
