"""Autosave: what the page worked on, kept per folder and per tab, so that a reload or a restart loses nothing."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from pathlib import Path

from afmend.apps.web.requests import plain, read_json
from afmend.errors import BadParameterError
from afmend.formats.register import replacing

MOST_BYTES = 16 << 20
MOST_TABS = 20
_TAB = re.compile(r"[0-9a-f]{8,32}")


def state_folder() -> Path:
    """Return the folder where programs keep their state on this system."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "afmend" / "web"
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "afmend" / "web"


class Sessions:
    """Saved work on one folder.

    Parameters
    ----------
    root : Path
        The folder that the page shows.
    folder : Path, optional
        Where to save; see `state_folder`.
    """

    def __init__(self, root: Path, folder: Path | None = None) -> None:
        name = hashlib.blake2b(os.fsencode(root), digest_size=10).hexdigest()
        self._folder = (folder or state_folder()) / name

    def load(self, tab: str) -> str:
        """Return what a tab saved, as JSON; if it saved nothing good, what was saved last; "null" if nothing was."""
        names = [self._file(tab), *self._newest_first()]
        for path in names:
            try:
                return _checked(path.read_bytes())
            except (OSError, BadParameterError):
                continue
        return "null"

    def save(self, tab: str, state: bytes) -> None:
        """Keep the work of a tab (JSON), whole or not at all; of old tabs the oldest go.

        Raises
        ------
        BadParameterError
            If it is no work.
        """
        text = _checked(state)
        with replacing(self._file(tab)) as temporary:
            temporary.write_text(text, encoding="utf-8")
        for old in self._newest_first()[MOST_TABS:]:
            old.unlink(missing_ok=True)

    def _newest_first(self) -> list[Path]:
        try:
            return sorted(self._folder.glob("*.json"), key=lambda path: -path.stat().st_mtime)
        except OSError:
            return []

    def _file(self, tab: str) -> Path:
        if not _TAB.fullmatch(tab):
            raise BadParameterError("that is no name of a tab", now="Reload the page.")
        return self._folder / f"{tab}.json"


def _checked(data: bytes) -> str:
    """Return the work as JSON that every tab can read."""
    state = read_json(data)
    if not isinstance(state, dict):
        raise BadParameterError("the session is not an object", now="Reload the page.")
    return plain(json.dumps(state, ensure_ascii=False))
