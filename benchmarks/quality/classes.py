"""A user's own classes on a set made by the twin: cells whose membrane is rougher by half, and smooth ones.

    python benchmarks/quality/classes.py OUT [--count 109] [--steps 240]

Writes the scans, trains with `afmend train classify`, and writes activation maps of four scans of each class. Needs
``afmend[train]``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import afmend
from afmend.apps.cli.gate import classify_files
from afmend.apps.cli.train_gate import ClassWish, train_classes
from afmend.simulation.access import as_measured
from afmend.simulation.electronics import Electronics
from afmend.simulation.params import Twin
from afmend.simulation.surfaces.cells import Cells
from afmend.simulation.twin import simulate

ROUGHNESS_NM = {"smooth": 8.0, "rough": 12.0}


def main() -> int:
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=109, help="Scans per class.")
    parser.add_argument("--steps", type=int, default=240)
    given = parser.parse_args()
    for number, (name, ruffle_nm) in enumerate(ROUGHNESS_NM.items()):
        for k in range(given.count):
            target = given.out / "scans" / name / f"{k:03d}.h5"
            if target.exists():
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            rng = np.random.default_rng([number, k])
            cells = Cells(
                radius_nm=float(rng.uniform(350, 600)), height_nm=float(rng.uniform(240, 420)), ruffle_nm=ruffle_nm,
                coverage=float(rng.uniform(0.3, 0.6)), seed=int(rng.integers(2**31)),
            )  # fmt: skip
            noise = Electronics(white_nm=0.5, flicker_nm=1.0, seed=int(rng.integers(2**31)))
            scan = simulate(Twin(shape=(128, 160), pixel_nm=(24.0, 20.0), surface=cells, electronics=noise))
            afmend.write(as_measured(scan), target)
    wish = ClassWish(given.out / "scans", given.out / "run", None, 5, None, given.steps, 0, "classes", as_json=False)
    train_classes(wish)
    some = [given.out / "scans" / name / f"{k:03d}.h5" for name in ROUGHNESS_NM for k in range(4)]
    return classify_files(some, str(given.out / "run" / "classes.json"), None, given.out / "cams", as_json=False)


if __name__ == "__main__":
    raise SystemExit(main())
