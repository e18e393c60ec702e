"""A folder of scans, one subfolder per class, and which scans show the same place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from afmend.artifacts.classes import Map, heights_of
from afmend.errors import AfmendError, BadParameterError
from afmend.formats import read_all

FEWEST = 8
"""Scans per class without which nothing can be learned or judged."""
ALIKE = 0.7
"""Two scans whose maps correlate so well, at any shift, show the same place."""
SMALL = 48


@dataclass(frozen=True, slots=True, eq=False)
class Collection:
    """Scans of several classes.

    Attributes
    ----------
    heights : (scans, rows, cols) float32
        From `afmend.artifacts.classes.heights_of`.
    labels, groups : (scans,) int64
        Class of each scan; scans of one file, or of one place, have one group.
    classes : tuple of str
    files : tuple of str
    unit : str
    skipped : tuple of str
        What could not be read, and why.
    """

    heights: Map
    labels: NDArray[np.int64]
    groups: NDArray[np.int64]
    classes: tuple[str, ...]
    files: tuple[str, ...]
    unit: str
    skipped: tuple[str, ...] = ()


def collect(folder: Path, channel: str | None = None) -> Collection:
    """Read the scans of every subfolder.

    Raises
    ------
    BadParameterError
        If there are not at least two classes of eight scans each, or the channel's unit differs between scans.
    """
    classes = (
        tuple(sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")))
        if folder.is_dir()
        else ()
    )
    if len(classes) < 2:
        raise BadParameterError(
            "needs a folder with one subfolder of scans per class, at least two",
            where=str(folder),
            now="Sort the scans.",
        )
    heights, labels, files, units, skipped = [], [], [], [], []
    for number, name in enumerate(classes):
        for path in sorted(p for p in (folder / name).rglob("*") if p.is_file() and not p.name.startswith(".")):
            try:
                scans = read_all(path)
                maps = [(heights_of(scan, channel), scan.channels[scan.find(channel)].unit) for scan in scans]
            except AfmendError as error:
                skipped.append(f"{path}: {error.what}")
                continue
            for one, unit in maps:
                heights.append(one)
                units.append(unit)
                labels.append(number)
                files.append(str(path))
    counts = np.bincount(labels, minlength=len(classes)) if labels else np.zeros(len(classes), int)
    few = [f"{name} {count}" for name, count in zip(classes, counts, strict=True) if count < FEWEST]
    if few:
        raise BadParameterError(
            f"too few scans that can be read ({', '.join(few)})", where=str(folder),
            now=f"At least {FEWEST} per class, better 50.",
        )  # fmt: skip
    if len(set(units)) > 1:
        raise BadParameterError(
            f"the scans have different units ({', '.join(sorted(set(units)))})",
            where=str(folder),
            now="Name a --channel.",
        )
    stack = np.stack(heights)
    return Collection(
        stack, np.array(labels, np.int64), groups_of(stack, files), classes, tuple(files), units[0], tuple(skipped)
    )


def groups_of(heights: Map, files: list[str]) -> NDArray[np.int64]:
    """Join scans of one file, and scans that show the same place: in a cross-validation they must not be parted.

    The same place is found by the best correlation over all shifts; trace and retrace of one scan, a repeated scan and
    overlapping scans correlate, scans of other places of a random sample do not. Regular samples (gratings, lattices)
    do: they are joined as well, which costs certainty, never honesty.
    """
    import cv2

    small = np.stack([cv2.resize(z, (SMALL, SMALL), interpolation=cv2.INTER_AREA) for z in heights])
    small = small - small.mean(axis=(1, 2), keepdims=True)
    small /= np.sqrt(np.mean(small**2, axis=(1, 2), keepdims=True)) + 1e-12
    spectra = np.fft.rfft2(small)
    parent = np.arange(len(small))

    def root(k: int) -> int:
        while parent[k] != k:
            k = int(parent[k])
        return k

    first: dict[str, int] = {}
    for k, file in enumerate(files):
        parent[root(k)] = root(first.setdefault(file, k))
    for k in range(1, len(small)):
        peaks = np.fft.irfft2(np.conj(spectra[k]) * spectra[:k], s=(SMALL, SMALL)).max(axis=(1, 2)) / SMALL**2
        for other in np.flatnonzero(peaks > ALIKE):
            parent[root(k)] = root(int(other))
    _, groups = np.unique([root(k) for k in range(len(small))], return_inverse=True)
    return groups.astype(np.int64)
