"""Recall and precision of scar detection on simulated scans, and what is falsely marked on clean ones.

Run: PYTHONPATH=src python benchmarks/quality/scars.py [--seeds 10] [--first-seed 5000] [--peers]
Seeds below 1000 were used while the detector was written; the table uses others.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
from scipy.ndimage import gaussian_filter

from afmend.artifacts.peer_scars import GwyddionScars, TopoStatsScars, scars_gwyddion, scars_topostats
from afmend.artifacts.scars import Scars, scars
from afmend.pipeline import Field

HEIGHT = 1.5
"""Height of a scar; all noise is given in shares of it."""


def bumps(rng: np.random.Generator, shape: tuple[int, int], tallest: float) -> np.ndarray:
    """Gaussian bumps of very different size."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    z = np.zeros(shape)
    for _ in range(12):
        r, c = rng.uniform(0, shape[0]), rng.uniform(0, shape[1])
        s = rng.uniform(5, 20)
        z = np.maximum(z, tallest * rng.uniform(0.5, 1) * np.exp(-((y - r) ** 2 + (x - c) ** 2) / (2 * s * s)))
    return z


def caps(rng: np.random.Generator, shape: tuple[int, int], count: int = 40) -> np.ndarray:
    """Spherical caps with steep rims: particles."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    z = np.zeros(shape)
    for _ in range(count):
        r, c = rng.uniform(0, shape[0]), rng.uniform(0, shape[1])
        radius = rng.uniform(3, 14)
        z = np.maximum(z, np.sqrt(np.maximum(radius**2 - (y - r) ** 2 - (x - c) ** 2, 0)))
    return z


def rough(rng: np.random.Generator, shape: tuple[int, int], sq: float, px: float) -> np.ndarray:
    """A Gaussian rough surface."""
    z = gaussian_filter(rng.standard_normal(shape), px, mode="wrap")
    return z / z.std() * sq


def grating(rng: np.random.Generator, shape: tuple[int, int], period: float, turn: float) -> np.ndarray:
    """Lines along the fast axis, turned by some degrees, flanks of one pixel."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    t = np.deg2rad(turn)
    phase = ((y * np.cos(t) + x * np.sin(t)) / period + rng.uniform()) % 1
    return 5 * HEIGHT * np.clip(0.5 + (0.25 - np.abs(phase - 0.5)) * period, 0, 1)


def terraces(rng: np.random.Generator, shape: tuple[int, int], turn: float) -> np.ndarray:
    """Atomic steps; ``turn`` = angle of the edges to the fast axis in degrees."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    t = np.deg2rad(turn)
    wave = 2 * np.sin(2 * np.pi * (x * np.cos(t) - y * np.sin(t)) / 90 + rng.uniform(0, 6))
    return HEIGHT * np.floor((y * np.cos(t) + x * np.sin(t) + wave) / 31 + rng.uniform())


def fibers(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Wavy threads of 3 to 5 px, some of them almost along the fast axis."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    z = np.zeros(shape)
    for _ in range(10):
        t = rng.uniform(-0.6, 0.6)
        r = rng.uniform(0, shape[0])
        line = r + np.tan(t) * x + rng.uniform(1, 6) * np.sin(2 * np.pi * x / rng.uniform(60, 200))
        z = np.maximum(z, 2 * HEIGHT * np.exp(-((y - line) ** 2) / (2 * rng.uniform(1.0, 2.2) ** 2)))
    return z


def tilted(rng: np.random.Generator, shape: tuple[int, int], offsets: float) -> np.ndarray:
    """A tilted, bowed ground with line offsets."""
    y, x = np.mgrid[: shape[0], : shape[1]] / 256.0
    ground = 20 * HEIGHT * (rng.uniform(-1, 1) * x + rng.uniform(-1, 1) * y) + 5 * HEIGHT * rng.uniform(-1, 1) * x**2
    return ground + offsets * rng.standard_normal(shape[0])[:, None]


GROUNDS: dict[str, Callable[[np.random.Generator, tuple[int, int]], np.ndarray]] = {
    "flat": lambda _, s: np.zeros(s),
    "bumps 2x": lambda rng, s: bumps(rng, s, 2 * HEIGHT),
    "bumps 10x": lambda rng, s: bumps(rng, s, 10 * HEIGHT),
    "particles": caps,
    "rough": lambda rng, s: rough(rng, s, HEIGHT, 6),
    "rough, fine": lambda rng, s: rough(rng, s, 0.3 * HEIGHT, 2.5),
    "terraces": lambda rng, s: terraces(rng, s, rng.uniform(-90, 90)),
    "tilt, line offsets 0.2": lambda rng, s: tilted(rng, s, 0.2 * HEIGHT),
    "tilt, line offsets 1": lambda rng, s: tilted(rng, s, HEIGHT),
}
"""What scars are drawn on."""
CLEAN = GROUNDS | {
    "grating 16, along": lambda rng, s: grating(rng, s, 16, 0),
    "grating 8, along": lambda rng, s: grating(rng, s, 8, 0),
    "grating 16, 1 deg": lambda rng, s: grating(rng, s, 16, 1),
    "grating 8, 0.5 deg": lambda rng, s: grating(rng, s, 8, 0.5),
    "grating 10, 5 deg": lambda rng, s: grating(rng, s, 10, 5),
    "grating 40, 0.3 deg": lambda rng, s: grating(rng, s, 40, 0.3),
    "terraces, 0 deg": lambda rng, s: terraces(rng, s, 0),
    "terraces, 2 deg": lambda rng, s: terraces(rng, s, 2),
    "fibers": fibers,
    "bumps, particles": lambda rng, s: bumps(rng, s, 10 * HEIGHT) + caps(rng, s),
    "rough, 1 px": lambda rng, s: rough(rng, s, HEIGHT, 1),
    "fractal": lambda rng, s: sum(rough(rng, s, HEIGHT * 0.5 * p**0.8, p) for p in (1, 2, 4, 8, 16, 32)),
}
"""What must stay unmarked."""


def add_scars(
    rng: np.random.Generator, z: np.ndarray, width: int, *, soft_ends: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Draw scars of both polarities, 12 px to a whole line long, at least 12 lines apart."""
    rows, cols = z.shape
    z, truth = z.copy(), np.zeros(z.shape, bool)
    for top in rng.permutation(np.arange(6, rows - 12, 14))[:12]:
        row = top + rng.integers(0, 3)
        length = int(rng.integers(12, cols + 1))
        start = int(rng.integers(0, cols - length + 1))
        profile = np.zeros(cols)
        profile[start : start + length] = 1
        if soft_ends:
            profile = np.convolve(profile, np.ones(3) / 3, "same")
        z[row : row + width] += rng.choice((-1, 1)) * HEIGHT * profile
        truth[row : row + width, start : start + length] = True
    return z, truth


