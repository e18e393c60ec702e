"""A user's own classes on sets made by the twin, and whether activation maps point at what differs.

    python benchmarks/quality/classes.py OUT [--what knobs] [--count 109] [--steps 240]

``knobs``: cells, and cells with small knobs on them and beside them. ``rough``: cells whose membrane is
rougher by half, and smooth ones. Writes the scans, trains with `afmend train classify`, and writes activation maps of
four scans of each class. Of the knobs the truth is known: printed is how often the highest evidence for knobs lies at
most one cell of the map away from one, against the share of such places. Needs ``afmend[train]``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

import afmend
from afmend.apps.cli.gate import classify_files
from afmend.apps.cli.train_gate import ClassWish, train_classes
from afmend.artifacts.classes import classify
from afmend.evaluation.gate_scores import proportion
from afmend.simulation.access import as_measured, truth_of
from afmend.simulation.electronics import Electronics
from afmend.simulation.params import Twin
from afmend.simulation.surfaces.cells import Cells
from afmend.simulation.surfaces.mixed import Mixed
from afmend.simulation.surfaces.particles import Particles
from afmend.simulation.twin import simulate

SETS = {"knobs": ("bare", "knobs"), "rough": ("smooth", "rough")}
SHAPE, PIXEL_NM = (128, 160), (24.0, 20.0)
NEAR_PX = 8


def twin_of(what: str, number: int, k: int) -> tuple[Twin, Twin | None]:
    """Return one scan of a class, and the same without knobs if it has some."""
    rng = np.random.default_rng([number, k])
    ruffle_nm = (8.0, 12.0)[number] if what == "rough" else float(rng.uniform(6, 10))
    cells = Cells(
        radius_nm=float(rng.uniform(350, 600)), height_nm=float(rng.uniform(240, 420)), ruffle_nm=ruffle_nm,
        coverage=float(rng.uniform(0.3, 0.6)), seed=int(rng.integers(2**31)),
    )  # fmt: skip
    noise = Electronics(white_nm=0.5, flicker_nm=1.0, seed=int(rng.integers(2**31)))
    bare = Twin(shape=SHAPE, pixel_nm=PIXEL_NM, surface=cells, electronics=noise)
    if what == "rough" or number == 0:
        return bare, None
    knobs = Particles(
        radius_nm=float(rng.uniform(55, 75)), shape="cap", flatness=0.5, coverage=float(rng.uniform(0.02, 0.05)),
        clustering=0.0, ground_sq_nm=0.0, seed=int(rng.integers(2**31)),
    )  # fmt: skip
    return bare.model_copy(update={"surface": Mixed(parts=(cells, knobs), rule="sum")}), bare


def pointing(model: str, scans: Path, count: int) -> str:
    """Say how often the evidence for knobs peaks at a knob."""
    import cv2

    hits, share = 0, 0.0
    for k in range(count):
        twin, bare = twin_of("knobs", 1, k)
        if bare is None:
            continue
        knobs = truth_of(simulate(twin)).values - truth_of(simulate(bare)).values > 8
        near = cv2.dilate(knobs.astype(np.uint8), np.ones((2 * NEAR_PX + 1, 2 * NEAR_PX + 1), np.uint8)) > 0
        found = classify(afmend.read(scans / "knobs" / f"{k:03d}.h5"), model)
        where = found.activation[list(found.probabilities).index("knobs")]
        hits += bool(near[np.unravel_index(int(np.argmax(where)), where.shape)])
        share += float(near.mean()) / count
    return f"highest evidence for knobs at a knob: {hits} of {count} {proportion(hits, count)}; by chance {share:.2f}"


def main() -> int:
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--what", choices=sorted(SETS), default="knobs")
    parser.add_argument("--count", type=int, default=109, help="Scans per class.")
    parser.add_argument("--steps", type=int, default=240)
    given = parser.parse_args()
    names = SETS[given.what]
    for number, name in enumerate(names):
        for k in range(given.count):
            target = given.out / "scans" / name / f"{k:03d}.h5"
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                afmend.write(as_measured(simulate(twin_of(given.what, number, k)[0])), target)
    wish = ClassWish(given.out / "scans", given.out / "run", None, 5, None, given.steps, 0, "classes", as_json=False)
    train_classes(wish)
    model = str(given.out / "run" / "classes.json")
    some = [given.out / "scans" / name / f"{k:03d}.h5" for name in names for k in range(4)]
    done = classify_files(some, model, None, given.out / "cams", as_json=False)
    if given.what == "knobs":
        sys.stdout.write(pointing(model, given.out / "scans", given.count) + "\n")
    return done


if __name__ == "__main__":
    raise SystemExit(main())
