"""What the tip module is worth, on scans with a known surface and tip: every row of the claims, with 95 % intervals.

Run: PYTHONPATH=src python benchmarks/quality/tip.py [train|shifted] [scans per family] [first seed]
Families with sharp features and those without are told apart; "tip visible" = the tip changes the image by more than
twice the noise and 3 % of the surface's own spread. With --single PATH, also the pseudo-AFM frames of
``single_tip.npz``.
"""

from __future__ import annotations

import argparse
import math
from collections import defaultdict
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from afmend.evaluation.bench.tip_cases import TipCase, tip_case
from afmend.evaluation.metrics.compare import paired_bootstrap
from afmend.simulation import draw, load_box
from afmend.simulation.canvas import Canvas
from afmend.simulation.surfaces import make_surface
from afmend.tip.correct import correct
from afmend.tip.double import THRESHOLD, find_ghost, without_ghost
from afmend.tip.estimate import estimate_tip
from afmend.tip.features import noise_nm
from afmend.tip.learned import learned_correction, mean_correction
from afmend.tip.morphology import erode
from afmend.tip.shapes import SphereCone, largest_tip_array
from afmend.tip.unsure import undo_unsure
from afmend.tip.villarrubia import noise_threshold_nm, tip_bound

SHARP = ("fractal", "exponential", "porous", "cells", "particles", "mixed", "grating", "grains")
MODEL = ["tip"]
"""The network of "untouched: mean" and "learned": a name or a card (--model)."""
WAYS = ("expected", "learned")
"""Of "untouched", beside the default."""
DULL = ("gaussian", "terraces", "lattice", "fibers", "dna")


def ways() -> dict:
    """How a tip is undone, by the value of "untouched"."""
    return {
        "mean": partial(mean_correction, model=MODEL[0]),
        "expected": correct,
        "learned": partial(learned_correction, model=MODEL[0]),
    }


def rms(z: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(z))))


def told(name: str, values: list[float], *, mean: bool = False, log: bool = False) -> None:
    """One row: value, interval, scans."""
    if len(values) < 2:
        print(f"{name:74} too few ({len(values)})")
        return
    centered = np.log(values) if log else np.asarray(values)
    found = paired_bootstrap(centered, np.zeros(len(values)),
                             statistic="mean_difference" if mean or log else "median_difference")  # fmt: skip
    three = [math.exp(v) if log else v for v in (found.value, found.low, found.high)]
    print(f"{name:74} {three[0]:7.3f} [{three[1]:.3f}, {three[2]:.3f}]  n={len(values)}")


def single(box: str, count: int, first: int, size: int) -> None:
    rows: dict[str, list[float]] = defaultdict(list)
    confident: dict[bool, list[float]] = {True: [], False: []}
    for kind in SHARP + DULL:
        for k in range(count):
            case = tip_case(box, first + k, kind, shape=(size, size))
            if case is None:
                continue
            raw = rms(case.image - case.surface)
            visible = raw > max(2 * case.noise_nm, 0.03 * case.surface.std())
            found = estimate_tip([case.image], case.pixel_nm)
            # Featureless: smooth on the scale of the tip, so that not even the true tip corrects much of it.
            possible = (
                rms(correct(case.image, case.tip(), case.pixel_nm, noise=case.noise_nm).expected - case.surface) / raw
            )
            dull = kind in DULL or not visible
            confident[dull].append(float(found.shape is not None))
            if found.shape is None:
                unsure(rows, case, found, raw, visible=visible)
            if not visible:
                continue
            rows["true, all"].append(possible)
            if found.shape is None:
                rows["all, abstained = 1"].append(1.0)
                continue
            one(rows, case, found, raw, possible)
            for way in ("", *WAYS):
                rows[f"all {way}"].append(rows[f"ratio {way}"][-1])
    print(f"\nSingle tip, noise <= 0.1 nm, radius 1.5 to 6 pixels, box {box}: scans on which the tip is visible")
    told("error corrected / uncorrected, where corrected (geometric mean)", rows["ratio "], log=True)
    told_ways(rows, "ratio", log=True)
    told("  the least upper bound alone", rows["bound"], log=True)
    told("  the same with the true tip (what is possible), same scans", rows["possible"], log=True)
    told("  with the true tip and untouched: learned, same scans", rows["possible, learned"], log=True)
    told("  the same, partial blind estimate with a threshold from the noise, same scans", rows["partial"], log=True)
    told_unsure(rows)
    told("error corrected / uncorrected, all (1 where it abstains)", rows["all, abstained = 1"], log=True)
    told("  with the correction on average, 1 where there is none", rows["all "], log=True)
    told_ways(rows, "all", log=True)
    told("  the same with the true tip, all", rows["true, all"], log=True)
    told("share of scans that are corrected", [float(v != 1.0) for v in rows["all, abstained = 1"]], mean=True)
    worse(rows, "share of corrected scans made worse", "ratio")
    told("certain pixels wrong by more than 3 sigma, mean share", rows["wrong"], mean=True)
    told("share of pixels called certain", rows["certain"], mean=True)
    told("interval coverage where uncertain, mean share", rows["covered "], mean=True)
    told_ways(rows, "covered", mean=True)
    told("  its width over that with expected (geometric mean)", rows["wider"], log=True)
    told("radius error, |found / true - 1| (median)", rows["radius"])
    told("  the same, tips of 2.5 pixels and more", rows["radius, blunt"])
    told("radius inside its interval, share", rows["inside"], mean=True)
    told("confident estimates on scans without sharp features, share", confident[True], mean=True)
    told("confident estimates on scans with sharp features, share", confident[False], mean=True)


