"""Fusion of trace and retrace on twin scans that parachute, and roughness on random fields: tables for the docs.

    python benchmarks/quality/fusion.py [box] [scans per surface] [first seed]
    python benchmarks/quality/fusion.py --roughness [--all] train [fields]

Error: RMS of the result against ``ideal/trace`` after taking away what leveling may take: the offset of each line and
x, x^2, x y, fitted where neither direction is wrong. Scans with less than 2 % parachuting pixels are left out: there is
nothing to fuse away. Ratios are to plain averaging, pixel by pixel. The true shift is that between the ideals of both
directions, which have neither noise nor tails. "Told" knows it, and where each direction is wrong (there it takes the
other, or the lower one where both are): what no method that only chooses and averages can beat by much.

Roughness: fields of 20 correlation lengths per line; with ``--all`` those of 50 and 10, too.
"""

from __future__ import annotations

import argparse
import math

import numpy as np
from scipy.optimize import minimize

from afmend.evaluation.roughness import quotable_roughness
from afmend.fusion.pair import fuse_pair
from afmend.fusion.registration import outside, shifted, shifted_mask
from afmend.leveling.moments import basis
from afmend.scan import Channel, Grid, Scan
from afmend.simulation import artifact_masks, draw, ideal_of, load_box, simulate

SURFACES = ("particles", "terraces", "grating", "mixed", "fibers", "cells")
SHAPE = (192, 256)
DRAWS = 2000


def rest(found: np.ndarray, truth: np.ndarray, bad: np.ndarray) -> np.ndarray:
    """What leveling cannot explain."""
    good = ~bad if np.mean(~bad) > 0.02 else np.ones(bad.shape, dtype=bool)
    u = np.linspace(-0.5, 0.5, found.shape[1])[None, :]
    v = np.linspace(-0.5, 0.5, found.shape[0])[:, None]
    count = np.maximum(good.sum(axis=1), 1)[:, None]

    def centered(z: np.ndarray) -> np.ndarray:
        return z - np.where(good, z, 0.0).sum(axis=1, keepdims=True) / count

    terms = [np.broadcast_to(t, found.shape) for t in (u, u * u, u * v)]
    away = found - truth
    answer = np.linalg.lstsq(np.stack([centered(t)[good] for t in terms], axis=1), centered(away)[good], rcond=None)[0]
    away = away - sum(a * t for a, t in zip(answer, terms, strict=True))
    offset = np.where(good, away, 0.0).sum(axis=1) / count[:, 0]
    few = good.sum(axis=1) < 5
    offset[few] = np.median(away[few], axis=1)
    return away - offset[:, None]


