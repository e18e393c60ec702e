"""``afmend fuse``: trace and retrace, repeated scans, movies and crossed pairs become one scan."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from afmend.apps.cli import say
from afmend.errors import BadScanError
from afmend.scan import Scan


def fuse_files(files: Sequence[Path], out: Path, channel: str | None, *, directions: bool, as_json: bool) -> int:
    """Fuse all scans of the files into one and write it; return the exit code."""
    from afmend.evaluation.outputs import write
    from afmend.formats import read_all
    from afmend.fusion.frames import fuse_scans
    from afmend.fusion.scans import fuse

    scans = [scan for file in files for scan in read_all(file)]
    paired = [directions and scan.opposite(scan.find(channel)) is not None for scan in scans]
    if len(scans) == 1 and not paired[0]:
        raise BadScanError(
            "one scan with one direction: there is nothing to fuse", where=str(files[0]),
            now="Give more files, or a scan with trace and retrace.",
        )  # fmt: skip
    scans = [fuse(scan, channel) if both else scan for scan, both in zip(scans, paired, strict=True)]
    made = scans[0] if len(scans) == 1 else fuse_scans(scans, channel)
    path = write(made, out)
    told = _told(made, scans, paired)
    if as_json:
        say.emit({"out": str(path), **told})
        return 0
    unit = made.main.unit
    console = say.out()
    console.print(f"{path}: {told['scans']} scan(s), {told['pairs']} with both directions", markup=False)
    for name in ("noise_before", "noise_after"):
        if told[name] is not None:
            console.print(f"{name.replace('_', ' ')}: {told[name]:.4g} {unit}", markup=False)
    if told["shift_unknown"]:
        console.print(
            f"unknown shift between trace and retrace, taken as 0: scan {', '.join(map(str, told['shift_unknown']))}; "
            "the result may be blurred along the lines",
            markup=False,
        )
    if told["left_out"]:
        console.print(f"left out, for they show something else: {', '.join(map(str, told['left_out']))}", markup=False)
    return 0


def _told(made: Scan, scans: Sequence[Scan], paired: Sequence[bool]) -> dict[str, Any]:
    """Noise before and after, from the facts of the last step."""
    facts = made.history[-1].facts
    before = facts.get("noise_before", facts.get("noise_trace"))
    after = facts.get("noise_after", facts.get("noise_fused"))
    return {
        "scans": len(scans), "pairs": sum(paired), "noise_before": _finite(before), "noise_after": _finite(after),
        "left_out": list(facts.get("left_out", [])),
        "shift_unknown": [
            n for n, (scan, both) in enumerate(zip(scans, paired, strict=True))
            if both and not scan.history[-1].facts["shift_known"]
        ],
    }  # fmt: skip


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
