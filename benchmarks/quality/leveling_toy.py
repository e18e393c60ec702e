"""Compare row levelings on simulated scans with known truth: gauge-invariant error, with and without line noise.

Run: PYTHONPATH=src python benchmarks/quality/leveling_toy.py [--seeds train|test] [--count N] [--only FAMILY]
The truth is known up to a polynomial of degree 2 in the plane (nobody can know a tilt), so the error is the
root mean square of what is left after such a polynomial is fitted to the difference, on unmasked pixels.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from afmend.leveling.auto import Auto, level_auto
from afmend.pipeline import Field

Image = NDArray[np.float64]
Rng = np.random.Generator
Shape = tuple[int, int]
SHAPES = ((192, 256), (256, 256), (256, 200), (128, 320), (300, 180))


# ------------------------------------------------------------------ surfaces, Sq about 1 before scaling
def spectral(rng: Rng, shape: Shape, power: Callable[[Image], Image]) -> Image:
    big = (2 * shape[0], 2 * shape[1])
    k = np.hypot(np.fft.fftfreq(big[0])[:, None], np.fft.rfftfreq(big[1])[None, :])
    k[0, 0] = 1.0
    z = np.fft.irfft2(np.fft.rfft2(rng.standard_normal(big)) * np.sqrt(power(k)), s=big)[: shape[0], : shape[1]]
    return (z - z.mean()) / z.std()


def gaussian_rough(rng: Rng, shape: Shape) -> Image:
    length = rng.uniform(3, 15)
    return spectral(rng, shape, lambda k: np.exp(-((np.pi * k * length) ** 2)))


def fractal(rng: Rng, shape: Shape) -> Image:
    hurst = rng.uniform(0.3, 0.9)
    corner = rng.uniform(0.002, 0.02)
    return spectral(rng, shape, lambda k: (k**2 + corner**2) ** (-(hurst + 1)))


def axes(shape: Shape) -> Image:
    return np.mgrid[: shape[0], : shape[1]].astype(float)


def terraces(rng: Rng, shape: Shape) -> Image:
    y, x = axes(shape)
    angle = np.deg2rad(rng.choice([rng.uniform(-1, 1), rng.uniform(0, 180), 90 + rng.uniform(-3, 3)]))
    wobble = gaussian_filter(rng.standard_normal(shape), rng.uniform(8, 25), mode="wrap")
    wobble *= rng.choice([0.0, 1.0]) * rng.uniform(1, 6) / wobble.std()
    period = rng.uniform(20, 90)
    t = (y * np.cos(angle) + x * np.sin(angle) + wobble) / period + rng.uniform(0, 1)
    z = gaussian_filter(np.floor(t), rng.uniform(0.3, 1.0))
    return z * rng.uniform(0.5, 2)


def particles(rng: Rng, shape: Shape) -> Image:
    y, x = axes(shape)
    z = np.zeros(shape)
    radius = rng.uniform(3, 12)
    cover = rng.uniform(0.02, 0.25)
    for _ in range(max(1, int(cover * z.size / (np.pi * radius**2)))):
        r = radius * rng.lognormal(0, 0.25)
        d2 = (y - rng.uniform(0, shape[0])) ** 2 + (x - rng.uniform(0, shape[1])) ** 2
        z = np.maximum(z, np.sqrt(np.maximum(r * r - d2, 0)) * 2 / radius)
    sign = 1 if rng.uniform() < 0.75 else -1
    return sign * z * rng.uniform(1, 5) + 0.05 * gaussian_rough(rng, shape)


def grating(rng: Rng, shape: Shape, angle: float) -> Image:
    y, x = axes(shape)
    angle = np.deg2rad(angle)
    period = rng.uniform(16, 80)
    duty = rng.uniform(0.3, 0.7)
    t = (y * np.cos(angle) + x * np.sin(angle)) / period + rng.uniform(0, 1)
    return gaussian_filter(((t % 1) < duty).astype(float), rng.uniform(0.5, 1.2)) * rng.uniform(2, 10)


def grating_along(rng: Rng, shape: Shape) -> Image:
    return grating(rng, shape, rng.choice([-1, 1]) * rng.uniform(0.3, 4))


def grating_across(rng: Rng, shape: Shape) -> Image:
    return grating(rng, shape, 90 + rng.uniform(-10, 10))


def fibers(rng: Rng, shape: Shape) -> Image:
    y, x = axes(shape)
    z = np.zeros(shape)
    width = rng.uniform(1.5, 4)
    for _ in range(rng.integers(4, 25)):
        angle = rng.uniform(0, np.pi)
        along = np.cos(angle) * (x - rng.uniform(0, shape[1])) + np.sin(angle) * (y - rng.uniform(0, shape[0]))
        bend = rng.uniform(-0.003, 0.003) * along**2
        across = -np.sin(angle) * (x - rng.uniform(0, shape[1])) + np.cos(angle) * (y - rng.uniform(0, shape[0])) + bend
        inside = np.abs(along) < rng.uniform(30, 200)
        z = np.maximum(z, inside * np.exp(-((across / width) ** 2)) * rng.uniform(0.7, 1.3))
    return z * rng.uniform(1, 4) + 0.05 * gaussian_rough(rng, shape)


FAMILIES = {
    "rough": gaussian_rough, "fractal": fractal, "terraces": terraces, "particles": particles,
    "grating along": grating_along, "grating across": grating_across, "fibers": fibers,
}  # fmt: skip


# ------------------------------------------------------------------ scans
@dataclass
class Toy:
    truth: Image
    scan: Image
    excluded: NDArray[np.bool_]
    floor: float


def make(family: str, seed: int, *, clean: bool) -> Toy:
    rng = np.random.default_rng([seed, list(FAMILIES).index(family), 77])
    shape = SHAPES[rng.integers(len(SHAPES))]
    rows, cols = shape
    scale = float(np.exp(rng.uniform(np.log(0.3), np.log(30))))
    truth = FAMILIES[family](rng, shape) * rng.uniform(1, 3)
    noise = rng.uniform(0.03, 0.15)
    y, x = np.linspace(-1, 1, rows)[:, None], np.linspace(-1, 1, cols)[None, :]
    tilt = rng.normal(0, 8, 2)
    bow = rng.normal(0, 2, 3)
    scan = truth + tilt[0] * x + tilt[1] * y + bow[0] * x**2 + bow[1] * x * y + bow[2] * y**2
    scan = scan + noise * rng.standard_normal(shape)
    excluded = np.zeros(shape, bool)
    if not clean:
        level = float(np.exp(rng.uniform(np.log(0.1), np.log(2.0))))
        offsets = np.zeros(rows)
        kinds = rng.uniform(size=3) < (0.75, 0.5, 0.5)
        if not kinds.any():
            kinds[0] = True
        if kinds[0]:
            offsets += level * rng.standard_normal(rows)
        if kinds[1]:
            offsets += 0.3 * level * np.cumsum(rng.standard_normal(rows))
        if kinds[2]:
            jumps = rng.uniform(size=rows) < rng.uniform(0.005, 0.05)
            offsets += np.cumsum(jumps * rng.normal(0, 3 * level, rows))
        scan = scan + offsets[:, None]
        if rng.uniform() < 0.4:
            scan = scan + (0.3 * level * rng.standard_normal(rows))[:, None] * x
        for _ in range(rng.integers(0, 6)):
            i, j = rng.integers(rows), rng.integers(cols)
            length, wide = int(rng.integers(16, cols)), int(rng.integers(1, 3))
            scan[i : i + wide, j : j + length] += rng.normal(0, 5)
            excluded[i : i + wide, j : j + length] = True
    return Toy(truth * scale, scan * scale + rng.normal(0, 100), excluded, noise * scale)


def plane_basis(shape: tuple[int, int]) -> Image:
    y, x = np.linspace(-1, 1, shape[0])[:, None], np.linspace(-1, 1, shape[1])[None, :]
    return np.stack([np.broadcast_to(x**a * y**b, shape) for a in range(3) for b in range(3 - a)], -1)


def gauge_error(difference: Image, use: NDArray[np.bool_]) -> float:
    basis = plane_basis(difference.shape)[use]
    values = difference[use]
    fit = np.linalg.lstsq(basis, values, rcond=None)[0]
    return float(np.sqrt(np.mean((values - basis @ fit) ** 2)))


# ------------------------------------------------------------------ methods
Method = Callable[[Toy], Image]


def row_polynomial(degree: int) -> Method:
    def level(toy: Toy) -> Image:
        x = np.linspace(-1, 1, toy.scan.shape[1])
        out = toy.scan.copy()
        for i, row in enumerate(toy.scan):
            use = ~toy.excluded[i]
            if use.sum() > degree + 2:
                out[i] = row - np.polynomial.legendre.legval(x, np.polynomial.legendre.legfit(x[use], row[use], degree))
            elif use.any():
                out[i] = row - np.median(row[use])
        return out

    return level


def row_median(toy: Toy) -> Image:
    kept = np.ma.masked_array(toy.scan, toy.excluded)
    return toy.scan - np.ma.median(kept, axis=1).filled(0.0)[:, None]


def median_of_differences(toy: Toy) -> Image:
    d = np.ma.masked_array(np.diff(toy.scan, axis=0), toy.excluded[1:] | toy.excluded[:-1])
    path = np.concatenate([[0.0], np.cumsum(np.ma.median(d, axis=1).filled(0.0))])
    return toy.scan - path[:, None]


def auto(toy: Toy, **knobs: Any) -> Image:
    return level_auto(Field(toy.scan, toy.excluded), Auto(**knobs)).heights


METHODS = {
    "nothing": lambda toy: toy.scan, "row median": row_median, "row poly1": row_polynomial(1),
    "row poly2": row_polynomial(2), "median of diff.": median_of_differences, "level.auto": auto,
}  # fmt: skip


def measure(seeds: list[int], only: str | None, methods: dict[str, Method]) -> list[dict]:
    rows = []
    for family in FAMILIES:
        if only and only not in family:
            continue
        for clean in (False, True):
            for seed in seeds:
                toy = make(family, seed, clean=clean)
                rows.append({
                    "family": family, "clean": clean, "seed": seed, "floor": toy.floor,
                    **{name: gauge_error(f(toy) - toy.truth, ~toy.excluded) for name, f in methods.items()},
                })  # fmt: skip
    return rows


def geometric(values: Image) -> float:
    return float(np.exp(np.mean(np.log(values))))


def table(rows: list[dict], names: list[str]) -> None:
    families = list(dict.fromkeys(r["family"] for r in rows))
    for clean in (False, True):
        print(f"\n{'CLEAN scans' if clean else 'Scans WITH line noise'}: error / noise floor, median (95th percentile)")
        print(f"{'family':15s}" + "".join(f"{name:>19s}" for name in names))
        for family in families:
            part = [r for r in rows if r["family"] == family and r["clean"] == clean]
            cells = []
            for name in names:
                ratio = np.array([r[name] / r["floor"] for r in part])
                cells.append(f"{np.median(ratio):9.2f} ({np.quantile(ratio, 0.95):6.1f})")
            print(f"{family:15s}" + "".join(f"{c:>19s}" for c in cells))
    print("\nGeometric-mean ratios of level.auto to (scans with line noise)")
    print(f"{'family':15s}{'best row poly*':>16s}{'median of diff.':>17s}{'doing nothing':>15s}{'worse than MoD':>16s}")
    for family in [*families, None]:
        part = [r for r in rows if not r["clean"] and family in (None, r["family"])]
        mine = np.array([r["level.auto"] for r in part])
        poly = np.array([[r[n] for n in ("row median", "row poly1", "row poly2")] for r in part])
        best = poly[:, np.argmin(np.mean(np.log(poly), axis=0))]
        mod = np.array([r["median of diff."] for r in part])
        none = np.array([r["nothing"] for r in part])
        print(
            f"{family or 'ALL':15s}{geometric(mine / best):16.3f}{geometric(mine / mod):17.3f}"
            f"{geometric(mine / none):15.3f}{np.mean(mine > 1.05 * mod):16.0%}"
        )
    print("* the member of the family (median, poly1, poly2) that is best on average over those scans")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", choices=("train", "test"), default="test")
    parser.add_argument("--count", type=int, default=24)
    parser.add_argument("--only")
    parser.add_argument("--json")
    given = parser.parse_args()
    first = 0 if given.seeds == "train" else 10_000
    began = time.perf_counter()
    rows = measure(list(range(first, first + given.count)), given.only, METHODS)
    table(rows, list(METHODS))
    print(f"\n{given.count} {given.seeds} seeds per family, {time.perf_counter() - began:.0f} s")
    if given.json:
        Path(given.json).write_text(json.dumps(rows, indent=0), encoding="utf-8")


if __name__ == "__main__":
    main()
