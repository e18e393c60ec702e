"""What travels between the batch and its workers, and what the journal keeps: plain JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeAlias

FRAME_SIGN = "@"
"""Stands between the name of a file and the number of its image; no planned name holds it."""
Mode: TypeAlias = Literal["mend", "mark", "convert"]


@dataclass(frozen=True, slots=True)
class Job:
    """One input file and what to do with it.

    Attributes
    ----------
    path : str
        The input file.
    stem : str
        Path of the outputs without extension; a file of several images adds "@0000", "@0001", ...
    recipe : str
        YAML text; unused when converting.
    channel : str or None
    write : tuple of str
        Extensions without the dot.
    mode : "mend", "mark" (stop before the first fill) or "convert"
    before : tuple of mappings
        Steps to run first (the user's drawn exclusions): {"step": ..., "params": ...}.
    card : str or None
        Where the report's card goes; None = no report.
    gate : str or None
        The model that decides what happens to each image; None = the whole recipe for all.
    """

    path: str
    stem: str
    recipe: str
    channel: str | None
    write: tuple[str, ...]
    mode: Mode = "mend"
    before: tuple[Mapping[str, Any], ...] = ()
    card: str | None = None
    gate: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Job:
        """Rebuild a job."""
        return cls(**{**data, "write": tuple(data["write"]), "before": tuple(data["before"])})


@dataclass(frozen=True, slots=True)
class ScanResult:
    """What became of one image of a file.

    ``row`` holds flat values for the summary, ``outputs`` names of written files, ``card`` the report card's file.
    """

    row: Mapping[str, Any]
    outputs: tuple[str, ...] = ()
    card: str | None = None
    error: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class JobResult:
    """What became of one input file."""

    path: str
    scans: tuple[ScanResult, ...] = ()
    error: Mapping[str, str] | None = None
    seconds: float = 0.0
    fingerprint: str = ""
    reused: bool = field(default=False, compare=False)

    @property
    def good(self) -> bool:
        """Whether every image of the file was mended and written."""
        return self.error is None and all(scan.error is None for scan in self.scans)

    @property
    def usable(self) -> bool:
        """Whether at least one image of the file was mended and written."""
        return any(scan.error is None for scan in self.scans)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {
            "path": self.path,
            "scans": [asdict(scan) for scan in self.scans],
            "error": None if self.error is None else dict(self.error),
            "seconds": self.seconds,
            "fingerprint": self.fingerprint,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any], *, reused: bool = False) -> JobResult:
        """Rebuild a result."""
        scans = tuple(ScanResult(**{**scan, "outputs": tuple(scan["outputs"])}) for scan in data["scans"])
        return cls(data["path"], scans, data["error"], data["seconds"], data["fingerprint"], reused)