def true_shift(ideal: np.ndarray, back: np.ndarray) -> np.ndarray:
    """Shift between two directions without noise and tails, by least squares, (cols,)."""
    forms = basis(ideal.shape[1], 2)
    inside = slice(ideal.shape[1] // 14, -(ideal.shape[1] // 14))
    first, second = ideal[::4], back[::4]

    def misfit(shift: np.ndarray) -> float:
        away = (first - shifted(second, shift @ forms))[:, inside]
        return rms(away - away.mean(axis=1, keepdims=True))

    starts = [np.array([c, 0.0, -share * c]) for c in np.arange(-16.0, 17.0) for share in (0.0, 1 / 3, 2 / 3)]
    start = min(starts, key=misfit)
    corners = start + np.vstack([np.zeros(3), np.diag([0.5, 0.3, 0.5])])
    end = minimize(misfit, start, method="Nelder-Mead", options={"initial_simplex": corners, "xatol": 0.005}).x
    return end @ forms


def told(trace: np.ndarray, retrace: np.ndarray, wrong: list[np.ndarray], shift: np.ndarray) -> np.ndarray:
    """Fuse with the true shift and the true masks."""
    moved = shifted(retrace, shift)
    wrong = [wrong[0], shifted_mask(wrong[1], shift) | outside(shift)]
    right = ~(wrong[0] | wrong[1])
    usual = np.median((trace - moved)[right]) if right.any() else 0.0
    offset = np.array([np.mean(a[r]) if r.sum() > 5 else usual for a, r in zip(trace - moved, right, strict=True)])
    one, two = trace - 0.5 * offset[:, None], moved + 0.5 * offset[:, None]
    chosen = np.where(wrong[0] & ~wrong[1], two, np.where(wrong[1] & ~wrong[0], one, np.minimum(one, two)))
    return np.where(right, 0.5 * (one + two), chosen)


def rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def one(box: str, surface: str, seed: int) -> dict[str, float] | None:
    twin = draw(load_box(box), seed, shape=SHAPE, surface=surface, artifacts=["parachute"])
    scan = simulate(twin)
    trace, retrace = (np.array(scan.channel(f"height/{way}").values) for way in ("trace", "retrace"))
    ideal, back = (np.array(ideal_of(scan, way).values) for way in ("trace", "retrace"))
    none = np.zeros(SHAPE, dtype=bool)
    wrong = [artifact_masks(scan, way).get("parachute", none) for way in ("trace", "retrace")]
    bad = wrong[0] | wrong[1]
    if bad.mean() < 0.02:
        return None
    shift = true_shift(ideal, back)
    fused = fuse_pair(trace, retrace)
    moved = shifted(retrace, fused.shift.shift_px)
    offset = np.median(trace - moved, axis=1, keepdims=True)
    results = {
        "trace alone": trace,
        "mean": 0.5 * (trace + retrace),
        "registered mean": 0.5 * (trace + moved),
        "minimum": np.minimum(trace - offset / 2, moved + offset / 2),
        "fused": fused.heights,
        "told": told(trace, retrace, wrong, shift),
    }
    errors = {name: rest(z, ideal, bad) for name, z in results.items()}
    plain = rms(errors["mean"])
    kept = ~fused.both_wrong
    out = {name: rms(e) / plain for name, e in errors.items()}
    return {
        **out, "fused, marks apart": rms(errors["fused"][kept]) / plain, "wrong": float(bad.mean()),
        "in 2 sigma": float(np.mean(np.abs(errors["fused"]) < 2 * fused.sigma)),
        "off": rms(fused.shift.shift_px - shift), "claimed": rms(fused.shift.error_px),
    }  # fmt: skip


def interval(values: list[float]) -> str:
    logs = np.log(values)
    picks = np.random.default_rng(0).integers(0, logs.size, (DRAWS, logs.size))
    low, high = np.quantile(np.exp(logs[picks].mean(axis=1)), (0.025, 0.975))
    return f"{math.exp(float(logs.mean())):.3f} [{low:.3f}, {high:.3f}]"


def fusion(box: str, count: int, first: int) -> None:
    found: list[tuple[str, int, dict[str, float]]] = []
    for surface in SURFACES:
        for seed in range(first, first + count):
            result = one(box, surface, seed)
            if result is not None:
                found.append((surface, seed, result))
    names = ("trace alone", "registered mean", "minimum", "fused", "fused, marks apart", "told")
    print(
        f"box {box}, seeds {first} to {first + count - 1}, {SHAPE}; geometric mean of paired ratios to plain averaging"
    )
    print("| surface | scans | " + " | ".join(names) + " |")
    print("|" + "---|" * (len(names) + 2))
    for surface in (*SURFACES, "all"):
        rows = [r for s, _, r in found if surface in (s, "all")]
        if rows:
            cells = [interval([r[name] for r in rows]) for name in names]
            print(f"| {surface} | {len(rows)} | " + " | ".join(cells) + " |")
    ratios = np.array([r["fused"] for _, _, r in found])
    against = [r["fused"] / min(r["minimum"], r["registered mean"]) for _, _, r in found]
    print(f"median {np.median(ratios):.3f}; against the better of minimum and registered mean: {interval(against)}")
    print(f"pixels within 2 sigma: median {np.median([r['in 2 sigma'] for _, _, r in found]):.3f}")
    light = [r["fused"] for _, _, r in found if r["wrong"] < 0.5]
    print(f"scans with less than half of the pixels wrong: {interval(light)} ({len(light)})")
    off = [r["off"] for _, _, r in found]
    print(f"shift off by (rms along the line): median {np.median(off):.2f} px, worst {max(off):.2f} px")
    print("lost against plain averaging:")
    for surface, seed, r in found:
        if r["fused"] > 1:
            print(f"  {surface} {seed}: {r['fused']:.2f} (minimum {r['minimum']:.2f}), wrong pixels {r['wrong']:.2f}, "
                  f"shift off by {r['off']:.2f} px (says {r['claimed']:.2f})")  # fmt: skip


def field(shape: tuple[int, int], length_px: float, exponent: float, rng: np.random.Generator) -> np.ndarray:
    n = [2 * s for s in shape]
    y, x = (np.minimum(np.arange(s), s - np.arange(s)) for s in n)
    covariance = np.exp(-((np.hypot(1.5 * y[:, None], x[None, :]) / length_px) ** exponent))
    power = np.maximum(np.fft.fft2(covariance).real, 0.0)
    return np.fft.ifft2(np.fft.fft2(rng.standard_normal(n)) * np.sqrt(power)).real[: shape[0], : shape[1]]


def roughness(count: int, ratios: tuple[int, ...]) -> None:
    print("| autocorrelation | L / T | lines, image | raw Sq | corrected Sq | T / true | 95 % interval covers |")
    print("|---|---|---|---|---|---|---|")
    for name, exponent in (("Gaussian", 2.0), ("exponential", 1.0)):
        for lengths in ratios:
            for line_degree, degree in ((None, 2), (0, 1), (1, 1), (2, 2)):
                rng = np.random.default_rng(7)
                rows = []
                for _ in range(count):
                    z = field((200, 300), 300 / lengths, exponent, rng)
                    scan = Scan.of(Grid(200, 300, 3.0, 2.0), [Channel("height", "trace", z, "nm")])
                    q = quotable_roughness(scan, line_degree=line_degree, degree=degree)
                    hit = q.Sq_interval[0] < 1 < q.Sq_interval[1]
                    rows.append((q.Sq_raw**2, q.Sq**2, q.correlation_nm * lengths / 600, hit))
                table = np.array(rows, dtype=float)
                means = np.sqrt(table[:, :2].mean(axis=0))
                error = table[:, 1].std() / math.sqrt(count) / (2 * means[1])
                print(
                    f"| {name} | {lengths} | {line_degree}, {degree} | {means[0]:.3f} | {means[1]:.3f}"
                    f" ± {1.96 * error:.3f} | {np.median(table[:, 2]):.2f} | {table[:, 3].mean():.2f} |",
                    flush=True,
                )  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("box", nargs="?", default="train")
    parser.add_argument("count", nargs="?", type=int, default=12, help="scans per surface, or random fields")
    parser.add_argument("first", nargs="?", type=int, default=1000, help="first seed")
    parser.add_argument("--roughness", action="store_true", help="roughness of random fields instead of fusion")
    parser.add_argument("--all", action="store_true", help="with --roughness: 50, 20 and 10 correlation lengths")
    args = parser.parse_args()
    if args.roughness:
        roughness(args.count, (50, 20, 10) if args.all else (20,))
    else:
        fusion(args.box, args.count, args.first)