def told_ways(rows: dict[str, list[float]], name: str, *, mean: bool = False, log: bool = False) -> None:
    """The rows with the other ways of "untouched"."""
    for way in WAYS:
        told(f"  with untouched: {way}", rows[f"{name} {way}"], mean=mean, log=log)


def worse(rows: dict[str, list[float]], title: str, name: str) -> None:
    """How often, and how much, each way makes a scan worse than it was, and than "expected" does."""
    plain = np.array(rows[f"{name} expected"])
    for way in ("", *WAYS):
        ratio = np.array(rows[f"{name} {way}"])
        told(f"{title}, untouched: {way or 'mean'}", [float(v > 1.0) for v in ratio], mean=True)
        if way != "expected" and ratio.size:
            alone = int(np.sum((ratio > 1) & (plain <= 1)))
            print(f"  {'largest; worse than it was, but not with expected: scans':72} {ratio.max():7.3f}; {alone}")
            told("  worse than with expected, share", [float(v > 1.0) for v in ratio / plain], mean=True)
            print(f"  {'  largest error over that with expected':72} {np.max(ratio / plain):7.3f}")


def unsure(rows: dict[str, list[float]], case: TipCase, found, raw: float, *, visible: bool) -> None:
    """What the correction on average does where the estimate abstains, also if the tip is not visible."""
    undone = {way: undo_unsure(case.image, case.pixel_nm, found, undo=undo) for way, undo in ways().items()}
    rows[f"unsure, {visible}"].append(float(undone["mean"] is not None))
    for way, one in undone.items():
        name = "" if way == "mean" else way
        ratio = 1.0 if one is None else rms(one.correction.expected - case.surface) / raw
        rows[f"unsure {visible} {name}"].append(ratio)
        if not visible:
            continue
        rows[f"all {name}"].append(ratio)
        if one is not None:
            inside = (case.surface >= one.correction.lower) & (case.surface <= one.correction.upper)
            rows[f"unsure covered {name}"].append(float(np.mean(inside)))
    blunt = undone["mean"].blunt if undone["mean"] is not None else None
    if visible and blunt is not None:
        rows["unsure sharper"].append(float(case.radius_nm < blunt.low_nm))
        rows["unsure inside"].append(float(blunt.interval_nm[0] <= case.radius_nm <= blunt.interval_nm[1]))
        rows["unsure radius"].append(abs(blunt.likely_nm / case.radius_nm - 1))


def told_unsure(rows: dict[str, list[float]]) -> None:
    told("not sure: share that is corrected on average, tip visible", rows["unsure, True"], mean=True)
    told("  the same, tip not visible", rows["unsure, False"], mean=True)
    told("  error corrected / uncorrected, tip visible, 1 where not (geometric mean)", rows["unsure True "], log=True)
    told_ways(rows, "unsure True", log=True)
    for seen in (True, False):
        worse(rows, f"  share made worse, tip visible: {seen}", f"unsure {seen}")
        for way in ("", *WAYS):
            told(f"  by more than a tenth, tip visible: {seen}, untouched: {way or 'mean'}",
                 [float(v > 1.1) for v in rows[f"unsure {seen} {way}"]], mean=True)  # fmt: skip
    told("  interval coverage, all pixels, mean share", rows["unsure covered "], mean=True)
    told_ways(rows, "unsure covered", mean=True)
    told("  radius below its quantile of 10 %, share", rows["unsure sharper"], mean=True)
    told("  radius inside its 95 % interval, share", rows["unsure inside"], mean=True)
    told("  error of the likely radius, |likely / true - 1| (median)", rows["unsure radius"])


