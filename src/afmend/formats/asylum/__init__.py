"""Igor binary waves (.ibw) as Asylum Research's instruments write them. Read.

Format: WaveMetrics Technical Note 003, "Igor Binary Format". Images are waves of version 5 with two
dimensions (one channel) or three (several); waves of versions 1 to 3 have one dimension and are curves.
"""

from __future__ import annotations

from pathlib import Path

from afmend.errors import NotAnImageError
from afmend.formats.asylum.image import scan_of
from afmend.formats.asylum.wave import Wave, is_wave, parse
from afmend.formats.hostile import FileBytes
from afmend.formats.register import Verdict
from afmend.scan import Scan

__all__ = ["read", "recognise"]


def recognise(head: bytes, path: Path) -> Verdict:  # noqa: ARG001 (every reader has the same signature)
    """Say YES to an Igor wave: version number, header checksum and number type fit together."""
    return Verdict.YES if is_wave(head) else Verdict.NO


def read(path: Path) -> list[Scan]:
    """Read all channels of an image; rows are flipped, since Igor counts them from the bottom.

    Raises
    ------
    CorruptFileError
        If the file is damaged.
    NotAnImageError
        If it holds a force curve, another curve, or text.
    """
    wave = parse(FileBytes(path))
    if not _is_image(wave):
        size = " x ".join(str(n) for n in wave.dims if n) or "no"
        raise NotAnImageError(
            f"is an Igor wave of {size} points, a curve and not an image", now="Only images can be mended."
        )
    return [scan_of(wave)]


def _is_image(wave: Wave) -> bool:
    flat = wave.version == 5 and min(wave.dims[:2]) >= 2 and wave.dims[3] <= 1
    return flat and not wave.columns and wave.units[0] != "s"
