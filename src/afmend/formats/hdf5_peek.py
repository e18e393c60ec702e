"""Which members and which marks stand at the top of an HDF5 file, for recognising it."""

from __future__ import annotations

from pathlib import Path

from afmend.errors import AfmendError
from afmend.formats import hdf5


def top_of(head: bytes, path: Path) -> tuple[frozenset[str], str]:
    """Return the names of the root's members and JPK's ``file-format-info``; empty if it is no sound HDF5.

    Never raises.
    """
    if not head.startswith(hdf5.SIGNATURE):
        return frozenset(), ""
    try:
        with hdf5.opened(path) as file:
            return frozenset(hdf5.names(file)), str(hdf5.attribute(file, "file-format-info") or "")
    except AfmendError:
        return frozenset(), ""
