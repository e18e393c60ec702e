"""What the gate must show: on scans of the twin's box shifted, and as a contact sheet of real scans.

    python benchmarks/quality/gate.py --count 2000 --data checkpoints/gate-scans
    python benchmarks/quality/gate.py --count 0 --sheet sheet.png --labels verdicts.csv FOLDER

The first simulates what is missing in the folder (about 0.4 s each), and prints every figure with its 95 % interval.
Never tune on its output. The second judges every image in a folder; ``verdicts.csv`` has the columns path,
channel and label, and is only compared with. Needs ``afmend[train]``.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from afmend.apps.cli.train_gate import FIRST_SEED
from afmend.artifacts.gate.judge import EXPORT, Judgment, action_for, gate, judge
from afmend.artifacts.gate.model import load_gate
from afmend.artifacts.gate.sight import INPUTS, load_sight
from afmend.artifacts.gate.verdicts import GOOD, VERDICTS
from afmend.artifacts.gate.view import Measured, View
from afmend.errors import AfmendError
from afmend.evaluation.gate_scores import proportion, score
from afmend.formats import read_all
from afmend.scan import ChannelKey, Scan
from afmend.simulation.box import load_box
from afmend.simulation.drawing import draw
from afmend.simulation.twin import simulate

CLAIMS = (
    ("accuracy", "accuracy, four classes", "0.95", "0.98", "0.914 (n = 35)"),
    ("macro_f1", "macro-F1", "0.94", "0.97", "0.8825"),
    ("exported", "artifacts exported as Good", "<= 0.02 (upper)", "<= 0.01", "1 of 23"),
    ("abstention", "abstention", "<= 0.10", "<= 0.05", "none"),
    ("calibration_error", "calibration error", "<= 0.03", "<= 0.015", "none"),
)
TILE, ACROSS, LETTERS = 260, 6, 0.72
FRAMES = (0, 2, 3, 16, 31)
"""Images of movies that are judged."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="*", type=Path, help="Real scans for the contact sheet.")
    parser.add_argument("--model", default="gate")
    parser.add_argument("--count", type=int, default=2000, help="Scans of the box shifted; 0 = none.")
    parser.add_argument("--first", type=int, default=0, help="Seed of the first of them.")
    parser.add_argument("--data", type=Path, default=Path("checkpoints/gate-scans"))
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--sheet", type=Path, help="Contact sheet to write (PNG).")
    parser.add_argument("--labels", type=Path, help="CSV of verdicts to compare with.")
    parser.add_argument("--json", type=Path, help="Write all figures.")
    given = parser.parse_args(arguments)
    seeds = range(given.first, given.first + given.count)
    if seeds and not 0 <= seeds[0] <= seeds[-1] < FIRST_SEED:
        parser.error(f"scans are those of seeds 0 to {FIRST_SEED - 1}: the gate learned from others, if in other boxes")
    if seeds:
        figures = on_the_twin(given.model, given.data, seeds, given.workers)
        if given.json:
            given.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    if given.folder:
        on_real_scans(given.model, given.folder, given.sheet, given.labels)
    return 0


