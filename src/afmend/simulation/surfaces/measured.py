"""A real clean scan as the surface: what it shows is taken as the truth."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from afmend.errors import BadParameterError, BadScanError
from afmend.pipeline.params import Knob, Params
from afmend.scan.arrays import Heights
from afmend.simulation.canvas import Canvas


class Measured(Params):
    """A measured scan, a plane subtracted, at its own size in nm; beyond its edges it is mirrored.

    Use `Measured.of`, which notes what the file holds today. Do not use it for exact truth: the noise and the tip of
    that measurement are part of it, and pixels of another size than its own are interpolated (bilinear), which
    smooths it. A canvas much larger than the scan shows its mirror images side by side, which no sample does.
    """

    kind: Literal["measured"] = "measured"
    path: str = Knob(..., "The file; any format that afmend reads.")
    channel: str = Knob("", "The channel, as in afmend info; empty: the topography.")
    frame: int = Knob(0, "Which image of a file that holds several.", ge=0)
    sha256: str = Knob(..., "Digest of the file: a replay with another file is refused.")
    height_nm: float = Knob(..., "Roughness Sq of the scan without its plane.", unit="nm", gt=0)
    offset_nm: tuple[float, float] = Knob((0.0, 0.0), "Where the canvas starts in the scan: (slow, fast).", unit="nm")

    @classmethod
    def of(cls, path: str | Path, channel: str = "", frame: int = 0, **more: tuple[float, float]) -> Self:
        """Take a file as the base: its digest and roughness are noted.

        Raises
        ------
        AfmendError
            If the file cannot be read, is not calibrated or has missing pixels.
        """
        digest = _digest(Path(path))
        heights, _ = _base(str(path), channel, frame, digest)
        roughness = float(heights.std())
        return cls(path=str(path), channel=channel, frame=frame, sha256=digest, height_nm=roughness, **more)


def make_measured(params: Measured, canvas: Canvas) -> Heights:
    """Return the scan on the canvas, (rows, cols) in nm.

    Raises
    ------
    BadParameterError
        If the file is no longer the one that was noted.
    AfmendError
        If it cannot be read, is not calibrated or has missing pixels.
    """
    heights, pixel_nm = _base(params.path, params.channel, params.frame, params.sha256)
    y = (canvas.y_nm.ravel() + params.offset_nm[0]) / pixel_nm[0]
    x = (canvas.x_nm.ravel() + params.offset_nm[1]) / pixel_nm[1]
    return np.ascontiguousarray(_sampled(_sampled(heights, y).T, x).T)


def _sampled(heights: Heights, at: NDArray[np.float64]) -> Heights:
    """Interpolate rows at fractional indices; the array is continued by its mirror image."""
    count = heights.shape[0]
    folded = np.mod(at + 0.5, 2 * count)
    folded = np.clip(np.where(folded > count, 2 * count - folded, folded) - 0.5, 0, count - 1)
    low = np.minimum(folded.astype(np.int64), max(count - 2, 0))
    part = (folded - low)[:, None]
    part = np.where(np.abs(part - np.rint(part)) < 1e-9, np.rint(part), part)  # the scan's own pixels stay as they are
    out: Heights = heights[low] * (1 - part) + heights[np.minimum(low + 1, count - 1)] * part
    return out


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BadParameterError(f"cannot be opened ({error.strerror})", where=str(path), now="Check path.") from error


@lru_cache(maxsize=16)
def _base(path: str, channel: str, frame: int, sha256: str) -> tuple[Heights, tuple[float, float]]:
    """Return the scan without its plane, read-only, and its pixel size (slow, fast)."""
    from afmend.formats import read

    if _digest(Path(path)) != sha256:
        raise BadParameterError(
            "the file is not the one that this surface was made from", where=path, now="Restore it, or make a new twin."
        )
    scan = read(path, frame)
    found = scan.channel(channel or None)
    if not (scan.grid.calibrated and found.calibrated and found.unit == "nm"):
        raise BadScanError(f"channel {found.key} is not a height in nm", where=path, now="Take a calibrated scan.")
    if found.still_missing.any():
        raise BadScanError(f"channel {found.key} has missing pixels", where=path, now="Take a complete scan.")
    heights = found.values.astype(np.float64)
    heights -= heights.mean()
    for axis, count in enumerate(heights.shape):  # on a whole grid the two slopes are independent
        index = np.arange(count) - (count - 1) / 2
        slope = index @ heights.mean(axis=1 - axis) / max(float(index @ index), 1.0)
        heights -= slope * (index[:, None] if axis == 0 else index)
    heights.flags.writeable = False
    return heights, scan.grid.pixel_nm
