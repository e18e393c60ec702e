"""What learned masks are worth in the end: the error of the recipe "learned" over that of "auto", scan by scan.

    python benchmarks/quality/learned_repair.py [--box shifted] [--count 200] [--first 0]

Scans as the box draws them, 256 x 256; errors are free of what leveling may choose (`gauge_free_rmse`). Prints the
geometric mean of the ratios with its 95 % interval, how many scans became better and worse by more than 1 %, and the
worst of the clean ones. Never tune on the box shifted.
"""

from __future__ import annotations

import argparse
import math

import numpy as np

from afmend.errors import BadParameterError
from afmend.evaluation.metrics.compare import paired_bootstrap
from afmend.evaluation.metrics.gauge import gauge_free_rmse
from afmend.recipes import repair
from afmend.scan import ChannelKey
from afmend.simulation import Box, as_measured, draw, ideal_of, load_box, simulate

TRACE = ChannelKey("height", "trace")


def ratio(box: Box, seed: int) -> tuple[float, bool] | None:
    """Error with over error without learned masks, and whether the scan is clean; None if it cannot be simulated."""
    twin = draw(box, seed, shape=(256, 256))
    try:
        scan = simulate(twin)
    except BadParameterError:  # a tip that touches more pixels than the twin computes with
        return None
    measured, ideal, usable = as_measured(scan), ideal_of(scan).values, ~scan.channels[TRACE].missing
    errors = [
        float(gauge_free_rmse(repair(measured, recipe, TRACE).channels[TRACE].values, ideal, usable=usable))
        for recipe in ("learned", "auto")
    ]
    return errors[0] / max(errors[1], 1e-12), not twin.artifacts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--box", default="shifted")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--first", type=int, default=0)
    told = parser.parse_args()
    box = load_box(told.box)
    ratios = [ratio(box, seed) for seed in range(told.first, told.first + told.count)]
    found = [pair for pair in ratios if pair is not None]
    hurt, clean = (np.log([value for value, is_clean in found if is_clean == which]) for which in (False, True))
    mean = paired_bootstrap(hurt, np.zeros(hurt.size), statistic="mean_difference")
    print(f"learned / auto, {hurt.size} damaged scans of {told.box}: {math.exp(mean.value):.3f} "
          f"[{math.exp(mean.low):.3f}, {math.exp(mean.high):.3f}]")  # fmt: skip
    print(f"better by 1 %: {np.count_nonzero(hurt < -0.01)}, worse by 1 %: {np.count_nonzero(hurt > 0.01)}, "
          f"worst {math.exp(hurt.max()):.2f}")  # fmt: skip
    if clean.size:
        print(f"{clean.size} clean scans: at most {math.exp(clean.max()):.4f}")


if __name__ == "__main__":
    main()
