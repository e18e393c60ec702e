"""What reader and writer of afmend's HDF5 files agree upon."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from afmend.scan import Record, Scan
from afmend.scan.arrays import digest

FORMAT = "afmend"
LAYOUT = 1
"""Raised when an older afmend could misread a file."""
GRID_NUMBERS = ("pixel_slow_nm", "pixel_fast_nm", "angle_deg", "offset_slow_nm", "offset_fast_nm")
SOURCE_TEXTS = ("file", "format")
SOURCE_NUMBERS = ("index", "count")


def as_json(data: Any) -> str:
    """Return readable JSON; what UTF-8 cannot hold (lone surrogates) is escaped."""
    readable = json.dumps(data, ensure_ascii=False)
    try:
        readable.encode()
    except UnicodeEncodeError:
        return json.dumps(data)
    return readable


def history_json(history: tuple[Record, ...]) -> str:
    """Return the history as it is stored."""
    return as_json([record.to_json() for record in history])


def fingerprint(scan: Scan) -> str:
    """Hash of everything in a scan: what a reader must get back."""
    facts = {
        "grid": [scan.grid.rows, scan.grid.cols, scan.grid.calibrated]
        + [getattr(scan.grid, name) for name in GRID_NUMBERS],
        "channels": [[c.kind, c.direction, c.unit, c.name, c.calibrated, c.digest()] for c in scan.channels.values()],
        "history": [record.to_json() for record in scan.history],
        "acquisition": scan.acquisition.to_json(),
        "header": dict(scan.header),
        "source": [scan.source.file, scan.source.format, scan.source.index, scan.source.count],
    }
    return digest(np.frombuffer(json.dumps(facts).encode(), np.uint8))