def one(rows: dict[str, list[float]], case: TipCase, found, raw: float, possible: float) -> None:
    depth = float(np.ptp(case.image))
    tip = found.tip(case.pixel_nm, depth)
    limits = tuple(largest_tip_array(SphereCone(radius_nm=r, half_angle_deg=found.half_angle_deg), case.pixel_nm, depth)
                   for r in found.interval_nm)  # fmt: skip
    found_by = {way: undo(case.image, tip, case.pixel_nm, limits=limits) for way, undo in ways().items()}
    done = found_by["mean"]
    for way, one in found_by.items():
        name = "" if way == "mean" else way
        rows[f"ratio {name}"].append(rms(one.expected - case.surface) / raw)
        inside = (case.surface >= one.lower) & (case.surface <= one.upper)
        if not done.certain.all():
            rows[f"covered {name}"].append(float(inside[~done.certain].mean()))
    rows["bound"].append(rms(done.heights - case.surface) / raw)
    bound = tip_bound(case.image, (21, 21), noise_threshold_nm(noise_nm(case.image), case.image))
    rows["all, abstained = 1"].append(rows["ratio "][-1])
    rows["possible"].append(possible)
    rows["partial"].append(rms(erode(case.image, bound) - case.surface) / raw)
    off = np.abs(done.heights - case.surface) > 3 * done.sigma
    rows["certain"].append(float(done.certain.mean()))
    if done.certain.any():
        rows["wrong"].append(float(off[done.certain].mean()))
    true = learned_correction(case.image, case.tip(), case.pixel_nm, noise=case.noise_nm, model=MODEL[0])
    rows["possible, learned"].append(rms(true.expected - case.surface) / raw)
    if not done.certain.all():
        width = [float(np.mean((z.upper - z.lower)[~done.certain])) for z in (done, found_by["expected"])]
        rows["wider"].append(width[0] / width[1])
    error = abs(found.radius_nm / case.radius_nm - 1)
    rows["radius"].append(error)
    if case.radius_nm >= 2.5 * math.sqrt(case.pixel_nm[0] * case.pixel_nm[1]):
        rows["radius, blunt"].append(error)
    rows["inside"].append(float(found.interval_nm[0] <= case.radius_nm <= found.interval_nm[1]))


def doubles(box: str, count: int, first: int, size: int, *, alarms: bool = True) -> None:
    scores: dict[str, list[float]] = defaultdict(list)
    rows: dict[str, list[float]] = defaultdict(list)
    for kind in (*SHARP, "fibers", "dna"):
        for k in range(count):
            case = tip_case(box, first + k, kind, shape=(size, size), double=True)
            plain = tip_case(box, first + k, kind, shape=(size, size)) if alarms else None
            if plain is not None:
                scores["single tips"].append(find_ghost(plain.image, plain.pixel_nm).score)
            if case is None or not case.shows_ghosts:
                continue
            ghost = find_ghost(case.image, case.pixel_nm)
            scores["double"].append(ghost.score)
            one_double(rows, case, ghost)
    for name, z, pixel in repeating(box, count * 9 if alarms else 0, first, size):
        scores[name].append(find_ghost(z, pixel).score)
    print(f"\nDouble tips, box {box}: second apex 6 to 20 pixels off; it raises at least 2 % of the pixels by 3 sigma")
    print("  and 2 % of the range, and is 1.5 % of the range deeper than the first one")
    positive = np.array(scores.pop("double"))
    everything = [v for one in scores.values() for v in one]
    for name, values in (*scores.items(), *([("all of these", everything)] if everything else [])):
        told(f"false alarms on {name}, share", [float(v >= THRESHOLD) for v in values], mean=True)
        area_under(name, positive, np.array(values))
    told("double tips found, share", [float(v >= THRESHOLD) for v in positive], mean=True)
    told("offset error of those found, across lines of gratings all, pixels (median)", rows["offset"])
    told("error corrected / uncorrected, those found (geometric mean)", rows["ratio "], log=True)
    told_ways(rows, "ratio", log=True)
    told("  the ghosts alone taken off where the radius is not known", rows["ghosts alone"], log=True)
    worse(rows, "  share made worse", "ratio")
    told("  interval coverage where not certain", rows["covered "], mean=True)
    told_ways(rows, "covered", mean=True)
    told("  certain pixels wrong by more than 3 sigma (where the radius is known)", rows["wrong"], mean=True)
    told("  error of the likely radius, |likely / true - 1| (median), where it is not", rows["likely radius"])
    told("  of those, where the radius is known, too", rows["both "], log=True)
    told_ways(rows, "both", log=True)
    told("  their upper bound alone", rows["bound"], log=True)
    told("  the same, found ghost and true radius", rows["radius known"], log=True)
    told("  the same with the true tip, ghost and radius", rows["possible"], log=True)
    told("  and untouched: learned", rows["possible, learned"], log=True)
    told("  the least upper bound by the true tip", rows["true bound"], log=True)
    told("  if the ghosts were taken off without a trace, and the true tip", rows["no ghosts"], log=True)
    told("error corrected / uncorrected, all visible (1 where not found)", rows["all "], log=True)
    told_ways(rows, "all", log=True)


