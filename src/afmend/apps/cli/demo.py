"""``afmend demo``: the main job on the embedded example."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from afmend.apps.batch import Order, run_batch
from afmend.apps.cli import say
from afmend.apps.cli.example import example_scan
from afmend.formats import read, write
from afmend.recipes import load_recipe
from afmend.scan.arrays import Heights


def run_demo(out: Path) -> int:
    """Write the example as a raw file, mend it with the recipe "auto", compare with the truth; return the exit code."""
    scan, truth, damaged = example_scan()
    raw = write(scan, out / "raw" / "example.gwy")
    order = Order(out / "mended", load_recipe("auto").to_yaml())
    console = say.out()
    console.print(f"Mending {raw} (the first run compiles its loops: half a minute) ...", markup=False)
    outcome = run_batch([raw], order, lambda _result, _done, _of: None)
    if outcome.exit_code:
        for result in outcome.results:
            say.complain(str(result.error or [one.error for one in result.scans]))
        return outcome.exit_code
    mended = read(order.out / "example.gwy.h5").main
    before = _error(scan.main.values, truth)
    after = _error(mended.values, truth)
    marked = mended.artifact
    filled = np.count_nonzero(mended.invented)
    known = 0 if mended.uncertainty is None else np.count_nonzero(np.isfinite(mended.uncertainty) & mended.invented)
    hit = np.count_nonzero(marked & damaged) / np.count_nonzero(damaged)
    console.print(f"Error against the known surface: {before:.2f} nm before (tilt removed), {after:.2f} nm after.")
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


def _error(z: Heights, truth: Heights) -> float:
    """RMS difference to the truth after removing the plane that nobody can know."""
    y, x = np.mgrid[: z.shape[0], : z.shape[1]]
    difference = (z - truth).ravel()
    terms = np.stack([np.ones(z.size), x.ravel(), y.ravel()], axis=1)
    rest = difference - terms @ np.linalg.lstsq(terms, difference, rcond=None)[0]
    return float(np.sqrt(np.mean(rest**2)))
