"""Speed of whole recipes and of the command line, beside parts of numpy, SciPy and OpenCV timed in the same run.

    python benchmarks/speed/pipeline.py [--auto] [--json FILE]

Absolute figures drift with the machine: the reference rows tell how fast it was today.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from scipy import ndimage

import afmend
from afmend.recipes import load_recipe, repair
from afmend.scan import Channel, Grid, Scan

TARGETS_MS = {
    "recipe auto 512, one channel": 250.0,
    "recipe auto 512, no error bars": 40.0,
    "recipe gwyddion 512": 37.0,
    "afmend --help": 500.0,
    "afmend info (one file)": 800.0,
    "recipe auto 2048": 3000.0,
}


def damaged(n: int, seed: int = 1) -> Scan:
    """A tilted rough ground with particles, line offsets and about 1 % of scars, trace and retrace."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:n, :n] / n
    ground = ndimage.gaussian_filter(rng.standard_normal((n, n)), 3) * 10 + 40 * x - 20 * y + 5 * x * x
    for _ in range(n // 16):
        cy, cx, r = rng.uniform(0, 1), rng.uniform(0, 1), rng.uniform(4, 12) / n
        ground += 8 * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * r * r))
    channels = []
    for direction in ("trace", "retrace"):
        z = ground + rng.normal(0, 0.5, n)[:, None] + rng.normal(0, 0.1, (n, n))
        for _ in range(n // 16):
            row, start = rng.integers(2, n - 4), rng.integers(0, n - 40)
            z[row : row + rng.integers(1, 4), start : start + rng.integers(30, n // 3)] += rng.choice((-6, 6))
        channels.append(Channel("height", direction, z, "nm", "Height"))
    return Scan.of(Grid(n, n, 2.0, 2.0), channels)


def median_ms(call, runs: int) -> float:
    call()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        call()
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)


def command_ms(*words: str, runs: int = 5) -> float:
    return median_ms(lambda: subprocess.run([sys.executable, "-m", "afmend.apps.cli.main", *words], check=True,
                                            capture_output=True), runs)  # fmt: skip


def peak_mb(n: int, recipe: str) -> float:
    """Peak memory of a fresh process that mends one scan, the scan itself included."""
    code = (f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); from pipeline import damaged;"
            f"from afmend.recipes import repair; import resource; s = damaged({n});"
            f"b = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss; repair(s, {recipe!r});"
            "print(b / 1024, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)")  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return float(done.stdout.split()[1])


def references(z: np.ndarray) -> dict[str, float]:
    f = z.astype(np.float32)
    mask = (np.random.default_rng(0).uniform(size=z.shape) < 0.05).astype(np.uint8)
    return {
        "ref: copy 512": median_ms(z.copy, 50),
        "ref: cv2 median 3x3 float32": median_ms(lambda: cv2.medianBlur(f, 3), 30),
        "ref: scipy median 3x3": median_ms(lambda: ndimage.median_filter(z, 3), 5),
        "ref: scipy gaussian": median_ms(lambda: ndimage.gaussian_filter(z, 1), 10),
        "ref: cv2 inpaint 5 % (8 bit)": median_ms(lambda: cv2.inpaint(cv2.convertScaleAbs(f), mask, 3, 0), 5),
    }


def default_ms(scan: Scan) -> dict[str, float]:
    """The default on one height channel, with and without error bars."""
    alone = Scan.of(scan.grid, [scan.main])
    return {
        "recipe auto 512, one channel": median_ms(lambda: repair(alone, "auto"), 15),
        "recipe auto 512, no error bars": median_ms(lambda: repair(alone, "auto", error_bars=False), 15),
    }


def show(found: dict[str, float]) -> None:
    for name, value in found.items():
        target = TARGETS_MS.get(name)
        verdict = "" if target is None else f"   target {target:g}: {'met' if value <= target else 'MISSED'}"
        print(f"{name:34s} {value:10.2f} ms{verdict}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--auto", action="store_true", help="only recipe auto, 512 px, with and without error bars")
    args = parser.parse_args()
    small = damaged(512)
    found = {**references(small.main.values), **default_ms(small)}
    if args.auto:
        show(found)
        return
    large = damaged(2048)
    for name in ("gwyddion", "auto", "experts", "topostats", "seed"):
        recipe = load_recipe(name)
        found[f"recipe {name} 512"] = median_ms(lambda r=recipe: repair(small, r), 7)
    found["recipe auto 2048"] = median_ms(lambda: repair(large, "auto"), 3)
    with tempfile.TemporaryDirectory() as folder:
        path = str(afmend.write(small, Path(folder) / "one.gwy"))
        found["afmend --help"] = command_ms("--help")
        found["afmend info (one file)"] = command_ms("info", path)
    memory = peak_mb(2048, "auto")
    show(found)
    print(f"{'peak memory, auto 2048':34s} {memory:10.0f} MB   target 1000: {'met' if memory <= 1000 else 'MISSED'}")
    if args.json:
        facts = {"ms": found, "peak_mb_auto_2048": memory, "cores": os.cpu_count(), "afmend": afmend.__version__}
        args.json.write_text(json.dumps(facts, indent=1))


if __name__ == "__main__":
    main()
