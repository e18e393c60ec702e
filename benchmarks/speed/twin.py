"""How many scans per second the twin makes: trace and retrace, loop, noise and artifacts on.

Run: python benchmarks/speed/twin.py [--size 512] [--count 40] [--workers 2] [--box train]
Prints scans per second over all workers (compiled code warmed up first) and where the time goes in one process.
"""

from __future__ import annotations

import argparse
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from afmend.simulation.box import load_box
from afmend.simulation.drawing import draw
from afmend.simulation.twin import simulate


def make(job) -> float:
    box_name, seeds, size = job
    box = load_box(box_name)
    start = time.perf_counter()
    for seed in seeds:
        simulate(draw(box, seed, shape=(size, size)))
    return time.perf_counter() - start


def warm(job) -> None:
    """Compile everything a box can need, outside the clock."""
    box_name, size = job
    box = load_box(box_name)
    for kind in box.surfaces:
        simulate(draw(box, 0, shape=(size, size), surface=kind))
    simulate(draw(box, 1, shape=(size, size), artifacts=list(box.artifacts)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--box", default="train")
    args = parser.parse_args()
    warm((args.box, 64))
    with ProcessPoolExecutor(args.workers, mp_context=get_context("spawn")) as pool:
        list(pool.map(warm, [(args.box, 64)] * args.workers))
        rates = []
        for repeat in range(3):
            jobs = [
                (args.box, range(k + repeat * args.count, (repeat + 1) * args.count, args.workers), args.size)
                for k in range(args.workers)
            ]
            start = time.perf_counter()
            list(pool.map(make, jobs))
            rates.append(args.count / (time.perf_counter() - start))
    print(f"{args.size} x {args.size}, {args.workers} workers: {statistics.median(rates):.1f} scans/s (runs: "
          + ", ".join(f"{rate:.1f}" for rate in rates) + ")")  # fmt: skip
    box = load_box(args.box)
    print("ms per scan in one process, by surface (all artifacts by chance):")
    for kind in box.surfaces:
        times = []
        for seed in range(8):
            start = time.perf_counter()
            simulate(draw(box, seed, shape=(args.size, args.size), surface=kind))
            times.append(1e3 * (time.perf_counter() - start))
        print(f"  {kind:12s} {statistics.median(times):7.0f}   worst {max(times):7.0f}")


if __name__ == "__main__":
    main()
