"""What the report is made of: one `Card` per scan, one `Failure` per file without a result, facts of the run."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from html import escape
from typing import Any, Self

from afmend import __version__
from afmend.errors import AfmendError
from afmend.pipeline import Recipe

CARD_VERSION = 7
"""Raised whenever cards kept on disk by an older afmend must not be reused."""


@dataclass(frozen=True, slots=True)
class Card:
    """One repaired scan: a fragment of HTML and the fields of its line in the summary table.

    Attributes
    ----------
    file : str
        Name of the file, as it is on disk (not escaped).
    frame, frames : int
        Which image of how many in that file; counted from 0.
    channel, unit : str
    status : str
        "repaired", "partly repaired", "corrected" (heights changed, nothing filled), "marked only" or "nothing marked".
    invented : float
        Fraction of pixels whose value was filled in, or guessed where the tip touched nothing.
    sq_before, sq_after : float or None
        Sq in ``unit`` of the leveled channel before and after repair; None = cannot be computed.
    artifacts : mapping of str to int
        Kind -> marked pixels, "missing" included.
    warnings : tuple of str
    html : str
        The card itself; every string from the file is escaped in it.
    verdict, action : str
        Of the gate; empty where it was not asked.
    version : int
        `CARD_VERSION` of the afmend that made it.
    """

    file: str
    frame: int
    frames: int
    channel: str
    unit: str
    status: str
    invented: float
    sq_before: float | None
    sq_after: float | None
    artifacts: Mapping[str, int]
    warnings: tuple[str, ...]
    html: str
    verdict: str = ""
    action: str = ""
    version: int = CARD_VERSION

    @property
    def title(self) -> str:
        """File name, and frame number if there are several."""
        return self.file if self.frames <= 1 else f"{self.file} [{self.frame}]"

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {**{f.name: getattr(self, f.name) for f in fields(self)},
                "artifacts": dict(self.artifacts), "warnings": list(self.warnings)}  # fmt: skip

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Rebuild a card written by `to_json`.

        Raises
        ------
        ValueError
            If it was made by another version of the report, or is not a card: make it again.
        """
        names = {f.name for f in fields(cls)}
        if set(data) != names or data["version"] != CARD_VERSION:
            raise ValueError("not a card of this version of afmend")
        return cls(**{**data, "warnings": tuple(data["warnings"])})


@dataclass(frozen=True, slots=True)
class Failure:
    """A file without a result, and why: the parts of an `AfmendError`."""

    file: str
    kind: str
    what: str
    where: str = ""
    now: str = ""

    @classmethod
    def from_error(cls, file: str, error: AfmendError) -> Self:
        """Take kind, what, where and now from an error."""
        return cls(file, error.kind, error.what, error.where, error.now)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Rebuild a failure written by `to_json`."""
        return cls(**data)


@dataclass(frozen=True, slots=True)
class RunFacts:
    """Facts of a run: its recipe, when it was, how long it took, and notes for the header.

    ``date`` is text as it shall be printed; ``afmend`` the version that did the work.
    """

    recipe: Recipe
    date: str
    seconds: float | None = None
    notes: tuple[str, ...] = ()
    afmend: str = field(default=__version__)


def safe(value: object, limit: int = 400) -> str:
    r"""Return text that is harmless in HTML: escaped, shortened, invisible letters spelled out.

    Control characters and those that turn the reading direction around are shown as ``\u202e``:
    a file name must not be able to disguise itself. Surrogates from undecodable names are shown too.
    """
    text = str(value)
    if len(text) > limit:
        text = f"{text[: limit - 20]}… ({len(text)} letters)"
    shown = "".join(
        f"\\u{ord(c):04x}" if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") else c for c in text
    )
    return escape(shown, quote=True)


def finite(value: float) -> float | None:
    """Return the value, or None if it is not a finite number."""
    return float(value) if math.isfinite(value) else None
