"""Speed of leveling and filters: ``python benchmarks/speed/leveling.py [size] [runs]`` prints a table.

Medians of several runs in one process and one thread, beside numpy, scipy and OpenCV doing the same or a comparable
thing in the same process. Compare ratios: milliseconds drift with the machine.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from statistics import median

import cv2
import numpy as np
from scipy import ndimage
from threadpoolctl import threadpool_limits

from afmend.catalogue import find_step
from afmend.evaluation.statistics import roughness
from afmend.leveling.moments import line_fits
from afmend.leveling.row_shapes import subtract_line_polynomials
from afmend.pipeline import Field


def seconds(call: Callable[[], object], runs: int) -> float:
    call()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return median(times)


def polyfit_lines(z: np.ndarray, usable: np.ndarray) -> np.ndarray:
    x = np.arange(z.shape[1])
    return np.array([line - np.polyval(np.polyfit(x[u], line[u], 2), x) for line, u in zip(z, usable, strict=True)])


def lstsq_surface(z: np.ndarray, usable: np.ndarray, degree: int) -> np.ndarray:
    y, x = np.mgrid[-1 : 1 : z.shape[0] * 1j, -1 : 1 : z.shape[1] * 1j]
    terms = np.stack([x**i * y**j for i in range(degree + 1) for j in range(degree + 1 - i)], -1)
    return z - terms @ np.linalg.lstsq(terms[usable], z[usable])[0]


def main(size: int = 512, runs: int = 11) -> None:
    rng = np.random.default_rng(0)
    z = ndimage.gaussian_filter(rng.standard_normal((size, size)), 3) * 20 + 0.1 * np.arange(size)
    mask = ndimage.gaussian_filter(rng.standard_normal(z.shape), 6)
    mask = mask > np.quantile(mask, 0.9)
    field, usable, single = Field(z, mask), ~mask, z.astype(np.float32)

    def ours(step: str, **params: object) -> Callable[[], object]:
        found = find_step(step)
        ready = found.params.parse(params)
        return lambda: found.kernel(field, ready)

    rows: list[tuple[str, Callable[[], object], str, Callable[[], object]]] = [
        ("memory copy", z.copy, "", z.copy),
        ("fits of line poly 2, kernel", lambda: line_fits(z, usable, 2), "numpy polyfit",
         lambda: polyfit_lines(z, usable)),
        ("line poly 2, kernel", lambda: subtract_line_polynomials(z, usable, 2), "numpy polyfit",
         lambda: polyfit_lines(z, usable)),
        ("level.rows polynomial 2", ours("level.rows", method="polynomial", degree=2), "numpy polyfit",
         lambda: polyfit_lines(z, usable)),
        ("level.rows median", ours("level.rows"), "numpy median, no mask", lambda: z - np.median(z, axis=1)[:, None]),
        ("level.rows median_difference", ours("level.rows", method="median_difference"), "numpy median of diff",
         lambda: np.median(np.diff(z, axis=0), axis=1)),
        ("level.rows trimmed_mean", ours("level.rows", method="trimmed_mean"), "numpy sort",
         lambda: np.sort(z, axis=1)),
        ("level.rows modus", ours("level.rows", method="modus"), "numpy sort", lambda: np.sort(z, axis=1)),
        ("level.rows matching", ours("level.rows", method="matching"), "numpy exp", lambda: np.exp(z)),
        ("level.rows facet_tilt", ours("level.rows", method="facet_tilt"), "numpy exp", lambda: np.exp(z)),
        ("level.plane", ours("level.plane"), "numpy lstsq", lambda: lstsq_surface(z, usable, 1)),
        ("level.plane robust", ours("level.plane", method="robust"), "numpy median", lambda: np.median(z)),
        ("level.polynomial 2", ours("level.polynomial"), "numpy lstsq", lambda: lstsq_surface(z, usable, 2)),
        ("level.polynomial 5", ours("level.polynomial", degree_fast=5), "numpy lstsq",
         lambda: lstsq_surface(z, usable, 5)),
        ("level.facet", ours("level.facet"), "numpy exp", lambda: np.exp(z)),
        ("level.topostats", ours("level.topostats"), "numpy median", lambda: np.median(z, axis=1)),
        ("filter.median 3", ours("filter.median"), "scipy", lambda: ndimage.median_filter(z, 3)),
        ("filter.median 3", ours("filter.median"), "OpenCV float32", lambda: cv2.medianBlur(single, 3)),
        ("filter.median 5", ours("filter.median", size_px=5), "scipy", lambda: ndimage.median_filter(z, 5)),
        ("filter.mean 3", ours("filter.mean"), "scipy", lambda: ndimage.uniform_filter(z, 3)),
        ("filter.gaussian 1", ours("filter.gaussian"), "scipy", lambda: ndimage.gaussian_filter(z, 1)),
        ("filter.conservative 5", ours("filter.conservative"), "scipy", lambda: ndimage.maximum_filter(z, 5)),
        ("roughness", lambda: roughness(z, usable, (1.0, 1.0)), "numpy std", z.std),
    ]  # fmt: skip
    print(f"{size} x {size}, 10 % masked, medians of {runs} runs, one thread")
    print(f"{'afmend':32} {'ms':>8}   {'beside':22} {'ms':>8} {'ratio':>7}")
    with threadpool_limits(limits=1):
        for name, call, beside, other in rows:
            mine, theirs = 1e3 * seconds(call, runs), 1e3 * seconds(other, runs)
            print(f"{name:32} {mine:8.2f}   {beside:22} {theirs:8.2f} {mine / theirs:7.2f}", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
