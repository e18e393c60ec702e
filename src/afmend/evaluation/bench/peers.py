"""Programs of other people, run beside afmend in the same run (``--peers``)."""

from __future__ import annotations

from collections.abc import Sequence

from afmend.evaluation.bench.methods import Method, TaskName


def peer_methods(peers: Sequence[str], task: TaskName) -> tuple[Method, ...]:
    """List what the found programs can do for a task."""
    del peers, task
    return ()
