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
    from scipy.ndimage import map_coordinates

    heights, pixel_nm = _base(params.path, params.channel, params.frame, params.sha256)
    y = (canvas.y_nm.ravel() + params.offset_nm[0]) / pixel_nm[0]
    x = (canvas.x_nm.ravel() + params.offset_nm[1]) / pixel_nm[1]
    places = np.meshgrid(_snapped(y), _snapped(x), indexing="ij")
    out: Heights = map_coordinates(heights, places, order=1, mode="reflect")
    return out


def _snapped(at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Put places that are pixels but for rounding on them: the scan's own pixels stay as they are."""
    whole = np.rint(at)
    return np.where(np.abs(at - whole) < 1e-9, whole, at)


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
    from afmend.leveling.moments import without_surface
    from afmend.leveling.plane import fit_plane

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
    heights = without_surface(heights, fit_plane(heights, np.ones(heights.shape, dtype=np.bool_)))
    heights.flags.writeable = False
    return heights, scan.grid.pixel_nm
