"""Writing one channel of a scan as an annotated picture."""

from __future__ import annotations

from pathlib import Path

from afmend.errors import UnsupportedFileError
from afmend.formats.register import Verdict
from afmend.scan import Scan


def recognise(head: bytes, path: Path) -> Verdict:  # noqa: ARG001 (the contract of a format)
    """Say no: this format is written only; plain images are read by another format."""
    return Verdict.NO


def read(path: Path) -> list[Scan]:
    """Refuse: heights cannot be recovered from an annotated picture.

    Raises
    ------
    UnsupportedFileError
        Always.
    """
    raise UnsupportedFileError(
        "annotated pictures hold colors, not heights", where=path.name, now="Read the scan it was made from."
    )


def write(scan: Scan, path: Path) -> None:
    """Write the channel worked on last (`Scan.main`) as a PNG with scale bar and color bar.

    Filled pixels are outlined, missing ones hatched, a missing calibration is stated in red.
    The picture holds 8-bit colors for people: no heights can be read back from it.
    """
    from afmend.pictures.annotate import channel_picture, encoded

    channel = scan.main
    name = scan.source.file or "scan"
    frame = f" [{scan.source.index}]" if scan.source.count > 1 else ""
    title = f"{name}{frame} · {channel.key}"
    path.write_bytes(encoded(channel_picture(channel, scan.grid, title=title)))
