"""Time the detectors against parts of numpy, scipy and OpenCV in the same run (medians; quote ratios).

Run: PYTHONPATH=src python benchmarks/speed/artifacts.py [--sizes 512 2048] [--repeats 15]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import cv2
import numpy as np
from clock import clock
from scipy.ndimage import gaussian_filter, median_filter

from afmend.artifacts.peer_scars import GwyddionScars, TopoStatsScars, scars_gwyddion, scars_topostats
from afmend.artifacts.scars import Scars, scars
from afmend.artifacts.spikes import Spikes, find_spikes, spikes
from afmend.catalogue import BUILT_IN, find_step
from afmend.pipeline import Field


def scene(size: int) -> np.ndarray:
    """A rough, tilted scan in nm with scars and spikes."""
    rng = np.random.default_rng(0)
    z = gaussian_filter(rng.standard_normal((size, size)), 5) * 10 + 0.1 * rng.standard_normal((size, size))
    z += 0.05 * np.arange(size) + 0.2 * rng.standard_normal(size)[:, None]
    for row in range(10, size - 10, 30):
        z[row : row + 2, size // 8 : size // 2] += 2
    z[rng.integers(0, size, 60), rng.integers(0, size, 60)] += 20
    return z


def main(sizes: list[int], repeats: int) -> None:
    cv2.setNumThreads(1)
    for size in sizes:
        z = scene(size)
        field, small, none = Field(z), z.astype(np.float32), np.zeros(z.shape, bool)
        references: dict[str, Callable[[], object]] = {
            "np.minimum float32": lambda a=small: np.minimum(a, a[::-1]),
            "np.diff along the slow axis": lambda a=z: np.diff(a, axis=0),
            "cast to float32 + cv2.medianBlur 3": lambda a=z: cv2.medianBlur(a.astype(np.float32), 3),
            "scipy median_filter 3": lambda a=z: median_filter(a, size=3),
            "np.median of each row": lambda a=z: np.median(a, axis=1),
        }
        works: dict[str, Callable[[], object]] = {
            "mark.spikes 3x3": lambda f=field: spikes(f, Spikes()),
            "find_spikes 3x3 with medians": lambda a=z, n=none: find_spikes(a, n, Spikes()),
            "mark.spikes 5x5": lambda f=field: spikes(f, Spikes(win=5)),
            "mark.scars": lambda f=field: scars(f, Scars()),
            "mark.scars_gwyddion": lambda f=field: scars_gwyddion(f, GwyddionScars()),
            "mark.scars_topostats": lambda f=field: scars_topostats(f, TopoStatsScars()),
        }
        for name in BUILT_IN:
            if name.startswith("mark.") and name not in works and "scars" not in name and name != "mark.spikes":
                found = find_step(name)
                works[name] = lambda f=field, s=found: s.kernel(f, s.params())
        got = {name: clock(work, repeats) for name, work in (references | works).items()}
        unit, blur = got["np.diff along the slow axis"], got["cast to float32 + cv2.medianBlur 3"]
        print(f"{size} x {size:<28}{'ms':>9}{'x np.diff':>11}{'x cast+blur':>13}")
        for name, value in got.items():
            print(f"{name:36}{value:9.3f}{value / unit:11.1f}{value / blur:13.1f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", nargs="*", type=int, default=[512, 2048])
    parser.add_argument("--repeats", type=int, default=15)
    arguments = parser.parse_args()
    main(arguments.sizes, arguments.repeats)