def area_under(name: str, positive: np.ndarray, none: np.ndarray) -> None:
    """AUC with its interval over scans."""
    rng = np.random.default_rng(0)

    def auc(p: np.ndarray, n: np.ndarray) -> float:
        return float(np.mean((p[:, None] > n).astype(float) + 0.5 * (p[:, None] == n)))

    drawn = [auc(rng.choice(positive, positive.size), rng.choice(none, none.size)) for _ in range(500)]
    low, high = np.quantile(drawn, (0.025, 0.975))
    told_name = f"AUC against {name}"
    print(f"{told_name:74} {auc(positive, none):7.3f} [{low:.3f}, {high:.3f}]  n={positive.size} against {none.size}")


def one_double(rows: dict[str, list[float]], case: TipCase, ghost) -> None:
    if not ghost.found:
        for way in ("", *WAYS):
            rows[f"all {way}"].append(1.0)
        return
    raw, depth = rms(case.image - case.surface), float(np.ptp(case.image))
    side = math.sqrt(case.pixel_nm[0] * case.pixel_nm[1])
    first = without_ghost(case.image, ghost)
    found = estimate_tip([case.image], case.pixel_nm, usable=[~first.hidden])
    shape = found.shape or SphereCone(radius_nm=0.1 * side)
    used = largest_tip_array(shape, case.pixel_nm, depth)
    done = correct(case.image, used, case.pixel_nm, ghosts=first)
    rows["ghosts alone"].append(rms(done.expected - case.surface) / raw)
    limits = tuple(largest_tip_array(SphereCone(radius_nm=r, half_angle_deg=found.half_angle_deg), case.pixel_nm, depth)
                   for r in found.interval_nm) if found.shape is not None else None  # fmt: skip
    for way, undo in ways().items():
        name = "" if way == "mean" else way
        if found.shape is None:
            undone = undo_unsure(case.image, case.pixel_nm, found, ghosts=first, undo=undo)
            u = undone.correction
        else:
            u = undo(case.image, used, case.pixel_nm, ghosts=first, limits=limits)
        inside = (case.surface >= u.lower) & (case.surface <= u.upper)
        rows[f"covered {name}"].append(float(inside[~u.certain].mean()))
        ratio = rms(u.expected - case.surface) / raw
        rows[f"ratio {name}"].append(ratio)
        rows[f"all {name}"].append(ratio)
        if found.shape is not None:
            rows[f"both {name}"].append(ratio)
        if way == "mean":
            done = u
    if found.shape is None:
        rows["likely radius"].append(abs(undone.blunt.likely_nm / case.radius_nm - 1))
    elif done.certain.any():
        rows["wrong"].append(float((np.abs(done.heights - case.surface) > 3 * done.sigma)[done.certain].mean()))
    rows["offset"].append(math.dist(ghost.offset_px, case.ghost_px))
    rows["bound"].append(rms(done.heights - case.surface) / raw)
    apex = largest_tip_array(case.shape.first, case.pixel_nm, depth)
    known = correct(case.image, apex, case.pixel_nm, noise=case.noise_nm, ghosts=first)
    rows["radius known"].append(rms(known.expected - case.surface) / raw)
    true = replace(ghost, offset_px=case.ghost_px, depth_nm=case.shape.others[0].drop_nm)
    split = without_ghost(case.image, true, case.noise_nm)
    known = correct(case.image, apex, case.pixel_nm, noise=case.noise_nm, ghosts=split)
    rows["possible"].append(rms(known.expected - case.surface) / raw)
    said = learned_correction(case.image, apex, case.pixel_nm, noise=case.noise_nm, ghosts=split, model=MODEL[0])
    rows["possible, learned"].append(rms(said.expected - case.surface) / raw)
    known = correct(case.image, case.tip(), case.pixel_nm, noise=case.noise_nm)
    rows["true bound"].append(rms(known.heights - case.surface) / raw)
    known = correct(case.image - case.added, apex, case.pixel_nm, noise=case.noise_nm)
    rows["no ghosts"].append(rms(known.expected - case.surface) / raw)


