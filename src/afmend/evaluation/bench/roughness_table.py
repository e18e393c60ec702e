"""Bias of Sq by leveling on random surfaces of the twin, as measured and as corrected."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from afmend.errors import StepError
from afmend.evaluation.bench.makers import simulated
from afmend.evaluation.bench.page_tables import interval
from afmend.evaluation.bench.plan import Settings, Unit
from afmend.evaluation.bench.summary import Json, estimate_json
from afmend.evaluation.metrics.compare import paired_bootstrap, share_estimate
from afmend.evaluation.roughness import quotable_roughness
from afmend.pipeline.run import one_blas_thread
from afmend.scan import ChannelKey, Scan

RANDOM = ("gaussian", "exponential", "fractal")
LENGTHS = 20
"""Correlation lengths that the shorter side of a scan must hold."""
LEVELINGS: dict[str, tuple[int | None, int]] = {
    "image: plane": (None, 1),
    "image: degree 2": (None, 2),
    "lines: mean": (0, 1),
    "lines: degree 1": (1, 1),
    "lines: degree 2": (2, 2),
}
"""Name -> degree of the polynomial of each line (None = none), total degree of that of the image."""
WITHIN = 3.0
IDEAL = ChannelKey("ideal", "trace")


def roughness_table(settings: Settings) -> Json:
    """Level the twin's random surfaces, and compare their Sq with that before.

    Returns
    -------
    dict
        ``title``, ``head``, ``rows`` (texts), ``notes``, and ``numbers``: leveling -> "raw" or "corrected" -> mean of
        the signed errors in percent with its interval, and "within" -> share of scans within `WITHIN` percent.
    """
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in LEVELINGS}
    with one_blas_thread():
        for index in range(settings.count):
            scan = simulated(settings, Unit("fill", index), like=RANDOM)
            if _lengths(scan) < LENGTHS:
                continue
            true = float(np.std(scan.channels[IDEAL].values))
            for name, (line_degree, degree) in LEVELINGS.items():
                measured = quotable_roughness(scan, IDEAL, line_degree=line_degree, degree=degree)
                found[name].append((100 * (measured.Sq_raw / true - 1), 100 * (measured.Sq / true - 1)))
    numbers = {name: _numbers(pairs) for name, pairs in found.items()}
    used = len(next(iter(found.values())))
    return {
        "title": "Sq after leveling, error in %",
        "head": ["leveling", "as measured: mean [95 %]", "corrected: mean [95 %]",
                 f"corrected within {WITHIN:g} %, % of scans [95 %]"],
        "rows": [[name, *(interval(numbers[name][part]) for part in ("raw", "corrected", "within"))] for name in found],
        "notes": [
            (
                f"{used} of {settings.count} scans have a shorter side of {LENGTHS} correlation lengths or more (lag "
                "at which the autocorrelation along the lines of the surface, without its mean, has fallen to 1 / e). "
                f"Surfaces of the kinds {', '.join(RANDOM)}, without noise; the true Sq is that of the same pixels, "
                "unleveled."
            ),
        ],
        "numbers": numbers,
    }  # fmt: skip


def _lengths(scan: Scan) -> float:
    """Correlation lengths in the shorter side of a scan; 0 if they cannot be told."""
    try:
        length = quotable_roughness(scan, IDEAL, line_degree=None, degree=0).correlation_nm_raw
    except StepError:
        return 0.0
    grid = scan.grid
    side = min(grid.rows * grid.pixel_nm[0], grid.cols * grid.pixel_nm[1])
    return side / length if math.isfinite(length) else 0.0


def _numbers(pairs: Sequence[tuple[float, float]]) -> Json:
    errors = np.array(pairs, dtype=np.float64).reshape(-1, 2)
    nothing = np.zeros(len(errors))
    raw, corrected = (
        estimate_json(paired_bootstrap(errors[:, k], nothing, statistic="mean_difference")) for k in (0, 1)
    )
    within = share_estimate(int(np.count_nonzero(np.abs(errors[:, 1]) <= WITHIN)), len(errors))
    return {"raw": raw, "corrected": corrected, "within": estimate_json(within)}
