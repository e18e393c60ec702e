"""How well the fills do on made-up surfaces: error, amplitude and coverage, per family, hole and method.

Run ``python benchmarks/quality/filling_toy.py --seeds 8``. Truth is the noise-free surface; heights are in units of
the surface's Sq, noise is 0.05 of it. Figures are medians over seeds; coverage is the mean over all pixels.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from afmend.catalogue import find_step
from afmend.pipeline import Field

SHAPE = (160, 192)
NOISE = 0.05
METHODS = (
    "auto", "kriging", "biharmonic", "linear", "laplace", "directional", "telea", "navier_stokes", "median", "seed",
)  # fmt: skip


def surface(family: str, rng: np.random.Generator) -> np.ndarray:
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(float)
    return {
        "rough": _rough,
        "fractal": _fractal,
        "terrace": _terrace,
        "particle": _particle,
        "fiber": _fiber,
        "grating": _grating,
    }[family](y, x, rng)


def _rough(y: np.ndarray, _x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return gaussian_filter(rng.standard_normal(y.shape), 4, mode="wrap")


def _fractal(y: np.ndarray, _x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    k = np.hypot(np.fft.fftfreq(y.shape[0])[:, None], np.fft.fftfreq(y.shape[1])[None, :])
    k[0, 0] = np.inf
    noise = np.fft.fft2(rng.standard_normal(y.shape))
    return np.fft.ifft2(noise * k**-1.7).real  # Hurst exponent 0.7


def _terrace(y: np.ndarray, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    angle = rng.uniform(0, np.pi)
    bend = 12 * gaussian_filter(rng.standard_normal(y.shape), 15, mode="wrap") * 15
    return np.floor((y * np.sin(angle) + x * np.cos(angle) + bend) / rng.uniform(25, 40))


def _particle(y: np.ndarray, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    z = 0.05 * _rough(y, x, rng)
    for _ in range(40):
        r = rng.uniform(3, 9)
        d2 = (y - rng.uniform(0, y.shape[0])) ** 2 + (x - rng.uniform(0, y.shape[1])) ** 2
        z = np.maximum(z, np.sqrt(np.maximum(r * r - d2, 0)))
    return z


def _fiber(y: np.ndarray, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    z = np.zeros(y.shape)
    for _ in range(12):
        angle, wave = rng.uniform(0, np.pi), rng.uniform(20, 60)
        along = y * np.sin(angle) + x * np.cos(angle)
        across = y * np.cos(angle) - x * np.sin(angle) + 5 * np.sin(2 * np.pi * along / wave)
        z = np.maximum(z, np.exp(-(((across - rng.uniform(-150, 150)) / rng.uniform(2, 4)) ** 2)))
    return z


def _grating(y: np.ndarray, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    angle = rng.uniform(-0.3, 0.3)
    phase = 2 * np.pi * (y * np.sin(angle) + x * np.cos(angle)) / rng.uniform(14, 30)
    return np.tanh(4 * np.sin(phase + rng.uniform(0, 6)))


def hole(kind: str, rng: np.random.Generator) -> np.ndarray:
    mask = np.zeros(SHAPE, dtype=bool)
    if kind.endswith("line"):
        wide = int(kind[0])
        for start in range(6 + int(rng.integers(6)), SHAPE[0] - wide - 4, 14 + 4 * wide):
            mask[start : start + wide] = True
    elif kind == "scars":
        while mask.mean() < 0.05:
            y, x = rng.integers(SHAPE[0]), rng.integers(SHAPE[1])
            mask[y : y + rng.integers(1, 4), x : x + rng.integers(16, 60)] = True
    else:
        radius, count = (6, 12) if kind == "blob6" else (20, 2)
        y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
        for _ in range(count):
            cy, cx = rng.integers(radius, SHAPE[0] - radius), rng.integers(radius, SHAPE[1] - radius)
            mask |= (y - cy) ** 2 + (x - cx) ** 2 <= radius**2
    return mask


FAMILIES = ("rough", "fractal", "terrace", "particle", "fiber", "grating")
HOLES = ("1line", "4line", "8line", "scars", "blob6", "blob20")


def trial(family: str, kind: str, seed: int) -> dict[str, tuple[float, float, float]]:
    """RMSE, std ratio and coverage of each method on one image."""
    rng = np.random.default_rng([seed, FAMILIES.index(family), HOLES.index(kind)])
    truth = surface(family, rng)
    truth = (truth - truth.mean()) / truth.std()
    mask = hole(kind, rng)
    field = Field(np.where(mask, 1e3, truth + NOISE * rng.standard_normal(SHAPE)), mask)
    out = {}
    for name in METHODS:
        step = find_step(f"fill.{name}")
        filled = step.kernel(field, step.params())
        inside = mask if filled.left_open is None else mask & ~filled.left_open
        error = (filled.heights - truth)[inside]
        covered = np.nan if filled.sigma is None else np.mean(np.abs(error) <= 1.96 * filled.sigma[inside])
        ratio = float(filled.heights[inside].std() / truth[inside].std())
        out[name] = (float(np.sqrt(np.mean(error**2))), ratio, float(covered))
    return out


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--first-seed", type=int, default=1000)
    parser.add_argument("--families", nargs="*", default=FAMILIES)
    parser.add_argument("--holes", nargs="*", default=HOLES)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results = {
        (family, kind): [trial(family, kind, options.first_seed + s) for s in range(options.seeds)]
        for family in options.families
        for kind in options.holes
    }
    table = {
        f"{family}/{kind}": {
            name: [float(np.median([run[name][part] for run in runs])) for part in (0, 1)]
            + [float(np.mean([run[name][2] for run in runs]))]
            for name in METHODS
        }
        for (family, kind), runs in results.items()
    }
    _print(table, 0, "RMSE / Sq (median over seeds)")
    _print(table, 1, "std of the fill / std of the truth")
    _print(table, 2, "coverage of the 95 % interval (mean over seeds)", ("auto", "kriging", "linear"))
    for name in ("auto", "kriging"):
        rows = {
            family: np.mean([row[name][2] for key, row in table.items() if key.startswith(family)])
            for family in options.families
        }
        listed = ", ".join(f"{family} {value:.3f}" for family, value in rows.items())
        print(f"\ncoverage of {name} per family: {listed}; pooled {np.mean(list(rows.values())):.3f}")
    if options.json:
        options.json.write_text(json.dumps(table, indent=1))


def _print(table: dict[str, dict[str, list[float]]], part: int, title: str, names: tuple[str, ...] = METHODS) -> None:
    print(f"\n{title}\n{'':18s}" + "".join(f"{name[:10]:>11s}" for name in names))
    for key, row in table.items():
        print(f"{key:18s}" + "".join(f"{row[name][part]:11.3f}" for name in names))
    mean = [np.mean([row[name][part] for row in table.values()]) for name in names]
    print(f"{'mean':18s}" + "".join(f"{value:11.3f}" for value in mean))


if __name__ == "__main__":
    main()
