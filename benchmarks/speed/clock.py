"""Timing shared by the benchmarks beside this file."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np


def clock(work: Callable[[], object], repeats: int) -> float:
    """Median milliseconds of some calls, after one to warm up."""
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return 1e3 * float(np.median(times))