def repeating(box: str, count: int, first: int, size: int):
    """Gratings, lattices and pairs of real particles: what looks double and is not."""
    for k in range(count):
        rng = np.random.default_rng([first, k])
        kind = ("grating", "lattice", "pairs")[k % 3]
        if kind == "pairs":
            yield "gratings, lattices, pairs", pairs(rng, size), (1.0, 1.0)
            continue
        twin = draw(load_box(box), first + k, shape=(size, size), surface=kind, artifacts=())
        canvas = Canvas((size, size), twin.pixel_nm, (8, 8))
        z = canvas.scan_part(make_surface(twin.surface, canvas))
        noise = rng.uniform(0, 0.1) * min(1.0, float(z.std()))
        yield "gratings, lattices, pairs", z + noise * rng.standard_normal(z.shape), twin.pixel_nm


def pairs(rng: np.random.Generator, size: int) -> np.ndarray:
    y, x = np.mgrid[:size, :size]
    z = np.zeros((size, size))
    move = rng.uniform(8, 20, 2) * rng.choice([-1, 1], 2)
    for _ in range(rng.integers(8, 25)):
        at = rng.uniform(0, size, 2)
        for k in (0, 1):
            r, spot = rng.uniform(3, 6), at + k * (move + rng.normal(0, 1, 2))
            square = (y - spot[0]) ** 2 + (x - spot[1]) ** 2
            z = np.maximum(z, np.where(square < r * r, 2 * np.sqrt(np.maximum(r * r - square, 0)), 0))
    return z + 0.05 * rng.standard_normal(z.shape)


def pseudo_afm(path: Path) -> None:
    """Report only: frames of a protein by another project, lengths in its own unit, 10 of them per pixel."""
    from afmend.tip.regularized import fit_free_tip

    with np.load(path) as data:
        images, surfaces, true = (data[k].astype(float) for k in ("images", "surfaces", "tip"))
    chosen = images[::8]
    bound = np.min([tip_bound(z, (13, 13), noise_threshold_nm(noise_nm(z), z)) for z in chosen], axis=0)
    free = fit_free_tip(list(chosen), (13, 13))
    found = estimate_tip(list(chosen), (10.0, 10.0))
    row, col = np.unravel_index(int(true.argmax()), true.shape)
    truth = np.full((15, 15), -1e9)
    truth[7 - row : 7 - row + 14, 7 - col : 7 - col + 14] = true
    raw = rms(images - surfaces)
    near = truth[1:14, 1:14] > -60
    print(f"\nsingle_tip.npz: 192 frames, uncorrected error {raw:.2f}; parametric: {found.verdict}, {found.reason}")
    for name, tip in (
        ("true tip", truth),
        ("partial blind, lowest of 24 frames", bound),
        ("free tip, 24 frames", free.tip),
    ):
        after = rms(np.array([erode(z, tip) for z in images]) - surfaces)
        shape = rms((tip if tip.shape == near.shape else tip[1:14, 1:14])[near] - truth[1:14, 1:14][near])
        print(f"  {name:40} surfaces {after:6.2f} ({after / raw:.2f} of uncorrected), tip above -60: {shape:.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("box", nargs="?", default="train")
    parser.add_argument("count", nargs="?", type=int, default=4)
    parser.add_argument("first", nargs="?", type=int, default=9000)
    parser.add_argument("--size", type=int, default=192)
    parser.add_argument("--single", type=Path)
    parser.add_argument("--model", default="tip")
    parser.add_argument("--only", choices=("single", "double"))
    parser.add_argument("--no-alarms", action="store_true", help="Look at double tips only: no false alarms, no AUC.")
    given = parser.parse_args()
    MODEL[0] = given.model
    if given.only != "double":
        single(given.box, given.count, given.first, given.size)
    if given.only != "single":
        doubles(given.box, given.count, given.first, given.size, alarms=not given.no_alarms)
    if given.single:
        pseudo_afm(given.single)
