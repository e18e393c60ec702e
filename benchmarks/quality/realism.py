"""Compare twin scans with real ones: a contact sheet to look at, and a two-sample test with its AUC.

Run: python benchmarks/quality/realism.py FOLDER_OF_REAL_SCANS [--box train] [--count 200] [--seed 0] [--sheet out.png]
     [--skip NAME ...] [--size 256]

The test: logistic regression on the twenty features of `afmend.evaluation.realism`, cross-validated by file.
0.5 = cannot be told apart, 1 = always. The interval is a bootstrap over scans. One height channel counts per file.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from afmend.errors import AfmendError
from afmend.evaluation.metrics.gauge import without_background
from afmend.evaluation.realism import FEATURES, auc, features, fit_logistic, two_sample_scores
from afmend.formats import read_all
from afmend.pictures.maps import Size, paint, robust_range
from afmend.simulation.box import load_box
from afmend.simulation.drawing import draw
from afmend.simulation.twin import simulate


def real_scans(folder: Path, skip: list[str]):
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or any(word in str(path) for word in skip):
            continue
        try:
            channel = read_all(path)[0].channel()
        except AfmendError as error:
            print(f"left out: {path.name}: {error}")
            continue
        yield path.name, channel


def twin_scans(box_name: str, first: int, count: int, shape):
    box = load_box(box_name)
    for seed in range(first, first + count):
        scan = simulate(draw(box, seed, shape=shape))
        twin = scan.history[0].params
        yield f"{seed} {twin['surface']['kind']}: {','.join(twin['artifacts'])}", scan.channel("height/trace")


def described(scans):
    names, rows = [], []
    for name, channel in scans:
        try:
            rows.append(features(np.asarray(channel.values, float), ~channel.missing))
            names.append(name)
        except AfmendError as error:
            print(f"left out: {name}: {error}")
    return names, np.array(rows)


def tile(channel, n):
    z, valid = np.asarray(channel.values, float), ~channel.missing
    if valid.any():
        z = without_background(z, degree=1, usable=valid)
    scale = n / max(z.shape)
    size = Size(max(round(z.shape[1] * scale), 1), max(round(z.shape[0] * scale), 1), 1.0, "slow")
    return Image.fromarray(paint(z, size, robust_range(z, valid), valid=valid))


def contact_sheet(items, path, per=6, n=240):
    rows = -(-len(items) // per)
    sheet = Image.new("RGB", (per * (n + 4), rows * (n + 18)), "white")
    pen = ImageDraw.Draw(sheet)
    for k, (name, channel) in enumerate(items):
        x, y = (k % per) * (n + 4), (k // per) * (n + 18)
        sheet.paste(tile(channel, n), (x, y + 14))
        pen.text((x + 2, y + 1), name[:38], fill="black")
    sheet.save(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--box", default="train")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", type=int)
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--skip", nargs="*", default=["broken"])
    args = parser.parse_args()
    shape = None if args.size is None else (args.size, args.size)
    if args.sheet:
        contact_sheet(list(twin_scans(args.box, args.seed, 24, shape)), args.sheet)
    names, real = described(real_scans(args.folder, args.skip))
    _, twin = described(twin_scans(args.box, args.seed, args.count, shape))
    of_real, of_twin = two_sample_scores(real, twin, folds=10)
    rng = np.random.default_rng(0)
    drawn = [auc(rng.choice(of_real, of_real.size), rng.choice(of_twin, of_twin.size)) for _ in range(2000)]
    low, high = np.quantile(drawn, (0.025, 0.975))
    print(f"real scans {len(real)}, twin scans {len(twin)}")
    print(f"AUC {auc(of_real, of_twin):.3f} (95 % interval {low:.3f} to {high:.3f})")
    weights = fit_logistic(real, twin).weights[1:]
    print(f"{'feature':28s} {'AUC alone':>9s} {'weight':>7s} {'real median':>12s} {'twin median':>12s}")
    for k in np.argsort(-np.abs(weights)):
        alone = auc(real[:, k], twin[:, k])
        medians = f"{np.median(real[:, k]):12.3f} {np.median(twin[:, k]):12.3f}"
        print(f"{FEATURES[k]:28s} {alone:9.3f} {weights[k]:7.2f} {medians}")
    easiest = np.argsort(of_real)[:5]
    print("real scans most unlike the twin:", ", ".join(names[k] for k in easiest))


if __name__ == "__main__":
    main()
