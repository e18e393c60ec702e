"""The private tags of a JPK file: calibration slots and the header as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from afmend.errors import CorruptFileError, UnsupportedFileError
from afmend.formats.tifftags import Page

SLOT_COUNT, DEFAULT_SLOT, FIRST_SLOT, SLOT_STEP = 0x8080, 0x8081, 0x8090, 0x30
MAX_SLOTS = 64
MAX_HEADER_BYTES = 1 << 22
_NAMES = {
    0x8000: "version", 0x8001: "format-version", 0x8003: "date", 0x8004: "name", 0x8005: "comment",
    0x8006: "end-date", 0x8009: "user", 0x8015: "approach-id", 0x8016: "instrument-id",
    0x8030: "feedback-mode", 0x8031: "p-gain", 0x8032: "i-gain", 0x8033: "setpoint",
    0x8035: "reference-amplitude", 0x8036: "drive-amplitude", 0x8037: "drive-frequency", 0x8038: "drive-phase",
    0x8040: "grid.xcenter", 0x8041: "grid.ycenter", 0x8042: "grid.ulength", 0x8043: "grid.vlength",
    0x8044: "grid.theta", 0x8045: "grid.reflect", 0x8046: "grid.ilength", 0x8047: "grid.jlength",
    0x8048: "line-end", 0x8049: "scan-rate", 0x804B: "scan-direction", 0x8050: "channel", 0x8051: "retrace",
    0x8052: "channel-name", 0x8080: "slots", 0x8081: "default-slot",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Slot:
    """One calibration: value = multiplier x raw + offset, in ``unit``."""

    unit: str
    multiplier: float
    offset: float


def slots_of(page: Page, channel: str) -> Slot | None:
    """Return the channel's default calibration, or None if it has none (raw numbers).

    Raises
    ------
    CorruptFileError
        If the default slot is not among the slots.
    UnsupportedFileError
        If it is not a linear scaling.
    """
    wanted = page.text(DEFAULT_SLOT)
    count = page.whole(SLOT_COUNT, 0)
    if wanted is None or count == 0:
        return None
    for i in range(min(count, MAX_SLOTS)):
        base = FIRST_SLOT + SLOT_STEP * i
        if page.text(base) == wanted:
            return _slot(page, base, channel)
    raise CorruptFileError(f"channel {channel!r} has no calibration {wanted!r}", now="Re-export the file.")


def _slot(page: Page, base: int, channel: str) -> Slot | None:
    style = page.text(base + 0x13)
    if style == "NullScaling":
        return None
    multiplier, offset = page.number(base + 0x14), page.number(base + 0x15)
    if style != "LinearScaling" or multiplier is None or offset is None:
        raise UnsupportedFileError(f"channel {channel!r} is scaled by {style!r}", now="Please report this file.")
    return Slot(page.text(base + 0x12) or "", multiplier, offset)


def header_of(pages: Sequence[Page]) -> dict[str, str]:
    """Return all private tags as text; those of channel pages begin with the page's number.

    Multi-line tags hold "key : value" lines, which become entries of their own.
    """
    header: dict[str, str] = {}
    left = MAX_HEADER_BYTES
    for number, page in enumerate(pages):
        prefix = f"{number}." if number else ""
        for code, tag in page.tags.items():
            if code < 0x8000:
                continue
            left -= tag.nbytes
            if left < 0:
                raise CorruptFileError("its header is larger than any header", now="Re-export the file.")
            for key, value in _entries(page, code):
                header[prefix + key] = value
    return header


def _entries(page: Page, code: int) -> list[tuple[str, str]]:
    name = _NAMES.get(code, f"0x{code:04x}")
    text = page.text(code)
    if text is None:
        return [(name, " ".join(f"{value:.17g}" for value in page.numbers(code)))]
    pairs = [line.partition(" : ") for line in text.splitlines()]
    if len(pairs) > 1 and all(colon or not key.strip() for key, colon, _ in pairs):
        return [(key.strip(), value) for key, colon, value in pairs if colon]
    return [(name, text)]
