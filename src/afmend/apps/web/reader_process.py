"""The process that reads files: one JSON request per line on standard input, one message of `wire` per answer.

A file can crash, stall or blow up its reader; then this process is ended, not the server.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from afmend.apps.web import wire
from afmend.errors import AfmendError
from afmend.scan import Scan

Json = dict[str, Any]


def main() -> None:
    """Serve requests until standard input ends. The arguments: the memory limit in MiB, how much to yield to others."""
    _limit_memory(int(sys.argv[1]))
    if hasattr(os, "nice"):  # Windows has none
        os.nice(int(sys.argv[2]))
    # Answers travel on a private copy of standard output; whatever a library prints goes to standard error.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    kept: tuple[Any, tuple[Scan, ...]] = (None, ())
    for line in sys.stdin:
        request = json.loads(line)
        path = Path(request["path"])
        try:
            kept = _read(path, kept)
            facts, arrays = _answer(kept[1], request)
        except AfmendError as error:
            facts, arrays = {"error": [error.kind, error.what, error.where, error.now]}, []
        except MemoryError:
            kept = (None, ())
            facts, arrays = {"error": ["CorruptFileError", "needs more memory than readers may have", path.name,
                                       "Start `afmend web` with a larger --memory."]}, []  # fmt: skip
        except Exception as error:  # noqa: BLE001 (a bug in a reader must not look like a dead server)
            text = " ".join(str(error).split())[:300]
            facts, arrays = {"error": ["CorruptFileError", f"its reader failed ({type(error).__name__}: {text})",
                                       path.name, "This is a bug in afmend: please report it."]}, []  # fmt: skip
        try:
            wire.send(answers, facts, arrays)
        except BrokenPipeError:
            os._exit(1)


def _limit_memory(megabytes: int) -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    limit = megabytes << 20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _read(path: Path, kept: tuple[Any, tuple[Scan, ...]]) -> tuple[Any, tuple[Scan, ...]]:
    from afmend.formats import read_all

    try:
        facts = path.stat()
        key: Any = (str(path), facts.st_mtime_ns, facts.st_size)
    except OSError:
        key = None
    if key is not None and key == kept[0]:
        return kept
    return key, read_all(path)


def _answer(scans: tuple[Scan, ...], request: Json) -> tuple[Json, list[Any]]:
    index = min(max(0, int(request.get("frame", 0))), len(scans) - 1)
    scan = scans[index]
    if request["want"] == "thumb":
        return {"png": _thumb(scan, int(request["size"])).hex(), **_brief(scan, len(scans))}, []
    if request["want"] == "gate":
        return _judged(scan, request["channel"]), []
    facts, arrays = wire.pack(scan)
    return {"scan": facts, "count": len(scans), "frame": index}, arrays


def _brief(scan: Scan, count: int) -> Json:
    grid = scan.grid
    return {"count": count, "format": scan.source.stored or scan.source.format, "rows": grid.rows, "cols": grid.cols,
            "size_nm": list(grid.size_nm), "calibrated": grid.calibrated, "channel": str(scan.main.key)}  # fmt: skip


def _judged(scan: Scan, channel: str | None) -> Json:
    """Ask the gate; its activation maps travel as signed bytes, 127 = certain."""
    import numpy as np

    from afmend.artifacts.gate.judge import gate
    from afmend.artifacts.gate.verdicts import VERDICTS

    key = scan.find(channel)
    judged = gate(scan, key)
    maps = judged.activation[..., ::-1] if key.direction == "retrace" else judged.activation
    signed = np.rint(127 * maps).astype(np.int8)
    where = {name: one.tobytes().hex() for name, one in zip(VERDICTS, signed, strict=True)}
    return {"judged": judged.to_json(), "activation": {"shape": list(maps.shape[1:]), "maps": where}}


def _thumb(scan: Scan, size: int) -> bytes:
    """Draw a quick look: plane and line medians away, so that something is to be seen; for looks only."""
    import numpy as np
    from PIL import Image

    from afmend.pictures.annotate import encoded
    from afmend.pictures.maps import fit, paint, robust_range

    channel = scan.main
    valid = ~channel.still_missing
    heights = np.array(channel.values, dtype=np.float64)
    rows, cols = np.indices(heights.shape, dtype=np.float64)
    if valid.sum() > 9:
        basis = np.stack([np.ones(heights.size), rows.ravel(), cols.ravel()], axis=1)
        some = np.flatnonzero(valid.ravel())[:: max(1, heights.size // 20_000)]
        plane = np.linalg.lstsq(basis[some], heights.ravel()[some], rcond=None)[0]
        heights -= (basis @ plane).reshape(heights.shape)
        if channel.unit == "nm":
            for i, good in enumerate(valid):
                heights[i] -= np.median(heights[i][good]) if good.any() else 0.0
    low, high = robust_range(heights, valid)
    recorded = channel.values[valid] if valid.any() else np.zeros(1)
    least = max(1e-6 * np.ptp(recorded), 1e-9 * abs(np.median(recorded)), 1e-6 if channel.unit == "nm" else 1e-15)
    if high - low < least:  # only rounding: flat, as on the page
        low, high = 0.5 * (low + high - least), 0.5 * (low + high + least)
    picture = paint(heights, fit(heights.shape, scan.grid.pixel_nm, size, 24), (low, high), valid=valid)
    return encoded(Image.fromarray(picture))


if __name__ == "__main__":
    main()
