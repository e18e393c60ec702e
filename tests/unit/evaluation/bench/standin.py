"""A tiny stand-in for the twin: scans with the channels of the benchmark, made in a moment."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from afmend.formats import write
from afmend.scan import Channel, Grid, Masks, Record, Scan
from afmend.scan.scan import Source
from support import rough

SCANS = 9
SHAPE = (48, 64)
PIXEL_NM = (2.0, 3.0)
FAMILIES = ("rough", "particles", "terraces")


def surface(family: str, shape: tuple[int, int], seed: int) -> np.ndarray:
    y, x = np.mgrid[: shape[0], : shape[1]].astype(float)
    ground = rough(shape, seed, 0.3 if family != "rough" else 2.0, 3.0)
    if family == "particles":
        rng = np.random.default_rng(seed)
        for _ in range(6):
            cy, cx = rng.uniform(9, shape[0] - 9), rng.uniform(9, shape[1] - 9)
            ground = np.maximum(ground, 12 * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / 14))
    if family == "terraces":
        ground = 0.05 * ground + 5.0 * np.floor((x + 0.3 * y) / 24)
    return ground


def twin_scan(seed: int, *, family: str = "", clean: bool = False, shape: tuple[int, int] = SHAPE) -> Scan:
    """Ideal surface plus tilt, noise, and (unless clean) line offsets and two scars."""
    family = family or FAMILIES[seed % len(FAMILIES)]
    rng = np.random.default_rng(seed)
    ideal = surface(family, shape, seed)
    y, x = np.mgrid[: shape[0], : shape[1]] / max(shape)
    heights = ideal + 9 * x - 4 * y + 0.1 * rng.standard_normal(shape)
    scar, missing = np.zeros(shape, bool), np.zeros(shape, bool)
    if not clean:
        heights = heights + rng.normal(0, 0.6, shape[0])[:, None]
        scar[10, 5:50] = scar[30, 20:60] = True
        heights[scar] += 7
        missing[shape[0] - 3 :] = True
    masks = Masks(artifact={"scar": scar})
    channels = [
        Channel.from_raw("height", "trace", heights, "nm", missing=missing),
        Channel("height", "retrace", heights + 0.05 * rng.standard_normal(shape), "nm"),
        Channel("error", "trace", 0.1 * rng.standard_normal(shape), "nm"),
        Channel("ideal", "trace", ideal, "nm", masks=masks),
        Channel("truth", "unknown", ideal, "nm"),
    ]
    record = Record("twin", "1", {"surface": {"kind": family}}, channels[0].key, "", "", "0", {"clean": clean})
    return Scan.of(Grid(*shape, *PIXEL_NM), channels, history=(record,), source=Source(f"twin-{seed}", "twin"))


def folder_of(path: Path, count: int, *, shape: tuple[int, int] = SHAPE) -> Path:
    """Write scans, every third one clean, as a folder of HDF5 files."""
    path.mkdir()
    for seed in range(count):
        write(twin_scan(seed, clean=seed % 3 == 2, shape=shape), path / f"scan{seed:02d}.h5")
    return path