def score(found: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Recall and precision in pixels."""
    hit = np.count_nonzero(found & truth)
    return hit / max(1, truth.sum()), hit / max(1, found.sum()) if found.any() else float(not truth.any())


def detectors(peers: bool) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    out = {"afmend": lambda z: scars(Field(z), Scars()).mask}
    if peers:
        out["gwyddion"] = lambda z: scars_gwyddion(Field(z), GwyddionScars()).mask
        out["topostats"] = lambda z: scars_topostats(Field(z), TopoStatsScars()).mask
    return out


def table(seeds: range, peers: bool, grounds: list[str], noises: tuple[float, ...]) -> None:
    print(f"{'ground':24}{'width':>6}{'noise':>7}  detector   recall worst/median   precision worst/median")
    for name in grounds:
        for width in (1, 2, 3, 4):
            for noise in noises:
                for which, detect in detectors(peers).items():
                    got = []
                    for seed in seeds:
                        rng = np.random.default_rng(seed)
                        z, truth = add_scars(rng, GROUNDS[name](rng, (256, 256)), width, soft_ends=seed % 2 == 1)
                        got.append(score(detect(z + noise * HEIGHT * rng.standard_normal(z.shape)), truth))
                    r, p = np.array(got).T
                    bar = 0.95 if noise <= 0.1 else 0.85
                    low = " <" if which == "afmend" and min(np.median(r), np.median(p)) < bar else ""
                    print(
                        f"{name:24}{width:6}{noise:7.2f}  {which:10}{r.min():10.3f}/{np.median(r):.3f}"
                        f"{p.min():16.3f}/{np.median(p):.3f}{low}"
                    )


def clean(seeds: range, peers: bool) -> None:
    print(f"\n{'clean scan':24}{'noise':>7}  falsely marked pixels in %, worst/median of the seeds")
    for name, ground in CLEAN.items():
        for noise in (0.0, 0.02, 0.1, 0.3):
            line = f"{name:24}{noise:7.2f}"
            for which, detect in detectors(peers).items():
                got = []
                for seed in seeds:
                    rng = np.random.default_rng(seed)
                    z = ground(rng, (256, 224)) + noise * HEIGHT * rng.standard_normal((256, 224))
                    got.append(100 * detect(z).mean())
                line += f"  {which} {max(got):.3f}/{np.median(got):.3f}" + (" <" if max(got) > 0.2 else "")
            print(line)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=5000)
    parser.add_argument("--peers", action="store_true", help="also Gwyddion's and TopoStats' rules")
    parser.add_argument("--grounds", nargs="*", default=list(GROUNDS))
    parser.add_argument("--noises", nargs="*", type=float, default=[0.02, 0.1, 0.3])
    parser.add_argument("--only", choices=("scars", "clean"))
    args = parser.parse_args()
    seeds = range(args.first_seed, args.first_seed + args.seeds)
    if args.only != "clean":
        table(seeds, args.peers, args.grounds, tuple(args.noises))
    if args.only != "scars":
        clean(seeds, args.peers)
