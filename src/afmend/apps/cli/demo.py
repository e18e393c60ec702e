"""``afmend demo``: the main job on a scan of the twin, whose true surface is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from afmend.apps.batch import Order, run_batch
from afmend.apps.cli import say
from afmend.evaluation.metrics.gauge import gauge_free_rmse
from afmend.formats import read, write
from afmend.recipes import load_recipe
from afmend.simulation import artifact_masks, as_measured, ideal_of
from afmend.simulation.example import example_scan

NO_DAMAGE = ("offset", "lag")
"""Kinds that a detector need not find: leveling mends offsets, and a loop lags on every slope."""


def run_demo(out: Path) -> int:
    """Write the example as a raw file, mend it with the recipe "auto", compare with the truth; return the exit code."""
    console = say.out()
    console.print("Simulating and mending a scan (the first run compiles its loops: a minute) ...", markup=False)
    scan = example_scan()
    truth = ideal_of(scan).values
    damaged = np.logical_or.reduce([mask for kind, mask in artifact_masks(scan).items() if kind not in NO_DAMAGE])
    raw = write(as_measured(scan), out / "raw" / "example.gwy")
    order = Order(out / "mended", load_recipe("auto").to_yaml())
    outcome = run_batch([raw], order, lambda _result, _done, _of: None)
    if outcome.exit_code:
        for result in outcome.results:
            say.complain(str(result.error or [one.error for one in result.scans]))
        return outcome.exit_code
    mended = read(order.out / "example.gwy.h5").main
    before = gauge_free_rmse(scan.channel("height/trace").values, truth)
    after = gauge_free_rmse(mended.values, truth)
    marked = mended.artifact
    filled = np.count_nonzero(mended.invented)
    known = 0 if mended.uncertainty is None else np.count_nonzero(np.isfinite(mended.uncertainty) & mended.invented)
    hit = np.count_nonzero(marked & damaged) / np.count_nonzero(damaged)
    console.print(
        f"Error against the known surface: {before:.2f} nm before (tilt and bow removed), {after:.2f} nm after."
    )
    sure = 100.0 * float(known) / max(1.0, float(filled))
    console.print(
        f"Damaged pixels found: {100 * hit:.0f} %; marked in all: {100 * marked.mean():.1f} % of the scan; "
        f"filled: {100 * mended.invented.mean():.1f} %, {sure:.0f} % of it with an error bar."
    )
    console.print(
        "Outputs: " + ", ".join(Path(name).name for name in outcome.results[0].scans[0].outputs), markup=False
    )
    console.print(f"Open the report: {(order.out / 'report.html').resolve()}", markup=False, soft_wrap=True)
    return 0
