"""The learned masks beside the classical detectors and Gwyddion's rule: simulated scans, clean ones, hand-labeled ones.

Run: PYTHONPATH=src python benchmarks/quality/masks.py [--scans 400] [--box shifted] [--model masks] [--labels FOLDER]
With ``--learned-only`` (and ``--workers``) nothing but the marks of scars and lines is scored: for thousands of scans.
Scans of the box ``shifted`` are for reports: nothing was trained or tuned on them, nor on hand-labeled scans.
``--labels`` names a folder with ``load_masks.py`` (see there), ``--real`` that of the scans.
Intervals are 95 %, by drawing scans with replacement.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import runpy
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from afmend.artifacts.learned import Learned, learned, load_masks_model, probabilities
from afmend.artifacts.learned_inputs import model_inputs
from afmend.catalogue import find_step
from afmend.errors import BadParameterError
from afmend.evaluation.mask_scores import Judged, interval, labeled, mean_of, pooled, score, simulated
from afmend.formats import read
from afmend.inference.card import find_card, read_card, write_card
from afmend.pipeline import Field
from afmend.recipes import load_recipe
from afmend.scan.arrays import Mask
from afmend.simulation.box import load_box
from afmend.simulation.drawing import draw
from afmend.simulation.twin import simulate

SEEDS = range(500_000, 10**9)
CLASSICAL = ("mark.unfinished", "mark.lines", "mark.scars", "mark.spikes", "mark.parachuting")
HARD = {
    "gratings along the fast axis": ("grating", 0),
    "fibers": ("fibers", 1),
    "terraces": ("terraces", 2),
    "particles": ("particles", 3),
    "lattice": ("lattice", 4),
    "fractal": ("fractal", 5),
}
Marker = Callable[[Field], Mask]


def union(*step_ids: str) -> Marker:
    """Run detectors one after the other, each sparing what the ones before found, as a recipe does."""

    def mark(field: Field) -> Mask:
        found = field.excluded.copy()
        for step_id in step_ids:
            step = find_step(step_id)
            seen = Field(
                field.heights, found, field.pixel_nm, direction=field.direction, opposite=field.opposite,
                opposite_excluded=field.opposite_excluded,
            )  # fmt: skip
            found = found | step.kernel(seen, step.params()).mask
        return found & ~field.excluded

    return mark


def learned_marker(model: str, **switches: Any) -> Marker:
    params = Learned(model=model, **switches)

    def mark(field: Field) -> Mask:
        out = np.zeros(field.shape, dtype=bool)
        for mask in learned(field, params).masks.values():
            out |= mask
        return out

    return mark


NAMES = ("learned", "learned lines", "classical", "classical lines", "both", "recipe", "gwyddion")
"""With "lines", only scars and bad lines, which is what is asked for and what mark.learned marks by default; without,
also learned masks of chatter and lost tracking, or all classical detectors. "recipe": all classical detectors and what
the recipe `learned` asks of the network."""


def marks_by(model: str) -> Callable[[Field], dict[str, Mask]]:
    """Return what marks a field in every way of `NAMES`."""
    ways = {
        "learned": learned_marker(model, chatter=True, lost=True), "learned lines": learned_marker(model),
        "classical": union(*CLASSICAL), "classical lines": union("mark.lines", "mark.scars"),
        "gwyddion": union("mark.scars_gwyddion"), "recipe": learned_marker(model, **_told_by_the_recipe()),
    }  # fmt: skip

    def mark(field: Field) -> dict[str, Mask]:
        found = {name: way(field) for name, way in ways.items()}
        both, recipe = (found[name] | found["classical"] for name in ("learned", "recipe"))
        return {**found, "both": both, "recipe": recipe}

    return mark


def _told_by_the_recipe() -> dict[str, Any]:
    return next(dict(use.params) for use in load_recipe("learned").steps if use.step == "mark.learned")


def twin_rows(
    box: str, count: int, mark: Callable[[Field], dict[str, Mask]], size: int
) -> tuple[dict[str, list[dict[str, float]]], dict[str, list[dict[str, float]]], dict[str, list[dict[str, float]]]]:
    """Return rows of all damage, of visible damage, and of clean scans, per marker."""
    every, seen, clean = ({name: [] for name in NAMES} for _ in range(3))
    chance = load_box(box)
    for seed in SEEDS[:count]:
        scan = simulate(draw(chance, seed, shape=(size, size)))
        judged, visible = simulated(scan), simulated(scan, seen_only=True)
        for name, found in mark(judged.field).items():
            every[name].append(score(judged, found))
            seen[name].append(score(visible, found))
            if judged.clean:
                clean[name].append(every[name][-1])
    return every, seen, clean


def learned_only(box: str, count: int, model: str, size: int, workers: int) -> dict[str, Any]:
    """Score the marks of scars and lines on many scans, with visible damage and clean."""
    orders = [(box, seed, model, size) for seed in SEEDS[:count]]
    with multiprocessing.get_context("forkserver").Pool(workers) as pool:
        rows = [found for found in pool.map(_one, orders, chunksize=8) if found is not None]
    seen, clean = [row for row, _ in rows], [row for row, is_clean in rows if is_clean]
    told: dict[str, Any] = {"box": box, "scans": len(rows), "not to be simulated": count - len(rows), "size": size,
                            "clean scans": len(clean)}  # fmt: skip
    for key in ("iou", "dice", "precision", "recall"):
        told[f"visible lines and scars, {key}, pooled"] = interval(seen, lambda some, key=key: pooled(some)[key])
    told["visible lines and scars, iou, mean"] = interval(seen, mean_of("iou"))
    told["false on clean scans, %"] = interval(clean, mean_of("false_percent"))
    for title, numbers in told.items():
        if isinstance(numbers, tuple):
            show(title, {"learned lines": numbers})
        else:
            print(f"{title:42}{numbers}")
    return told


def _one(order: tuple[str, int, str, int]) -> tuple[dict[str, float], bool] | None:
    box, seed, model, size = order
    twin = draw(load_box(box), seed, shape=(size, size))
    try:
        scan = simulate(twin)
    except BadParameterError:  # a tip that touches more pixels than the twin computes with
        return None
    judged = simulated(scan, seen_only=True)
    return score(judged, learned_marker(model)(judged.field)), judged.clean


def clean_table(box: str, count: int, mark: Callable[[Field], dict[str, Mask]], size: int) -> dict[str, Any]:
    """False marks on clean scans of hard families."""
    answer: dict[str, Any] = {}
    chance = load_box(box)
    for family, (surface, _) in HARD.items():
        rows: dict[str, list[dict[str, float]]] = {name: [] for name in NAMES}
        for seed in SEEDS[:count]:
            twin = draw(chance, seed, shape=(size, size), surface=surface, artifacts=())
            if family.endswith("along the fast axis"):
                turn = 90 + (seed % 5 - 2) * 0.4
                twin = twin.model_copy(update={"surface": twin.surface.model_copy(update={"angle_deg": turn})})
            judged = simulated(simulate(twin))
            for name, found in mark(judged.field).items():
                rows[name].append(score(judged, found))
        answer[family] = {name: interval(rows[name], mean_of("false_percent")) for name in NAMES}
    return answer


LABELED_LINES = ("scar", "line", "bad_line")
"""What hand labels call lines and scars."""


def real_scans(labels: Path, scans: Path, kinds: tuple[str, ...] | None = None) -> list[tuple[Judged, Judged]]:
    """Read the hand-labeled scans, with the other scan direction where the file has it.

    Twice: unlabeled pixels do not count, or count as good. With ``kinds``, only these are asked for, and pixels of
    others do not count.
    """
    tools = runpy.run_path(str(labels / "load_masks.py"))
    found = []
    for entry in tools["entries"]():
        every = _channels(scans / entry["path"])
        for scan, key in every:
            heights = np.asarray(scan.channels[key].values, dtype=np.float64)
            if not tools["matches"](entry, heights) and not any(
                tools["matches"](entry, turn(heights)) for turn in tools["TURNS"].values()
            ):
                continue
            turn = next(turn for turn in tools["TURNS"].values() if tools["matches"](entry, turn(heights)))
            label = turn(tools["mask"](entry, kinds))
            if (label != 1).all() and (tools["mask"](entry) == 1).any():
                break  # it holds artifacts, but none of these kinds
            other = scan.opposite(key)
            more = {} if other is None else {"opposite": np.asarray(other.values, float)}
            more.update(excluded=scan.channels[key].missing, direction=key.direction)
            whole = np.ascontiguousarray(label)
            found.append(
                (labeled(heights, whole, entry["key"], **more),
                 labeled(heights, whole, entry["key"], unlabeled_is_good=True, **more))
            )  # fmt: skip
            break
        else:
            print(f"not found: {entry['key']}", file=sys.stderr)
    return found


def _channels(path: Path) -> list[tuple[Any, Any]]:
    from afmend.formats import read_all

    try:
        scans = read_all(path)
    except Exception:  # noqa: BLE001 (an optional reader)
        scans = [read(path)]
    return [(scan, key) for scan in scans for key in scan.channels]


def milliseconds(model: str) -> dict[str, float]:
    """Best of 15 at 512 x 512: the network alone, its inputs, the whole step."""
    net = load_masks_model(model)
    rng = np.random.default_rng(0)
    field = Field(np.cumsum(rng.standard_normal((512, 512)), axis=1), opposite=rng.standard_normal((512, 512)))
    maps = model_inputs(field.heights, None, field.opposite)[None]
    name = net.session.get_inputs()[0].name
    jobs = {
        "network": lambda: net.run({name: maps}),
        "inputs": lambda: model_inputs(field.heights, None, field.opposite),
        "step": lambda: probabilities(field, net),
    }
    answer = {}
    for what, job in jobs.items():
        times = []
        for _ in range(15):
            start = time.perf_counter()
            job()
            times.append(1e3 * (time.perf_counter() - start))
        answer[what] = round(min(times), 1)
    return answer


def show(title: str, numbers: dict[str, tuple[float, float, float]]) -> None:
    cells = "   ".join(f"{name} {mid:.3f} ({low:.3f} to {high:.3f})" for name, (mid, low, high) in numbers.items())
    print(f"{title:42}{cells}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scans", type=int, default=400)
    parser.add_argument("--clean-scans", type=int, default=20)
    parser.add_argument("--box", default="shifted")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--model", default="masks")
    parser.add_argument("--labels", type=Path)
    parser.add_argument("--real", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--into-card", action="store_true", help="keep the figures in the card of the model")
    parser.add_argument("--learned-only", action="store_true", help="score nothing but the marks of scars and lines")
    parser.add_argument("--workers", type=int, default=1)
    args = parser.parse_args()
    if args.learned_only and (args.labels or args.real):
        parser.error("--learned-only scores simulated scans only: leave --labels and --real out")
    if args.workers > 1 and not args.learned_only:
        parser.error("--workers needs --learned-only")
    if args.learned_only:
        told = learned_only(args.box, args.scans, args.model, args.size, args.workers)
        keep(args, f"many scans of {args.box}", told)
        return
    mark = marks_by(args.model)
    told = {"box": args.box, "scans": args.scans, "size": args.size}
    every, seen, clean = twin_rows(args.box, args.scans, mark, args.size)
    for title, rows in (("all lines and scars", every), ("visible lines and scars", seen)):
        for key in ("iou", "dice", "precision", "recall"):
            numbers = {n: interval(r, lambda some, key=key: pooled(some)[key]) for n, r in rows.items()}
            show(f"{title}, {key}, pooled", numbers)
            told[f"{title}, {key}, pooled"] = numbers
        numbers = {n: interval(r, mean_of("iou")) for n, r in rows.items()}
        show(f"{title}, IoU, mean per scan", numbers)
        told[f"{title}, iou, mean"] = numbers
    told["false on clean, %"] = {n: interval(r, mean_of("false_percent")) for n, r in clean.items()}
    show(f"false on {len(clean['learned'])} clean scans, %", told["false on clean, %"])
    for family, numbers in clean_table(args.box, args.clean_scans, mark, args.size).items():
        show(f"false on clean {family}, %", numbers)
        told[f"clean {family}"] = numbers
    if args.labels and args.real:
        told["real"] = real_table(real_scans(args.labels, args.real), mark)
        print("lines and scars only:")
        told["real, lines and scars"] = real_table(real_scans(args.labels, args.real, LABELED_LINES), mark)
    told["ms at 512 x 512"] = milliseconds(args.model)
    print("ms at 512 x 512", told["ms at 512 x 512"])
    keep(args, "benchmark", told)


def keep(args: argparse.Namespace, title: str, told: dict[str, Any]) -> None:
    """Write the figures where that was asked for."""
    if args.into_card:
        path = find_card(args.model)
        card = read_card(path)
        write_card(card.model_copy(update={"scores": {**card.scores, title: rounded(told)}}), path)
    if args.json:
        args.json.write_text(json.dumps(rounded(told), indent=1) + "\n", encoding="utf-8")


def rounded(value: Any) -> Any:
    """Round numbers for a card; what is not a number becomes None."""
    if isinstance(value, dict):
        return {key: rounded(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(one) for one in value]
    if isinstance(value, float):
        return round(value, 4) if np.isfinite(value) else None
    return value


def real_table(
    scans: list[tuple[Judged, Judged]], mark: Callable[[Field], dict[str, Mask]]
) -> dict[str, dict[str, tuple[float, float, float]]]:
    rows, strict, negatives = ({name: [] for name in NAMES} for _ in range(3))
    for judged, everything in scans:
        cells = []
        for name, found in mark(judged.field).items():
            row = score(judged, found)
            (negatives if judged.clean else rows)[name].append(row)
            if not judged.clean:
                strict[name].append(score(everything, found))
            shares = "/".join(f"{row[key]:.2f}" for key in ("iou", "precision", "recall"))
            cells.append(f"{name} {shares} {row['false_percent']:.2f}%")
        print(f"  {judged.name[:48]:50}{'   '.join(cells)}", flush=True)
    answer = {}
    for title, key, some in (
        ("IoU, mean per scan", "iou", rows), ("precision", "precision", rows), ("recall", "recall", rows),
        ("IoU, unlabeled counts as good", "iou", strict), ("precision, unlabeled counts as good", "precision", strict),
        ("false on scans without artifacts, %", "false_percent", negatives),
    ):  # fmt: skip
        answer[title] = {name: interval(some[name], mean_of(key)) for name in NAMES}
        show(f"hand-labeled: {title}", answer[title])
    return answer


if __name__ == "__main__":
    main()
