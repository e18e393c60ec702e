"""``afmend fuse``: trace and retrace, repeated scans, movies and crossed pairs become one scan."""

from __future__ import annotations

import math
from collections import Counter
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
    console = say.out()
    for line in (
        f"{path}: {told['scans']} scan(s), {told['pairs']} with both directions",
        *_lines(told, made.main.unit),
    ):
        console.print(line, markup=False, soft_wrap=True)
    return 0


def _told(made: Scan, scans: Sequence[Scan], paired: Sequence[bool]) -> dict[str, Any]:
    """Noise before and after, shifts and warnings, from the facts of the last steps."""
    facts = made.history[-1].facts
    pairs = [scan.history[-1].facts for scan, both in zip(scans, paired, strict=True) if both]
    before = facts.get("noise_before", facts.get("noise_trace"))
    after = facts.get("noise_after", facts.get("noise_fused"))
    left_out = list(facts.get("left_out", []))
    return {
        "scans": len(scans), "pairs": sum(paired), "noise_before": _finite(before), "noise_after": _finite(after),
        "noise_after_measured": bool(facts.get("noise_after_measured", False)),
        "direction_shifts_px": [pair["shift_px"] for pair in pairs],
        "direction_shift_errors_px": [pair["shift_error_px"] for pair in pairs],
        "shift_unknown": [n for n, pair in enumerate(pairs) if not pair["shift_known"]],
        "left_out": left_out,
        "correlations": facts.get("correlations", []), "least_correlations": facts.get("least_correlations", []),
        "shifts_px": facts.get("shifts_px", []),
        **{name: facts.get(name, 0.0) for name in ("fewer_frames_share", "one_frame_share", "disputed_share")},
        "warnings": dict(Counter(warning for pair in pairs for warning in pair["warnings"])),
    }  # fmt: skip


def _lines(told: dict[str, Any], unit: str) -> list[str]:
    """Say for people what was found."""
    lines = []
    shifts, errors = told["direction_shifts_px"], told["direction_shift_errors_px"]
    if shifts:
        worst = max(range(len(shifts)), key=lambda n: errors[n][0])
        which = "" if len(shifts) == 1 else f" (the least certain of {len(shifts)}: scan {worst}, counting from 0)"
        lines.append(
            f"shift between the directions: {shifts[worst][0]:.2f} +- {errors[worst][0]:.2f} px in the mean{which}"
        )
    if told["shift_unknown"]:
        lines.append(
            f"unknown shift between trace and retrace, taken as 0: scan {', '.join(map(str, told['shift_unknown']))}; "
            "the result may be blurred along the lines"
        )
    if told["noise_before"] is not None:
        lines.append(f"noise before: {told['noise_before']:.4g} {unit}")
    if told["noise_after"] is not None:
        how = "" if told["noise_after_measured"] else " (expected, not measured)"
        lines.append(f"noise after: {told['noise_after']:.4g} {unit}{how}")
    if told["shifts_px"]:
        far = [max(abs(shift[axis]) for shift in told["shifts_px"]) for axis in (0, 1)]
        lines.append(
            f"frames moved by up to {far[0]:.1f} px across and {far[1]:.1f} px along the lines; fewer frames cover "
            f"{told['fewer_frames_share']:.1%} of the pixels, one alone {told['one_frame_share']:.1%}"
        )
    if told["disputed_share"]:
        lines.append(
            f"disputed: {told['disputed_share']:.2%} of the pixels; not more than half of the frames agree there, they "
            "hold the reference frame's value and are marked"
        )
    if told["left_out"]:
        named = [
            f"{n} ({told['correlations'][n]:.2f}, needed {told['least_correlations'][n]:.2f})" for n in told["left_out"]
        ]
        lines.append(f"left out, counting from 0, for their correlation with the other frames: {', '.join(named)}")
    for warning, count in told["warnings"].items():
        where = "" if told["scans"] == 1 else f" ({count} of {told['pairs']} scans with both directions)"
        lines.append(f"warning: {warning}{where}")
    return lines


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
