r"""The text header of a Nanoscope file: sections of ``\Key: value`` lines.

Described by Bruker in the NanoScope Command Reference Manual, appendix "Data file format", and by S. Manne,
http://www.physics.arizona.edu/~smanne/DI/software/fileformats.html.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from afmend.errors import CorruptFileError
from afmend.formats.hostile import number, whole

MAX_HEADER = 1 << 20
_END = "\\*File list end"
_SCALED = re.compile(
    r"V\s*(?:\[(?P<soft>[^\]]*)\]\s*)?(?:\(\s*[-+.\deE]+\s*[^\s/]*?/LSB\)\s*)?(?P<value>[-+.\deE]+)\s*(?P<unit>.*)"
)
_OLD = re.compile(r"(?P<value>[-+.\deE]+)\s*(?P<unit>[^\s(]*)\s*(?:\(\s*(?P<counts>\d+)\s*\))?")
_GROUP = re.compile(r"@\d+:")


@dataclass(frozen=True, slots=True)
class Section:
    r"""One ``\*Name`` section; entries keep their spelling, look-ups do not care about case or group number."""

    name: str
    entries: Mapping[str, str]
    _folded: dict[str, str] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        for key, value in self.entries.items():
            self._folded.setdefault(_GROUP.sub("@", key).casefold(), value)
        self._folded.update({key.casefold(): value for key, value in self.entries.items()})

    def get(self, key: str) -> str | None:
        """Return the entry, whatever its case; "@Z scale" also finds "@2:Z scale"."""
        return self._folded.get(key.casefold())

    def need(self, key: str) -> str:
        """Return the entry, or raise `CorruptFileError`."""
        found = self.get(key)
        if found is None:
            raise CorruptFileError(f"the header's {self.name!r} has no {key!r}", now="Re-export the file.")
        return found

    def count(self, key: str) -> int:
        """Return a whole number, or raise `CorruptFileError`."""
        return whole(self.need(key), f"{self.name}/{key}")


@dataclass(frozen=True, slots=True)
class Scaled:
    """A value of the header: the number and unit at the electronics, and the sensitivity that it refers to."""

    value: float
    unit: str
    soft: str | None


def sections(data: bytes) -> list[Section]:
    """Split the header; `CorruptFileError` if it has no end."""
    head = data[:MAX_HEADER]
    end = head.find(b"\x1a")
    text = (head if end < 0 else head[:end]).decode("latin-1")
    if end < 0 and _END not in text:
        raise CorruptFileError("the header has no end", now="Copy it again from the instrument, or re-export it.")
    return list(_split(text))


def _split(text: str) -> Iterator[Section]:
    name, entries = "", dict[str, str]()
    for line in text.splitlines():
        if line.startswith("\\*"):
            if entries:
                yield Section(name, entries)
            name, entries = line[2:].strip(), {}
            if line.startswith(_END):
                return
        elif line.startswith("\\"):
            start = 4 if _GROUP.match(line, 1) else 1
            key, _, value = line[start:].partition(":")
            entries[line[1:start] + key] = value.strip()
    if entries:
        yield Section(name, entries)


def merged(name: str, parts: list[Section]) -> Section:
    """Return one section with the entries of all; the first of a name counts."""
    return Section(name, {key: value for part in reversed(parts) for key, value in part.entries.items()})


def flattened(parts: list[Section]) -> dict[str, str]:
    """Return the whole header as "Ciao image list 2/@2:Z scale" -> value; the first of a name has no number."""
    seen: dict[str, int] = {}
    flat = {}
    for part in parts:
        seen[part.name] = nth = seen.get(part.name, 0) + 1
        prefix = part.name if nth == 1 else f"{part.name} {nth}"
        flat.update({f"{prefix}/{key}": value for key, value in part.entries.items()})
    return flat


def scaled(text: str, what: str) -> Scaled:
    """Parse ``V [Sens. Zsens] (0.0067 V/LSB) 55.0 V``, or raise `CorruptFileError` naming ``what``."""
    found = _SCALED.match(text)
    if not found:
        raise CorruptFileError(f"{what} is {text!r}, which says no value", now="Re-export the file.")
    return Scaled(number(found["value"], what), found["unit"].strip(), found["soft"] or None)


def old_scale(text: str, what: str) -> tuple[float, str]:
    """Parse ``440.0 nm (65536)`` of versions before 4.3: return what one count is, and the unit."""
    found = _OLD.match(text)
    if not found:
        raise CorruptFileError(f"{what} is {text!r}, which says no value", now="Re-export the file.")
    counts = whole(found["counts"] or "65536", what)
    if counts < 1:
        raise CorruptFileError(f"{what} is {text!r}", now="Re-export the file.")
    return number(found["value"], what) / counts, found["unit"]


def selected(text: str | None) -> tuple[str, str]:
    """Parse ``S [Height] "Height Sensor"``: return the internal and the displayed name, or the text twice."""
    text = (text or "").strip()
    found = re.match(r'S\s*\[([^\]]*)\]\s*(?:"([^"]*)")?', text)
    if not found:
        return text, text
    inner, shown = found[1].strip(), (found[2] or "").strip()
    return inner or shown, shown or inner
