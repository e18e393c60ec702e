"""How long the fills take, beside OpenCV and scipy in the same run: ``python benchmarks/speed/filling.py``.

Times are the best of a few runs, in ms, kernels only (no runner, no file).
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from functools import partial

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.sparse import csr_array
from scipy.sparse.linalg import spsolve

from afmend.catalogue import find_step
from afmend.pipeline import Field

STEPS = ("linear", "directional", "laplace", "biharmonic", "kriging", "auto", "telea", "median", "smooth", "seed")


def scars(side: int, share: float, rng: np.random.Generator, *, lines: bool = False) -> np.ndarray:
    mask = np.zeros((side, side), dtype=bool)
    if lines:
        mask[40 : side - 40 : 70] = True
    while mask.mean() < share:
        y, x = rng.integers(side, size=2)
        mask[y : y + rng.integers(1, 5), x : x + rng.integers(16, 80)] = True
    return mask


def spsolve_laplace(z: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The obvious way: assemble the 5-point system, scipy's direct solver."""
    number = np.full(z.shape, -1)
    ys, xs = np.nonzero(mask)
    number[ys, xs] = np.arange(ys.size)
    diagonal, right = np.zeros(ys.size), np.zeros(ys.size)
    rows, cols = [], []
    for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        y, x = ys + dy, xs + dx
        own = np.flatnonzero((y >= 0) & (x >= 0) & (y < z.shape[0]) & (x < z.shape[1]))
        diagonal[own] += 1
        other = number[y[own], x[own]]
        rows.append(own[other >= 0])
        cols.append(other[other >= 0])
        fixed = own[other < 0]
        right[fixed] += z[y[fixed], x[fixed]]
    data = np.concatenate([-np.ones(sum(map(len, rows))), diagonal])
    every = np.arange(ys.size)
    matrix = csr_array((data, (np.concatenate([*rows, every]), np.concatenate([*cols, every]))))
    out = z.copy()
    out[mask] = spsolve(matrix.tocsc(), right)
    return out


def best_ms(call: Callable[[], object], runs: int) -> float:
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1e3 * min(times)


def race(z: np.ndarray, mask: np.ndarray, runs: int) -> None:
    small, holes = (z * 1e5).astype(np.float32), mask.view(np.uint8)
    peers = {
        "cv2 Telea": lambda: cv2.inpaint(small, holes, 3, cv2.INPAINT_TELEA),
        "cv2 NS": lambda: cv2.inpaint(small, holes, 3, cv2.INPAINT_NS),
        "spsolve Laplace": lambda: spsolve_laplace(z, mask),
    }
    for name, call in peers.items():
        print(f"  {name:16s}{best_ms(call, runs):8.1f}")
    field, corner = Field(z, mask), Field(z[:64, :64], mask[:64, :64] | (z[:64, :64] > 2))
    for name in STEPS:
        step = find_step(f"fill.{name}")
        step.kernel(corner, step.params())  # compile
        print(f"  {step.id:16s}{best_ms(partial(step.kernel, field, step.params()), runs):8.1f}")
    step = find_step("fill.auto")
    spent = best_ms(partial(step.kernel, field, step.params(compare_px=0)), runs)
    print(f"  {'without trials':16s}{spent:8.1f}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--big", action="store_true", help="also a hole of 1000x1000 pixels (Laplace only)")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    if options.big:
        z = gaussian_filter(rng.standard_normal((1200, 1300)), 3)
        mask = np.zeros(z.shape, dtype=bool)
        mask[100:1100, 150:1150] = True
        step = find_step("fill.laplace")
        step.kernel(Field(z[:50, :60], z[:50, :60] > 0.1), step.params())  # compile
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        spent = best_ms(lambda: step.kernel(Field(z, mask), step.params()), 1)
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(f"hole of 1000x1000: fill.laplace {spent:.0f} ms, peak memory grew by {(after - before) / 1024:.0f} MB")
    for side, share, lines in (
        (512, 0.09, False),
        (512, 0.05, False),
        (512, 0.01, False),
        (2048, 0.05, False),
        (2048, 0.03, True),
    ):
        z = gaussian_filter(rng.standard_normal((side, side)), 3)
        z = z / z.std() + 0.05 * rng.standard_normal(z.shape)
        mask = scars(side, share, rng, lines=lines)
        print(f"\n{side}x{side}, {100 * mask.mean():.1f} % masked{', with whole lines' if lines else ''}")
        race(z, mask, 3 if side < 1000 else 1)


if __name__ == "__main__":
    main()