def on_the_twin(model: str, data: Path, seeds: Sequence[int], workers: int) -> dict[str, object]:
    """Print the table of claims."""
    from afmend.training.gate.finish import said_of
    from afmend.training.gate.labels import UNSURE
    from afmend.training.gate.table import make_table

    table = make_table(data, "shifted", seeds, workers=workers)
    said = said_of(load_gate(model), table)
    figures: dict[str, object] = {}
    whole = table.kinds == "full"
    groups = {
        "both directions and error": whole, "one direction": table.kinds == "alone",
        "first lines": table.kinds == "early",
        "natural draws of the box": whole & (table.mixes == "box"), "drawn by problem": whole & (table.mixes != "box"),
        "without fringes and displaced lines": whole & ~table.odd, "with them": whole & table.odd,
    }  # fmt: skip
    for name, rows in groups.items():
        some = np.flatnonzero(rows & (table.labels != UNSURE))
        found = score([said[k] for k in some], [VERDICTS[table.labels[k]] for k in some])
        figures[name] = found
        out(
            f"\n{name}: {found['scans']} scans with a verdict, "
            f"{np.count_nonzero(rows & (table.labels == UNSURE))} without"
        )
        for key, what, must, aim, seed in CLAIMS:
            value, low, high = found[key]
            out(f"  {what:28s} {value:6.3f} ({low:.3f} to {high:.3f})   must {must}, aim {aim}, seed {seed}")
        for key in ("decided", "looked_at", "good_exported", "covered", "strange"):
            value, low, high = found[key]
            out(f"  {key:28s} {value:6.3f} ({low:.3f} to {high:.3f})")
        for verdict, (precision, recall, f1, number) in found["classes"].items():
            out(f"  {verdict:20s} precision {precision:.3f}, recall {recall:.3f}, F1 {f1:.3f}, {number} scans")
    unsure = np.flatnonzero(whole & (table.labels == UNSURE))
    shares = [proportion(sum(said[k].verdict == v for k in unsure), unsure.size)[0] for v in VERDICTS]
    out("\nscans that nobody could judge: " + ", ".join(f"{v} {s:.2f}" for v, s in zip(VERDICTS, shares, strict=True)))
    out(f"  exported unchanged: {proportion(sum(action_for(said[k]) == EXPORT for k in unsure), unsure.size)}")
    out(speeds(model))
    return figures


def speeds(model: str) -> str:
    """Time the networks and the whole gate on 512 x 512 pixels."""
    loaded, eyes = load_gate(model), load_sight()
    scan = simulate(draw(load_box("train"), 1003, shape=(512, 512)))
    maps = np.zeros((1, len(INPUTS), 512, 512), np.float32)
    vector = np.zeros((1, len(loaded.card.inputs)), np.float32)
    channels = [scan.channels[scan.find(name)] for name in ("height/trace", "height/retrace", "error/trace")]
    seen = Measured(
        channels[0].values, channels[0].missing, channels[1].values, channels[1].missing, channels[2].values
    )
    network = _best(lambda: eyes.run({"maps": maps}))
    last = _best(lambda: loaded.run({"features": vector}))
    whole = _best(lambda: judge(seen, loaded))
    sizes = [one.card.files[kind].size_bytes / 1e6 for one, kind in ((eyes, "int8"), (loaded, "fp32"))]
    return (
        f"\nsight: {sizes[0]:.2f} MB, {network:.1f} ms at 512 x 512; gate: {sizes[1]:.2f} MB, {last:.2f} ms; "
        f"with detectors, features and learned masks {whole:.0f} ms"
    )


def _best(call: object) -> float:
    times = []
    for _ in range(9):
        start = time.perf_counter()
        call()  # type: ignore[operator]
        times.append(time.perf_counter() - start)
    return 1e3 * min(times)


def on_real_scans(model: str, folders: Sequence[Path], sheet: Path | None, labels: Path | None) -> None:
    """Judge every image, print one line each, and draw the contact sheet."""
    known = _known(labels)
    tiles, right, told, sure = [], 0, 0, [0, 0]
    for path, scan, key, frame in _images(folders):
        try:
            found = gate(scan, key, model=model)
        except AfmendError as error:
            out(f"{path.name:34s} {key!s:22s} not judged: {error.what}")
            continue
        label = _label(known.get(f"{path.parent.name}/{path.name}", ()), scan.channels[key].name, key, frame)
        told += bool(label)
        right += bool(label) and label == found.verdict
        if label and found.is_sure:
            sure[label == found.verdict] += 1
        note = f" [observer: {label}]" if label else ""
        strange = " STRANGE" if found.is_strange else ""
        out(
            f"{path.name:34s} {key!s:22s} {found.verdict} {found.probabilities[found.verdict]:.2f}"
            f"{'' if found.is_sure else ' (unsure)'} "
            f"-> {found.action}{strange}{note}"
        )
        for reason in found.reasons[:3]:
            out(f"    - {reason}")
        tiles.append(_tile(scan, key, found, path.name, label))
    if told:
        out(f"\nverdicts of the observer met: {right} of {told} channels, {proportion(right, told)}")
        out(f"of those that the gate is sure of: {sure[True]} of {sum(sure)}")
    if sheet is not None and tiles:
        _write(sheet, tiles)
        out(str(sheet))


