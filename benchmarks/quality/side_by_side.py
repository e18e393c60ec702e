"""Mend scans with several recipes and draw them side by side, to be looked at:

    python benchmarks/quality/side_by_side.py FILES... --out sheet.png [--size 260] [--channel height/trace]

One line per scan: as read without its best plane, then one picture per recipe, all in the color range of the first
recipe; filled pixels are outlined. Printed beside: Sq of the measured pixels and the share that was filled. There is
no truth for a real scan: the numbers say what differs, only the eye says what is better.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from afmend.errors import AfmendError
from afmend.evaluation.metrics.gauge import without_background
from afmend.formats import read_all
from afmend.pictures.maps import INVENTED, fit, outlined, paint, robust_range
from afmend.recipes import repair
from afmend.scan import Channel, Scan

RECIPES = ("auto", "gwyddion", "topostats", "experts", "seed")
HEAD, GAP = 34, 8


def row_of(scan: Scan, channel: str | None, longest: int, title: str) -> Image.Image:
    key = scan.find(channel)
    raw = scan.channels[key]
    size = fit(raw.shape, scan.grid.pixel_nm, longest)
    results: list[tuple[str, Channel | None]] = []
    for name in RECIPES:
        try:
            results.append((name, repair(scan, name, channel).channels[key]))
        except AfmendError as error:
            print(f"{title}: {name}: {error}")
            results.append((name, None))
    first = next(result for _, result in results if result is not None)
    good = ~first.holes | first.invented
    low, high = (edge - np.median(first.values[good]) for edge in robust_range(first.values, good))
    known = ~raw.missing
    flat = raw.evolve(values=without_background(raw.values, usable=known, degree=1))
    row = Image.new("RGB", ((longest + GAP) * (len(results) + 1), HEAD + size.height + GAP), "white")
    pen = ImageDraw.Draw(row)
    for number, (name, channel_) in enumerate([("as read, plane removed", flat), *results]):
        left = number * (longest + GAP)
        if channel_ is None:
            pen.text((left, 2), f"{name}: refused", fill="black")
            continue
        valid = known if number == 0 else ~channel_.holes | channel_.invented
        z = channel_.values - np.median(channel_.values[valid])
        limits = robust_range(z, valid) if number == 0 else (low, high)
        picture = paint(z, size, limits, valid=valid)
        measured = valid & ~channel_.invented
        sq, filled = float(np.std(z[measured])), 100 * float(channel_.invented.mean())
        if number:
            picture = outlined(picture, channel_.invented, INVENTED)
            print(f"{title:32s} {name:10s} Sq {sq:9.4g} {channel_.unit}  filled {filled:6.2f} %")
        row.paste(Image.fromarray(picture), (left, HEAD))
        pen.text((left, 2), name if number else f"{title}: {name}", fill="black")
        pen.text((left, 17), f"Sq {sq:.4g} {channel_.unit}, filled {filled:.2f} %", fill="black")
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--size", type=int, default=260)
    parser.add_argument("--channel")
    parser.add_argument("--frames", type=int, default=1, help="How many images of each file")
    args = parser.parse_args()
    rows = []
    for path in args.files:
        for number, scan in enumerate(read_all(path)[: args.frames]):
            rows.append(row_of(scan, args.channel, args.size, path.name + (f" [{number}]" if number else "")))
    sheet = Image.new("RGB", (max(row.width for row in rows), sum(row.height for row in rows)), "white")
    top = 0
    for row in rows:
        sheet.paste(row, (0, top))
        top += row.height
    sheet.save(args.out)


if __name__ == "__main__":
    main()
