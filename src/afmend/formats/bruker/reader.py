"""Nanoscope image files, from version 3 (1990s) to today's: 16- and 32-bit integers below a text header.

A height is ``count / 2**bits * hard value * sensitivity``, all three as the header says. Lines stand in the file
from the bottom of the picture to its top, whatever the frame direction was.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

from afmend.errors import CorruptFileError, NotAnImageError, UnsupportedFileError
from afmend.formats.assemble import Claims, calibrated, scans_of
from afmend.formats.bruker.header import Scaled, Section, flattened, merged, old_scale, scaled, sections, selected
from afmend.formats.hostile import FileBytes, number, pixels
from afmend.formats.kinds import kind_of
from afmend.formats.quantity import fact, fact_with_unit, iso_date, length_nm, offset_nm
from afmend.formats.register import Verdict
from afmend.scan import Acquisition, Channel, Direction, Grid, Scan
from afmend.scan.channel import DIRECTIONS
from afmend.scan.units import in_memory, si

MAX_IMAGES = 256
_FEEDBACK = {
    "TMMode": ("TM", "TMSetAmplitude"),
    "AFMMode": ("AFM", "AFMSetDeflection"),
    "STMMode": ("STM", "STMSetCurrent"),
}


def recognise(head: bytes, path: Path) -> Verdict:  # noqa: ARG001 (the content decides)
    """Say whether these are the first bytes of a Nanoscope file."""
    known = (b"\\*File list", b"\\*Force file list", b"?*File list", b"\\*EC File list")
    return Verdict.YES if head.startswith(known) else Verdict.NO


def read(path: Path) -> list[Scan]:
    """Read every image of a Nanoscope file.

    Raises
    ------
    CorruptFileError
        If the header contradicts itself or promises more lines than the file holds.
    NotAnImageError
        If the file holds force curves only.
    """
    file = FileBytes(path)
    parts = sections(file.data)
    images = [part for part in _ending(parts, "image list") if "force" not in part.name.lower()]
    if not images:
        if any("force" in part.name.lower() for part in parts):
            raise NotAnImageError("holds force curves, not an image", now="afmend repairs images only.")
        raise CorruptFileError("the header describes no image", now="Re-export it.")
    if len(images) > MAX_IMAGES:
        raise CorruptFileError(f"the header describes {len(images)} images", now="Re-export it.")
    rest = [part for part in parts if part not in images]
    scan_list = merged("scan list", _ending(rest, "scan list"))
    everything = merged("header", rest)
    claims = Claims(file)
    pairs = [_image(claims, image, f"image {n}", scan_list, everything) for n, image in enumerate(images, 1)]
    return scans_of(pairs, _acquisition(rest, scan_list, images[0]), flattened(parts))


def _ending(parts: list[Section], ending: str) -> list[Section]:
    return [part for part in parts if part.name.lower().endswith(ending)]


def _image(claims: Claims, image: Section, what: str, scan_list: Section, everything: Section) -> tuple[Grid, Channel]:
    name, shown = selected(image.get("@Image Data") or image.get("Image data"))
    what = f"{what} ({shown})" if shown else what
    rows, cols = image.count("Number of lines"), image.count("Samps/line")
    declared, stored = _widths(image, (rows, cols), what)
    raw = claims.image(image.count("Data offset"), (rows, cols), f"<i{stored}", what)
    bits = 8 * declared if int(raw.min()) >= -32768 and int(raw.max()) < 32768 else 8 * stored
    factor, unit, known = _calibration(image, bits, everything, what)
    values = calibrated(raw[::-1], factor)
    direction = (image.get("Line Direction") or "").lower()
    kind = kind_of(name) + ("_interleave" if _is_second_pass(image, scan_list) else "")
    channel = Channel.from_raw(kind, _direction(direction), values, unit, name=shown, calibrated=known)
    return _grid(image, scan_list, (rows, cols)), channel


def _is_second_pass(image: Section, scan_list: Section) -> bool:
    """Say whether an image shows the second pass over each line (lift mode): another height than the first one.

    With interleaving switched off, "Interleave" names a second capture of the same line.
    """
    mode, _ = selected(scan_list.get("@InterleaveList"))
    interleaved = (image.get("Scan Line") or "").lower() == "interleave"
    return interleaved and mode not in ("InterleaveOffMode", "Disabled", "")


def _direction(text: str) -> Direction:
    return next((known for known in DIRECTIONS if known == text), "unknown")


def _widths(image: Section, shape: tuple[int, int], what: str) -> tuple[int, int]:
    """Return the bytes per pixel that the scale refers to, and those in the file.

    From version 9.2 on every image is stored in 4 bytes per pixel. "Bytes/pixel" may still say 2: then the counts are
    those of a 16-bit converter, and the scale refers to 16 bits. The data's length tells how they are stored.
    """
    count = pixels(*shape)
    declared = image.count("Bytes/pixel") if image.get("Bytes/pixel") else 2
    if declared not in (2, 4):
        raise UnsupportedFileError(f"images of {declared} bytes per pixel are unknown", now="Export 16-bit data.")
    length = image.count("Data length") if image.get("Data length") else count * declared
    stored = 4 if declared == 4 or length == 4 * count else 2
    if length < count * stored:
        raise CorruptFileError(
            f"{what}: the header promises {shape[0]} lines, and data for {max(length, 0) // (shape[1] * stored)}",
            now="Re-export it.",
        )
    return declared, stored


def _calibration(image: Section, bits: int, everything: Section, what: str) -> tuple[float, str, bool]:
    """Return what one count is in the unit kept in memory, that unit, and whether the file really says so."""
    text = image.get("@Z scale")
    if text is None:
        factor, unit = old_scale(image.need("Z scale"), f"{what}: Z scale")
        unit, to_memory = in_memory(unit)
        return factor * to_memory, unit, bool(unit)
    scale = scaled(text, f"{what}: Z scale")
    factor = scale.value / 2.0**bits
    if scale.soft is None:
        unit, to_memory = in_memory(scale.unit)
        return factor * to_memory, unit, bool(unit)
    sensitivity = everything.get(f"@{scale.soft}")
    if sensitivity is None:
        unit, to_memory = in_memory(scale.unit)
        return factor * to_memory, unit, False
    return _softened(factor, scale, scaled(sensitivity, scale.soft))


def _softened(factor: float, hard: Scaled, soft: Scaled) -> tuple[float, str, bool]:
    """Multiply by the sensitivity, for example 12.5 nm/V."""
    factor *= soft.value
    upper, slash, lower = soft.unit.rpartition("/")
    if slash:
        unit, to_memory = in_memory(upper)
        (hard_base, hard_factor), (base, per) = si(hard.unit), si(lower)
        return factor * to_memory * (hard_factor / per if hard_base == base else 1.0), unit, hard_base == base
    # A sensitivity of 1.000000 without a unit: nobody calibrated it. Gwyddion then drops the prefix of the hard unit
    # and calls 40 mV "40 V"; afmend agrees with it to the digit, and says that the channel is not calibrated.
    base, prefix = si(soft.unit or hard.unit)
    return factor, base, bool(base) and prefix == 1.0


def _grid(image: Section, scan_list: Section, shape: tuple[int, int]) -> Grid:
    text = image.get("Scan Size") or scan_list.get("Scan Size")
    if text is None:
        return Grid.uncalibrated(shape)
    words = text.split()
    if len(words) >= 3:
        fast, slow = (length_nm(f"{word} {' '.join(words[2:])}", "Scan Size") for word in words[:2])
    else:
        fast = slow = length_nm(text, "Scan Size")
    if fast == slow:
        slow = fast / _aspect(image.get("Aspect Ratio"))
    if fast == 0 and slow == 0:
        return Grid.uncalibrated(shape)
    angle = fact(scan_list.get("Rotate Ang.")) or 0.0
    return Grid.from_size(
        shape,
        (slow, fast),
        angle_deg=math.degrees(angle),
        offset_fast_nm=offset_nm(scan_list.get("X Offset")),
        offset_slow_nm=offset_nm(scan_list.get("Y Offset")),
    )


def _aspect(text: str | None) -> float:
    """Return width / height of the frame from "2:1"; 1 if the header does not say."""
    wide, colon, high = (text or "").partition(":")
    if not colon:
        return 1.0
    ratio = number(wide, "Aspect Ratio"), number(high, "Aspect Ratio")
    if min(ratio) <= 0 or max(ratio) > 1e6:
        raise CorruptFileError(f"Aspect Ratio is {text!r}", now="Re-export the file.")
    return ratio[0] / ratio[1]


def _acquisition(parts: list[Section], scan_list: Section, image: Section) -> Acquisition:
    equipment = merged("equipment list", _ending(parts, "equipment list"))
    file_list = merged("file list", _ending(parts, "file list"))
    mode, shown = selected(scan_list.get("@MicroscopeList"))
    loop, wanted = _FEEDBACK.get(mode, ("SPM", ""))
    setpoint, unit = _hard(scan_list, f"@2:{wanted}")
    direction = (image.get("Frame direction") or scan_list.get("Capture direction") or "").lower()
    integral, proportional = (
        _first(_hard(scan_list, f"@2:{name}Fb{letter}gain")[0] for name in (loop, "SPM")) for letter in "IP"
    )
    return Acquisition(
        instrument=equipment.get("Microscope") or equipment.get("Description"),
        mode=shown or scan_list.get("Operating mode"),
        date=iso_date(file_list.get("Date"), "%I:%M:%S %p %a %b %d %Y"),
        scan_direction=direction if direction in ("up", "down") else None,
        line_rate_hz=fact(scan_list.get("Scan Rate")),
        setpoint=setpoint,
        setpoint_unit=unit,
        integral_gain=integral,
        proportional_gain=proportional,
        bias_v=_first(_hard(scan_list, f"@2:{key}")[0] for key in ("Sample Bias", "Bias")),
    )


def _first(found: Iterable[float | None]) -> float | None:
    return next((value for value in found if value is not None), None)


def _hard(section: Section, key: str) -> tuple[float | None, str | None]:
    """Return a value at the electronics in SI, with its unit; (None, None) if there is none."""
    text = section.get(key)
    if text is None or not text.startswith("V"):
        return None, None
    try:
        value = scaled(text, key)
    except CorruptFileError:
        return None, None
    return fact_with_unit(f"{value.value} {value.unit}")
