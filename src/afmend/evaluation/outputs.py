"""Writing results: scans in any writable format, statistics as a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from afmend import formats
from afmend.errors import StepError
from afmend.evaluation.statistics import statistics
from afmend.evaluation.tables import write_statistics_csv
from afmend.scan import ChannelKey, Scan


def write(scan: Scan, path: str | Path, form: str | None = None) -> Path:
    """Write a scan, or its statistics; the kind of file follows from the extension. All or nothing.

    Parameters
    ----------
    scan : Scan
    path : str or Path
        ".csv": a table of statistics, two lines per channel: with and without repaired pixels.
        Any other extension: see `afmend.formats.write`.
    form : str, optional
        Id of a format, if the extension does not say it.

    Returns
    -------
    Path
        What was written.

    Raises
    ------
    WriteError
        If nothing writes such files, or the disk refuses.
    """
    path = Path(path)
    if form is None and path.suffix.lower() == ".csv":
        write_statistics_csv(path, statistics_rows(scan))
        return path
    return formats.write(scan, path, form)


def statistics_rows(scan: Scan) -> list[dict[str, Any]]:
    """Return the statistics of every channel with and without repaired pixels, as plain rows.

    A channel without a pixel that counts has a row with ``pixels`` 0 and no numbers.
    """
    return [_row(scan, key, repaired) for key in scan.channels for repaired in ("with", "without")]


def _row(scan: Scan, key: ChannelKey, repaired: Any) -> dict[str, Any]:
    channel = scan.channels[key]
    row: dict[str, Any] = {
        "file": scan.source.file,
        "frame": scan.source.index,
        "calibrated": scan.grid.calibrated and channel.calibrated,
    }
    try:
        return row | statistics(scan, key, repaired).to_json()
    except StepError:
        return row | {"channel": str(key), "unit": channel.unit, "repaired": repaired, "pixels": 0}
