"""Recall and precision of the detectors of lines, tails, plateaux, and what is falsely marked on clean scans.

Run: PYTHONPATH=src python benchmarks/quality/detectors.py [--seeds 5] [--first-seed 7000]
Seeds below 1000 were used while the detectors were written; the table uses others. All of it is simulated.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
from scars import bumps, caps, fibers, grating, rough, terraces

from afmend.artifacts.runs import find_runs, paint_runs
from afmend.catalogue import find_step
from afmend.pipeline import Field

Rng = np.random.Generator
Ground = Callable[[Rng, tuple[int, int]], np.ndarray]
SHAPE = (192, 256)
NOISE = 0.1
GROUNDS: dict[str, Ground] = {
    "rough": lambda rng, s: rough(rng, s, 1.5, 6),
    "particles": caps,
    "terraces": lambda rng, s: terraces(rng, s, rng.uniform(-90, 90)),
    "grating": lambda rng, s: grating(rng, s, 16, rng.uniform(10, 90)),
    "fibers": fibers,
}


def fractal(rng: Rng, shape: tuple[int, int]) -> np.ndarray:
    return sum((rough(rng, shape, 0.5 * p**0.8, p) for p in (1, 2, 4, 8, 16, 32)), np.zeros(shape))


def ridges(rng: Rng, shape: tuple[int, int]) -> np.ndarray:
    """Ragged ridges of 1 to 8 lines that fill the lines along the fast axis, widened by a tip, rough on top."""
    z = np.zeros(shape)
    y = np.arange(shape[0])[:, None]
    for center in rng.choice(shape[0], 3, replace=False):
        top = 5 + 1.5 * rough(rng, (1, shape[1]), 1.0, 3)
        edge = rough(rng, (1, shape[1]), 0.3, 2)
        z += top / (1 + np.exp((np.abs(y - center - edge) - rng.uniform(0.5, 4)) / 0.4))
    return z


CLEAN: dict[str, Ground] = GROUNDS | {
    "bumps": lambda rng, s: bumps(rng, s, 15),
    "fractal": fractal,
    "rough, 1 px": lambda rng, s: rough(rng, s, 1.5, 1),
    "grating 16, along": lambda rng, s: grating(rng, s, 16, 0),
    "grating 8, 0.5 deg": lambda rng, s: grating(rng, s, 8, 0.5),
    "grating 40, 0.1 deg": lambda rng, s: grating(rng, s, 40, 0.1),
    "terraces, 0 deg": lambda rng, s: terraces(rng, s, 0),
    "ragged ridges along": ridges,
    "rough strip": lambda rng, s: rough(rng, s, 0.2, 3) + strip(s, 90, 97) * rough(rng, s, 2, 3),
    "smooth strip": lambda rng, s: (1 - 0.95 * strip(s, 90, 96)) * rough(rng, s, 2, 3),
}


def strip(shape: tuple[int, int], start: int, stop: int) -> np.ndarray:
    rows = np.arange(shape[0])[:, None]
    return ((rows >= start) & (rows < stop)).astype(float)


Finish = Callable[[Rng, np.ndarray], np.ndarray]


def offsets(size: float, walk: float) -> Finish:
    def apply(rng: Rng, z: np.ndarray) -> np.ndarray:
        line = size * rng.standard_normal(z.shape[0]) + walk * np.cumsum(rng.standard_normal(z.shape[0]))
        return z + line[:, None] + NOISE * rng.standard_normal(z.shape)

    return apply


def tilt(rng: Rng, z: np.ndarray) -> np.ndarray:
    y, x = np.mgrid[: z.shape[0], : z.shape[1]] / 256
    return z + 30 * rng.uniform(-1, 1) * x + 30 * rng.uniform(-1, 1) * y


def quantized(z: np.ndarray, levels: int) -> np.ndarray:
    low, high = z.min(), z.max()
    return np.round((z - low) / (high - low) * levels)


FINISHES: dict[str, Finish] = {
    "no noise": lambda _rng, z: z,
    "no noise, tilt": tilt,
    "no noise, offsets": lambda rng, z: z + 2 * rng.standard_normal(z.shape[0])[:, None],
    "no noise, 8 bit": lambda _rng, z: quantized(z, 255),
    "noise": offsets(0, 0),
    "noise, tilt": lambda rng, z: offsets(0, 0)(rng, tilt(rng, z)),
    "offsets": offsets(3, 0),
    "offsets, walk, tilt": lambda rng, z: offsets(1, 1)(rng, tilt(rng, z)),
    "8 bit": lambda rng, z: quantized(offsets(0.2, 0)(rng, z), 255),
    "offsets, 16 bit": lambda rng, z: quantized(offsets(1, 0)(rng, z), 65535),
    "16 levels": lambda rng, z: quantized(offsets(0, 0)(rng, z), 15),
}


def ready(rng: Rng, ground: Ground) -> np.ndarray:
    return offsets(0.3, 0.1)(rng, tilt(rng, ground(rng, SHAPE)))


def bad_lines(rng: Rng, ground: Ground) -> tuple[Field, np.ndarray]:
    """Bundles of 1 to 8 lines: noise, a foreign shape, a constant, or copies of the line before."""
    z = ready(rng, ground)
    truth = np.zeros(SHAPE, bool)
    for place in range(12, SHAPE[0] - 32, 26):
        start = place + int(rng.integers(0, 14))
        width = int(rng.choice((1, 1, 1, 2, 4, 8)))
        kind = rng.integers(0, 4)
        band = slice(start, start + width)
        if kind == 0:
            z[band] += rng.uniform(20, 80) * NOISE * rng.standard_normal((width, SHAPE[1]))
        elif kind == 1:
            z[band] = z[band].mean() + np.vstack([rough(rng, (1, SHAPE[1]), 4, 4) for _ in range(width)])
        elif kind == 2:
            z[band] = z[start].mean()
        else:
            z[band] = z[start - 1]
        truth[band] = True
    return Field(z), truth


def unscanned(rng: Rng, ground: Ground) -> tuple[Field, np.ndarray]:
    z = ready(rng, ground)
    truth = np.zeros(SHAPE, bool)
    height = int(rng.integers(2, 150))
    block = slice(0, height) if rng.random() < 0.5 else slice(SHAPE[0] - height, SHAPE[0])
    inner = height if block.start == 0 else SHAPE[0] - height - 1
    z[block] = z[inner] if rng.random() < 0.4 else rng.choice((0.0, z.min(), z.mean()))
    truth[block] = True
    return Field(z), truth


def clipped(rng: Rng, ground: Ground) -> tuple[Field, np.ndarray]:
    z = ready(rng, ground)
    limit = np.quantile(z, rng.uniform(0.9, 0.99))
    return Field(np.minimum(z, limit)), z >= limit


def follow(surface: np.ndarray, fall: float) -> np.ndarray:
    """Follow a surface from left to right with a limited falling speed (height per pixel)."""
    x = np.arange(surface.shape[1]) * fall
    return np.maximum.accumulate(surface + x, axis=1) - x


def pair(rng: Rng, surface: np.ndarray, fall: float, noise: float = NOISE) -> tuple[Field, np.ndarray, np.ndarray]:
    """Trace and retrace with tails, each with its own noise and offsets."""
    trace, retrace = follow(surface, fall), follow(surface[:, ::-1], fall)[:, ::-1]
    shared = tilt(rng, np.zeros(SHAPE)) + 0.3 * rng.standard_normal(SHAPE[0])[:, None]
    measured = [z + shared + offsets(0.1, 0)(rng, np.zeros(SHAPE)) * noise / NOISE for z in (trace, retrace)]
    return Field(measured[0], opposite=measured[1], direction="trace"), trace - surface, retrace - surface


def tall(rng: Rng, shape: tuple[int, int]) -> np.ndarray:
    return 3 * caps(rng, shape, 12)


STEEP: dict[str, Ground] = {
    "particles": lambda rng, s: tall(rng, s) + rough(rng, s, 0.3, 5),
    "grating": lambda rng, s: 2 * grating(rng, s, 90, 80) + rough(rng, s, 0.1, 5),
    "terraces": lambda rng, s: -4 * terraces(rng, s, 70),
}


def tails(rng: Rng, ground: Ground) -> tuple[Field, np.ndarray]:
    """Tails; wanted is what stands 5 sigma above the surface in runs of at least 6 px."""
    field, wrong, _ = pair(rng, ground(rng, SHAPE), rng.uniform(0.4, 1.0))
    runs = find_runs(wrong > 5 * NOISE)
    return field, paint_runs(runs.keep(runs.length >= 6), SHAPE)


DAMAGE = {
    "mark.lines": (bad_lines, GROUNDS),
    "mark.unfinished": (unscanned, GROUNDS),
    "mark.saturated": (clipped, GROUNDS),
    "mark.parachuting": (tails, STEEP),
}


def found_by(step: str, field: Field) -> np.ndarray:
    mark = find_step(step)
    return mark.kernel(field, mark.params()).mask


def copies_either_way(z: np.ndarray, found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Of exactly equal lines it does not matter which one is taken for the copy: swap the truth where it helps."""
    truth = truth.copy()
    start = 0
    for stop in range(1, z.shape[0] + 1):
        if stop < z.shape[0] and np.array_equal(z[stop], z[start]):
            continue
        group = slice(start, stop)
        if found[group, 0].sum() == truth[group, 0].sum():
            truth[group] = found[group]
        start = stop
    return truth


