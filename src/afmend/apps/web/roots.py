"""Which files the page may reach: those inside of the allowed folder, and what it uploaded itself.

A client names files by references as "root/plots/scan%201.spm": the name of a root, then percent-encoded parts. The
server makes them; whatever a client sends is checked again.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

from afmend.errors import AfmendError

MOST_ENTRIES = 5000
"""Entries of a folder that are listed."""
_RESERVED = re.compile(r"^(con|prn|aux|nul|com\d|lpt\d)(\..*)?$", re.IGNORECASE)


class OutsideError(AfmendError):
    """A file is not inside of a folder that the server may show."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or folder in a listing."""

    ref: str
    name: str
    folder: bool
    size: int = 0
    changed_s: float = 0.0


class Roots:
    """Folders that the page may reach, by name.

    Parameters
    ----------
    folders : mapping of str to Path
        Resolved once, here.
    """

    def __init__(self, folders: Mapping[str, Path]) -> None:
        self._folders = {name: Path(os.path.realpath(folder)) for name, folder in folders.items()}

    def __getitem__(self, name: str) -> Path:
        return self._folders[name]

    def path(self, ref: str) -> Path:
        """Return the path that a reference names, with all links resolved.

        Raises
        ------
        OutsideError
            If it leads out of its root, by dots, separators, links or drive letters.
        """
        name, *parts = ref.split("/")
        if name not in self._folders:
            raise OutsideError("there is no such folder", where=printable(ref), now="Choose a file in the list.")
        root = self._folders[name]
        decoded = [os.fsdecode(unquote_to_bytes(part)) for part in parts]
        if any(_escapes(part) for part in decoded):
            raise OutsideError("is not a name inside of the folder", where=printable(ref), now="Choose another file.")
        path = Path(os.path.realpath(root.joinpath(*decoded)))
        if not path.is_relative_to(root):
            raise OutsideError("leads out of the folder", where=printable(ref), now="Start `afmend web` there.")
        return path

    def ref(self, name: str, path: Path) -> str:
        """Return the reference of a path inside of a root."""
        parts = path.relative_to(self._folders[name]).parts
        return "/".join((name, *(quote(os.fsencode(part), safe="") for part in parts)))

    def browse(self, ref: str) -> tuple[list[Entry], bool]:
        """List a folder: folders first, by name, hidden ones and links that lead out left out.

        Returns
        -------
        entries : list of Entry
        cut : bool
            Whether there are more than `MOST_ENTRIES`.
        """
        folder, name = self.path(ref), ref.split("/", maxsplit=1)[0]
        try:
            with os.scandir(folder) as found:
                entries = [made for entry in found if (made := self._entry(name, folder, entry)) is not None]
        except OSError as error:
            raise OutsideError(
                f"cannot be listed ({error.strerror})", where=folder.name, now="Check rights."
            ) from error
        entries.sort(key=lambda one: (not one.folder, one.name.casefold()))
        return entries[:MOST_ENTRIES], len(entries) > MOST_ENTRIES

    def _entry(self, root: str, folder: Path, found: os.DirEntry[str]) -> Entry | None:
        if found.name.startswith("."):
            return None
        path = Path(os.path.realpath(found.path))
        if not path.is_relative_to(self._folders[root]):
            return None
        try:
            is_folder = found.is_dir()
            if not is_folder and not found.is_file():
                return None
            facts = found.stat()
        except OSError:
            return None
        return Entry(
            self.ref(root, folder / found.name), printable(found.name), is_folder, facts.st_size, facts.st_mtime
        )


def _escapes(part: str) -> bool:
    """Say whether a part of a path is more than a plain name, on any system."""
    return (
        part in ("", ".", "..") or any(sign in part for sign in ("/", "\\", "\0")) or (os.name == "nt" and ":" in part)
    )


def printable(text: str) -> str:
    """Return a name that every page and log can show."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _cut(text: str, most: int) -> str:
    return text[:most].encode()[: most + most // 2].decode(errors="ignore")


def plain_name(wish: str, fallback: str = "scan") -> str:
    """Return a file name that is safe everywhere from one that a browser sent.

    Both separators, drive letters, streams, control signs, reserved names, leading and trailing dots go. File systems
    count bytes, not letters: what is too long is cut.
    """
    last = re.split(r"[/\\]", wish)[-1]
    clean = "".join(c if c.isprintable() and c not in '<>:"|?*%@' else "_" for c in last).strip(" .")
    stem, dot, ending = clean.rpartition(".")
    clean = f"{_cut(stem, 100)}{dot}{_cut(ending, 20)}" if dot else _cut(clean, 120)
    if not clean or _RESERVED.match(clean):
        clean = f"{fallback}_{clean}".rstrip("_")
    return clean
