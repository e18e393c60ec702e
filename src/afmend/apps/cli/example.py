"""The embedded example: a small scan made from a known surface, with the damage of an ordinary bad day.

A toy for the demo and the tests. It is no instrument simulator and proves nothing about real scans.
"""

from __future__ import annotations

import numpy as np

from afmend.scan import Acquisition, Channel, Grid, Scan
from afmend.scan.arrays import Heights, Mask

SHAPE = (256, 320)
PIXEL_NM = 3.9


def example_scan(seed: int = 7) -> tuple[Scan, Heights, Mask]:
    """Return a raw scan (trace and retrace), its true surface in nm, and where the trace is damaged."""
    rng = np.random.default_rng(seed)
    truth = _particles(rng) + _texture(rng, 0.35)
    trace, damaged = _record(rng, truth)
    retrace, _ = _record(rng, truth)
    grid = Grid(*SHAPE, PIXEL_NM, PIXEL_NM)
    channels = [
        Channel("height", "trace", trace, "nm", "Height"),
        Channel("height", "retrace", retrace, "nm", "Height"),
    ]
    facts = Acquisition(
        instrument="afmend example", mode="tapping (simulated)", line_rate_hz=1.0, scan_direction="down"
    )
    header = {
        "note": "A made-up scan: particles on tilted, bowed ground, with scars, line offsets, a lost line and spikes."
    }
    return Scan.of(grid, channels, acquisition=facts, header=header), truth, damaged


def _particles(rng: np.random.Generator, count: int = 26) -> Heights:
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    ground = np.zeros(SHAPE)
    for _ in range(count):
        radius = rng.uniform(5, 11)
        cy, cx = rng.uniform(0, SHAPE[0]), rng.uniform(0, SHAPE[1])
        cap = radius**2 - (y - cy) ** 2 - (x - cx) ** 2
        ground = np.maximum(ground, np.sqrt(np.clip(cap, 0, None)) * 1.2)
    return ground


def _texture(rng: np.random.Generator, sq_nm: float) -> Heights:
    """Smooth Gaussian roughness made in Fourier space."""
    ky, kx = np.fft.fftfreq(SHAPE[0])[:, None], np.fft.rfftfreq(SHAPE[1])[None, :]
    noise = np.fft.rfft2(rng.standard_normal(SHAPE)) * np.exp(-((ky**2 + kx**2) * (2 * np.pi * 3.0) ** 2) / 4)
    texture: Heights = np.fft.irfft2(noise, SHAPE)
    texture *= sq_nm / texture.std()
    return texture


def _record(rng: np.random.Generator, truth: Heights) -> tuple[Heights, Mask]:
    rows, cols = SHAPE
    y, x = np.mgrid[:rows, :cols] / [[[rows]], [[cols]]]
    bow = 40 * x - 25 * y + 6 * (x - 0.5) ** 2 + 4 * (y - 0.5) ** 2
    offsets = np.cumsum(rng.normal(0, 0.15, rows)) + rng.normal(0, 0.5, rows)
    z = truth + bow + offsets[:, None] + rng.normal(0, 0.08, SHAPE)
    damaged = np.zeros(SHAPE, dtype=np.bool_)
    for _ in range(14):
        row, width = rng.integers(2, rows - 5), rng.integers(1, 4)
        start = rng.integers(0, cols - 40)
        stop = start + rng.integers(30, 160)
        z[row : row + width, start:stop] += rng.choice((-1, 1)) * rng.uniform(3, 9)
        damaged[row : row + width, start:stop] = True
    lost = rng.integers(20, rows - 20)
    z[lost] = z[lost - 1]
    damaged[lost] = True
    for _ in range(12):
        spot = rng.integers(0, rows), rng.integers(0, cols)
        z[spot] += rng.choice((-1, 1)) * rng.uniform(6, 20)
        damaged[spot] = True
    return z, damaged