def damage_table(seeds: range) -> None:
    print(f"{'step':18}{'ground':12}  recall worst/median   precision worst/median")
    for step, (damage, grounds) in DAMAGE.items():
        for name, ground in grounds.items():
            got = []
            for seed in seeds:
                field, truth = damage(np.random.default_rng(seed), ground)
                found = found_by(step, field)
                if step in ("mark.lines", "mark.unfinished"):
                    truth = copies_either_way(field.heights, found, truth)
                hit = np.count_nonzero(found & truth)
                marked = np.count_nonzero(found)
                got.append((hit / max(1, truth.sum()), hit / marked if marked else float(not truth.any())))
            r, p = np.array(got).T
            print(f"{step:18}{name:12}  {r.min():.3f} {np.median(r):.3f}           {p.min():.3f} {np.median(p):.3f}")


def clean_table(seeds: range) -> None:
    print("\nfalsely marked share of clean scans in %: mean of the finishes, and the worst scan")
    steps = ["mark.lines", "mark.unfinished", "mark.saturated", "mark.jumps"]
    print(f"{'family':22}" + "".join(f"{s[5:]:>22}" for s in steps))
    for name, ground in CLEAN.items():
        cells = []
        for step in steps:
            got = {}
            for finish, apply in FINISHES.items():
                for seed in seeds:
                    rng = np.random.default_rng(seed)
                    got[finish, seed] = 100 * float(np.mean(found_by(step, Field(apply(rng, ground(rng, SHAPE))))))
            worst = max(got, key=lambda key: got[key])
            note = f" ({worst[0]})" if got[worst] > 0 else ""
            cells.append(f"{np.mean(list(got.values())):.3f} {got[worst]:.2f}{note}")
        print(f"{name:22}" + "".join(f"{c:>22}" for c in cells))


