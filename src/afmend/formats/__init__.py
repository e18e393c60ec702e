"""Reading and writing files: one folder per format, recognised by content.

Belongs here: parsing bytes into a `Scan`, writing a `Scan` as bytes, the register of formats.
Does not belong here: anything that changes heights beyond the file's own calibration.

Each folder's package offers

``recognise(head: bytes, path: Path) -> Verdict``
    Cheap, never raises, looks at content (``head`` = the first 64 KiB), not at the extension.
``read(path: Path) -> list[Scan]``
    Raises an `AfmendError`, and nothing else, on anything it does not understand.
``write(scan: Scan, path: Path) -> None``
    Where it makes sense. Writes to exactly ``path``; `afmend.formats.write` makes it atomic.
"""

from afmend.formats.register import FORMATS, FileFormat, Verdict, identify, read, read_all, write

__all__ = ["FORMATS", "FileFormat", "Verdict", "identify", "read", "read_all", "write"]
