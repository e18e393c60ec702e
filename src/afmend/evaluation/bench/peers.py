"""Programs of other people, run beside afmend in the same run (``--peers``)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from afmend.evaluation.bench.methods import Method, TaskName


def peer_methods(peers: Sequence[str], task: TaskName) -> tuple[Method, ...]:
    """List what the found programs can do for a task."""
    del peers, task
    return ()


def find_peers(python: Path | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Look for the programs; return those that were found, and sentences about those that were not."""
    del python
    return (), ("TopoStats was not found.", "Gwyddion was not found.")
