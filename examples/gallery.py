"""Draw the gallery: one picture per artifact of the twin, and what the artifact does to Sq and to a step height.

Run: python examples/gallery.py [--out examples/gallery] [--size 256] [--only scar]

Every picture shows one scan three times: without the artifact, with it, and the mask of what is wrong. The two scans
have the same surface, tip and noise. Sq and the step height are those of the recorded trace after the plane that both
scans share is removed; pixels never recorded do not count. Nothing is leveled or repaired.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from afmend.evaluation.metrics.gauge import gauge_aligned
from afmend.evaluation.metrics.metrology import step_height_in
from afmend.pictures.maps import Size, kind_colors, paint, robust_range, tint
from afmend.scan import Scan
from afmend.simulation import draw, ideal_of, load_box, simulate
from afmend.simulation.box import Box

PIXEL_NM = 3.0
STEP_NM = 14.0
SAID = {
    "slow_loop": "The integral gain is too low for the line rate: slopes lag, edges smear in scan direction.",
    "parachute": "Behind steep edges the tip flies free and lands late: straight tails in scan direction.",
    "ringing": "The gain is too high for the cantilever's response: damped waves behind every edge.",
    "chatter": "In patches the loop oscillates by itself.",
    "lost_tracking": "In patches the loop hardly moves: the surface is not followed.",
    "out_of_range": "The z piezo reaches the end of its range: plateaux without noise.",
    "blunt_tip": "A large apex: hills grow, holes shrink, every slope is the tip's.",
    "double_tip": "Two apices: each feature appears twice, the same distance apart everywhere.",
    "contaminated_tip": "Dirt beside the apex: every hill shows the same lumps.",
    "tip_change": "From one line on another apex of another length.",
    "dragging": "Particles are pushed away while they are scanned: cut off at a line.",
    "hum": "Mains hum in true time: slanting waves.",
    "line_noise": "Strong 1/f noise: lines lie at different heights.",
    "drift": "Thermal drift and creep: the image is sheared and bent.",
    "scar": "The tip jumps for a short stretch of a line.",
    "scar_train": "Several scars in one line.",
    "streak": "A long faint stretch of a line lies off.",
    "line_jump": "From one pixel on, everything lies higher or lower.",
    "line_offset": "Bands of lines lie higher or lower.",
    "telegraph": "The height switches between two values, line by line.",
    "bad_lines": "Neighboring lines have another shape.",
    "burst": "A vibration for some lines.",
    "stuck_line": "A line is repeated, or holds one value.",
    "missing_line": "Lines were not recorded.",
    "spike": "Single pixels far off.",
    "dropout": "Short runs at the lowest or highest value.",
    "saturation": "The converter clips.",
    "unfinished": "The scan was stopped.",
    "line_flattened": "The instrument subtracted a polynomial from every line before it saved.",
    "plane_leveled": "The instrument subtracted a plane before it saved.",
    "quantized": "Saved with few bits.",
    "line_shift": "Lines are displaced along the fast axis.",
    "fringes": "Laser interference: bands across the image.",
}


def box_of(name: str) -> Box:
    """Return the box that knows the artifact, with one sample, a fixed tilt and little noise."""
    box = load_box("shifted" if name in ("line_shift", "fringes") else "train")
    grating = {"kind": "grating", "pitch_nm": {"expr": "2.2 * cols * pixel"}, "depth_nm": STEP_NM, "angle_deg": 25.0,
               "wall_deg": 70.0, "edge_nm": 3.0, "phase": [0.15, 0.0]}  # fmt: skip
    grains = {"kind": "particles", "radius_nm": 9.0, "coverage": 0.04, "sigma": 0.15, "ground_sq_nm": 0.4, "seed": 4}
    sample = {"let": {"pixel": PIXEL_NM}, "params": {"parts": [grating, grains]}}
    base = {
        **box.base,
        "let": {**box.base["let"], "noise": 0.12},
        "tip": {"kind": "sphere_cone", "radius_nm": 6.0},
        "scanner": {"tilt_slow_nm": 6.0, "tilt_fast_nm": 9.0, "hysteresis": 0.004},
        "electronics": {"white_nm": "white", "flicker_nm": 0.25, "seed": 1},
    }
    return replace(box, let={"aspect": 1}, surfaces={"mixed": sample}, base=base)


def pair_of(name: str, size: int) -> list[Scan]:
    """Return the scan without and with the artifact, on the same sample: two levels with particles.

    Of a dozen seeds, the one whose damage is clearest without hiding the sample: nearest to an rms of 2 nm.
    """
    box = box_of(name)
    pairs = [
        [simulate(draw(box, seed, shape=(size, size), artifacts=chosen)) for chosen in ([], [name])]
        for seed in range(12)
    ]
    return min(pairs, key=lambda pair: abs(np.log(damage_of(*pair) / 2.0)))


def damage_of(without: Scan, with_it: Scan) -> float:
    channel = with_it.channel("height/trace")
    difference = channel.values - without.channel("height/trace").values
    lost = 14.0 * channel.missing.mean()
    return max(float(np.std(difference[~channel.missing])), lost, 1e-6)


def numbers_of(scan, like):
    """Return (Sq, step height) of the trace in nm, in the gauge of the ideal of the scan without the artifact."""
    channel = scan.channel("height/trace")
    known = ~channel.missing
    ideal = ideal_of(like).values
    z = gauge_aligned(channel.values, ideal, degree=1, usable=known)
    low = np.median(ideal[ideal < np.quantile(ideal, 0.3)])
    lower, upper = np.abs(ideal - low) < 1.5, np.abs(ideal - low - STEP_NM) < 1.5
    return float(z[known].std()), step_height_in(z, upper & known, lower & known), z


def picture(name: str, size: int) -> tuple[Image.Image, dict]:
    without, with_it = pair_of(name, size)
    sq0, step0, z0 = numbers_of(without, without)
    sq1, step1, z1 = numbers_of(with_it, without)
    masks = dict(ideal_of(with_it).masks.artifact)
    for kind in ("lag", "ringing"):
        if name not in ("slow_loop", "ringing", "parachute"):
            masks.pop(kind, None)
    known = ~with_it.channel("height/trace").missing
    limits = robust_range(z0)
    shown = Size(size, size, 1.0, "slow")
    maps = [paint(z0, shown, limits), paint(z1, shown, limits, valid=known)]
    marked = paint(z1, shown, limits, valid=known, cmap="gray")
    colors = kind_colors(sorted(masks))
    for kind, mask in sorted(masks.items()):
        marked = tint(marked, mask, colors[kind])
    gap, head = 8, 22
    sheet = Image.new("RGB", (3 * size + 2 * gap, size + head), "white")
    pen = ImageDraw.Draw(sheet)
    share = 100 * float(np.mean(np.logical_or.reduce(list(masks.values())))) if masks else 0.0
    lost = 100 * float(np.mean(~known))
    said = f"marked: {share:.2g} %" if masks else "no mask: it is everywhere"
    titles = ("without", name, f"never recorded: {lost:.2g} %" if lost else said)
    for k, (title, one) in enumerate(zip(titles, [*maps, marked], strict=True)):
        sheet.paste(Image.fromarray(one), (k * (size + gap), head))
        pen.text((k * (size + gap), 5), title, fill="black")
    facts = {"artifact": name, "Sq": [sq0, sq1], "step": [step0, step1], "kinds": sorted(masks)}
    return sheet, facts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "gallery")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--only")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    lines = [
        "# Gallery: what artifacts look like, and what they do to numbers",
        "",
        "Made by `python examples/gallery.py`; the sample is simulated, its step is 14 nm high. Left: without the",
        "artifact. Middle: with it, same colors. Right: which pixels are wrong. Sq and step height: of the trace",
        "without any mending, but for its plane.",
        "",
        "| artifact | what happens | Sq, nm | step height, nm | picture |",
        "|---|---|---|---|---|",
    ]
    for name, said in SAID.items():
        if args.only in (None, name):
            sheet, facts = picture(name, args.size)
            sheet.save(args.out / f"{name}.jpg", quality=85, optimize=True)
            (a, b), (c, d) = facts["Sq"], facts["step"]
            lines.append(
                f"| `{name}` | {said} | {a:.2f} → {b:.2f} | {c:.2f} → {d:.2f} | ![{name}]({args.out.name}/{name}.jpg) |"
            )
            print(lines[-1])
    if args.only is None:
        (args.out.parent / "README.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