def clean_pairs(seeds: range) -> None:
    """Two directions without tails: the same, shifted by hysteresis, with friction; other noise."""
    print("\nparachuting on clean pairs: falsely marked share in %, worst scan")
    kinds = {
        "equal": (0, 0.0),
        "shifted 2 px": (2, 0.0),
        "shifted 5 px": (5, 0.0),
        "shifted 9 px": (9, 0.0),
        "friction": (0, 1.0),
    }
    print(f"{'family':22}" + "".join(f"{kind:>14}" for kind in kinds))
    for name, ground in (CLEAN | STEEP).items():
        row = []
        for shift, friction in kinds.values():
            worst = 0.0
            for seed in seeds:
                rng = np.random.default_rng(seed)
                z = ground(rng, SHAPE)
                other = np.roll(z, -shift, axis=1) + friction * (z > np.median(z))
                for direction in ("trace", "retrace"):
                    noisy = [offsets(0.3, 0)(rng, s) for s in (z, other)]
                    mask = found_by("mark.parachuting", Field(noisy[0], opposite=noisy[1], direction=direction))
                    worst = max(worst, 100 * float(np.mean(mask)))
            row.append(worst)
        print(f"{name:22}" + "".join(f"{w:14.3f}" for w in row))


def speed_table() -> None:
    print("\nmilliseconds, best of 3")
    for n in (512, 2048):
        rng = np.random.default_rng(1)
        z = rng.standard_normal((n, n)) + np.arange(n)
        field = Field(z, opposite=z + 0.1 * rng.standard_normal(z.shape), direction="trace")
        for step in (*DAMAGE, "mark.jumps"):
            times = []
            for _ in range(3):
                begin = time.perf_counter()
                found_by(step, field)
                times.append(1e3 * (time.perf_counter() - begin))
            print(f"{n:6} {step:18}{min(times):8.1f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=7000)
    chosen = parser.parse_args()
    which = range(chosen.first_seed, chosen.first_seed + chosen.seeds)
    damage_table(which)
    clean_pairs(which)
    clean_table(which)
    speed_table()
