"""Coverage of the fill's 95 % error bars by family and kind of hole, from a kept run of the benchmark:

    python benchmarks/quality/error_bars.py benchmarks/quality/bench-full-0.1.0.json

Mean over cases of the share of filled pixels that lie within their error bar, with the 95 % interval of the mean (cases
of one scan share its surface, so it is somewhat too narrow).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np


def main() -> None:
    kept = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    cases = kept["cases"]["fill"]
    covered = np.array(kept["scores"]["fill"]["auto"]["coverage_95_percent"], dtype=float)
    groups = [("all", np.ones(len(cases), dtype=bool))]
    for name in ("family", "hole"):
        groups += [(value, np.array([case[name] == value for case in cases]))
                   for value in sorted({case[name] for case in cases})]  # fmt: skip
    for value, of in groups:
        some = covered[of & np.isfinite(covered)]
        half = 1.96 * some.std() / np.sqrt(some.size)
        print(f"{value:20s} {some.mean():5.1f} % ± {half:.1f}  ({some.size} cases)")


if __name__ == "__main__":
    main()