def _known(labels: Path | None) -> dict[str, list[dict[str, str]]]:
    known: dict[str, list[dict[str, str]]] = {}
    if labels is not None:
        with labels.open(encoding="utf-8") as file:
            for row in csv.DictReader(file):
                known.setdefault(row["path"], []).append(row)
    return known


WAY = re.compile(r"[ _]*[(\[]?(forward|backward|trace|retrace|left|right|frame \d+)[)\]]?$", re.IGNORECASE)
"""What other programs add to the title of a channel."""


def _label(rows: Sequence[dict[str, str]], title: str, key: ChannelKey, frame: int) -> str:
    """Return the observer's verdict on a channel: by direction, frame, and title or kind as the observer wrote it."""
    for row in rows:
        named = row["channel"]
        if row["direction"] not in (key.direction, "unknown"):
            continue
        if "frame" in named and int(named.split("frame")[1]) != frame:
            continue
        for _ in range(2):
            named = WAY.sub("", named)
        named = re.sub("^zsensor$|sensor$", "height_sensor", named.strip().lower())
        sensor = key.kind.startswith("height_sensor")
        if (
            named == title.lower()
            or ("sensor" in named and sensor)
            or (named in ("", "height", "topography", "image") and key.kind == "height")
        ):
            return row["label"]
    return ""


def _images(folders: Sequence[Path]) -> Iterator[tuple[Path, Scan, ChannelKey, int]]:
    """Every height channel; of movies every image of which the number is asked for (`FRAMES`)."""
    for folder in folders:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            try:
                scans = read_all(path)
            except AfmendError:
                continue
            for frame in [k for k in FRAMES if k < len(scans)]:
                scan = scans[frame]
                keys = [key for key in scan.channels if "height" in key.kind and "error" not in key.kind]
                for key in keys or [scan.main.key]:
                    yield path, scan, key, frame


def _tile(scan: Scan, key: ChannelKey, found: Judgment, name: str, label: str) -> np.ndarray:
    import cv2

    channel = scan.channels[key]
    flat = View(Measured(channel.values, channel.missing)).flat
    low, high = np.percentile(flat, (1, 99))
    gray = (np.clip((flat - low) / max(float(high - low), 1e-12), 0, 1) * 255).astype(np.uint8)
    picture = np.full((TILE + 94, TILE, 3), 255, np.uint8)
    picture[:TILE] = cv2.cvtColor(cv2.resize(gray, (TILE, TILE), interpolation=cv2.INTER_AREA), cv2.COLOR_GRAY2BGR)
    color = (0, 110, 0) if found.verdict == GOOD else (0, 0, 190)
    doubt = " (strange)" if found.is_strange else "" if found.is_sure else " (unsure)"
    seen = (f"(observer: {label})",) if label else ()
    lines = (
        f"{name[:26]} {key.direction}",
        f"{found.verdict} {found.probabilities[found.verdict]:.2f}{doubt} -> {found.action}", *seen,
        *_wrapped("; ".join(found.reasons), 4 - len(seen)),
    )  # fmt: skip
    for number, text in enumerate(lines):
        shade = color if number == 1 else (40, 40, 40)
        cv2.putText(picture, text, (3, TILE + 13 + 15 * number), cv2.FONT_HERSHEY_PLAIN, LETTERS, shade, 1, cv2.LINE_AA)
    return picture


def _wrapped(text: str, most: int = 4) -> list[str]:
    """Break a text into lines that fit a tile; what does not fit is cut after a word."""
    import cv2

    def fits(line: str) -> bool:
        return bool(cv2.getTextSize(line, cv2.FONT_HERSHEY_PLAIN, LETTERS, 1)[0][0] <= TILE - 18)

    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if not lines[-1] or fits(longer):
            lines[-1] = longer
        else:
            lines.append(word)
    return lines if len(lines) <= most else [*lines[: most - 1], f"{lines[most - 1]} ..."]


def _write(path: Path, tiles: list[np.ndarray]) -> None:
    import cv2

    while len(tiles) % ACROSS:
        tiles.append(np.full_like(tiles[0], 255))
    cv2.imwrite(str(path), np.vstack([np.hstack(tiles[k : k + ACROSS]) for k in range(0, len(tiles), ACROSS)]))


def out(text: str) -> None:
    """Print a line."""
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    raise SystemExit(main())
